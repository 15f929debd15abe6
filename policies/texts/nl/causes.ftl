### What each cause means and what to do about it, in Dutch.

-step-find =
    Zoek de apparaten in huis die internet gebruiken.
    Denk aan camera’s, videorecorders, tv-kastjes, routers, netwerkschijven en slimme stekkers.
-step-close-router =
    Doe de open deuren van uw router dicht.
    Typ het adres van de sticker op de router in uw browser en log in. Verwijder elke ‘port forwarding’ of ‘poortdoorschakeling’ die u niet zelf heeft ingesteld of niet nodig heeft. Zet ‘UPnP’ en ‘beheer op afstand’ uit. Lukt het niet? Bel ons.
-step-power =
    Zet het apparaat uit en weer aan.
    Trek de stekker eruit, wacht een minuut en steek hem er weer in. Daarmee is het schadelijke programma voorlopig weg.
-step-password =
    Verander meteen daarna het wachtwoord van het apparaat.
    Neem een lang wachtwoord dat u nergens anders gebruikt. Alleen opnieuw opstarten is niet genoeg: met het oude wachtwoord wordt het apparaat binnen een paar minuten weer overgenomen.
-step-new-password =
    Verander het wachtwoord van het apparaat.
    Neem een lang wachtwoord dat u nergens anders gebruikt.
-step-restart = Zet het apparaat uit, wacht een minuut en zet het weer aan.
-step-update =
    Installeer de nieuwste update voor het apparaat.
    Bij de meeste apparaten vindt u die in de instellingen onder ‘Update’, ‘Firmware’ of ‘Systeem’.
-step-remote-off =
    Zet toegang op afstand in het apparaat uit, als u die niet nodig heeft.
    Zoek naar woorden als ‘Telnet’, ‘remote access’, ‘cloud’ of ‘P2P’.
-step-retire =
    Is er geen update, of kunt u het wachtwoord niet veranderen?
    Haal dan de stekker uit het apparaat en gebruik het niet meer op internet.
-step-button =
    Druk op de knop hieronder.
    Wij controleren uw aansluiting meteen.
shared-call-us-about-router =
    Is de router van { $provider }? Bel ons.
    Zet hem niet zelf terug naar de beginstand. Dat doen we samen.
-step-scan-pc =
    Laat op elke computer een virusscan lopen.
    In Windows zit er een. Sla eerst uw werk op. Open dan ‘Windows-beveiliging’, dan ‘Virus- en bedreigingsbeveiliging’, dan ‘Scanopties’, dan ‘Microsoft Defender Antivirus (offlinescan)’. De computer start opnieuw op en scant ongeveer een kwartier.
-step-change-accounts =
    Is het apparaat schoon? Verander dan uw belangrijke wachtwoorden: eerst e-mail, dan de bank, dan de rest.
    Doe dat op een apparaat dat u vertrouwt.

cause-mirai-title = Een apparaat is overgenomen door een schadelijk programma
cause-mirai-means = Op een van uw apparaten draait een schadelijk programma van de soort Mirai. Vaak is het een camera, een videorecorder, een tv-kastje of een router. Vreemden vallen er anderen mee aan. Zelf merkt u er misschien niets van. Het kon binnenkomen omdat het apparaat een makkelijk of bekend wachtwoord had, of omdat het open stond naar internet.
cause-mirai-step-1 = { -step-find }
cause-mirai-step-2 = { -step-close-router }
cause-mirai-step-3 = { -step-power }
cause-mirai-step-4 = { -step-password }
cause-mirai-step-5 = { -step-update }
cause-mirai-step-6 = { -step-remote-off }
cause-mirai-step-7 = { -step-retire }
cause-mirai-step-8 = { -step-button }
cause-mirai-note = Met het oude wachtwoord kan het apparaat binnen een paar minuten opnieuw worden overgenomen. Doe dus alle stappen achter elkaar. Weet u niet zeker welk apparaat het is? Doe de stappen dan voor elk apparaat.

