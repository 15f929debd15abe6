### English texts of the portal, built into the program and the fallback of every other language.
###
### Write for a frightened person who has never heard of a port: calm, no blame, short sentences, words a twelve-year-old
### knows. A file en.ftl in the directory of texts overrides single texts; nl.ftl, ja.ftl and others do so for their languages.
### Every text may use $provider, $phone, $site (the provider's own page about this), $hint (where customers find the
### telephone number), $portal (the name in the address bar) and $emergency. A test refuses missing and unused keys.

## Times. $weekday is 1 (Monday) to 7, $month 1 to 12, $clock such as 15:19.

day = { $weekday ->
    [1] Monday
    [2] Tuesday
    [3] Wednesday
    [4] Thursday
    [5] Friday
    [6] Saturday
   *[7] Sunday
 }, { $day } { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
 } { $year }
time = { $weekday ->
    [1] Monday
    [2] Tuesday
    [3] Wednesday
    [4] Thursday
    [5] Friday
    [6] Saturday
   *[7] Sunday
 }, { $day } { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
 } { $year }, { $clock }
# A time to come: $in is 0 for today, 1 for tomorrow, and so on.
when = { $in ->
    [0] today at about { $clock }
    [1] tomorrow, { day }, at about { $clock }
   *[other] on { day }, at about { $clock }
 }
minutes = { $count ->
    [one] one minute
   *[other] { $count } minutes
 }
hours = { $count ->
    [one] one hour
   *[other] { $count } hours
 }
days = { $count ->
    [one] one day
   *[other] { $count } days
 }

## Languages: each by its own name

language-name = English
languages-label = Language

## Top of the page

page-title = Your internet is on hold – { $provider }
headline = Your internet is on hold to keep you safe
why = A device on your line needs your help. We paused your internet so that nobody can misuse it any further. This happens to many people. You have done nothing wrong, and you can fix it yourself with the steps below.
why-waiting = A device on your line needed your help. We paused your internet so that nobody can misuse it any further. This happens to many people. You have done nothing wrong.
again = A problem was seen again since your line was last opened. Perhaps one step was left out, or there is a second device. Please do all the steps this time, for every device. We are glad to help you by phone.
terms-link = The rules for this
genuine-link = Is this page really from { $provider }?
call-link = Call us
case-label = Case number
since = On hold since { $time }.

## State of affairs

status-heading = Where we are now
status-unchecked = We are waiting for you. Follow the steps below, then press the button. We check your line at once.
status-untold = We are waiting for you. Follow the steps below, then press the button.
status-told = Thank you. You told us that all steps are done. This problem cannot be seen from outside.
status-checking = We are checking your line now. This takes up to { $minutes }.
status-reloads = You can leave this page open. It updates by itself.
status-checked-at = Last check: { $time }.
status-clean = The last check found nothing open. Well done!
status-vulnerable = The last check found that the problem is still there.
status-inconclusive = The last check could not see enough of your line to be sure.

choices-heading = What you can do now
choice-again = Make sure that your router is on. Wait two minutes, and check again.
choice-wait = Or wait. When it has been quiet for some time, we check again by ourselves.
choice-call = Or call us at { $phone }. We look at it together.

missing-rescan = Since then, the problem was seen again. Please go through the steps once more, then press the button.
missing-still-vulnerable = Please go through the steps again. The list below shows what we found. If you are stuck, call us. We are glad to help.
missing-inconclusive = That can happen when the router or a device is off. It does not mean that you did something wrong.
missing-silence = To be sure, we now wait until it has been quiet for long enough. You do not have to do anything.
missing-feed-stalled = One of the services that watch for attacks is late with its news. We wait for it, to be sure. You do not have to do anything. If it takes longer than a day, call us.
missing-feed-gap = One of the reports that we wait for has come, but we cannot use it yet. Our staff are looking at it. You do not have to do anything. If it takes longer than a day, call us.
missing-no-feed = In this case we cannot see from outside whether the problem stays away. When you have done the steps, please call us. We look at it together.
missing-wall-silence = To be sure, we now wait until nothing on your line has tried to do harm for some time. You do not have to do anything. Does this page still say so tomorrow? Then call us.
missing-alive = On { $time } a device on your line tried again to do harm. We blocked it. Is there another device? Then do the steps for it, too. If you are stuck, call us.
missing-nothing = Your line is about to be opened.

# When the line is free again: one of these, and the same one wherever the page says it.
freed-at = Your internet comes back { $when }, if nothing is seen until then.
freed-not-before = Your internet comes back { $when } at the earliest, if nothing is seen until then. We also need the reports for that time, and they can arrive later.
freed-with-report = Your internet comes back as soon as the next report has come and says nothing new. We cannot say exactly when that is.
freed-end = The pause ends by itself { $when }.
freed-unknown = We cannot say yet when your internet comes back. As soon as we can, you read it here.
freed-if-clean = If all is well, we open your line again. { $freed }

finding = { $probe }: { $found }
finding-mark-clean = OK:
finding-mark-vulnerable = Still open:
finding-mark-inconclusive = Not sure:
finding-probe = Door number { $port }
finding-clean = we found it closed.
finding-vulnerable = we found it open.
finding-inconclusive = we could not tell.

