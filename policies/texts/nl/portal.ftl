### Dutch texts of the portal. How to write: see the English file. The reader is addressed as "u"; level B1.

day = { $weekday ->
    [1] maandag
    [2] dinsdag
    [3] woensdag
    [4] donderdag
    [5] vrijdag
    [6] zaterdag
   *[7] zondag
 } { $day } { $month ->
    [1] januari
    [2] februari
    [3] maart
    [4] april
    [5] mei
    [6] juni
    [7] juli
    [8] augustus
    [9] september
    [10] oktober
    [11] november
   *[12] december
 } { $year }
time = { $weekday ->
    [1] maandag
    [2] dinsdag
    [3] woensdag
    [4] donderdag
    [5] vrijdag
    [6] zaterdag
   *[7] zondag
 } { $day } { $month ->
    [1] januari
    [2] februari
    [3] maart
    [4] april
    [5] mei
    [6] juni
    [7] juli
    [8] augustus
    [9] september
    [10] oktober
    [11] november
   *[12] december
 } { $year } om { $clock } uur
when = { $in ->
    [0] vandaag om ongeveer { $clock } uur
    [1] morgen, { day }, om ongeveer { $clock } uur
   *[other] op { day }, om ongeveer { $clock } uur
 }
minutes = { $count ->
    [one] één minuut
   *[other] { $count } minuten
 }
hours = { $count ->
    [one] één uur
   *[other] { $count } uur
 }
days = { $count ->
    [one] één dag
   *[other] { $count } dagen
 }

language-name = Nederlands
languages-label = Taal

page-title = Uw internet is stilgezet – { $provider }
headline = Uw internet is tijdelijk stilgezet voor uw veiligheid
why = Een apparaat op uw aansluiting heeft uw hulp nodig. Wij hebben uw internet stilgezet, zodat niemand er nog misbruik van kan maken. Dit overkomt veel mensen. U heeft niets fout gedaan, en u kunt het zelf oplossen met de stappen hieronder.
why-waiting = Een apparaat op uw aansluiting had uw hulp nodig. Wij hebben uw internet stilgezet, zodat niemand er verder misbruik van kan maken. Dit gebeurt bij veel mensen. U heeft niets fout gedaan.
again = Er is weer een probleem gezien nadat uw aansluiting de vorige keer openging. Misschien is er een stap overgeslagen, of is er nog een apparaat. Doe deze keer alle stappen, voor elk apparaat. Wij helpen u graag aan de telefoon.
terms-link = De regels hiervoor
genuine-link = Is deze pagina echt van { $provider }?
call-link = Bel ons
case-label = Zaaknummer
since = Stilgezet op { $time }.

status-heading = Hoe het er nu voor staat
status-unchecked = Wij wachten op u. Volg de stappen hieronder en druk dan op de knop. Wij controleren uw aansluiting meteen.
status-untold = Wij wachten op u. Doe de stappen hieronder en druk dan op de knop.
status-told = Dank u wel. U liet ons weten dat alle stappen klaar zijn. Dit probleem is van buitenaf niet te zien.
status-checking = Wij controleren uw aansluiting nu. Dit duurt hooguit { $minutes }.
status-reloads = U kunt deze pagina open laten staan. Deze ververst vanzelf.
status-checked-at = Laatste controle: { $time }.
status-clean = Bij de laatste controle stond niets meer open. Goed gedaan!
status-vulnerable = Bij de laatste controle was het probleem er nog.
status-inconclusive = Bij de laatste controle konden wij te weinig zien om zeker te zijn.

choices-heading = Wat u nu kunt doen
choice-again = Zorg dat uw router aan staat. Wacht twee minuten en laat opnieuw controleren.
choice-wait = Of wacht. Als het een tijd rustig is geweest, controleren wij zelf opnieuw.
choice-call = Of bel ons op { $phone }. Dan kijken we er samen naar.

