### What is done otherwise with some kinds of devices, in Dutch.

device-camera-name = camera
device-dvr-name = recorder voor camera’s
device-router-name = router of modem
device-nas-name = netwerkschijf (NAS)
device-tv-box-name = tv-kastje
device-pc-name = computer
device-printer-name = printer
device-phone-name = telefoon of tablet

step-find-camera =
    Zoek uw camera’s.
    Kijk bij de voordeur, in de tuin, in de garage en op de babykamer. De naam staat meestal aan de onderkant. Heeft u er meer dan één? Doe de stappen dan voor elke camera.
step-find-dvr =
    Zoek de recorder van uw camera’s.
    Dat is een kast met een harde schijf waar uw camera’s op zijn aangesloten. Vaak staat hij bij de router of de televisie.
step-find-router =
    Zoek uw router.
    Dat is het kastje dat het internet in huis brengt. Meestal zitten er lampjes op, en een sticker met het wachtwoord van de wifi. Heeft u een tweede router of een wifi-versterker? Doe de stappen dan ook daarvoor.
step-find-nas =
    Zoek uw netwerkschijf.
    Dat is een kastje met een of meer harde schijven voor foto’s en andere bestanden. Er loopt een kabel van het kastje naar de router.
step-find-tv-box =
    Zoek uw tv-kastjes.
    Kijk achter en onder elke televisie of u een kastje of een stick ziet.
step-find-pc =
    Zoek alle computers in huis.
    Denk ook aan oude computers, en aan die van gasten en kinderen.
step-find-printer =
    Zoek uw printers.
    Kijk welke wifi of een netwerkkabel hebben.
step-find-phone =
    Zoek alle telefoons en tablets in huis.
    Denk ook aan oude toestellen, en aan die van gasten en kinderen.

step-power-camera =
    Zet de camera uit en weer aan.
    Trek de stekker eruit, wacht een minuut en steek hem er weer in. Zit er een batterij of accu in? Haal die er dan ook uit. Daarmee is het schadelijke programma voorlopig weg.
step-power-dvr =
    Zet de recorder uit en weer aan.
    Staat er ‘Shut down’ of ‘Afsluiten’ in het menu? Gebruik dat eerst. Trek dan de stekker eruit, wacht een minuut en steek hem er weer in. Daarmee is het schadelijke programma voorlopig weg.
step-power-router =
    Zet de router uit en weer aan.
    Trek de stekker eruit, wacht een minuut en steek hem er weer in. Het kan vijf minuten duren voor hij klaar is. Daarmee is het schadelijke programma voorlopig weg.
step-power-nas =
    Start de netwerkschijf opnieuw op.
    Kies ‘Opnieuw opstarten’ in de instellingen. Trek niet zomaar de stekker eruit: daar kunnen uw bestanden stuk van gaan. Daarmee is het schadelijke programma voorlopig weg.
step-power-pc =
    Start de computer opnieuw op.
    Laat daarna een volledige virusscan lopen. In Windows zit er een: open ‘Windows-beveiliging’ en dan ‘Virus- en bedreigingsbeveiliging’.
step-power-phone =
    Start de telefoon of tablet opnieuw op.
    Houd de aan-uitknop ingedrukt tot er een menu komt. Kies ‘Opnieuw opstarten’, of zet het toestel uit en weer aan. Daarmee is het schadelijke programma voorlopig gestopt.
step-restart-nas =
    Start de netwerkschijf opnieuw op.
    Kies ‘Opnieuw opstarten’ in de instellingen. Trek niet zomaar de stekker eruit: daar kunnen uw bestanden stuk van gaan.
step-restart-pc = Start de computer opnieuw op.
step-restart-phone =
    Start de telefoon of tablet opnieuw op.
    Houd de aan-uitknop ingedrukt tot er een menu komt. Kies ‘Opnieuw opstarten’, of zet het toestel uit en weer aan.

-again-camera = Alleen opnieuw opstarten is niet genoeg: met het oude wachtwoord wordt de camera binnen een paar minuten weer overgenomen.
-how-password-camera = Open de app of de instellingenpagina van de camera. Zoek naar ‘Wachtwoord’, ‘Account’ of ‘Gebruiker’. Neem een lang wachtwoord dat u nergens anders gebruikt.
step-password-camera =
    Verander meteen daarna het wachtwoord van de camera.
    { -how-password-camera } { -again-camera }
