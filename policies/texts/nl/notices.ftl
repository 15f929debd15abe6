### Notices by e-mail, SMS and letter, in Dutch. How to write: see the English files.

notice-subject = { $provider }: { $title } – zaak { $case }
notice-subject-plain = { $provider }: { $title }

notice-title-warning = een apparaat op uw aansluiting heeft uw hulp nodig
notice-title-quarantined = uw internet is tijdelijk stilgezet
notice-title-check-clean = onze controle vond niets dat open staat
notice-title-check-vulnerable = het probleem is er nog
notice-title-check-inconclusive = onze controle kon te weinig zien
notice-title-released-proven = u bent weer online
notice-title-released-trust = u bent weer online
notice-title-released-staff = u bent weer online
notice-title-released-expired = u bent weer online
notice-title-released-retracted = u bent weer online
notice-title-relapse = er is weer een probleem op uw aansluiting
notice-title-self-check-vulnerable = onze controle vond een open deur
notice-title-test = dit is een test

notice-lead-warning = Een apparaat op uw aansluiting heeft uw hulp nodig. Anderen maken er misbruik van, of kunnen dat doen. Uw internet werkt nog gewoon. Doe de stappen liefst snel. U heeft niets fout gedaan.
notice-lead-quarantined = Wij hebben uw internet stilgezet, zodat niemand nog misbruik kan maken van een apparaat op uw aansluiting. U heeft niets fout gedaan. U kunt het zelf oplossen, stap voor stap. Typ thuis { $portal } in uw browser. Dan ziet u wat u moet doen.
notice-lead-check-clean = U vroeg ons om uw aansluiting te controleren. Wij vonden niets dat open staat. Goed gedaan! Bij sommige problemen wachten wij een paar dagen, om zeker te weten dat het rustig blijft. Daarna komt uw internet vanzelf terug.
notice-lead-check-vulnerable = U vroeg ons om uw aansluiting te controleren. Het probleem is er nog. Loop de stappen nog een keer na. Komt u er niet uit? Bel ons. Wij helpen u graag.
notice-lead-check-inconclusive = U vroeg ons om uw aansluiting te controleren. Wij konden te weinig zien om zeker te zijn. Staat uw router aan? Wacht twee minuten en vraag dan om een nieuwe controle. Of bel ons.
notice-lead-released-proven = Dank u wel! Het probleem op uw aansluiting is opgelost. Uw internet werkt weer.
notice-lead-released-trust = U liet ons weten dat u alle stappen heeft gedaan. Daarom werkt uw internet weer. Wij blijven opletten. Komt het probleem terug, dan moeten wij uw internet misschien opnieuw stilzetten.
notice-lead-released-staff = Wij hebben u weer online gezet. Uw internet werkt weer.
notice-lead-released-expired = Uw internet mag niet langer stilgezet blijven. Het werkt nu weer. Het probleem kan er nog zijn. Doe daarom de stappen.
notice-lead-released-retracted = Wij hebben uw internet stilgezet, maar dat was een fout van ons. Dat spijt ons. Uw internet werkt weer. U hoeft niets te doen.
notice-lead-relapse = Wij hebben weer een probleem op uw aansluiting gezien. Misschien is er een stap overgeslagen, of is er nog een apparaat. Doe deze keer alle stappen, voor elk apparaat. Misschien moeten wij uw internet stilzetten.
notice-lead-self-check-clean = Iemand op uw aansluiting heeft ons gevraagd die van buitenaf te controleren. Er stond niets open. Dat is goed. Maar het bewijst niet dat er geen apparaat is overgenomen. Schadelijke programma’s doen vaak de deur achter zich dicht.
notice-lead-self-check-vulnerable = Iemand op uw aansluiting heeft ons gevraagd die van buitenaf te controleren. Er staat een deur open voor iedereen. Uw internet werkt nog. Doe de stappen hieronder snel.
notice-lead-self-check-inconclusive = Iemand op uw aansluiting heeft ons gevraagd die van buitenaf te controleren. Wij konden te weinig zien om zeker te zijn. Staat uw router aan? Open de pagina thuis opnieuw en laat uw aansluiting nog een keer controleren.
notice-lead-test = { $provider } test met deze mail zijn berichten. Er is niets mis met uw aansluiting. U hoeft niets te doen.

notice-greeting = Goedendag,
notice-warned-until = Doe de stappen vóór { $day }. Wordt het probleem vanaf die dag nog gezien, dan moeten wij misschien uw internet stilzetten.
notice-held-until = Uw internet gaat uiterlijk op { $day } vanzelf weer aan. Alleen een medewerker van ons kan dit uitstellen.
notice-cause-heading = Wat wij zagen
notice-steps-elsewhere = Op uw eigen pagina staan deze stappen ook. Typ thuis { $portal } in uw browser.
notice-page = Op uw eigen pagina staan de stappen, en hoe het er nu voor staat. Typ thuis { $portal } in uw browser.
notice-watch = Houd dicht wat u dicht heeft gezet, en blijf de nieuwe wachtwoorden gebruiken. Houd uw apparaten bij met updates.

notice-genuine-heading = Hoe u weet dat deze mail van ons is
notice-genuine-link = Op deze pagina staat dat wij u een bericht hebben gestuurd. De pagina werkt tot { $day }.
notice-genuine-site = Typ zelf { $site }. Daar leest u meer over onze berichten.
notice-genuine-phone-hint = Bel ons. Neem het nummer niet uit deze mail over. Zoek het op: { $hint }.
notice-genuine-phone = Bel ons. Neem het nummer niet uit deze mail over. Zoek het op in een brief of rekening van ons.
notice-genuine-never = Wij vragen u nooit om geld, wachtwoorden of bankgegevens. Bij deze mail zit geen bijlage. U hoeft niets te installeren.
notice-automatic = Een programma heeft deze mail gestuurd. Niemand leest de antwoorden. Bel ons dus als u iets wilt vragen.

link-title = Dit bericht is echt – { $provider }
link-headline = Dit bericht is van { $provider }
link-sent = Wij hebben een bericht gestuurd over zaak { $case } op { $time }.
link-sent-plain = Wij hebben u een bericht gestuurd op { $time }.
link-what = Wij laten hier niet zien waar het over gaat, want wij weten niet wie deze link heeft geopend. Het staat in het bericht zelf.
link-home = Bent u thuis, op de aansluiting waar het bericht over gaat? Dan ziet u op uw eigen pagina hoe het ervoor staat:

link-wrong-title = Wij kennen deze link niet – { $provider }
link-wrong-headline = Deze link werkt niet
link-wrong = De link is te oud, of wij hebben hem niet gemaakt. Dat betekent niet dat er iets mis is met uw aansluiting. Bel ons over het bericht.
