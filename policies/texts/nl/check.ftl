### De pagina ‘is mijn aansluiting schoon?’. How to write: see the English file. The reader is addressed as "u"; level B1.

check-title = Is mijn aansluiting schoon? – { $provider }
check-link = Kijk wat er op uw aansluiting is gezien
check-shared-link = Zie meteen wat er op uw eigen internetaansluiting is gezien. U hoeft niet in te loggen en niets te installeren.

check-nothing-headline = Wij hebben geen problemen gezien op uw aansluiting
check-nothing = Er zijn geen meldingen over uw aansluiting.
check-nothing-means = Dat is goed. Niemand die op aanvallen let, heeft ons iets verteld over een apparaat op uw aansluiting.
check-nothing-proves-not = Het is geen bewijs. Een apparaat kan overgenomen zijn en nu nog stil blijven.
check-late = Sommige meldingen komen pas na twee dagen. Kijk dus over een paar dagen nog een keer.
check-recent-headline = Er is een probleem op uw aansluiting
check-recent = In de laatste 24 uur kregen wij een melding over een apparaat op uw aansluiting. U heeft niets fout gedaan. U kunt het zelf oplossen met de stappen hieronder.
check-recent-heading = In de laatste 24 uur
check-older-headline = Er was een probleem op uw aansluiting
check-older = In de laatste 24 uur zagen wij niets. Maar daarvoor kregen wij een melding over uw aansluiting. Heeft u het sindsdien opgelost? Weet u het niet zeker? Doe dan de stappen hieronder.
check-older-heading = Daarvoor
check-seen-means = Een apparaat bij u thuis doet dit, of laat anderen binnen. Wij zien uw aansluiting, maar niet uw huis.
check-open-headline = Er staat een deur open op uw aansluiting
check-open = Er zijn nog geen meldingen over uw aansluiting. Maar onze controle vond een deur die open staat voor iedereen. U heeft niets fout gedaan. U kunt de deur zelf dichtdoen met de stappen hieronder.
check-held-headline = Uw internet is stilgezet
check-held = Op uw eigen pagina leest u waarom, en wat u nu doet. Daar kunt u ons ook vragen uw aansluiting te controleren.
check-home-link = Open uw eigen pagina
check-nobody-headline = Wij kennen uw aansluiting niet
check-nobody = Wij kunnen alleen de aansluiting opzoeken die u nu gebruikt, en die kennen wij niet. Bent u thuis? Zet dan mobiel internet en VPN uit, gebruik uw eigen wifi en open deze pagina opnieuw.
check-shared-headline = Wij kunnen uw aansluiting niet van andere onderscheiden
check-shared = Nu delen meerdere huizen één internetadres (IP-adres) met u. Wij weten niet zeker welke aansluiting van u is. Daarom laten wij niets zien, want het kan over iemand anders gaan. U kunt ons bellen en het vragen.
check-busy-headline = Wij kunnen nu even niet kijken
check-busy = Te veel mensen vragen het tegelijk. Open deze pagina over een minuut opnieuw.
check-limited-headline = U heeft erg vaak gekeken
check-limited = Vanaf { $clock } uur kunt u weer kijken.

