### What each cause means and what to do about it, in Japanese.

-step-find =
    ご家庭でインターネットを使っている機器を探してください。
    カメラ、録画機、テレビにつなぐ箱型の機器、ルーター、ネットワークディスク、スマートプラグなどです。
-step-close-router =
    ルーターの開いている入口を閉じてください。
    ルーターのシールに書かれたアドレスをブラウザーに入力し、ログインします。ご自分で設定した覚えのない、または必要のない「ポート開放」「ポート転送」をすべて消し、「UPnP」と「リモート管理」を切ってください。難しいときはお電話ください。
-step-power =
    機器の電源を切って、入れ直してください。
    電源プラグを抜き、1分待ってから差し直します。これで、悪いプログラムはひとまず消えます。
-step-password =
    そのあとすぐに、機器のパスワードを変えてください。
    ほかで使っていない長いものにしてください。電源を入れ直すだけでは足りません。前のパスワードのままだと、数分でまた乗っ取られます。
-step-new-password =
    機器のパスワードを変えてください。
    ほかで使っていない長いものにしてください。
-step-restart = 機器の電源を切り、1分待ってから入れ直してください。
-step-update =
    機器を最新の状態に更新してください。
    ほとんどの機器では、設定の「更新」「ファームウェア」「システム」の中にあります。
-step-remote-off =
    外からの操作が要らなければ、機器の設定で切ってください。
    「Telnet」「リモートアクセス」「クラウド」「P2P」などの言葉を探してください。
-step-retire =
    更新がない、またはパスワードを変えられない機器ですか？
    その場合は電源プラグを抜き、インターネットでは使わないでください。
-step-button =
    下のボタンを押してください。
    すぐに回線を確認します。
shared-call-us-about-router =
    ルーターは{ $provider }のものですか？お電話ください。
    ご自分で初期化しないでください。ご一緒に進めます。
-step-scan-pc =
    すべてのパソコンで、ウイルスのスキャンをしてください。
    Windowsには最初から入っています。作業中のものを保存してから、「Windows セキュリティ」「ウイルスと脅威の防止」「スキャンのオプション」「Microsoft Defender ウイルス対策 (オフライン スキャン)」の順に開いてください。パソコンが再起動し、15分ほどスキャンします。
-step-change-accounts =
    機器がきれいになったら、大切なパスワードを変えてください。メール、銀行、そのほかの順です。
    この作業は、信頼できる機器でしてください。

cause-mirai-title = 機器が悪いプログラムに乗っ取られています
cause-mirai-means = お客様の機器の一つで、Mirai（ミライ）という種類の悪いプログラムが動いています。カメラ、録画機、テレビにつなぐ箱型の機器、ルーターであることが多いです。知らない人が、それを使ってほかの人を攻撃しています。お客様は何も気づかないかもしれません。パスワードが簡単だったか、知られていたか、またはインターネットからだれでもつながる状態だったため、入り込まれました。
cause-mirai-step-1 = { -step-find }
cause-mirai-step-2 = { -step-close-router }
cause-mirai-step-3 = { -step-power }
cause-mirai-step-4 = { -step-password }
cause-mirai-step-5 = { -step-update }
cause-mirai-step-6 = { -step-remote-off }
cause-mirai-step-7 = { -step-retire }
cause-mirai-step-8 = { -step-button }
cause-mirai-note = 古いパスワードのままだと、数分でまた乗っ取られることがあります。手順は続けて全部進めてください。どの機器か分からないときは、すべての機器で手順を行ってください。

cause-open-telnet-title = 機器が外から操作できる状態です
cause-open-telnet-means = お客様の機器の一つが、インターネット全体に遠隔操作の入口を開いています。Telnetという、古くて安全でない方法です。知らない人や悪いプログラムが、昼も夜もパスワードを試しています。
cause-open-telnet-step-1 = { -step-find }
cause-open-telnet-step-2 =
    機器の設定で「Telnet」を切ってください。
    遠隔操作が必要なら、長いパスワードをつけた「SSH」を、ご家庭の中だけで使ってください。
cause-open-telnet-step-3 = { -step-close-router }
cause-open-telnet-step-4 = { -step-new-password }
cause-open-telnet-step-5 = { -step-update }
cause-open-telnet-step-6 = { -step-restart }
cause-open-telnet-step-7 = { -step-retire }
cause-open-telnet-step-8 = { -step-button }