step-new-password-camera =
    Verander het wachtwoord van de camera.
    { -how-password-camera }

-again-dvr = Alleen opnieuw opstarten is niet genoeg: met het oude wachtwoord wordt de recorder binnen een paar minuten weer overgenomen.
-how-password-dvr = Gebruik het scherm en de muis van de recorder, of de app. Zoek naar ‘User’, ‘Account’ of ‘Wachtwoord’. Ook de gebruiker ‘admin’ heeft een nieuw wachtwoord nodig. Neem een lang wachtwoord dat u nergens anders gebruikt.
step-password-dvr =
    Verander meteen daarna het wachtwoord van de recorder.
    { -how-password-dvr } { -again-dvr }
step-new-password-dvr =
    Verander het wachtwoord van de recorder.
    { -how-password-dvr }

-again-router = Alleen opnieuw opstarten is niet genoeg: met het oude wachtwoord wordt de router binnen een paar minuten weer overgenomen.
-how-password-router = Open de instellingenpagina van de router. Op de sticker staat hoe u daar komt. Zoek naar ‘Beheer’, ‘Systeem’ of ‘Apparaatwachtwoord’. Dit is niet het wachtwoord van uw wifi. Neem een lang wachtwoord dat u nergens anders gebruikt.
step-password-router =
    Verander meteen daarna het wachtwoord van de router.
    { -how-password-router } { -again-router }
step-new-password-router =
    Verander het wachtwoord van de router.
    { -how-password-router }

-again-nas = Alleen opnieuw opstarten is niet genoeg: met het oude wachtwoord wordt de schijf binnen een paar minuten weer overgenomen.
-how-password-nas = Open de instellingen in uw browser. Zoek naar ‘Configuratiescherm’ en dan ‘Gebruikers’. Zet de gebruiker ‘admin’ uit, als dat kan. Neem een lang wachtwoord dat u nergens anders gebruikt.
step-password-nas =
    Verander meteen daarna de wachtwoorden van alle gebruikers van de netwerkschijf.
    { -how-password-nas } { -again-nas }
step-new-password-nas =
    Verander de wachtwoorden van alle gebruikers van de netwerkschijf.
    { -how-password-nas }

-again-tv-box = Alleen opnieuw opstarten is niet genoeg: zolang die aan staat, wordt het kastje binnen een paar minuten weer overgenomen.
-how-password-tv-box = De meeste tv-kastjes hebben geen wachtwoord. Vreemden komen binnen door een testfunctie. Open de instellingen en dan ‘Opties voor ontwikkelaars’. Zet ‘ADB-foutopsporing’, ‘USB-foutopsporing’ en ‘netwerkfoutopsporing’ uit. Ziet u dat menu niet? Zet het kastje dan terug naar de fabrieksinstellingen.
step-password-tv-box =
    Zet meteen daarna de testfunctie van het tv-kastje uit.
    { -how-password-tv-box } { -again-tv-box }
step-new-password-tv-box =
    Zet de testfunctie van het tv-kastje uit.
    { -how-password-tv-box }

-again-pc = Alleen opnieuw opstarten is niet genoeg.
-how-password-pc = In Windows: ‘Instellingen’, ‘Accounts’, ‘Aanmeldingsopties’. Neem een lang wachtwoord dat u nergens anders gebruikt.
step-password-pc =
    Verander meteen daarna het wachtwoord van elke gebruiker van de computer.
    { -how-password-pc } { -again-pc }
step-new-password-pc =
    Verander het wachtwoord van elke gebruiker van de computer.
    { -how-password-pc }

-again-printer = Alleen opnieuw opstarten is niet genoeg: met het oude wachtwoord wordt de printer binnen een paar minuten weer overgenomen.
-how-password-printer = Open het menu of de instellingenpagina van de printer. Zoek naar ‘Beveiliging’, ‘Beheerder’ of ‘Wachtwoord’. Neem een lang wachtwoord dat u nergens anders gebruikt.
step-password-printer =
    Verander meteen daarna het wachtwoord van de printer.
    { -how-password-printer } { -again-printer }
step-new-password-printer =
    Verander het wachtwoord van de printer.
    { -how-password-printer }

