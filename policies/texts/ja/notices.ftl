### Notices by e-mail, SMS and letter, in Japanese. How to write: see the English files.

notice-subject = 【{ $provider }】{ $title }（受付番号{ $case }）
notice-subject-plain = 【{ $provider }】{ $title }

notice-title-warning = お客様の回線の機器に対応が必要です
notice-title-quarantined = インターネットを一時的に止めています
notice-title-check-clean = 確認の結果、開いているものはありませんでした
notice-title-check-vulnerable = まだ問題が残っています
notice-title-check-inconclusive = 回線の様子が十分に分かりませんでした
notice-title-released-proven = インターネットを再開しました
notice-title-released-trust = インターネットを再開しました
notice-title-released-staff = インターネットを再開しました
notice-title-released-expired = インターネットを再開しました
notice-title-released-retracted = インターネットを再開しました
notice-title-relapse = お客様の回線で、また問題が見つかりました
notice-title-self-check-vulnerable = 確認の結果、開いている入口がありました
notice-title-test = 送信テストです

notice-lead-warning = お客様の回線につながっている機器に、対応が必要です。悪用されているか、悪用されるおそれがあります。インターネットは今も使えます。お早めに手順を行ってください。お客様が悪いわけではありません。
notice-lead-quarantined = お客様の回線につながっている機器が、これ以上悪用されないように、インターネットを一時的に止めました。お客様が悪いわけではありません。手順に沿って、ご自分で直すことができます。ご自宅で、ブラウザーに { $portal } と入力すると、手順が表示されます。
notice-lead-check-clean = ご依頼のとおり、回線を確認しました。開いているものはありませんでした。ありがとうございます。問題の種類によっては、数日お待ちいただきます。そのあと、インターネットは自動で元に戻ります。
notice-lead-check-vulnerable = ご依頼のとおり、回線を確認しました。まだ問題が残っています。もう一度、手順を行ってください。お困りのときは、お電話ください。
notice-lead-check-inconclusive = ご依頼のとおり、回線を確認しました。しかし、様子が十分に分かりませんでした。ルーターの電源は入っていますか？2分待ってから、もう一度確認をお申し込みください。お電話でもお手伝いします。
notice-lead-released-proven = ありがとうございました。回線の問題は解決し、インターネットがまた使えます。
notice-lead-released-trust = すべての手順が終わったとのこと、ありがとうございます。インターネットを再開しました。しばらくの間、見守ります。問題がまた起きたときは、もう一度止めることがあります。
notice-lead-released-staff = 担当者がインターネットを再開しました。いつもどおりお使いいただけます。
notice-lead-released-expired = 止めておける期間が終わり、インターネットを再開しました。問題はまだ残っているかもしれません。手順を行ってください。
notice-lead-released-retracted = インターネットを止めたのは、当社の誤りでした。申し訳ございません。インターネットはまた使えます。していただくことはありません。
notice-lead-relapse = お客様の回線で、また問題が見つかりました。手順が一つ抜けていたか、ほかにも機器があるのかもしれません。今回は、すべての機器について、すべての手順を行ってください。インターネットを一時的に止めることがあります。
notice-lead-self-check-clean = お客様の回線から、外側からの確認のお申し込みがありました。開いている入口はありませんでした。ただし、乗っ取られた機器がないという証明ではありません。悪いプログラムは、入ったあとで入口を閉めることがよくあります。
notice-lead-self-check-vulnerable = お客様の回線から、外側からの確認のお申し込みがありました。だれでも入れる入口が開いています。インターネットは今も使えます。早めに、下の手順を行ってください。
notice-lead-self-check-inconclusive = お客様の回線から、外側からの確認のお申し込みがありました。回線の様子が十分に分かりませんでした。ルーターの電源は入っていますか？ご自宅でページを開き、もう一度確認してください。
notice-lead-test = { $provider }からのお知らせの送信テストです。回線に問題はありません。していただくことはありません。

notice-greeting = いつもご利用いただき、ありがとうございます。
notice-warned-until = { $day }の前日までに手順を行ってください。{ $day }以降も問題が見つかったときは、インターネットを一時的に止めることがあります。
notice-held-until = インターネットの停止は、遅くとも{ $day }に自動で終わります。延ばすことができるのは担当者だけです。
notice-cause-heading = 見つかったこと
notice-steps-elsewhere = この手順は、お客様専用のページにもあります。ご自宅で、ブラウザーに { $portal } と入力してください。
notice-page = 手順と今の様子は、お客様専用のページにあります。ご自宅で、ブラウザーに { $portal } と入力してください。
notice-watch = 閉じたものは、閉じたままにしてください。新しいパスワードを使い続け、機器はいつも新しい状態に更新してください。

notice-genuine-heading = このメールが本物かどうかを確かめる方法
notice-genuine-link = 次のページで、当社がお知らせを送ったことを確かめられます。{ $day }まで見ることができます。
notice-genuine-site = ご自分で { $site } と入力してください。当社のお知らせについての説明があります。
notice-genuine-phone-hint = お電話ください。番号はこのメールからではなく、次のところで確かめてください：{ $hint }
notice-genuine-phone = お電話ください。番号はこのメールからではなく、当社からの手紙や請求書で確かめてください。
notice-genuine-never = お金やパスワード、銀行の情報をお聞きすることはありません。このメールに添付ファイルはありません。何かをインストールしていただく必要もありません。
notice-automatic = このメールは自動で送られています。ご返信は読むことができませんので、お電話ください。

link-title = このお知らせは本物です – { $provider }
link-headline = { $provider }からのお知らせです
link-sent = 受付番号{ $case }について、{ $time }にお知らせを送りました。
link-sent-plain = { $time }にお知らせを送りました。
link-what = どなたがこのページを開いたか分からないため、内容はここでは示しません。お知らせそのものをご覧ください。
link-home = お知らせの回線で、ご自宅からご覧ですか？お客様専用のページで、今の様子が分かります：

link-wrong-title = このリンクは確認できません – { $provider }
link-wrong-headline = このリンクは使えません
link-wrong = リンクの期限が切れているか、当社が作ったものではありません。回線に問題があるという意味ではありません。お知らせについては、お電話ください。