cause-open-dns-resolver-title = 機器が知らない人に応答し、悪用されるおそれがあります
cause-open-dns-resolver-means = お客様の回線の機器（多くはルーター）が、インターネット全体からの「名前の問い合わせ」に答えています。攻撃する人は、こうした機器を使って、大量のデータをほかの人に送りつけます。ウイルスではありません。設定が一つ間違っているだけです。
cause-open-dns-resolver-step-1 =
    どの機器かを調べてください。
    多くはルーターです。「DNSサーバー」が入ったパソコンやネットワークディスクのこともあります。
cause-open-dns-resolver-step-2 = { shared-call-us-about-router }
cause-open-dns-resolver-step-3 =
    ご自分のルーターですか？このサービスを閉じてください。
    設定を開き、インターネット側（「WAN」と書かれていることが多いです）の「DNS」や「リモート管理」を切ってください。
cause-open-dns-resolver-step-4 =
    ご自分でDNSサーバーを設定しましたか？
    ご家庭の中からの問い合わせにだけ答えるようにしてください。
cause-open-dns-resolver-step-5 = 53番へのポート転送を消してください。
cause-open-dns-resolver-step-6 = { -step-update }
cause-open-dns-resolver-step-7 = { -step-button }

cause-open-ssdp-title = 機器が知らない人に応答し、悪用されるおそれがあります
cause-open-ssdp-means = お客様の回線の機器が、インターネット全体に自分を知らせています。SSDPまたはUPnPという、ご家庭の中だけで使うサービスです。攻撃する人は、こうした機器を使って、大量のデータをほかの人に送りつけます。ウイルスではありません。設定が一つ間違っているだけです。
cause-open-ssdp-step-1 =
    どの機器かを調べてください。
    多くはルーターです。カメラ、テレビにつなぐ箱型の機器、プリンターのこともあります。
cause-open-ssdp-step-2 = { shared-call-us-about-router }
cause-open-ssdp-step-3 =
    ご自分のルーターの設定を開いてください。
    「UPnP」を切るか、ご家庭の中だけで使えるようにしてください。
cause-open-ssdp-step-4 =
    1900番へのポート転送を消してください。
    「DMZ」を切ってください。
cause-open-ssdp-step-5 = { -step-update }
cause-open-ssdp-step-6 = ルーターの電源を切り、1分待ってから入れ直してください。
cause-open-ssdp-step-7 = { -step-button }

cause-open-ntp-title = 機器が知らない人に時刻を教え、悪用されるおそれがあります
cause-open-ntp-means = お客様の回線の機器が、インターネット全体に時刻を教えています。必要以上のことにも答えています。攻撃する人は、こうした機器を使って、大量のデータをほかの人に送りつけます。ウイルスではありません。設定が一つ間違っているだけです。
cause-open-ntp-step-1 =
    どの機器かを調べてください。
    多くはルーター、カメラ、ネットワークディスク、小さなサーバーです。
cause-open-ntp-step-2 = { shared-call-us-about-router }
cause-open-ntp-step-3 =
    機器の設定で「NTPサーバー」や「時刻サーバー」を切ってください。
    機器が自分の時刻を合わせることは、そのままできます。
cause-open-ntp-step-4 =
    123番へのポート転送を消してください。
    「DMZ」を切ってください。
cause-open-ntp-step-5 = { -step-update }
cause-open-ntp-step-6 = { -step-button }

cause-open-snmp-title = 機器が知らない人に自分の情報を教え、悪用されるおそれがあります
cause-open-snmp-means = お客様の回線の機器に、インターネット上のだれでも質問でき、設定を変えられるかもしれません。SNMPというサービスです。その合い言葉は、だれでも知っている言葉のままです。攻撃する人は、こうした機器を使って、大量のデータをほかの人に送りつけることもあります。
cause-open-snmp-step-1 =
    どの機器かを調べてください。
    多くはルーター、プリンター、ネットワークディスク、カメラです。
cause-open-snmp-step-2 = { shared-call-us-about-router }
cause-open-snmp-step-3 =
    「SNMP」を切ってください。
    機器の設定の中にあります。
cause-open-snmp-step-4 =
    SNMPが必要ですか？
    「public」という言葉を長い秘密の言葉に変え、ご家庭の中だけで使えるようにしてください。
