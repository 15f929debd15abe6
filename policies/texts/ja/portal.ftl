### Japanese texts of the portal. How to write: see the English file. です・ます, short sentences, everyday words.

day = { $year }年{ $month }月{ $day }日（{ $weekday ->
    [1] 月
    [2] 火
    [3] 水
    [4] 木
    [5] 金
    [6] 土
   *[7] 日
 }）
time = { $year }年{ $month }月{ $day }日（{ $weekday ->
    [1] 月
    [2] 火
    [3] 水
    [4] 木
    [5] 金
    [6] 土
   *[7] 日
 }）{ $clock }
when = { $in ->
    [0] 今日の{ $clock }ごろ
    [1] 明日、{ day }の{ $clock }ごろ
   *[other] { day }の{ $clock }ごろ
 }
minutes = { $count }分
hours = { $count }時間
days = { $count }日間

language-name = 日本語
languages-label = 言語

page-title = インターネットを一時的に止めています – { $provider }
headline = お客様を守るため、インターネットを一時的に止めています
why = お客様の回線につながっている機器に、対応が必要です。これ以上悪用されないように、インターネットを一時的に止めました。これは多くの方に起きていることです。お客様が悪いわけではありません。下の手順で、ご自分で直すことができます。
why-waiting = お客様の回線につながっている機器に、対応が必要でした。これ以上悪用されないように、インターネットを一時的に止めています。これは多くの方に起こることです。お客様が悪いわけではありません。
again = 前回インターネットを再開したあと、また問題が見つかりました。手順が一つ抜けていたか、ほかにも機器があるのかもしれません。今回は、すべての機器について、すべての手順を行ってください。お電話でもお手伝いします。
terms-link = この対応についての規約
genuine-link = このページは本当に{ $provider }のものですか？
call-link = 電話で相談する
case-label = 受付番号
since = { $time }から止めています。

status-heading = 今の状況
status-unchecked = お客様の作業をお待ちしています。下の手順を行ってから、ボタンを押してください。すぐに回線を確認します。
status-untold = お客様の作業をお待ちしています。下の手順を進めてから、ボタンを押してください。
status-told = ご連絡ありがとうございます。手順がすべて終わったとのこと、承りました。この問題は外側からは確認できません。
status-checking = 今、回線を確認しています。最長で{ $minutes }ほどかかります。
status-reloads = このページは開いたままで大丈夫です。自動で新しくなります。
status-checked-at = 直近の確認：{ $time }
status-clean = 直近の確認では、開いている入口はありませんでした。お疲れさまでした。
status-vulnerable = 直近の確認では、まだ問題が残っていました。
status-inconclusive = 直近の確認では、回線の様子が十分に分かりませんでした。

choices-heading = 今できること
choice-again = ルーターの電源が入っていることを確かめてください。2分待ってから、もう一度確認してください。
choice-wait = または、このままお待ちください。不審な通信がない状態がしばらく続いたら、こちらからもう一度確認します。
choice-call = または、{ $phone }にお電話ください。一緒に確かめます。

missing-rescan = その後、また同じ問題が見つかりました。もう一度手順を行ってから、ボタンを押してください。
missing-still-vulnerable = もう一度手順を行ってください。見つかったものを下に示します。お困りのときはお電話ください。お手伝いします。
missing-inconclusive = ルーターや機器の電源が切れていると、こうなることがあります。お客様が何かを間違えたという意味ではありません。
missing-silence = 念のため、不審な通信がない状態が十分に続くのを待っています。何もしなくて大丈夫です。
missing-feed-stalled = 攻撃を見張っている機関からの知らせが遅れています。念のため、その知らせを待っています。何もしなくて大丈夫です。1日たっても変わらないときは、お電話ください。
missing-feed-gap = 確認に必要な報告は届きましたが、まだ内容を確認できていません。担当者が調べています。何もしなくて大丈夫です。1日たっても変わらないときは、お電話ください。
missing-no-feed = この件では、問題が収まったかどうかを外から確かめることができません。手順がお済みになりましたら、お電話ください。一緒に確認します。
missing-wall-silence = 念のため、お客様の回線から有害な通信がしばらく出ていないことを確かめています。何もしなくて大丈夫です。明日もこの表示のままなら、お電話ください。
missing-alive = { $time }に、お客様の回線の機器からまた有害な通信がありましたが、こちらで止めました。ほかにも機器がありましたら、その機器でも手順を進めてください。お困りのときは、お電話ください。
missing-nothing = まもなく回線を再開します。