check-scan-heading = Laat ons uw aansluiting van buitenaf controleren
check-scan-what = Wij kunnen aankloppen bij de deuren van uw aansluiting die schadelijke programma’s het eerst proberen. Wij zien dan welke open staan. Dit duurt hooguit { $minutes }.
check-scan-not = Wij proberen geen wachtwoorden en lezen uw gegevens niet. Er verandert niets aan uw aansluiting.
check-scan-consent = Dit is mijn eigen aansluiting, of ik mag er toestemming voor geven. Controleer die nu.
check-scan-mail = Stuur het resultaat ook per mail naar { $address }. Dit is het adres dat wij van u hebben.
check-scan-button = Controleer mijn aansluiting
check-scan-kept = Het resultaat blijft één uur op deze pagina. Wij noteren dat u ja heeft gezegd, wanneer, en wat er open stond.
check-scan-later = Uw aansluiting is nu een paar keer gecontroleerd. Vanaf { $clock } uur kan het opnieuw.
check-scan-limited-headline = Uw aansluiting is net gecontroleerd
check-scan-shared = Wij kunnen uw aansluiting niet van buitenaf controleren, omdat die een internetadres (IP-adres) deelt met andere. Vreemden komen dan ook niet zo makkelijk bij uw apparaten.
check-no-consent = Wij controleren uw aansluiting alleen als u ja zegt. Zet eerst een vinkje in het vakje.
check-found-heading = Onze controle van buitenaf
check-found-nothing = Er stond niets open.
check-found-nothing-but = Dat is goed. Maar het bewijst niet dat er geen apparaat is overgenomen. Schadelijke programma’s doen vaak de deur achter zich dicht.
check-found-open = Er staat een deur open voor iedereen. Doe de stappen hieronder.
check-found-unsure = Wij konden te weinig van uw aansluiting zien om zeker te zijn.
check-mark-open = Staat open:

check-means-heading = Wat dit betekent

check-about-heading = Waar wij naar hebben gekeken
check-about-sources = Anderen letten op aanvallen en open deuren op internet, en sturen ons meldingen. Wij hebben in deze meldingen naar uw aansluiting gezocht.
check-about-yours = Wij laten alleen zien wat er is gezien toen de aansluiting van u was. Wat daarvoor is gezien, laten wij u niet zien.
check-about-privacy = Wij kijken niet naar wat u op internet doet.
check-call = Heeft u een vraag? Bel { $provider } op { $phone }.

figures-title = Hoe gezond is ons netwerk? – { $provider }
figures-link = Hoe gezond is ons netwerk?
figures-headline = Hoe gezond is ons netwerk?
figures-lead = Deze cijfers laten zien hoeveel aansluitingen van { $provider } een probleem hadden, en hoeveel er weer schoon zijn. Ze tellen aansluitingen. Ze zeggen niets over mensen.
figures-check-link = Is mijn eigen aansluiting schoon?
figures-kinds-heading = Wat er in de laatste { $days } dagen is gezien
figures-nothing = Er is niets gezien.
figures-kind = Soort probleem
figures-lines = Aansluitingen
figures-few = minder dan 5
figures-few-short = <5
figures-weeks-heading = Aansluitingen met een probleem, per week
figures-week-from = Week vanaf
figures-week = { $day } { $month ->
    [1] jan.
    [2] feb.
    [3] mrt.
    [4] apr.
    [5] mei
    [6] juni
    [7] juli
    [8] aug.
    [9] sep.
    [10] okt.
    [11] nov.
   *[12] dec.
 }

figures-cases-heading = Wat er in deze weken is gedaan
figures-opened = Keren dat wij een probleem op een aansluiting hebben gemeld of onderzocht: { $count }
figures-released = Keren dat een aansluiting was stilgezet en weer online kwam: { $count }
figures-until-clean = Waar vaststond dat het probleem was opgelost, was de helft van de aansluitingen weer online binnen { $days ->
    [one] één dag
   *[other] { $days } dagen
 }.
figures-checks-heading = Controles die mensen vroegen in de laatste { $days } dagen
figures-checks-clean = Er stond niets open: { $count }
figures-checks-open = Er stond een deur open: { $count }
figures-checks-unsure = Wij konden te weinig zien: { $count }
figures-checks-share = Bij { $percent } % van de controles stond dus niets open.
figures-how-heading = Hoe wij tellen
figures-how-lines = Een aansluiting telt één keer mee per soort probleem, en één keer per week. Wij horen het van anderen. Het kunnen er dus meer zijn.
figures-how-few = Getallen van 1 tot en met 4 noemen wij niet. Zo kan niemand uitzoeken om wie het gaat.
figures-made = Geteld op { $time }.
figures-data = Hetzelfde als gegevens (JSON)
figures-not-yet = De cijfers worden nu geteld. Kom over een paar minuten terug.