probe-telnet = Old remote control of a device (Telnet, door { $port })
probe-tcp-banner = A service on door { $port }
probe-http-admin = Settings page of a device (door { $port })
probe-open-dns = Name service (DNS, door { $port })
probe-ssdp = Device search (SSDP or UPnP, door { $port })
probe-ntp-monlist = Time service (NTP, door { $port })
probe-snmp-public = Device management (SNMP, door { $port })
probe-adb = Remote control of an Android device (ADB, door { $port })

found-login-prompt = anybody on the internet can try to log in here.
found-shell-prompt = anybody on the internet can give orders here, even without a password.
found-telnet-negotiation = a device answers and offers remote control.
found-connected = a device lets strangers in from the internet.
found-accepted = a device lets strangers in from the internet.
found-answered = a device answers to strangers.
found-login-form = strangers can see the log-in page of a device.
found-redirect-to-login = strangers can see the log-in page of a device.
found-http-auth = strangers can see the log-in of a device.
found-admin-page = strangers can see the settings of a device.
found-http-other-page = strangers can see a web page, but not the settings of a device.
found-http-redirect = a device answers, but shows no settings.
found-recursion = a device answers the questions of strangers. It can be misused to attack others.
found-dns-refused = the device turns strangers away.
found-dns-other-answer = a device answers, but we cannot tell what it is.
found-ssdp-answer = a device answers to strangers. It can be misused to attack others.
found-monlist = a device answers to strangers. It can be misused to attack others.
found-readvar = a device answers to strangers. It can be misused to attack others.
found-snmp-answer = a device tells strangers about itself.
found-adb-open = strangers can take control of the device.
found-adb-asks-for-key = the device answers to strangers from the internet.
found-refused = the door is closed.
found-silent = nobody answers, as it should be.
found-timeout = nobody answered. Perhaps the device or the router was off.
found-filtered = something on the way blocked our look.
found-unreachable = we could not reach your line. Perhaps the router was off.
found-address-changed = your line got a new address during the check. Please try again.
found-no-address = your line was offline. Please switch on the router and try again.
found-no-control = our own test did not work. This is not your fault. Please try again.
found-packet-limit = there was no time left for this. Please try again.
found-out-of-time = there was no time left for this. Please try again.
found-closed-without-answer = something answered and hung up at once.
found-open-but-silent = something let us in, but said nothing.
found-endless-answer = something answered without end.
found-other-service = something answered, but we cannot tell what it is.

## What was seen and what it means

seen-heading = What we saw
seen-which = Which device is it?
seen-devices = The reports name more than one device. It can be one of these, or several. Please look at each of them:
seen-device = The report says that it is this device:
seen-device-some = One of the reports names this device:
seen-kind = So please look for this kind of device first: { $device }.
seen-device-unknown = We can see your line, but not your home. So we cannot tell which device it is. The steps below help you find it.
seen-once = Seen on { $first }.
seen-often = Seen { $count } times. First on { $first }, last on { $last }.
means-heading = What this means

## Steps

steps-heading = What to do now
steps-intro = Take your time. Do the steps in this order. Some of them take a while.
steps-kept = We keep what you have ticked, even if you close this page or restart the router.
steps-again = Show the steps once more
steps-for = For “{ $title }”
steps-help = Do you need a guide or an update that you cannot open here? Switch off Wi-Fi on your phone and use its mobile internet for that. You can still open the settings of your own router and devices at home.
steps-sites = You can open these websites from here, for guides and updates:
steps-progress = { $done } of { $steps } steps are done.
steps-all-done = All { $steps } steps are done. Now press the button.
step-done = I have done this
step-undo = Not done after all
button-fixed = I have done this: check my connection
button-fixed-hint = The check takes up to { $minutes }. It looks from outside whether the problem is gone. It does not read your data.
button-fixed-again = Your line was checked just now. You can check again from { $clock } on.
button-told = I have done all the steps
button-told-hint = We then watch your line. You do not have to stay on this page.

trust-heading = Back online now
trust-text = You can also go back online now, without waiting. Please do so only when you have done all the steps. We keep watching. If the problem comes back, we may have to pause your internet again.
trust-left = You can do this { $left ->
    [one] once
   *[other] { $left } times
 } within { $days } days.
trust-left-until = You can do this { $left ->
    [one] 1 more time
   *[other] { $left } more times
 } until { $day }.
trust-used-up = You went back online by yourself as often as we can allow. This time we wait until our check and the quiet after it show that all is well. Your line is opened by itself then. If that is hard for you, call us.
trust-again = You can use it again from { $day } on.
button-trust = I have done all the steps: put me back online

next-heading = What happens next
next-check = You press the button. We check your line. This takes up to { $minutes }.
next-clean = If all is well, your internet comes back by itself.
next-told = You press the button. Then we watch your line.
next-again = If not, this page shows what we found. You can try again as often as you need.
next-until = The pause ends by itself on { $day } at the latest. Only a person from our team can make it longer.