freed-at = それまでに何も見つからなければ、インターネットは{ $when }に元に戻ります。
freed-not-before = それまでに何も見つからなければ、インターネットが元に戻るのは早くても{ $when }です。再開には、その時刻までの報告も必要です。報告は数時間遅れて届くことがあります。
freed-with-report = 次の報告が届き、新しい問題がなければ、インターネットは元に戻ります。正確な時刻はお伝えできません。
freed-end = インターネットの一時停止は、{ $when }に自動で解除されます。
freed-unknown = いつ元に戻るかは、まだお伝えできません。分かりしだい、ここに表示します。
freed-if-clean = 問題がなければ、回線を再開します。{ $freed }

finding = { $probe }：{ $found }
finding-mark-clean = 問題なし：
finding-mark-vulnerable = まだ開いています：
finding-mark-inconclusive = 分かりません：
finding-probe = { $port }番の入口
finding-clean = 閉じていました。
finding-vulnerable = 開いていました。
finding-inconclusive = 確かめられませんでした。

probe-telnet = 古い方式の遠隔操作（Telnet、{ $port }番の入口）
probe-tcp-banner = { $port }番の入口のサービス
probe-http-admin = 機器の設定画面（{ $port }番の入口）
probe-open-dns = 名前を調べるサービス（DNS、{ $port }番の入口）
probe-ssdp = 機器を探すサービス（SSDP・UPnP、{ $port }番の入口）
probe-ntp-monlist = 時刻のサービス（NTP、{ $port }番の入口）
probe-snmp-public = 機器を管理するサービス（SNMP、{ $port }番の入口）
probe-adb = Android機器の遠隔操作（ADB、{ $port }番の入口）

found-login-prompt = インターネット上のだれでも、ここでログインを試せます。
found-shell-prompt = インターネット上のだれでも、パスワードなしでここから命令できます。
found-telnet-negotiation = 機器が応答し、遠隔操作を受け付けています。
found-connected = インターネット上のだれでも、この機器に接続できます。
found-accepted = インターネット上のだれでも、この機器に接続できます。
found-answered = 機器が、知らない人に応答しています。
found-login-form = 機器のログイン画面が、知らない人に見えています。
found-redirect-to-login = 機器のログイン画面が、知らない人に見えています。
found-http-auth = 機器のログインの入口が、知らない人に見えています。
found-admin-page = 機器の設定画面が、知らない人に見えています。
found-http-other-page = ウェブページが知らない人に見えますが、機器の設定画面ではありません。
found-http-redirect = 機器が応答しましたが、設定は見えません。
found-recursion = 機器が、知らない人の問い合わせに答えています。ほかの人への攻撃に悪用されるおそれがあります。
found-dns-refused = 機器は、知らない人の問い合わせを断っています。
found-dns-other-answer = 機器が応答しましたが、何かは分かりません。
found-ssdp-answer = 機器が、知らない人に応答しています。ほかの人への攻撃に悪用されるおそれがあります。
found-monlist = 機器が、知らない人に応答しています。ほかの人への攻撃に悪用されるおそれがあります。
found-readvar = 機器が、知らない人に応答しています。ほかの人への攻撃に悪用されるおそれがあります。
found-snmp-answer = 機器が、自分の情報を知らない人に教えています。
found-adb-open = 知らない人が、この機器を操作できます。
found-adb-asks-for-key = 機器が、インターネットの知らない人に応答しています。
found-refused = 入口は閉じています。
found-silent = 応答はありません。これが正しい状態です。
found-timeout = 応答がありませんでした。機器かルーターの電源が切れていたのかもしれません。
found-filtered = 途中で何かが確認をさえぎりました。
found-unreachable = 回線に届きませんでした。ルーターの電源が切れていたのかもしれません。
found-address-changed = 確認の途中で、回線のアドレスが変わりました。もう一度お試しください。
found-no-address = 回線がつながっていませんでした。ルーターの電源を入れて、もう一度お試しください。
found-no-control = こちらの試験がうまくいきませんでした。お客様のせいではありません。もう一度お試しください。
found-packet-limit = 時間が足りませんでした。もう一度お試しください。
found-out-of-time = 時間が足りませんでした。もう一度お試しください。
found-closed-without-answer = 応答はありましたが、すぐに切れました。
found-open-but-silent = つながりましたが、何も返ってきませんでした。
found-endless-answer = 応答が終わりませんでした。
found-other-service = 何かが応答しましたが、何かは分かりません。

seen-heading = 見つかったこと
seen-which = どの機器ですか？
seen-devices = 報告には、複数の機器が記載されています。原因はそのうちの一つの場合も、複数の場合もあります。一つずつ確かめてください：
seen-device = 報告によると、次の機器です：
seen-device-some = 報告の一つに、次の機器の名前があります：
seen-kind = まず、この種類の機器を探してください：{ $device }
seen-device-unknown = こちらから見えるのは回線だけで、ご家庭の中は見えません。そのため、どの機器かは分かりません。下の手順で探せます。
seen-once = { $first }に見つかりました。
seen-often = { $count }回見つかりました。最初は{ $first }、最後は{ $last }です。
means-heading = どういうことか