missing-rescan = Daarna is het probleem opnieuw gezien. Doe de stappen nog een keer en druk dan op de knop.
missing-still-vulnerable = Doe de stappen nog een keer. In de lijst hieronder staat wat wij hebben gevonden. Komt u er niet uit? Bel ons. Wij helpen u graag.
missing-inconclusive = Dat kan gebeuren als de router of een apparaat uit staat. Het betekent niet dat u iets fout heeft gedaan.
missing-silence = Voor de zekerheid wachten wij nu tot het lang genoeg rustig is gebleven. U hoeft niets te doen.
missing-feed-stalled = Een van de diensten die op aanvallen letten, is laat met haar berichten. Wij wachten daarop, voor de zekerheid. U hoeft niets te doen. Duurt het langer dan een dag? Bel ons dan.
missing-feed-gap = Een van de meldingen waarop wij wachten is binnen, maar wij kunnen die nog niet gebruiken. Onze medewerkers kijken ernaar. U hoeft niets te doen. Duurt het langer dan een dag? Bel ons dan.
missing-no-feed = In dit geval kunnen wij van buitenaf niet zien of het probleem wegblijft. Bel ons als u de stappen heeft gedaan. Dan kijken wij er samen naar.
missing-wall-silence = Voor de zekerheid wachten wij nu tot er een tijd lang geen schadelijk verkeer meer van uw aansluiting komt. U hoeft niets te doen. Staat dit hier morgen nog? Bel ons dan.
missing-alive = Op { $time } probeerde een apparaat op uw aansluiting opnieuw schade te doen. Wij hebben dat tegengehouden. Is er nog een apparaat? Doe dan ook daarvoor de stappen. Lukt het niet? Bel ons.
missing-nothing = Uw aansluiting gaat zo weer open.

freed-at = Uw internet komt { $when } terug, als wij tot dat moment niets meer zien.
freed-not-before = Uw internet komt op zijn vroegst { $when } terug, als wij tot dat moment niets meer zien. Wij hebben daarvoor ook de meldingen over die periode nodig. Die komen soms een paar uur later.
freed-with-report = Uw internet komt terug zodra de volgende melding er is en daar niets nieuws in staat. Wij kunnen niet precies zeggen wanneer dat is.
freed-end = Uw internet gaat { $when } vanzelf weer aan.
freed-unknown = Wij kunnen nog niet zeggen wanneer uw internet terugkomt. Zodra wij het weten, leest u het hier.
freed-if-clean = Is alles goed, dan gaat uw aansluiting weer open. { $freed }

finding = { $probe }: { $found }
finding-mark-clean = Goed:
finding-mark-vulnerable = Nog open:
finding-mark-inconclusive = Niet zeker:
finding-probe = Deur nummer { $port }
finding-clean = deze was dicht.
finding-vulnerable = deze stond open.
finding-inconclusive = wij konden het niet zien.

probe-telnet = Oude bediening op afstand (Telnet, deur { $port })
probe-tcp-banner = Een dienst achter deur { $port }
probe-http-admin = Instellingenpagina van een apparaat (deur { $port })
probe-open-dns = Namendienst (DNS, deur { $port })
probe-ssdp = Zoeken van apparaten (SSDP of UPnP, deur { $port })
probe-ntp-monlist = Tijddienst (NTP, deur { $port })
probe-snmp-public = Beheer van apparaten (SNMP, deur { $port })
probe-adb = Bediening op afstand van een Android-apparaat (ADB, deur { $port })