works-heading = What still works
works-emergency = Emergency calls to { $emergency }: by mobile phone over the mobile network, and from your home phone with us
works-phone = Calls with your home phone
works-wifi-calling = Calls with your mobile phone over your Wi-Fi (Wi-Fi calling)
works-television = Television from { $provider }
works-banking = The websites of many banks
works-steps = The websites you need for the steps
works-sites = You can also open these websites:

https-hint = Do other websites show a warning or nothing at all? That is normal. Most are locked so well that we cannot put this page in their place. You can always come back here: type { $portal } into your browser yourself.
# Android with a name server of its own choosing opens nothing in quarantine, not even this page. Also stands in notices.
private-dns = Does a phone open nothing at all, not even { $portal }? Look for “Private DNS” in its network settings and choose “Automatic”. If you use a VPN, switch it off. You can set both back when your internet works again.

## Genuine?

genuine-heading = How to know that this page is genuine
genuine-contract = Your customer number ends in { $tail }. Look at a bill from us: it must be the same. Only you and we know it.
genuine-address = Look at the top of your browser. The address there is { $portal }.
genuine-site = Use another connection, such as the mobile internet of your phone. Type { $site } yourself. You find this page explained there.
genuine-phone-hint = Or call us. Do not take the number from this page. Take it from { $hint }.
genuine-phone = Or call us. Do not take the number from this page. Take it from a letter or a bill from us.
genuine-never = We never ask for money, passwords or bank details here. You do not have to install anything from this page.

call-heading = We are here to help
call-text = Call { $provider } and tell us your case number: { $case }.
call-hours = Open { $hours }.

## After a button

note-released = Thank you. Your line is being opened. This takes a few seconds.
note-again = Something has changed since you opened this page. You now see the newest state. If the button is still there, you can press it again.
note-press-again = That did not reach us in full. Please press the button once more.
note-not-now = This is not possible just yet. “Where we are now” tells you where things stand.
note-too-soon = Your line was checked just now. Below the button you see when you can check again.
note-used-up = You have used this as often as we can allow. Please follow the steps and have your line checked, or call us.
note-unavailable = We could not take this just now. Nothing is lost. Please press the button again in a minute.

## The internet works, and there is something to do: a warned line

warned-title = A device on your line needs your help – { $provider }
warned-headline = A device on your line needs your help
warned-text = Others on the internet misuse a device on your line, or could do so. Your internet still works. You have done nothing wrong, and you can fix it yourself with the steps below.
warned-over = The time for the steps is over. If the problem is seen again, we may have to pause your internet. Please do the steps today, or call us.
warned-check = Have you done all the steps? Then press the button. We check from outside whether the problem is gone.
warned-unchecked = Follow the steps below, then press the button. We check your line at once.
warned-clean = Please leave everything as it is now. If the problem is not reported again for some time, this warning ends by itself. You do not have to call us.
warned-next = Have you done all the steps? Then please call us, so that we know.
warned-which = Are you not sure which device it is? Do the steps for every device that fits, or call us.

## Nothing is wrong

free-title = Your line is not on hold – { $provider }
free-headline = Your line is not on hold
free-text = You can use the internet as usual.
free-retry = Try again
# In place of another website, after the pause: a router at home remembers the way for an hour or longer.
free-restart = Does this page come up in place of other websites? Then your router still remembers the way here. Restart it: pull out its plug, wait ten seconds and put it back in. Then restart the device you are using, too.
unknown-title = We cannot tell which line this is – { $provider }
unknown-headline = We cannot tell which line this is
unknown-text = We do not know whose internet line you are using. So this page cannot say whether your line is on hold.
unknown-ipv4 = Your device came to us over IPv6. Open this address instead:
unknown-ipv6 = Your device came to us over IPv6, and we may know your line by its IPv4 address only.
unknown-wifi = Are you on mobile data, a VPN or a guest network? Switch to your home Wi-Fi and open this page again.
unknown-call = Is your internet not working? Call { $provider } at { $phone }. We can look it up for you.
released-title = You are back online – { $provider }
released-headline = You are back online
released-text = Your internet works again. You can use everything as usual.
released-watch-heading = What you should watch now
released-passwords = Did you change the password of the device? With the old one it can be taken over again within minutes.
released-closed = Leave closed what you closed: port forwardings, UPnP, remote access.
released-again = We keep watching for a while. If a problem comes back, we may have to pause your internet again. Then we tell you here.
released-browser = Does a website still lead you here? Close your browser, wait a minute and open it again. If that does not help, restart your router.
free-released = Did you just fix a problem? Thank you! If a website still leads you here, close your browser, wait a minute and open it again. If that does not help, restart your router.
free-watch = Keep your devices up to date, and give each one its own password.
free-call = Do you still have a problem? Call { $provider } at { $phone }.

plain-held = This line is on hold. Open http://{ $portal }/ in a browser.
plain-free = This line is not on hold.
# To programs, in place of another website; they may be on any line.
plain-stale = The website you asked for is not here. Was this line on hold, and is not any more? Then restart the router: it still remembers the way here.
plain-unknown = We cannot tell which line this is. Call { $provider } at { $phone }.