steps-heading = 今していただきたいこと
steps-intro = 急がなくて大丈夫です。上から順番に進めてください。時間のかかる手順もあります。
steps-kept = このページを閉じても、ルーターを再起動しても、終わった手順は残ります。
steps-again = 手順をもう一度見る
steps-for = 「{ $title }」について
steps-help = ここで開けない説明書や更新が必要ですか？スマートフォンのWi-Fiを切って、携帯電話の通信を使ってください。ご家庭のルーターや機器の設定は、今も開けます。
steps-sites = 説明書や更新のために、次のサイトはここから開けます：
steps-progress = { $steps }個の手順のうち、{ $done }個が終わりました。
steps-all-done = { $steps }個の手順がすべて終わりました。ボタンを押してください。
step-done = 終わりました
step-undo = まだ終わっていません（戻す）
button-fixed = 作業が終わりました。回線を確認する
button-fixed-hint = 確認は最長で{ $minutes }ほどです。問題がなくなったかを外側から調べます。お客様のデータは読みません。
button-fixed-again = 回線は先ほど確認しました。{ $clock }から、もう一度確認できます。
button-told = 手順がすべて終わりました
button-told-hint = その後、こちらで回線の様子を見守ります。このページを開いたままにする必要はありません。

trust-heading = 今すぐ再開する
trust-text = 待たずに、今すぐインターネットを再開することもできます。すべての手順が終わったときだけにしてください。その後も見守ります。問題がまた起きたときは、もう一度止めることがあります。
trust-left = { $days }日間に{ $left }回まで使えます。
trust-left-until = { $day }までに、あと{ $left }回使えます。
trust-used-up = ご自分での再開は、使える回数に達しました。今回は、こちらの確認のあと、不審な通信がない期間が続き、問題がないと分かるまでお待ちください。その後、回線は自動で再開します。お困りのときはお電話ください。
trust-again = { $day }以降、またご自分で再開できます。
button-trust = すべての手順が終わったので、再開する

next-heading = この後の流れ
next-check = ボタンを押すと、回線を確認します。最長で{ $minutes }ほどです。
next-clean = 問題がなければ、インターネットは自動で元に戻ります。
next-told = ボタンを押してください。その後、こちらで回線の様子を見守ります。
next-again = 問題が残っているときは、見つかったものをこのページに示します。何度でもやり直せます。
next-until = インターネットの停止は、遅くとも{ $day }に自動で終わります。延ばすことができるのは担当者だけです。

works-heading = 今も使えるもの
works-emergency = 緊急通報（{ $emergency }）：携帯電話（Wi-Fiではなく携帯電話回線）と、当社の固定電話からかけられます
works-phone = 固定電話での通話
works-wifi-calling = ご自宅のWi-Fiを使った携帯電話の通話（Wi-Fi通話）
works-television = { $provider }のテレビ
works-banking = 多くの銀行のウェブサイト
works-steps = 手順に必要なウェブサイト
works-sites = 次のサイトも開けます：

https-hint = ほかのサイトで警告が出たり、何も表示されなかったりしますか？それは正常です。ほとんどのサイトはしっかり鍵がかかっているので、そこにこのページを出すことはできません。いつでもここに戻れます。ブラウザーに { $portal } と入力してください。
private-dns = スマートフォンで { $portal } も何も開けませんか？ネットワークの設定で「プライベート DNS」を探し、「自動」を選んでください。VPN を使っているときは切ってください。インターネットが元に戻ったら、どちらも元の設定に戻せます。

genuine-heading = このページが本物かどうかを確かめる方法
genuine-contract = お客様番号の末尾は { $tail } です。請求書の番号と同じかどうか、ご確認ください。この番号は、お客様と当社だけが知っています。
genuine-address = ブラウザーの一番上を見てください。アドレスは { $portal } です。
genuine-site = 携帯電話の通信など、別の回線を使ってください。ご自分で { $site } と入力すると、このページについての説明があります。
genuine-phone-hint = または、お電話ください。番号はこのページからではなく、次のところで確かめてください：{ $hint }
genuine-phone = または、お電話ください。番号はこのページからではなく、当社からの手紙や請求書で確かめてください。
genuine-never = ここで、お金やパスワード、銀行の情報をお聞きすることはありません。このページから何かをインストールしていただく必要もありません。