cause-open-telnet-title = Een apparaat kan van buitenaf worden bediend
cause-open-telnet-means = Een van uw apparaten biedt het hele internet bediening op afstand aan. Dat gaat op een oude, onveilige manier, die Telnet heet. Vreemden en schadelijke programma’s proberen daar dag en nacht wachtwoorden.
cause-open-telnet-step-1 = { -step-find }
cause-open-telnet-step-2 =
    Zet ‘Telnet’ uit in de instellingen van het apparaat.
    Heeft u bediening op afstand nodig? Gebruik dan ‘SSH’ met een lang wachtwoord, en alleen thuis.
cause-open-telnet-step-3 = { -step-close-router }
cause-open-telnet-step-4 = { -step-new-password }
cause-open-telnet-step-5 = { -step-update }
cause-open-telnet-step-6 = { -step-restart }
cause-open-telnet-step-7 = { -step-retire }
cause-open-telnet-step-8 = { -step-button }

cause-open-dns-resolver-title = Een apparaat reageert op vreemden en kan misbruikt worden
cause-open-dns-resolver-means = Een apparaat op uw aansluiting, meestal een router, beantwoordt vragen van het hele internet over namen van websites. Aanvallers gebruiken zulke apparaten om anderen te overspoelen met gegevens. Het is geen virus. Er staat één instelling verkeerd.
cause-open-dns-resolver-step-1 =
    Zoek uit welk apparaat het is.
    Meestal is het uw router, of een computer of netwerkschijf met een ‘DNS-server’.
cause-open-dns-resolver-step-2 = { shared-call-us-about-router }
cause-open-dns-resolver-step-3 =
    Is het uw eigen router? Zet de dienst uit.
    Open de instellingen. Zet ‘DNS’ of ‘beheer op afstand’ uit aan de kant van internet (vaak ‘WAN’ genoemd).
cause-open-dns-resolver-step-4 =
    Heeft u zelf een DNS-server ingesteld?
    Laat die alleen reageren op uw eigen netwerk thuis.
cause-open-dns-resolver-step-5 = Verwijder port forwardings naar deur 53.
cause-open-dns-resolver-step-6 = { -step-update }
cause-open-dns-resolver-step-7 = { -step-button }

cause-open-ssdp-title = Een apparaat reageert op vreemden en kan misbruikt worden
cause-open-ssdp-means = Een apparaat op uw aansluiting laat zich aan het hele internet zien. De dienst, SSDP of UPnP genoemd, is alleen voor thuis bedoeld. Aanvallers gebruiken zulke apparaten om anderen te overspoelen met gegevens. Het is geen virus. Er staat één instelling verkeerd.
cause-open-ssdp-step-1 =
    Zoek uit welk apparaat het is.
    Meestal is het de router. Het kan ook een camera, een tv-kastje of een printer zijn.
cause-open-ssdp-step-2 = { shared-call-us-about-router }
cause-open-ssdp-step-3 =
    Open de instellingen van uw eigen router.
    Zet ‘UPnP’ uit, of sta het alleen toe voor uw netwerk thuis.
cause-open-ssdp-step-4 =
    Verwijder port forwardings naar deur 1900.
    Zet ‘DMZ’ of ‘exposed host’ uit.
cause-open-ssdp-step-5 = { -step-update }
cause-open-ssdp-step-6 = Zet de router uit, wacht een minuut en zet hem weer aan.
cause-open-ssdp-step-7 = { -step-button }

cause-open-ntp-title = Een apparaat geeft vreemden de tijd en kan misbruikt worden
cause-open-ntp-means = Een apparaat op uw aansluiting geeft het hele internet de tijd, en meer dan dat. Aanvallers gebruiken zulke apparaten om anderen te overspoelen met gegevens. Het is geen virus. Er staat één instelling verkeerd.
cause-open-ntp-step-1 =
    Zoek uit welk apparaat het is.
    Meestal is het een router, een camera, een netwerkschijf of een kleine server.