found-login-prompt = iedereen op internet kan hier proberen in te loggen.
found-shell-prompt = iedereen op internet kan hier opdrachten geven, zelfs zonder wachtwoord.
found-telnet-negotiation = een apparaat antwoordt en biedt bediening op afstand aan.
found-connected = een apparaat laat vreemden van internet binnen.
found-accepted = een apparaat laat vreemden van internet binnen.
found-answered = een apparaat reageert op vreemden.
found-login-form = vreemden kunnen de inlogpagina van een apparaat zien.
found-redirect-to-login = vreemden kunnen de inlogpagina van een apparaat zien.
found-http-auth = vreemden kunnen het inlogvenster van een apparaat zien.
found-admin-page = vreemden kunnen de instellingen van een apparaat zien.
found-http-other-page = vreemden kunnen een webpagina zien, maar niet de instellingen van een apparaat.
found-http-redirect = een apparaat antwoordt, maar laat geen instellingen zien.
found-recursion = een apparaat beantwoordt de vragen van vreemden. Het kan misbruikt worden om anderen aan te vallen.
found-dns-refused = het apparaat wijst vreemden af.
found-dns-other-answer = een apparaat antwoordt, maar wij kunnen niet zien wat het is.
found-ssdp-answer = een apparaat reageert op vreemden. Het kan misbruikt worden om anderen aan te vallen.
found-monlist = een apparaat reageert op vreemden. Het kan misbruikt worden om anderen aan te vallen.
found-readvar = een apparaat reageert op vreemden. Het kan misbruikt worden om anderen aan te vallen.
found-snmp-answer = een apparaat vertelt vreemden over zichzelf.
found-adb-open = vreemden kunnen het apparaat overnemen.
found-adb-asks-for-key = het apparaat reageert op vreemden van internet.
found-refused = de deur is dicht.
found-silent = niemand antwoordt, zoals het hoort.
found-timeout = niemand antwoordde. Misschien stond het apparaat of de router uit.
found-filtered = iets onderweg hield onze controle tegen.
found-unreachable = wij konden uw aansluiting niet bereiken. Misschien stond de router uit.
found-address-changed = uw aansluiting kreeg tijdens de controle een nieuw adres. Probeer het opnieuw.
found-no-address = uw aansluiting was offline. Zet de router aan en probeer het opnieuw.
found-no-control = onze eigen test mislukte. Dat ligt niet aan u. Probeer het opnieuw.
found-packet-limit = hier was geen tijd meer voor. Probeer het opnieuw.
found-out-of-time = hier was geen tijd meer voor. Probeer het opnieuw.
found-closed-without-answer = iets nam op en hing meteen weer op.
found-open-but-silent = iets liet ons binnen, maar zei niets.
found-endless-answer = iets antwoordde zonder einde.
found-other-service = iets antwoordde, maar wij kunnen niet zien wat het is.

seen-heading = Wat wij hebben gezien
seen-which = Welk apparaat is het?
seen-devices = In de meldingen staat meer dan één apparaat. Het kan om één van deze apparaten gaan, of om meer. Controleer ze allemaal:
seen-device = Volgens de melding gaat het om dit apparaat:
seen-device-some = In een van de meldingen staat dit apparaat:
seen-kind = Zoek dus eerst naar dit soort apparaat: { $device }.
seen-device-unknown = Wij zien uw aansluiting, maar niet uw huis. Wij weten dus niet welk apparaat het is. De stappen hieronder helpen u zoeken.
seen-once = Gezien op { $first }.
seen-often = { $count } keer gezien. Voor het eerst op { $first }, het laatst op { $last }.
means-heading = Wat dit betekent

steps-heading = Wat u nu doet
steps-intro = Neem de tijd. Doe de stappen in deze volgorde. Sommige duren even.
steps-kept = Wij onthouden wat u heeft aangevinkt, ook als u deze pagina sluit of de router opnieuw start.
steps-again = Laat de stappen nog eens zien
steps-for = Voor ‘{ $title }’
steps-help = Heeft u een handleiding of update nodig die u hier niet kunt openen? Zet op uw telefoon de wifi uit en gebruik daarvoor het mobiele internet. De instellingen van uw eigen router en apparaten thuis kunt u gewoon openen.
steps-sites = Deze websites kunt u hiervandaan openen, voor handleidingen en updates:
steps-progress = { $done } van de { $steps } stappen zijn klaar.
steps-all-done = Alle { $steps } stappen zijn klaar. Druk nu op de knop.
step-done = Dit heb ik gedaan
step-undo = Toch nog niet gedaan
button-fixed = Ik heb dit gedaan: controleer mijn aansluiting
button-fixed-hint = De controle duurt hooguit { $minutes }. Wij kijken van buitenaf of het probleem weg is. Wij lezen uw gegevens niet.
button-fixed-again = Uw aansluiting is net gecontroleerd. Vanaf { $clock } uur kunt u opnieuw laten controleren.
button-told = Ik heb alle stappen gedaan
button-told-hint = Wij letten dan op uw aansluiting. U hoeft niet op deze pagina te blijven.

trust-heading = Nu weer online
trust-text = U kunt ook meteen weer online, zonder te wachten. Doe dat alleen als u alle stappen heeft gedaan. Wij blijven opletten. Komt het probleem terug, dan moeten wij uw internet misschien opnieuw stilzetten.
trust-left = U kunt dit { $left ->
    [one] één keer
   *[other] { $left } keer
 } doen in { $days } dagen.