cause-open-snmp-step-5 =
    161番へのポート転送を消してください。
    「DMZ」を切ってください。
cause-open-snmp-step-6 = { -step-update }
cause-open-snmp-step-7 = { -step-button }

cause-open-adb-title = テレビにつなぐ機器やスマートフォンを、だれでも操作できる状態です
cause-open-adb-means = お客様の回線のAndroid機器を、だれでもパスワードなしで操作できます。多くはテレビにつなぐ箱型の機器です。ADBという試験用の機能が入ったままになっています。知らない人が、そこから悪いプログラムを入れられます。
cause-open-adb-step-1 = Android機器を探してください。テレビにつなぐ箱型の機器、テレビ、タブレット、スマートフォン、写真立てなどです。
cause-open-adb-step-2 = テレビにつなぐ機器のLANケーブルを抜くか、Wi-Fiを切ってください。
cause-open-adb-step-3 =
    試験用の機能を切ってください。
    機器の設定で「開発者向けオプション」を開きます。「ADBデバッグ」「USBデバッグ」「ネットワークデバッグ」を切ってください。
cause-open-adb-step-4 =
    機器を初期化してください。
    すでにだれかが入ったかもしれません。初期化すれば、残されたものが消えます。そのあと、デバッグが切れていることを確かめてください。
cause-open-adb-step-5 = { -step-close-router }
cause-open-adb-step-6 =
    電源を入れ直すと、デバッグがまた入りますか？
    安い機器の中には、安全にできないものがあります。そのような機器は、もう使わないでください。
cause-open-adb-step-7 =
    機器をつなぎ直し、最新の状態に更新してください。
    設定の「デバイス情報」か「システム」の中の「システム アップデート」を探します。
cause-open-adb-step-8 = { -step-button }

cause-vulnerable-router-title = ルーターに、知られている弱点があります
cause-vulnerable-router-counted = ルーターに知られている弱点がある
cause-vulnerable-router-means = お客様のルーター、または回線の入口にある機器のソフトウェアが古く、知られている穴があります。知らない人が、そこから入れます。まだだれも入っていないかもしれません。
cause-vulnerable-router-step-1 = { shared-call-us-about-router }
cause-vulnerable-router-step-2 =
    ご自分のルーターですか？最新の状態に更新してください。
    ルーターの設定の「ファームウェア更新」の中にあります。
cause-vulnerable-router-step-3 = 「リモート管理」や「インターネットからのアクセス」を切ってください。
cause-vulnerable-router-step-4 =
    ルーターのパスワードを変えてください。
    ほかで使っていない長いものにしてください。
cause-vulnerable-router-step-5 =
    ポート転送とDNSサーバーの一覧を見てください。
    ご自分で入れた覚えのないものを消してください。
cause-vulnerable-router-step-6 = ルーターの電源を切り、1分待ってから入れ直してください。
cause-vulnerable-router-step-7 =
    もう更新が出ていませんか？
    その場合は、ルーターの交換が必要です。どれが合うか、ご案内します。
cause-vulnerable-router-step-8 = { -step-button }

cause-infected-router-title = ルーターが悪いプログラムに乗っ取られています
cause-infected-router-counted = ルーターが悪いプログラムに乗っ取られている
cause-infected-router-means = お客様のルーターで、悪いプログラムが動いています。知らない人がそれを使って、ほかの人を攻撃したり、通る内容をのぞいたりできます。
cause-infected-router-step-1 = { shared-call-us-about-router }
cause-infected-router-step-2 =
    ご自分のルーターですか？まず、今の設定を書き留めてください。
    Wi-Fiの名前とパスワード、接続に必要な情報です。
cause-infected-router-step-3 =
    ルーターを初期化してください。
    リセットボタンを10秒押し続けます。ほとんどの悪いプログラムは、これで消えます。
cause-infected-router-step-4 =
    そのあとすぐに、ルーターに新しい長いパスワードをつけてください。
    電源を入れ直すだけでは足りません。前のパスワードのままだと、数分でまた乗っ取られます。
cause-infected-router-step-5 =
    最新の状態に更新してください。
    「ファームウェア更新」と書かれていることが多いです。