cause-open-ntp-step-2 = { shared-call-us-about-router }
cause-open-ntp-step-3 =
    Zet ‘NTP-server’ of ‘tijdserver’ uit in de instellingen van het apparaat.
    Het apparaat kan de tijd dan nog wel voor zichzelf ophalen.
cause-open-ntp-step-4 =
    Verwijder port forwardings naar deur 123.
    Zet ‘DMZ’ of ‘exposed host’ uit.
cause-open-ntp-step-5 = { -step-update }
cause-open-ntp-step-6 = { -step-button }

cause-open-snmp-title = Een apparaat vertelt vreemden over zichzelf en kan misbruikt worden
cause-open-snmp-means = Iedereen op internet kan een apparaat op uw aansluiting vragen stellen over zichzelf, en het misschien veranderen. De dienst heet SNMP. Het wachtwoord ervan is een woord dat iedereen kent. Aanvallers gebruiken zulke apparaten ook om anderen te overspoelen met gegevens.
cause-open-snmp-step-1 =
    Zoek uit welk apparaat het is.
    Meestal is het een router, een printer, een netwerkschijf of een camera.
cause-open-snmp-step-2 = { shared-call-us-about-router }
cause-open-snmp-step-3 =
    Zet ‘SNMP’ uit.
    U vindt het in de instellingen van het apparaat.
cause-open-snmp-step-4 =
    Heeft u SNMP nodig?
    Verander dan het woord ‘public’ in een lang geheim woord, en sta het alleen toe voor uw netwerk thuis.
cause-open-snmp-step-5 =
    Verwijder port forwardings naar deur 161.
    Zet ‘DMZ’ of ‘exposed host’ uit.
cause-open-snmp-step-6 = { -step-update }
cause-open-snmp-step-7 = { -step-button }

cause-open-adb-title = Iedereen kan een tv-kastje of telefoon bedienen
cause-open-adb-means = Een Android-apparaat op uw aansluiting, meestal een tv-kastje, kan vanaf het hele internet worden bediend, zonder wachtwoord. Er staat een testfunctie aan die ADB heet. Vreemden kunnen zo schadelijke programma’s installeren.
cause-open-adb-step-1 = Zoek uw Android-apparaten: tv-kastjes, televisies, tablets, telefoons, fotolijstjes.
cause-open-adb-step-2 = Trek de netwerkkabel uit het tv-kastje, of zet de wifi ervan uit.
cause-open-adb-step-3 =
    Zet de testfunctie uit.
    Open de instellingen van het apparaat. Ga naar ‘Opties voor ontwikkelaars’. Zet ‘ADB-foutopsporing’, ‘USB-foutopsporing’ en ‘netwerkfoutopsporing’ uit.
cause-open-adb-step-4 =
    Zet het apparaat terug naar de fabrieksinstellingen.
    Misschien is er al iemand binnen geweest. Zo haalt u weg wat is achtergelaten. Kijk daarna of foutopsporing nog uit staat.
cause-open-adb-step-5 = { -step-close-router }
cause-open-adb-step-6 =
    Staat foutopsporing na opnieuw opstarten weer aan?
    Sommige goedkope tv-kastjes zijn niet veilig te maken. Gebruik zo’n kastje niet meer.
cause-open-adb-step-7 =
    Sluit het apparaat weer aan. Installeer dan de nieuwste update.
    Zoek in de instellingen onder ‘Over’ of ‘Systeem’ naar ‘Systeemupdate’.
cause-open-adb-step-8 = { -step-button }

cause-vulnerable-router-title = Uw router heeft een bekend zwak punt
cause-vulnerable-router-counted = Een router heeft een bekend zwak punt
cause-vulnerable-router-means = Op uw router, of een ander apparaat aan de rand van uw netwerk, staat oude software met een bekend gat. Vreemden kunnen daardoor binnenkomen. Misschien is dat nog niet gebeurd.
cause-vulnerable-router-step-1 = { shared-call-us-about-router }
cause-vulnerable-router-step-2 =
    Is het uw eigen router? Installeer de nieuwste update.
    U vindt die in de instellingen van de router. Vaak heet dat ‘firmware-update’.