call-heading = お手伝いします
call-text = { $provider }にお電話のうえ、受付番号{ $case }をお伝えください。
call-hours = 受付時間：{ $hours }

note-released = ありがとうございます。今、回線を再開しています。数秒かかります。
note-again = このページを開いたあとで、状況が変わりました。今は最新の状況を表示しています。ボタンがまだあれば、もう一度押せます。
note-press-again = 最後まで届きませんでした。もう一度ボタンを押してください。
note-not-now = 今はまだできません。「今の状況」をご覧ください。
note-too-soon = 回線は先ほど確認したところです。もう一度確認できる時刻は、ボタンの下に表示しています。
note-used-up = 使える回数に達しました。手順を行って回線の確認を受けるか、お電話ください。
note-unavailable = 今は受け付けられませんでした。何も失われていません。1分後に、もう一度ボタンを押してください。

warned-title = お客様の回線の機器に対応が必要です – { $provider }
warned-headline = お客様の回線の機器に対応が必要です
warned-text = お客様の回線につながっている機器が、悪用されているか、悪用されるおそれがあります。インターネットは今も使えます。お客様が悪いわけではありません。下の手順で、ご自分で直せます。
warned-over = 手順を行っていただく期限が過ぎました。問題がまた見つかったときは、インターネットを一時的に止めることがあります。今日のうちに手順を行うか、お電話ください。
warned-check = 手順がすべて終わったら、ボタンを押してください。問題がなくなったかを外側から確認します。
warned-unchecked = 下の手順を行ってから、ボタンを押してください。すぐに回線を確認します。
warned-clean = このままの状態にしておいてください。しばらく問題の報告がなければ、この警告は自動で終わります。お電話は必要ありません。
warned-next = 手順がすべて終わったら、お電話でお知らせください。
warned-which = どの機器か分からないときは、あてはまりそうな機器すべてで手順を行ってください。お電話でもお手伝いします。

free-title = お客様の回線は止まっていません – { $provider }
free-headline = お客様の回線は止まっていません
free-text = いつもどおりお使いいただけます。
free-retry = もう一度試す
free-restart = ほかのサイトを開いても、このページが出ますか？ルーターがまだここへの道を覚えています。ルーターの電源プラグを抜き、10秒待ってから差し直してください。そのあと、お使いの機器も再起動してください。
unknown-title = どの回線か確認できません – { $provider }
unknown-headline = どの回線か確認できません
unknown-text = いまお使いの回線がどなたのものか分かりません。そのため、お客様の回線が止まっているかどうかを、このページではお答えできません。
unknown-ipv4 = お使いの機器はIPv6で接続しています。代わりに次のアドレスを開いてください：
unknown-ipv6 = お使いの機器はIPv6で接続しています。お客様の回線は、IPv4アドレスでしか確認できないことがあります。
unknown-wifi = モバイルデータ通信、VPN、ゲスト用のネットワークをお使いですか？ご自宅のWi-Fiに切り替えて、このページをもう一度開いてください。
unknown-call = インターネットが使えませんか？{ $provider }（{ $phone }）にお電話ください。こちらでお調べします。
released-title = インターネットを再開しました – { $provider }
released-headline = インターネットを再開しました
released-text = インターネットがまた使えます。いつもどおりお使いいただけます。
released-watch-heading = これから気をつけること
released-passwords = 機器のパスワードは変えましたか？前のパスワードのままだと、数分でまた乗っ取られることがあります。
released-closed = 閉じたものは、閉じたままにしてください。ポート開放、UPnP、外からの操作などです。
released-again = しばらくの間、見守ります。問題がまた起きたときは、もう一度止めることがあります。そのときは、ここでお知らせします。
released-browser = まだこのページが出るサイトがありますか？ブラウザーを閉じて、1分待ってから開き直してください。それでも変わらないときは、ルーターを再起動してください。
free-released = ちょうど問題を直したところですか？ありがとうございます。まだこのページが出るサイトがあるときは、ブラウザーを閉じて、1分待ってから開き直してください。それでも変わらないときは、ルーターを再起動してください。
free-watch = 機器はいつも新しい状態に更新し、機器ごとに別のパスワードを使ってください。
free-call = まだお困りですか？{ $provider }（{ $phone }）にお電話ください。

plain-held = この回線は一時的に止まっています。ブラウザーで http://{ $portal }/ を開いてください。
plain-free = この回線は止まっていません。
plain-stale = お探しのサイトはここにはありません。この回線が止められていて、今はもう止まっていないときは、ルーターを再起動してください。ルーターがまだここへの道を覚えています。
plain-unknown = どの回線か確認できません。{ $provider }（{ $phone }）にお電話ください。
