### Notices by e-mail, SMS and letter, and the page behind the link in them. How to write: see portal.ftl. A notice must not
### look like a trick: it says who writes, names the case, carries nothing to open, and says how to make sure.

## What happened, as the second part of the subject: provider, this, case number.

notice-subject = { $provider }: { $title } – case { $case }
notice-subject-plain = { $provider }: { $title }

notice-title-warning = a device on your line needs your help
notice-title-quarantined = your internet is on hold
notice-title-check-clean = our check found nothing open
notice-title-check-vulnerable = the problem is still there
notice-title-check-inconclusive = our check could not see enough
notice-title-released-proven = you are back online
notice-title-released-trust = you are back online
notice-title-released-staff = you are back online
notice-title-released-expired = you are back online
notice-title-released-retracted = you are back online
notice-title-relapse = there is a problem on your line again
notice-title-self-check-vulnerable = our check found an open door
notice-title-test = this is a test

## The first lines. Also sent alone, as an SMS, so each must make sense by itself.

notice-lead-warning = A device on your line needs your help. Others on the internet misuse it, or could do so. Your internet still works. Please do the steps soon. You have done nothing wrong.
notice-lead-quarantined = We have put your internet on hold, so that nobody can misuse a device on your line any further. You have done nothing wrong. You can fix it yourself, step by step. At home, type { $portal } into your browser, and you see what to do.
notice-lead-check-clean = You asked us to check your line. We found nothing open. Well done! With some problems we wait some days, to be sure that it stays quiet. Your internet then comes back by itself.
notice-lead-check-vulnerable = You asked us to check your line. The problem is still there. Please go through the steps again. If you are stuck, call us. We are glad to help.
notice-lead-check-inconclusive = You asked us to check your line. We could not see enough of it to be sure. Is your router on? Wait two minutes, and ask us to check again. Or call us.
notice-lead-released-proven = Thank you! The problem on your line is solved. Your internet works again.
notice-lead-released-trust = You told us that all steps are done. So your internet works again. We keep watching. If the problem comes back, we may have to pause your internet again.
notice-lead-released-staff = We have put you back online. Your internet works again.
notice-lead-released-expired = The longest time for a pause is over. Your internet works again. The problem may still be there, so please do the steps.
notice-lead-released-retracted = We paused your internet by mistake, and we are sorry. Your internet works again. There is nothing that you have to do.
notice-lead-relapse = We have seen a problem on your line again. Perhaps one step was left out, or there is a second device. Please do all the steps this time, for every device. We may have to pause your internet.
notice-lead-self-check-clean = Somebody on your line asked us to check it from outside. We found nothing open. That is good. But it does not prove that no device was taken over. Harmful programs often shut the door behind them.
notice-lead-self-check-vulnerable = Somebody on your line asked us to check it from outside. We found a door that is open to everybody. Your internet still works. Please do the steps below soon.
notice-lead-self-check-inconclusive = Somebody on your line asked us to check it from outside. We could not see enough of it to be sure. Is your router on? Open the page again at home, and have your line checked once more.
notice-lead-test = { $provider } tests its notices with this mail. Nothing is wrong with your line. There is nothing that you have to do.

## What else stands in a mail

notice-greeting = Hello,
notice-warned-until = Please do the steps before { $day }. If the problem is still seen from that day on, we may have to pause your internet.
notice-held-until = The pause ends by itself on { $day } at the latest. Only a person from our team can make it longer.
notice-cause-heading = What we saw
notice-steps-elsewhere = Your own page shows these steps, too. At home, type { $portal } into your browser.
notice-page = Your own page shows the steps, and how things are now. At home, type { $portal } into your browser.
notice-watch = Leave closed what you closed, and keep the new passwords. Keep your devices up to date.

notice-genuine-heading = How to know that this mail is from us
notice-genuine-link = This page says that we sent you a notice. It works until { $day }.
notice-genuine-site = Type { $site } yourself. You find our notices explained there.
notice-genuine-phone-hint = Call us. Do not take the number from this mail. Take it from { $hint }.
notice-genuine-phone = Call us. Do not take the number from this mail. Take it from a letter or a bill from us.
notice-genuine-never = We never ask you for money, passwords or bank details. Nothing is attached to this mail. You do not have to install anything.
notice-automatic = A program sent this mail. Nobody reads the answers to it, so please call us.

## The page behind the link

link-title = This notice is genuine – { $provider }
link-headline = This notice is from { $provider }
link-sent = We sent a notice about case { $case } on { $time }.
link-sent-plain = We sent you a notice on { $time }.
link-what = We do not show here what it is about, because we cannot know who opened this link. It stands in the notice itself.
link-home = Are you at home, on the line that the notice is about? Then your own page shows how things are:

link-wrong-title = We do not know this link – { $provider }
link-wrong-headline = This link does not work
link-wrong = The link is older than it may be, or it was not made by us. That does not mean that anything is wrong with your line. Please call us about the notice.