cause-vulnerable-router-step-3 = Zet ‘beheer op afstand’ of ‘toegang vanaf internet’ uit.
cause-vulnerable-router-step-4 =
    Verander het wachtwoord van de router.
    Neem een lang wachtwoord dat u nergens anders gebruikt.
cause-vulnerable-router-step-5 =
    Kijk in de lijst met port forwardings en DNS-servers.
    Verwijder wat u er niet zelf in heeft gezet.
cause-vulnerable-router-step-6 = Zet de router uit, wacht een minuut en zet hem weer aan.
cause-vulnerable-router-step-7 =
    Komen er geen updates meer?
    Dan moet de router worden vervangen. Wij vertellen u graag welke past.
cause-vulnerable-router-step-8 = { -step-button }

cause-infected-router-title = Uw router is overgenomen door een schadelijk programma
cause-infected-router-counted = Een router is overgenomen door een schadelijk programma
cause-infected-router-means = Op uw router draait een schadelijk programma. Vreemden kunnen er anderen mee aanvallen en bekijken wat erdoorheen gaat.
cause-infected-router-step-1 = { shared-call-us-about-router }
cause-infected-router-step-2 =
    Is het uw eigen router? Schrijf eerst op hoe hij is ingesteld.
    Dus de naam en het wachtwoord van uw wifi, en wat u nodig heeft om online te komen.
cause-infected-router-step-3 =
    Zet hem terug naar de fabrieksinstellingen.
    Houd de resetknop tien seconden ingedrukt. Daarmee zijn de meeste schadelijke programma’s weg.
cause-infected-router-step-4 =
    Geef de router meteen daarna een nieuw, lang wachtwoord.
    Alleen opnieuw opstarten is niet genoeg: met het oude wachtwoord wordt hij binnen een paar minuten weer overgenomen.
cause-infected-router-step-5 =
    Installeer de nieuwste update.
    Vaak heet dat ‘firmware-update’.
cause-infected-router-step-6 =
    Zet ‘beheer op afstand’ of ‘toegang vanaf internet’ uit.
    Stel uw wifi met de hand opnieuw in. Laad geen oude, bewaarde instellingen.
cause-infected-router-step-7 =
    Komen er geen updates meer?
    Dan moet de router worden vervangen. Wij vertellen u graag welke past.
cause-infected-router-step-8 = { -step-button }

cause-infected-nas-title = Uw netwerkschijf is aangevallen
cause-infected-nas-counted = Een netwerkschijf is aangevallen
cause-infected-nas-means = Op een netwerkschijf (vaak NAS genoemd) op uw aansluiting draait een schadelijk programma. Sommige van die programma’s zetten uw bestanden op slot en vragen geld. Uw bestanden kunnen in gevaar zijn, dus wacht niet te lang.
cause-infected-nas-step-1 =
    Trek de netwerkkabel uit de netwerkschijf.
    Laat de schijf voorlopig aan staan. Ziet u dat hij op dit moment bestanden op slot zet? Zet hem dan uit.
cause-infected-nas-step-2 =
    Betaal niet meteen.
    Betalen levert vaak niets op.
cause-infected-nas-step-3 =
    Staan er bestanden op slot? Bewaar ze.
    Bewaar ook het bericht waarin om geld wordt gevraagd. Verwijder, hernoem of formatteer niets. Maak een foto van het bericht.
cause-infected-nas-step-4 =
    Ga naar www.nomoreransom.org.
    Dat is een gratis dienst van de politie. U ziet er of er een sleutel is voor uw bestanden, nu of later.