cause-infected-router-step-6 =
    「リモート管理」や「インターネットからのアクセス」を切ってください。
    Wi-Fiは手で設定し直してください。保存しておいた古い設定は読み込まないでください。
cause-infected-router-step-7 =
    もう更新が出ていませんか？
    その場合は、ルーターの交換が必要です。どれが合うか、ご案内します。
cause-infected-router-step-8 = { -step-button }

cause-infected-nas-title = ネットワークディスクが攻撃されました
cause-infected-nas-counted = ネットワークディスクが攻撃された
cause-infected-nas-means = お客様の回線のネットワークディスク（NAS）で、悪いプログラムが動いています。ファイルに鍵をかけて、お金を要求するものもあります。大切なファイルが危ないかもしれません。早めに手順を進めてください。
cause-infected-nas-step-1 =
    ネットワークディスクのLANケーブルを抜いてください。
    電源は、まだ入れたままにします。今まさにファイルに鍵がかかっていくのが見えたら、電源を切ってください。
cause-infected-nas-step-2 =
    すぐにお金を払わないでください。
    払っても、ファイルが戻らないことがよくあります。
cause-infected-nas-step-3 =
    鍵のかかったファイルがありますか？そのまま残してください。
    お金を要求する文面も残してください。消したり、名前を変えたり、初期化したりしないでください。文面を写真に撮ってください。
cause-infected-nas-step-4 =
    www.nomoreransom.org を開いてください。
    警察による無料のサービスです。ファイルの鍵が見つかっているかを調べられます。あとで見つかることもあります。
cause-infected-nas-step-5 =
    鍵のかかったものも含めて、ファイルをネットワークにつながないディスクにコピーしてください。
    USBディスクをつなぐか、Wi-Fiを切ったパソコン1台とケーブルで直接つなぎます。パソコンショップにも頼めます。以前に取った正常なバックアップには、上書きしないでください。
cause-infected-nas-step-6 =
    ルーターの設定を開いてください。
    ネットワークディスクへのポート転送を消し、「UPnP」を切ってください。
cause-infected-nas-step-7 =
    ネットワークディスクをつなぎ直してください。
    本体とすべてのアプリを最新の状態に更新します。そのあと、「Malware Remover」や「Antivirus」などのウイルス検査をしてください。
cause-infected-nas-step-8 =
    すべての利用者のパスワードを変えてください。
    知らない利用者は消してください。できれば「admin」という利用者を止めてください。電源を入れ直すだけでは足りません。
cause-infected-nas-step-9 = ネットワークディスクの、外からのアクセスを切ってください。
cause-infected-nas-step-10 = { -step-button }
cause-infected-nas-note = 警察に届け出ることもできます。犯人を見つける助けになります。これからは、大切なファイルのバックアップを、いつもつないでいるわけではないディスクに取っておいてください。

cause-infected-host-title = パソコンで悪いプログラムが動いています
cause-infected-host-means = お客様の回線のパソコン、スマートフォンなどが、犯罪者のサーバーと通信しています。悪いプログラムが動いていると考えられます。パスワードを盗んだり、ほかの人を攻撃したりするものです。
cause-infected-host-step-1 =
    ご家庭のパソコンをすべて探してください。
    来客の方やお子さまのものも忘れずに。
cause-infected-host-step-2 = { -step-scan-pc }
cause-infected-host-step-3 =
    見つかったものを取り除いてください。
    そのあとパソコンを再起動し、もう一度スキャンします。再起動だけでは足りません。
cause-infected-host-step-4 = 知らないプログラムや、ブラウザーの拡張機能を取り除いてください。
cause-infected-host-step-5 = Windows、macOS、スマートフォン、ブラウザーを、すべて最新の状態に更新してください。
cause-infected-host-step-6 = スマートフォンやテレビにつなぐ機器では、公式のストア以外から入れたアプリを消してください。
cause-infected-host-step-7 = { -step-change-accounts }
cause-infected-host-step-8 =
    何も見つからない、またはすぐ元に戻りますか？
    ファイルのバックアップを取り、パソコンを初期化してください。パソコンショップでも頼めます。
cause-infected-host-step-9 = { -step-button }

