### 「わたしの回線は大丈夫？」のページ。 How to write: see the English file. です・ます, short sentences, everyday words.

check-title = 回線の安全確認 – { $provider }
check-link = お客様の回線について見つかったことを調べる
check-shared-link = ご自分のインターネット回線で見つかったことを、すぐに確かめられます。ログインも、インストールもいりません。

check-nothing-headline = お客様の回線に、問題は見つかっていません
check-nothing = お客様の回線についての報告はありません。
check-nothing-means = よい知らせです。攻撃を見張っている機関から、お客様の回線の機器についての知らせはありません。
check-nothing-proves-not = ただし、これは証明ではありません。乗っ取られた機器が、今は静かにしていることもあります。
check-late = 報告は、2日ほど遅れて届くことがあります。数日後に、もう一度ご覧ください。
check-recent-headline = お客様の回線に問題があります
check-recent = この24時間に、お客様の回線の機器について報告がありました。お客様が悪いわけではありません。下の手順で、ご自分で直すことができます。
check-recent-heading = この24時間
check-older-headline = 以前、お客様の回線に問題がありました
check-older = この24時間は、何も見つかっていません。しかし、その前に報告がありました。その後、直しましたか？分からないときは、下の手順を行ってください。
check-older-heading = それより前
check-seen-means = ご家庭の機器がこれを行っているか、ほかの人を中に入れています。こちらから見えるのは回線だけで、ご家庭の中は見えません。
check-open-headline = お客様の回線で、入口が開いています
check-open = お客様の回線についての報告は、まだありません。しかし、確認したところ、だれでも入れる入口が開いていました。お客様が悪いわけではありません。下の手順で、ご自分で閉じることができます。
check-held-headline = インターネットを一時的に止めています
check-held = 理由と、今していただきたいことは、お客様のページにあります。回線の確認も、そこからお申し込みいただけます。
check-home-link = お客様のページを開く
check-nobody-headline = お客様の回線が分かりません
check-nobody = 調べられるのは、今お使いの回線だけです。この回線は、こちらでは分かりません。ご自宅ですか？それなら、携帯電話の通信とVPNを切り、ご自宅のWi-Fiで、もう一度開いてください。
check-shared-headline = お客様の回線を、ほかの回線と見分けられません
check-shared = 今、いくつかのご家庭が、インターネット上の一つのアドレス（IPアドレス）を一緒に使っています。どれがお客様の回線か、はっきりしません。ほかの方のことかもしれないので、何も表示しません。お電話でお尋ねください。
check-busy-headline = 今は調べられません
check-busy = 一度に多くの方が使っています。1分後に、もう一度開いてください。
check-limited-headline = 表示できる回数の上限になりました
check-limited = { $clock }から、またご覧いただけます。

check-scan-heading = 外側から回線を確認する
check-scan-what = 悪いプログラムがまず試す入口を、外側からたたいてみます。どの入口が開いているかが分かります。最長で{ $minutes }ほどです。
check-scan-not = パスワードは試しません。お客様のデータも読みません。回線は何も変わりません。
check-scan-consent = これは自分の回線です（または、代わりに同意できます）。今すぐ確認してください。
check-scan-mail = 結果をメールでも { $address } に送る。これは、ご登録のアドレスです。
check-scan-button = 回線を確認する
check-scan-kept = 結果は、このページに1時間残します。同意をいただいたこと、その時刻、開いていた入口を記録します。
check-scan-later = お客様の回線は、何度か確認しました。{ $clock }から、また確認できます。
check-scan-limited-headline = お客様の回線は、確認したばかりです
check-scan-shared = お客様の回線は、インターネット上のアドレス（IPアドレス）を、ほかの方と一緒に使っています。そのため、外側からは確認できません。知らない人も、簡単には入れません。
check-no-consent = 確認は、同意をいただいたときだけ行います。先に、四角に印を付けてください。
check-found-heading = 外側からの確認
check-found-nothing = 開いている入口はありませんでした。
check-found-nothing-but = よい結果です。ただし、乗っ取られた機器がないという証明ではありません。悪いプログラムは、入ったあとで入口を閉めることがよくあります。
check-found-open = だれでも入れる入口が開いています。下の手順を行ってください。
check-found-unsure = 回線の様子が十分に分かりませんでした。
check-mark-open = 開いています：

check-means-heading = どういうことか

check-about-heading = 何を調べたか
check-about-sources = 攻撃や開いた入口を見張っている機関が、報告を送ってきます。その報告の中に、お客様の回線がないかを調べました。
check-about-yours = お客様がこの回線をお使いの間に見つかったことだけを表示します。その前のことは表示しません。
check-about-privacy = お客様がインターネットで何をしているかは見ません。
check-call = ご質問は、{ $provider }（{ $phone }）にお電話ください。

figures-title = わたしたちのネットワークの健康状態 – { $provider }
figures-link = ネットワーク全体の健康状態を見る
figures-headline = わたしたちのネットワークの健康状態
figures-lead = { $provider }の回線のうち、問題があったものと、きれいに直ったものの数です。数えているのは回線です。個人のことは何も分かりません。
figures-check-link = 自分の回線を調べる
figures-kinds-heading = この{ $days }日間に見つかったもの
figures-nothing = 何も見つかっていません。
figures-kind = 問題の種類
figures-lines = 回線数
figures-few = 5未満
figures-few-short = <5
figures-weeks-heading = 問題があった回線（週ごと）
figures-week-from = 週の初め
figures-week = { $month }/{ $day }

figures-cases-heading = この期間の対応
figures-opened = 問題をお知らせした、または調べた回数：{ $count }
figures-released = 一時的に止めた回線が、また使えるようになった回数：{ $count }
figures-until-clean = 解決が確認できた回線の半分は、{ $days }日以内にまた使えるようになりました。
figures-checks-heading = この{ $days }日間に、お申し込みで行った確認
figures-checks-clean = 開いている入口なし：{ $count }
figures-checks-open = 開いている入口あり：{ $count }
figures-checks-unsure = よく分からなかったもの：{ $count }
figures-checks-share = 確認のうち{ $percent }％では、開いている入口はありませんでした。
figures-how-heading = 数え方
figures-how-lines = 一つの回線は、問題の種類ごとに1回、週ごとに1回数えます。ほかの機関からの知らせで分かったものだけです。実際には、もっと多いかもしれません。
figures-how-few = 1から4までの数は、そのまま出しません。だれの回線かが分からないようにするためです。
figures-made = { $time }に数えました。
figures-data = 同じ内容のデータ（JSON）
figures-not-yet = 今、数えています。数分後に、もう一度ご覧ください。