cause-infected-nas-step-5 =
    Kopieer uw bestanden, ook de vergrendelde, naar een schijf die u niet met het netwerk verbindt.
    Sluit een USB-schijf aan op de netwerkschijf. Of verbind de netwerkschijf met een kabel met één computer, met de wifi van die computer uit. Een computerwinkel kan dit voor u doen. Schrijf niet over oudere, goede kopieën heen.
cause-infected-nas-step-6 =
    Open de instellingen van uw router.
    Verwijder port forwardings naar de netwerkschijf. Zet ‘UPnP’ uit.
cause-infected-nas-step-7 =
    Sluit de netwerkschijf weer aan.
    Installeer de nieuwste update van het systeem en van alle apps erop. Start daarna de virusscanner, vaak ‘Malware Remover’ of ‘Antivirus’ genoemd.
cause-infected-nas-step-8 =
    Verander de wachtwoorden van alle gebruikers.
    Verwijder gebruikers die u niet kent. Zet de gebruiker ‘admin’ uit, als dat kan. Alleen opnieuw opstarten is niet genoeg.
cause-infected-nas-step-9 = Zet toegang op afstand in de netwerkschijf uit.
cause-infected-nas-step-10 = { -step-button }
cause-infected-nas-note = U kunt aangifte doen bij de politie. Dat helpt om de daders te vinden. Bewaar voortaan een kopie van belangrijke bestanden op een schijf die niet altijd is aangesloten.

cause-infected-host-title = Op een computer draait een schadelijk programma
cause-infected-host-means = Een computer, telefoon of ander apparaat op uw aansluiting praat met servers van criminelen. Waarschijnlijk draait er een schadelijk programma op. Zulke programma’s kunnen wachtwoorden stelen en anderen aanvallen.
cause-infected-host-step-1 =
    Zoek alle computers in huis.
    Denk ook aan gasten en kinderen.
cause-infected-host-step-2 = { -step-scan-pc }
cause-infected-host-step-3 =
    Verwijder wat de scan vindt.
    Start de computer daarna opnieuw op en scan nog een keer. Alleen opnieuw opstarten is niet genoeg.
cause-infected-host-step-4 = Verwijder programma’s en uitbreidingen van uw browser die u niet kent.
cause-infected-host-step-5 = Installeer alle updates van Windows, macOS of uw telefoon, en van uw browser.
cause-infected-host-step-6 = Verwijder op telefoons en tv-kastjes apps die niet uit de officiële winkel komen.
cause-infected-host-step-7 = { -step-change-accounts }
cause-infected-host-step-8 =
    Vindt de scan niets, of komt het terug?
    Bewaar dan uw bestanden en stel de computer helemaal opnieuw in. Een computerwinkel kan helpen.
cause-infected-host-step-9 = { -step-button }

cause-open-http-admin-title = Iedereen kan de instellingen van een apparaat zien
cause-open-http-admin-means = De instellingenpagina van een van uw apparaten, zoals een router, camera of videorecorder, staat open voor het hele internet. Vreemden kunnen er wachtwoorden proberen of gaten in oude software gebruiken.
cause-open-http-admin-step-1 = { -step-find }
cause-open-http-admin-step-2 = { -step-close-router }
cause-open-http-admin-step-3 = Zet ‘toegang op afstand’, ‘webtoegang vanaf internet’ of ‘beheer op afstand’ uit in het apparaat.
cause-open-http-admin-step-4 = { -step-new-password }
cause-open-http-admin-step-5 = { -step-update }
cause-open-http-admin-step-6 = { -step-button }
cause-open-http-admin-note = Wilt u uw camera ook onderweg bekijken? Gebruik dan een VPN naar huis. Veel routers kunnen dat.

cause-open-iot-title = Iedereen kan bij een slim apparaat
cause-open-iot-means = Een slim apparaat op uw aansluiting, zoals een camera, een recorder of een kastje voor slimme bediening, staat open voor het hele internet. Vreemden kunnen meekijken, wachtwoorden proberen of dingen aan- en uitzetten.
cause-open-iot-step-1 = { -step-find }
cause-open-iot-step-2 = { -step-close-router }
cause-open-iot-step-3 = { -step-remote-off }
cause-open-iot-step-4 = { -step-new-password }
cause-open-iot-step-5 = { -step-update }
cause-open-iot-step-6 = { -step-retire }
cause-open-iot-step-7 = { -step-button }