cause-open-http-admin-title = 機器の設定画面が、だれにでも見える状態です
cause-open-http-admin-means = ルーター、カメラ、録画機など、お客様の機器の設定画面が、インターネット全体に開いています。知らない人がパスワードを試したり、古いソフトウェアの穴を使ったりできます。
cause-open-http-admin-step-1 = { -step-find }
cause-open-http-admin-step-2 = { -step-close-router }
cause-open-http-admin-step-3 = 機器の「リモートアクセス」「インターネットからのアクセス」「リモート管理」を切ってください。
cause-open-http-admin-step-4 = { -step-new-password }
cause-open-http-admin-step-5 = { -step-update }
cause-open-http-admin-step-6 = { -step-button }
cause-open-http-admin-note = 外出先からカメラを見たいですか？ご家庭へのVPNをお使いください。多くのルーターで使えます。

cause-open-iot-title = スマート機器に、だれでもつながる状態です
cause-open-iot-means = カメラ、録画機、家電を操作する箱など、お客様のスマート機器が、インターネット全体に開いています。知らない人がのぞいたり、パスワードを試したり、勝手に動かしたりできます。
cause-open-iot-step-1 = { -step-find }
cause-open-iot-step-2 = { -step-close-router }
cause-open-iot-step-3 = { -step-remote-off }
cause-open-iot-step-4 = { -step-new-password }
cause-open-iot-step-5 = { -step-update }
cause-open-iot-step-6 = { -step-retire }
cause-open-iot-step-7 = { -step-button }

cause-open-reflector-title = 機器が知らない人に応答し、悪用されるおそれがあります
cause-open-reflector-means = お客様の回線の機器が、インターネット全体からの問い合わせに答えています。攻撃する人は、こうした機器を使って、大量のデータをほかの人に送りつけます。ウイルスではありません。設定が一つ間違っているだけです。
cause-open-reflector-step-1 = { -step-find }
cause-open-reflector-step-2 = { shared-call-us-about-router }
cause-open-reflector-step-3 = { -step-close-router }
cause-open-reflector-step-4 =
    ご自分でサーバーを設定しましたか？
    ご家庭の中からの問い合わせにだけ答えるようにしてください。
cause-open-reflector-step-5 = { -step-update }
cause-open-reflector-step-6 = { -step-button }

cause-open-proxy-title = 知らない人が、お客様の回線を通してインターネットを使える状態です
cause-open-proxy-counted = 知らない人が回線を通してインターネットを使える
cause-open-proxy-means = お客様の回線の機器かプログラムが、知らない人にお客様のインターネットを使わせています。その人のしたことが、お客様のしたことのように見えます。無料のアプリやテレビにつなぐ機器が、何も言わずにしていることもあります。
cause-open-proxy-step-1 =
    「回線を共有すると、お金がもらえる・映画が無料で見られる」というアプリや、無料のVPNアプリはありませんか？
    あれば消してください。
cause-open-proxy-step-2 = { -step-scan-pc }
cause-open-proxy-step-3 =
    ご自分でプロキシーやVPNのサーバーを設定しましたか？
    止めるか、ご自分だけが使えるようにしてください。
cause-open-proxy-step-4 = { -step-close-router }
cause-open-proxy-step-5 = { -step-update }
cause-open-proxy-step-6 = { -step-button }

cause-open-remote-desktop-title = パソコンが外から操作できる状態です
cause-open-remote-desktop-means = お客様の回線のパソコンが、画面をインターネット全体に開いています（リモートデスクトップ、VNC）。犯罪者が昼も夜もパスワードを試していて、入り込むとファイルに鍵をかけます。
cause-open-remote-desktop-step-1 =
    外から画面を使えるようにしたパソコンを探してください。
    だれかがお手伝いのために設定したのかもしれません。
cause-open-remote-desktop-step-2 =
    外からの操作を切ってください。
    Windowsでは「設定」「システム」「リモート デスクトップ」を「オフ」にします。VNCなどのプログラムも、要らなければ消してください。
cause-open-remote-desktop-step-3 = { -step-close-router }
cause-open-remote-desktop-step-4 = パソコンを使う人全員のパスワードを変えてください。
cause-open-remote-desktop-step-5 = { -step-scan-pc }
cause-open-remote-desktop-step-6 = すべて最新の状態に更新してください。
cause-open-remote-desktop-step-7 = { -step-button }

