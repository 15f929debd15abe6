### The self-check page: is my line clean? How to write: see portal.ftl. Whoever reads it came by himself and is not in trouble
### yet. It must neither frighten nor promise: what nobody saw may be there all the same.

check-title = Is my line clean? – { $provider }
check-link = Look up what was seen on your line
check-shared-link = See at once what was seen on your own internet line. You do not have to log in or install anything.

## What was seen

check-nothing-headline = We have seen nothing bad from your line
check-nothing = There are no reports about your line.
check-nothing-means = That is good. Nobody who watches for attacks has told us about a device on your line.
check-nothing-proves-not = It is no proof. A device can be taken over and stay quiet for now.
check-late = Some reports reach us two days late. So please look again in some days.
check-recent-headline = There is a problem on your line
check-recent = In the last 24 hours we got a report about a device on your line. You have done nothing wrong. You can fix it yourself with the steps below.
check-recent-heading = In the last 24 hours
check-older-headline = There was a problem on your line
check-older = In the last 24 hours we saw nothing. But before that we got a report about your line. Did you fix it since then? If you are not sure, do the steps below.
check-older-heading = Before that
check-seen-means = A device at your home does this, or lets others in. We can see your line, but not your home.
check-open-headline = A door on your line is open
check-open = There are no reports about your line yet. But our check found a door that is open to everybody. You have done nothing wrong. You can shut it yourself with the steps below.
check-held-headline = Your internet is on hold
check-held = Your own page says why, and what to do now. There you can also ask us to check your line.
check-home-link = Open your own page
check-nobody-headline = We do not know your line
check-nobody = We can only look up the line that you use right now, and we do not know it. Are you at home? Then switch off mobile internet and VPN, use your own Wi-Fi, and open this page again.
check-shared-headline = We cannot tell your line from others
check-shared = Right now several homes share one internet address (IP address) with you. We cannot be sure which line is yours. So we show nothing, because it might be about somebody else. You can call us and ask.
check-busy-headline = We cannot look right now
check-busy = Too many people ask at once. Please open this page again in a minute.
check-limited-headline = You have looked very often
check-limited = You can look again at { $clock }.

## A check from outside

check-scan-heading = Let us check your line from outside
check-scan-what = We can knock on the doors of your line that harmful programs try first. We see which of them are open. This takes up to { $minutes }.
check-scan-not = We do not try any password, and we do not read your data. Nothing on your line changes.
check-scan-consent = This is my own line, or I may say yes for it. Please check it now.
check-scan-mail = Also send the result by mail to { $address }. This is the address that we have of you.
check-scan-button = Check my line
check-scan-kept = We keep the result on this page for one hour. We note that you said yes, when, and what was open.
check-scan-later = Your line was checked some times by now. You can have it checked again at { $clock }.
check-scan-limited-headline = Your line was just checked
check-scan-shared = We cannot check your line from outside, because it shares its internet address (IP address) with others. Strangers do not reach your devices so easily, either.
check-no-consent = We only check your line if you say yes. Please tick the box first.
check-found-heading = Our check from outside
check-found-nothing = We found nothing open.
check-found-nothing-but = That is good. But it does not prove that no device was taken over. Harmful programs often shut the door behind them.
check-found-open = We found a door that is open to everybody. Please do the steps below.
check-found-unsure = We could not see enough of your line to be sure.
check-mark-open = Open:

check-means-heading = What this means

## What was looked at

check-about-heading = What we looked at
check-about-sources = Others watch the internet for attacks and open doors, and send us reports. We looked for your line in these reports.
check-about-yours = We show only what was seen while the line was yours. What was seen before that is not shown to you.
check-about-privacy = We do not look at what you do on the internet.
check-call = Do you have a question? Call { $provider } at { $phone }.

## Open figures about all lines together

figures-title = How healthy is our network? – { $provider }
figures-link = How healthy is our network?
figures-headline = How healthy is our network?
figures-lead = These figures show how many lines of { $provider } had a problem, and how many are clean again. They count lines. They say nothing of people.
figures-check-link = Is my own line clean?
figures-kinds-heading = What was seen in the last { $days } days
figures-nothing = Nothing was seen.
figures-kind = Kind of problem
figures-lines = Lines
figures-few = fewer than 5
figures-few-short = <5
figures-weeks-heading = Lines with a problem, week by week
figures-week-from = Week from
figures-week = { $day } { $month ->
    [1] Jan
    [2] Feb
    [3] Mar
    [4] Apr
    [5] May
    [6] June
    [7] July
    [8] Aug
    [9] Sep
    [10] Oct
    [11] Nov
   *[12] Dec
 }

figures-cases-heading = What was done in these weeks
figures-opened = Times that we told a line of a problem, or looked into one: { $count }
figures-released = Times that a line was on hold and came back online: { $count }
figures-until-clean = Where the fix was proven, half of the lines were back online within { $days ->
    [one] one day
   *[other] { $days } days
 }.
figures-checks-heading = Checks that people asked for in the last { $days } days
figures-checks-clean = We found nothing open: { $count }
figures-checks-open = We found an open door: { $count }
figures-checks-unsure = We could not see enough: { $count }
figures-checks-share = So { $percent } % of the checks found nothing open.
figures-how-heading = How we count
figures-how-lines = A line counts once for each kind of problem, and once in each week. We learn of it when others tell us. So there may be more.
figures-how-few = We do not tell numbers from 1 to 4, so that nobody can work out whose line it is.
figures-made = Counted on { $time }.
figures-data = The same as data (JSON)
figures-not-yet = The figures are being counted. Please come back in some minutes.