cause-open-reflector-title = Een apparaat reageert op vreemden en kan misbruikt worden
cause-open-reflector-means = Een apparaat op uw aansluiting beantwoordt vragen van het hele internet. Aanvallers gebruiken zulke apparaten om anderen te overspoelen met gegevens. Het is geen virus. Er staat één instelling verkeerd.
cause-open-reflector-step-1 = { -step-find }
cause-open-reflector-step-2 = { shared-call-us-about-router }
cause-open-reflector-step-3 = { -step-close-router }
cause-open-reflector-step-4 =
    Heeft u zelf een server ingesteld?
    Laat die alleen reageren op uw eigen netwerk thuis.
cause-open-reflector-step-5 = { -step-update }
cause-open-reflector-step-6 = { -step-button }

cause-open-proxy-title = Vreemden kunnen via uw aansluiting internetten
cause-open-proxy-counted = Vreemden kunnen via de aansluiting internetten
cause-open-proxy-means = Een apparaat of programma op uw aansluiting laat vreemden uw internet gebruiken alsof zij u zijn. Wat zij doen, lijkt van u te komen. Soms doet een gratis app of een tv-kastje dit zonder het te zeggen.
cause-open-proxy-step-1 =
    Denk aan apps die geld of gratis films beloven voor het ‘delen van uw internet’, en aan gratis VPN-apps.
    Verwijder ze.
cause-open-proxy-step-2 = { -step-scan-pc }
cause-open-proxy-step-3 =
    Heeft u zelf een proxy- of VPN-server ingesteld?
    Zet die uit, of zorg dat alleen u hem kunt gebruiken.
cause-open-proxy-step-4 = { -step-close-router }
cause-open-proxy-step-5 = { -step-update }
cause-open-proxy-step-6 = { -step-button }

cause-open-remote-desktop-title = Een computer kan van buitenaf worden bediend
cause-open-remote-desktop-means = Een computer op uw aansluiting biedt zijn scherm aan het hele internet aan (extern bureaublad of VNC). Criminelen proberen daar dag en nacht wachtwoorden, en zetten bestanden op slot zodra zij binnen zijn.
cause-open-remote-desktop-step-1 =
    Zoek de computer waarvan u het scherm ergens anders kunt gebruiken.
    Misschien heeft iemand dit ingesteld om u te helpen.
cause-open-remote-desktop-step-2 =
    Zet bediening op afstand uit.
    In Windows: ‘Instellingen’, ‘Systeem’, ‘Extern bureaublad’, ‘Uit’. Verwijder ook programma’s zoals VNC, als u ze niet nodig heeft.
cause-open-remote-desktop-step-3 = { -step-close-router }
cause-open-remote-desktop-step-4 = Verander de wachtwoorden van alle gebruikers van de computer.
cause-open-remote-desktop-step-5 = { -step-scan-pc }
cause-open-remote-desktop-step-6 = Installeer alle updates.
cause-open-remote-desktop-step-7 = { -step-button }

cause-open-file-sharing-title = Uw bestanden zijn van buitenaf te zien
cause-open-file-sharing-counted = Bestanden zijn van buitenaf te zien
cause-open-file-sharing-means = Een computer of netwerkschijf op uw aansluiting deelt bestanden met het hele internet. Vreemden kunnen ze misschien lezen, veranderen of op slot zetten.
cause-open-file-sharing-step-1 =
    Zoek het apparaat dat bestanden deelt.
    Meestal is het een netwerkschijf, een router met een USB-schijf, of een computer.