cause-open-file-sharing-title = ファイルが外から見える状態です
cause-open-file-sharing-counted = ファイルが外から見える
cause-open-file-sharing-means = お客様の回線のパソコンかネットワークディスクが、ファイルをインターネット全体に公開しています。知らない人が、読んだり、変えたり、鍵をかけたりできるかもしれません。
cause-open-file-sharing-step-1 =
    ファイルを共有している機器を探してください。
    多くはネットワークディスク、USBディスクをつないだルーター、パソコンです。
cause-open-file-sharing-step-2 = { -step-close-router }
cause-open-file-sharing-step-3 = 機器の設定で、ファイル共有（「SMB」「FTP」「AFP」「NFS」）をご家庭の中だけにしてください。
cause-open-file-sharing-step-4 =
    共有しているものすべてに、長いパスワードをつけてください。
    「ゲスト」の利用を切ってください。
cause-open-file-sharing-step-5 = { -step-update }
cause-open-file-sharing-step-6 = { -step-button }

cause-open-database-title = データの置き場所に、だれでもつながる状態です
cause-open-database-means = お客様の回線のサーバーかネットワークディスクのデータベースが、インターネット全体に開いています。知らない人が、中身を読んだり、変えたり、消したりできるかもしれません。
cause-open-database-step-1 =
    その機器を探してください。
    多くは小さなサーバー、ネットワークディスク、プログラムを作るためのパソコンです。
cause-open-database-step-2 =
    データベースが、その機器自身かご家庭の中にだけ答えるようにしてください。
    長いパスワードをつけてください。
cause-open-database-step-3 = { -step-close-router }
cause-open-database-step-4 = { -step-update }
cause-open-database-step-5 = データのバックアップを取り、何も変えられていないか確かめてください。
cause-open-database-step-6 = { -step-button }

cause-vulnerable-server-title = サーバーに、知られている弱点があります
cause-vulnerable-server-means = お客様の回線のサーバーかネットワークディスクのソフトウェアが古く、知られている穴があります。知らない人が、そこから入れます。まだだれも入っていないかもしれません。
cause-vulnerable-server-step-1 =
    その機器を探してください。
    多くは小さなサーバーかネットワークディスクです。
cause-vulnerable-server-step-2 = 本体と、入っているプログラムをすべて最新の状態に更新してください。
cause-vulnerable-server-step-3 = { -step-close-router }
cause-vulnerable-server-step-4 =
    知らない利用者、ファイル、プログラムがないか調べてください。
    見つかったら、機器を初めから設定し直してください。
cause-vulnerable-server-step-5 = { -step-button }

cause-compromised-server-title = サーバーが知らない人に乗っ取られました
cause-compromised-server-means = 知らない人が、お客様の回線のサーバーかネットワークディスクに、プログラムかページを置きました。ほかの人を攻撃したり、だましたりするためのものです。
cause-compromised-server-step-1 =
    機器のLANケーブルを抜いてください。
    電源は入れたままにします。
cause-compromised-server-step-2 = ご自分のデータのバックアップを、ネットワークにつながないディスクに取ってください。
cause-compromised-server-step-3 =
    最新のソフトウェアで、機器を初めから設定し直してください。
    悪いプログラムを消すだけでは、たいてい足りません。入口がほかにも残されているからです。
cause-compromised-server-step-4 =
    すべての利用者に、新しい長いパスワードをつけてください。
    知らない利用者は消してください。
cause-compromised-server-step-5 = { -step-close-router }
cause-compromised-server-step-6 =
    機器をつなぎ直し、すべて最新の状態に更新してください。
    電源を入れ直すだけでは足りません。
cause-compromised-server-step-7 = { -step-button }

cause-generic-title = お客様の回線の機器が悪用されています
cause-generic-means = インターネットを見張っている機関が、お客様の回線から、攻撃のような通信か、知らない人に開いている機器を見つけました。それ以上のことは分かりません。
cause-generic-step-1 = { -step-find }
cause-generic-step-2 = { -step-close-router }
cause-generic-step-3 = { -step-scan-pc }
cause-generic-step-4 =
    ほかの機器の電源を切り、1分待ってから入れ直してください。
    そのあとすぐにパスワードを変えてください。電源を入れ直すだけでは足りません。
cause-generic-step-5 = すべての機器を最新の状態に更新してください。
cause-generic-step-6 = { -step-remote-off }
cause-generic-step-7 = { -step-button }