trust-left-until = U kunt dit tot { $day } nog { $left ->
    [one] één keer
   *[other] { $left } keer
 } doen.
trust-used-up = U bent zo vaak zelf weer online gegaan als wij kunnen toestaan. Nu wachten wij tot onze controle en de rust daarna laten zien dat alles goed is. Uw aansluiting gaat dan vanzelf open. Is dat moeilijk voor u? Bel ons.
trust-again = Vanaf { $day } kan het weer.
button-trust = Ik heb alle stappen gedaan: zet mij weer online

next-heading = Hoe het verder gaat
next-check = U drukt op de knop. Wij controleren uw aansluiting. Dit duurt hooguit { $minutes }.
next-clean = Is alles goed, dan komt uw internet vanzelf terug.
next-told = U drukt op de knop. Daarna letten wij op uw aansluiting.
next-again = Zo niet, dan ziet u op deze pagina wat wij hebben gevonden. U kunt het zo vaak proberen als nodig is.
next-until = Uw internet gaat uiterlijk op { $day } vanzelf weer aan. Alleen een medewerker van ons kan dit uitstellen.

works-heading = Wat nog werkt
works-emergency = Noodoproepen naar { $emergency }: met uw mobiele telefoon via het mobiele netwerk, en met uw vaste telefoon bij ons
works-phone = Bellen met uw vaste telefoon
works-wifi-calling = Bellen met uw mobiele telefoon via uw wifi (wifi-bellen)
works-television = Televisie van { $provider }
works-banking = De websites van veel banken
works-steps = De websites die u voor de stappen nodig heeft
works-sites = Ook deze websites kunt u openen:

https-hint = Geven andere websites een waarschuwing of helemaal niets? Dat is normaal. De meeste zijn zo goed op slot dat wij deze pagina daar niet kunnen laten zien. U kunt altijd hier terugkomen: typ zelf { $portal } in uw browser.
private-dns = Opent een telefoon helemaal niets, ook { $portal } niet? Zoek in de netwerkinstellingen naar ‘Privé-DNS’ en kies ‘Automatisch’. Gebruikt u een VPN, zet die dan uit. U kunt beide terugzetten als uw internet weer werkt.

genuine-heading = Hoe u weet dat deze pagina echt is
genuine-contract = Uw klantnummer eindigt op { $tail }. Kijk op een rekening van ons: dat moet hetzelfde zijn. Alleen u en wij weten dit.
genuine-address = Kijk bovenaan in uw browser. Daar staat het adres { $portal }.
genuine-site = Gebruik een andere verbinding, zoals het mobiele internet van uw telefoon. Typ zelf { $site }. Daar vindt u uitleg over deze pagina.
genuine-phone-hint = Of bel ons. Neem het nummer niet van deze pagina over. Zoek het op: { $hint }.
genuine-phone = Of bel ons. Neem het nummer niet van deze pagina over. Zoek het op in een brief of rekening van ons.
genuine-never = Wij vragen hier nooit om geld, wachtwoorden of bankgegevens. U hoeft van deze pagina niets te installeren.

call-heading = Wij helpen u graag
call-text = Bel { $provider } en noem uw zaaknummer: { $case }.
call-hours = Open: { $hours }.

note-released = Dank u wel. Uw aansluiting gaat nu open. Dit duurt een paar seconden.
note-again = Er is iets veranderd sinds u deze pagina opende. U ziet nu de nieuwste stand. Staat de knop er nog, dan kunt u er opnieuw op drukken.
note-press-again = Dat is niet helemaal bij ons aangekomen. Druk nog een keer op de knop.
note-not-now = Dit kan nu nog niet. Bij ‘Hoe het er nu voor staat’ leest u waar wij op wachten.
note-too-soon = Uw aansluiting is net gecontroleerd. Bij de knop staat vanaf wanneer u opnieuw kunt laten controleren.
note-used-up = U heeft dit zo vaak gebruikt als wij kunnen toestaan. Volg de stappen en laat uw aansluiting controleren, of bel ons.
note-unavailable = Dit lukte op dit moment niet. Er is niets verloren. Druk over een minuut nog een keer op de knop.