cause-open-file-sharing-step-2 = { -step-close-router }
cause-open-file-sharing-step-3 = Sta bestanden delen (‘SMB’, ‘FTP’, ‘AFP’, ‘NFS’) in het apparaat alleen toe voor uw netwerk thuis.
cause-open-file-sharing-step-4 =
    Geef elke gedeelde map een lang wachtwoord.
    Zet toegang voor gasten uit.
cause-open-file-sharing-step-5 = { -step-update }
cause-open-file-sharing-step-6 = { -step-button }

cause-open-database-title = Iedereen kan bij een gegevensbank
cause-open-database-means = Op een server of netwerkschijf op uw aansluiting staat een database die open is voor het hele internet. Vreemden kunnen misschien lezen, veranderen of wissen wat erin staat.
cause-open-database-step-1 =
    Zoek het apparaat.
    Meestal is het een kleine server, een netwerkschijf of een computer waarop iemand programmeert.
cause-open-database-step-2 =
    Laat de database alleen reageren op het apparaat zelf of op uw netwerk thuis.
    Geef hem een lang wachtwoord.
cause-open-database-step-3 = { -step-close-router }
cause-open-database-step-4 = { -step-update }
cause-open-database-step-5 = Maak een kopie van uw gegevens, en kijk of er niets is veranderd.
cause-open-database-step-6 = { -step-button }

cause-vulnerable-server-title = Een server heeft een bekend zwak punt
cause-vulnerable-server-means = Op een server of netwerkschijf op uw aansluiting staat oude software met een bekend gat. Vreemden kunnen daardoor binnenkomen. Misschien is dat nog niet gebeurd.
cause-vulnerable-server-step-1 =
    Zoek het apparaat.
    Meestal is het een kleine server of een netwerkschijf.
cause-vulnerable-server-step-2 = Installeer de nieuwste updates van het systeem en van elk programma erop.
cause-vulnerable-server-step-3 = { -step-close-router }
cause-vulnerable-server-step-4 =
    Zoek naar gebruikers, bestanden en programma’s die u niet kent.
    Vindt u die? Stel het apparaat dan helemaal opnieuw in.
cause-vulnerable-server-step-5 = { -step-button }

cause-compromised-server-title = Een server is overgenomen door vreemden
cause-compromised-server-means = Vreemden hebben een programma of een pagina op een server of netwerkschijf op uw aansluiting gezet. Zij vallen er anderen mee aan of lichten hen op.
cause-compromised-server-step-1 =
    Trek de netwerkkabel uit het apparaat.
    Laat het aan staan.
cause-compromised-server-step-2 = Bewaar uw eigen gegevens op een schijf die u niet met het netwerk verbindt.
cause-compromised-server-step-3 =
    Stel het apparaat helemaal opnieuw in met de nieuwste software.
    Alleen opruimen is zelden genoeg, want vreemden laten meer dan één ingang achter.
cause-compromised-server-step-4 =
    Geef elke gebruiker een nieuw, lang wachtwoord.
    Verwijder gebruikers die u niet kent.
cause-compromised-server-step-5 = { -step-close-router }
cause-compromised-server-step-6 =
    Sluit het apparaat weer aan en installeer alle updates.
    Alleen opnieuw opstarten is niet genoeg.
cause-compromised-server-step-7 = { -step-button }

cause-generic-title = Een apparaat op uw aansluiting wordt misbruikt
cause-generic-means = Een dienst die op internet let, zag verkeer van uw aansluiting dat op een aanval lijkt, of een apparaat dat open staat voor vreemden. Meer weten wij niet.
cause-generic-step-1 = { -step-find }
cause-generic-step-2 = { -step-close-router }
cause-generic-step-3 = { -step-scan-pc }
cause-generic-step-4 =
    Zet de andere apparaten uit, wacht een minuut en zet ze weer aan.
    Verander daarna meteen hun wachtwoorden. Alleen opnieuw opstarten is niet genoeg.
cause-generic-step-5 = Installeer de nieuwste updates op elk apparaat.
cause-generic-step-6 = { -step-remote-off }
cause-generic-step-7 = { -step-button }