-again-phone = Alleen opnieuw opstarten is niet genoeg: een slechte app start samen met het toestel weer op.
-how-password-phone = Zoek in de instellingen naar ‘Beveiliging’, ‘Schermvergrendeling’ of ‘Toegangscode’. Neem een pincode van zes cijfers of meer die u nergens anders gebruikt.
step-password-phone =
    Verwijder meteen daarna elke app die u niet kent, en neem een nieuwe pincode.
    De apps staan in de instellingen onder ‘Apps’. { -how-password-phone } { -again-phone }
step-new-password-phone =
    Neem een nieuwe pincode voor de telefoon of tablet.
    { -how-password-phone }

step-update-camera =
    Installeer de nieuwste update voor de camera.
    Open de app of de instellingenpagina van de camera. Zoek naar ‘Firmware’, ‘Update’ of ‘Systeem’. Neem alleen updates van de maker zelf.
step-update-dvr =
    Installeer de nieuwste update voor de recorder.
    Zoek in het menu naar ‘Upgrade’, ‘Firmware’ of ‘Onderhoud’. Neem alleen updates van de maker zelf.
step-update-router =
    Installeer de nieuwste update voor de router.
    Zoek in de instellingen naar ‘Firmware-update’. Staan er ‘automatische updates’? Zet die dan aan.
step-update-nas =
    Installeer de nieuwste update voor de netwerkschijf.
    Zoek in het ‘Configuratiescherm’ naar ‘Bijwerken en herstellen’ of ‘Firmware-update’. Werk daarna alle apps erop bij.
step-update-tv-box =
    Installeer de nieuwste update voor het tv-kastje.
    Zoek in de instellingen onder ‘Over’ of ‘Systeem’ naar ‘Systeemupdate’.
step-update-pc =
    Installeer alle updates van de computer.
    In Windows: ‘Instellingen’, ‘Windows Update’. Op een Mac: ‘Systeeminstellingen’, ‘Algemeen’, ‘Software-update’.
step-update-printer =
    Installeer de nieuwste update voor de printer.
    Zoek in het menu naar ‘Firmware-update’ of ‘Onderhoud’.
step-update-phone =
    Installeer alle updates van de telefoon of tablet.
    Op Android: ‘Instellingen’, ‘Systeem’, ‘Systeemupdate’. Op een iPhone of iPad: ‘Instellingen’, ‘Algemeen’, ‘Software-update’.

step-remote-off-camera =
    Zet toegang op afstand in de camera uit, als u die niet nodig heeft.
    Zoek naar woorden als ‘P2P’, ‘cloud’, ‘UPnP’ of ‘Telnet’. Wilt u de camera ook onderweg bekijken? Gebruik dan een VPN naar huis. Veel routers kunnen dat.
step-remote-off-dvr =
    Zet toegang op afstand in de recorder uit, als u die niet nodig heeft.
    Zoek naar woorden als ‘P2P’, ‘cloud’, ‘UPnP’, ‘DDNS’ of ‘Telnet’.
step-remote-off-router =
    Zet beheer op afstand in de router uit.
    Zoek naar woorden als ‘beheer op afstand’, ‘toegang vanaf internet’, ‘Telnet’ of ‘SSH’.
step-remote-off-nas =
    Zet toegang op afstand in de netwerkschijf uit, als u die niet nodig heeft.
    Zoek naar woorden als ‘QuickConnect’, ‘myQNAPcloud’, ‘UPnP’, ‘Telnet’ of ‘SSH’.
step-remote-off-tv-box =
    Verwijder apps die niet uit de officiële winkel van het tv-kastje komen.
    Denk aan apps voor gratis films en aan gratis VPN-apps. Sommige laten vreemden binnen.
step-remote-off-pc =
    Zet bediening op afstand van de computer uit, als u die niet nodig heeft.
    In Windows: ‘Instellingen’, ‘Systeem’, ‘Extern bureaublad’, ‘Uit’. Verwijder ook programma’s zoals VNC.
step-remote-off-printer =
    Zet toegang op afstand in de printer uit, als u die niet nodig heeft.
    Zoek naar woorden als ‘webservices’, ‘cloud’ of ‘beheer op afstand’.
step-remote-off-phone =
    Zet bediening op afstand van de telefoon of tablet uit.
    Verwijder apps zoals ‘AnyDesk’ of ‘TeamViewer’, als u die niet nodig heeft. Zoek op Android in de instellingen naar ‘Opties voor ontwikkelaars’. Is dat menu er? Zet daarin dan ‘USB-foutopsporing’ en ‘Draadloze foutopsporing’ uit.