warned-title = Een apparaat op uw aansluiting heeft uw hulp nodig – { $provider }
warned-headline = Een apparaat op uw aansluiting heeft uw hulp nodig
warned-text = Anderen maken misbruik van een apparaat op uw aansluiting, of kunnen dat doen. Uw internet werkt nog gewoon. U heeft niets fout gedaan. Met de stappen hieronder lost u het zelf op.
warned-over = De tijd voor de stappen is voorbij. Wordt het probleem opnieuw gezien, dan moeten wij misschien uw internet stilzetten. Doe de stappen vandaag nog, of bel ons.
warned-check = Heeft u alle stappen gedaan? Druk dan op de knop. Wij kijken van buitenaf of het probleem weg is.
warned-unchecked = Volg de stappen hieronder en druk dan op de knop. Wij controleren uw aansluiting meteen.
warned-clean = Laat alles nu zoals het is. Wordt het probleem een tijd niet meer gemeld, dan vervalt deze waarschuwing vanzelf. U hoeft ons niet te bellen.
warned-next = Heeft u alle stappen gedaan? Bel ons dan even, zodat wij het weten.
warned-which = Weet u niet zeker welk apparaat het is? Doe de stappen dan voor elk apparaat dat het kan zijn, of bel ons.

free-title = Uw internet is niet stilgezet – { $provider }
free-headline = Uw internet is niet stilgezet
free-text = U kunt internet gewoon gebruiken.
free-retry = Probeer het opnieuw
free-restart = Komt deze pagina in plaats van andere websites? Dan kent uw router nog de weg hierheen. Start hem opnieuw: trek de stekker eruit, wacht tien tellen en steek hem er weer in. Start daarna ook het apparaat dat u gebruikt opnieuw.
unknown-title = We weten niet welke aansluiting dit is – { $provider }
unknown-headline = We weten niet welke aansluiting dit is
unknown-text = We weten niet van wie de internetaansluiting is die u nu gebruikt. Daarom kan deze pagina niet zeggen of uw internet is stilgezet.
unknown-ipv4 = Uw apparaat kwam via IPv6 bij ons. Open in plaats daarvan dit adres:
unknown-ipv6 = Uw apparaat kwam via IPv6 bij ons. Misschien herkennen wij uw aansluiting alleen aan het IPv4-adres.
unknown-wifi = Gebruikt u mobiele data, een VPN of een gastnetwerk? Maak dan verbinding met uw eigen wifi thuis en open deze pagina opnieuw.
unknown-call = Werkt uw internet niet? Bel { $provider } op { $phone }. Wij zoeken het voor u uit.
released-title = U bent weer online – { $provider }
released-headline = U bent weer online
released-text = Uw internet werkt weer. U kunt alles gewoon gebruiken.
released-watch-heading = Waar u nu op moet letten
released-passwords = Heeft u het wachtwoord van het apparaat veranderd? Met het oude wachtwoord kan het binnen een paar minuten weer worden overgenomen.
released-closed = Houd dicht wat u dicht heeft gezet: doorgestuurde poorten, UPnP, toegang op afstand.
released-again = Wij blijven een tijd opletten. Komt er weer een probleem, dan moeten wij uw internet misschien opnieuw stilzetten. U leest dat dan hier.
released-browser = Komt u met een website nog steeds hier uit? Sluit uw browser, wacht een minuut en open hem opnieuw. Helpt dat niet, start dan uw router opnieuw.
free-released = Heeft u net een probleem opgelost? Dank u wel! Komt u met een website nog steeds hier uit? Sluit dan uw browser, wacht een minuut en open hem opnieuw. Helpt dat niet, start dan uw router opnieuw.
free-watch = Houd uw apparaten bij met updates en geef elk apparaat een eigen wachtwoord.
free-call = Heeft u nog een probleem? Bel { $provider } op { $phone }.

plain-held = Deze aansluiting is stilgezet. Open http://{ $portal }/ in een browser.
plain-free = Deze aansluiting is niet stilgezet.
plain-stale = De website die u zoekt is niet hier. Was deze aansluiting stilgezet, en nu niet meer? Start dan de router opnieuw: hij kent nog de weg hierheen.
plain-unknown = We weten niet welke aansluiting dit is. Bel { $provider } op { $phone }.
