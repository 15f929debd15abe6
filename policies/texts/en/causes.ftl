### What each cause means and what to do about it, in English. See portal.ftl for how to write.
###
### A cause has cause-<cause>-title, -means, -step-1, -step-2 … without a gap, and -note where there is more to say. The last
### step is the button of the page; the others can be ticked. Where the title speaks to the reader (“Your router …”), the open
### figures say cause-<cause>-counted in its place.
###
### When a report names the kind of device (camera, dvr, router, nas, tv-box, pc, printer, phone), steps can fit it:
###   step-password-camera        is said to owners of cameras wherever a step is { -step-password } and nothing else;
###   cause-mirai-step-4-camera   is said to them in this cause alone, and goes before the other;
###   device-camera-name          names the kind.
### Without such a text the general step is said. devices.ftl has ours. Who says a general step anew in a file of their own
### thereby takes back what is built in for devices. A kind of device never adds or leaves out a step.

## Steps that several causes share. The first line of a step is shown in bold: what to do. The rest says how or why.
## A term (with a hyphen in front) cannot use variables; a text that needs one is called shared-….

-step-find =
    Find the devices in your home that use the internet.
    Think of cameras, video recorders, TV boxes, routers, network disks and smart plugs.
-step-close-router =
    Close the open doors of your router.
    Type the address on the sticker of the router into your browser, and log in. Delete every “port forwarding” or “port opening” that you did not set up yourself, or do not need. Switch off “UPnP” and “remote management”. Is this too hard? Call us.
-step-power =
    Switch the device off and on again.
    Pull its power plug, wait for one minute, and plug it in again. This removes the harmful program for now.
-step-password =
    Right after that, change the password of the device.
    Take a long one that you use nowhere else. A restart alone is not enough: with the old password the device is taken over again within minutes.
-step-new-password =
    Change the password of the device.
    Take a long one that you use nowhere else.
-step-restart = Switch the device off, wait for one minute, and switch it on again.
-step-update =
    Install the newest update for the device.
    In most devices you find it in the settings under “Update”, “Firmware” or “System”.
-step-remote-off =
    Switch off remote access in the device, if you do not need it.
    Look for words such as “Telnet”, “remote access”, “cloud” or “P2P”.
-step-retire =
    Is there no update, or can the password not be changed?
    Then please unplug the device and do not use it on the internet any more.
-step-button =
    Press the button below.
    We check your line at once.
shared-call-us-about-router =
    Is the router from { $provider }? Call us.
    Please do not reset it. We do it together.
-step-scan-pc =
    Run a virus scan on every computer.
    Windows has one built in. Save your work, then open “Windows Security”, then “Virus and threat protection”, then “Scan options”, then “Microsoft Defender Antivirus (offline scan)”. The computer restarts and scans for some 15 minutes.
-step-change-accounts =
    When the device is clean, change your important passwords: e-mail first, then bank, then the rest.
    Do this from a device that you trust.

## Causes

cause-mirai-title = A device was taken over by a harmful program
cause-mirai-means = A harmful program of the Mirai kind runs on one of your devices. Often it is a camera, a video recorder, a TV box or a router. Strangers use it to attack others. You may not notice anything yourself. It got in because the device had a simple or known password, or because it was open to the internet.
cause-mirai-step-1 = { -step-find }
cause-mirai-step-2 = { -step-close-router }
cause-mirai-step-3 = { -step-power }
cause-mirai-step-4 = { -step-password }
cause-mirai-step-5 = { -step-update }
cause-mirai-step-6 = { -step-remote-off }
cause-mirai-step-7 = { -step-retire }
cause-mirai-step-8 = { -step-button }
cause-mirai-note = With the old password, the device can be taken over again within minutes. So do all the steps in one go. Are you not sure which device it is? Do the steps for each one.

cause-open-telnet-title = A device can be controlled from outside
cause-open-telnet-means = One of your devices offers remote control to the whole internet. The way it does so is old and not safe. It is called Telnet. Strangers and harmful programs try passwords there day and night.
cause-open-telnet-step-1 = { -step-find }
cause-open-telnet-step-2 =
    Switch off “Telnet” in the settings of the device.
    If you need remote control, use “SSH” with a long password, and only at home.
cause-open-telnet-step-3 = { -step-close-router }
cause-open-telnet-step-4 = { -step-new-password }
cause-open-telnet-step-5 = { -step-update }
cause-open-telnet-step-6 = { -step-restart }
cause-open-telnet-step-7 = { -step-retire }
cause-open-telnet-step-8 = { -step-button }

cause-open-dns-resolver-title = A device answers strangers and can be misused
cause-open-dns-resolver-means = A device on your line, most often a router, answers name questions from the whole internet. Attackers use such devices to flood others with data. It is not a virus. One setting is wrong.
cause-open-dns-resolver-step-1 =
    Find out which device it is.
    Most often it is your router, or a computer or network disk with a “DNS server”.
cause-open-dns-resolver-step-2 = { shared-call-us-about-router }
cause-open-dns-resolver-step-3 =
    Is it your own router? Close the service.
    Open its settings. Switch off “DNS” or “remote management” on the internet side (often called “WAN”).
cause-open-dns-resolver-step-4 =
    Did you set up a DNS server yourself?
    Let it answer only to your own home network.
cause-open-dns-resolver-step-5 = Delete port forwardings to door 53.
cause-open-dns-resolver-step-6 = { -step-update }
cause-open-dns-resolver-step-7 = { -step-button }

cause-open-ssdp-title = A device answers strangers and can be misused
cause-open-ssdp-means = A device on your line shows itself to the whole internet. This service, called SSDP or UPnP, is made for your home only. Attackers use such devices to flood others with data. It is not a virus. One setting is wrong.
cause-open-ssdp-step-1 =
    Find out which device it is.
    Most often it is the router. It can also be a camera, a TV box or a printer.
cause-open-ssdp-step-2 = { shared-call-us-about-router }
cause-open-ssdp-step-3 =
    Open the settings of your own router.
    Switch off “UPnP”, or allow it for the home network only.
cause-open-ssdp-step-4 =
    Delete port forwardings to door 1900.
    Switch off “DMZ” or “exposed host”.
cause-open-ssdp-step-5 = { -step-update }
cause-open-ssdp-step-6 = Switch the router off, wait for one minute, and switch it on again.
cause-open-ssdp-step-7 = { -step-button }

cause-open-ntp-title = A device gives the time to strangers and can be misused
cause-open-ntp-means = A device on your line gives the time to the whole internet, and more than it should. Attackers use such devices to flood others with data. It is not a virus. One setting is wrong.
cause-open-ntp-step-1 =
    Find out which device it is.
    Most often it is a router, a camera, a network disk or a small server.
cause-open-ntp-step-2 = { shared-call-us-about-router }
cause-open-ntp-step-3 =
    Switch off “NTP server” or “time server” in the settings of the device.
    The device can still fetch the time for itself.
cause-open-ntp-step-4 =
    Delete port forwardings to door 123.
    Switch off “DMZ” or “exposed host”.
cause-open-ntp-step-5 = { -step-update }
cause-open-ntp-step-6 = { -step-button }

cause-open-snmp-title = A device tells strangers about itself and can be misused
cause-open-snmp-means = A device on your line can be asked about itself, and perhaps changed, by anybody on the internet. The service is called SNMP. Its password is a word that everybody knows. Attackers also use such devices to flood others with data.
cause-open-snmp-step-1 =
    Find out which device it is.
    Most often it is a router, a printer, a network disk or a camera.
cause-open-snmp-step-2 = { shared-call-us-about-router }
cause-open-snmp-step-3 =
    Switch off “SNMP”.
    You find it in the settings of the device.
cause-open-snmp-step-4 =
    Do you need SNMP?
    Then change the word “public” to a long secret word, and allow it for your home network only.
cause-open-snmp-step-5 =
    Delete port forwardings to door 161.
    Switch off “DMZ” or “exposed host”.
cause-open-snmp-step-6 = { -step-update }
cause-open-snmp-step-7 = { -step-button }

cause-open-adb-title = A TV box or phone can be controlled by anybody
cause-open-adb-means = An Android device on your line, most often a TV box, can be controlled from the whole internet without a password. A test mode called ADB is switched on. Strangers can install harmful programs that way.
cause-open-adb-step-1 = Find your Android devices: TV boxes, TV sets, tablets, phones, picture frames.
cause-open-adb-step-2 = Pull the network cable of the TV box, or switch off its Wi-Fi.
cause-open-adb-step-3 =
    Switch off the test mode.
    Open the settings of the device. Go to “Developer options”. Switch off “ADB debugging”, “USB debugging” and “Network debugging”.
cause-open-adb-step-4 =
    Reset the device to factory settings.
    Somebody may have been in already, and this removes what they left. Then make sure that debugging is still off.
cause-open-adb-step-5 = { -step-close-router }
cause-open-adb-step-6 =
    Is debugging on again after a restart?
    Some cheap TV boxes cannot be made safe. Please do not use such a box any more.
cause-open-adb-step-7 =
    Connect the device again. Then install its newest update.
    Look in its settings under “About” or “System” for “System update”.
cause-open-adb-step-8 = { -step-button }

cause-vulnerable-router-title = Your router has a known weak spot
cause-vulnerable-router-counted = A router has a known weak spot
cause-vulnerable-router-means = Your router, or another device at the edge of your home network, runs old software with a known hole. Strangers can use it to get in. Perhaps nobody has done so yet.
cause-vulnerable-router-step-1 = { shared-call-us-about-router }
cause-vulnerable-router-step-2 =
    Is it your own router? Install the newest update.
    You find it in the settings of the router. It is often called “firmware update”.
cause-vulnerable-router-step-3 = Switch off “remote management” or “access from the internet”.
cause-vulnerable-router-step-4 =
    Change the password of the router.
    Take a long one that you use nowhere else.
cause-vulnerable-router-step-5 =
    Look at the list of port forwardings and DNS servers.
    Delete what you did not enter yourself.
cause-vulnerable-router-step-6 = Switch the router off, wait for one minute, and switch it on again.
cause-vulnerable-router-step-7 =
    Is there no update any more?
    Then the router has to be replaced. We are glad to tell you what fits.
cause-vulnerable-router-step-8 = { -step-button }

cause-infected-router-title = Your router was taken over by a harmful program
cause-infected-router-counted = A router was taken over by a harmful program
cause-infected-router-means = A harmful program runs on your router. Strangers can use it to attack others and to look at what passes through it.
cause-infected-router-step-1 = { shared-call-us-about-router }
cause-infected-router-step-2 =
    Is it your own router? Make a note first.
    Write down how it is set up: name and password of your Wi-Fi, and what you need to get online.
cause-infected-router-step-3 =
    Reset it to factory settings.
    Hold its reset button for ten seconds. This removes most harmful programs.
cause-infected-router-step-4 =
    Right after that, give the router a new long password.
    A restart alone is not enough: with the old password it is taken over again within minutes.
cause-infected-router-step-5 =
    Install the newest update.
    It is often called “firmware update”.
cause-infected-router-step-6 =
    Switch off “remote management” or “access from the internet”.
    Set up your Wi-Fi again by hand. Do not load old saved settings.
cause-infected-router-step-7 =
    Is there no update any more?
    Then the router has to be replaced. We are glad to tell you what fits.
cause-infected-router-step-8 = { -step-button }

cause-infected-nas-title = Your network disk was attacked
cause-infected-nas-counted = A network disk was attacked
cause-infected-nas-means = A network disk (often called NAS) on your line runs a harmful program. Some of these programs lock your files and ask for money. Your files may be in danger, so please act soon.
cause-infected-nas-step-1 =
    Pull the network cable of the network disk.
    Leave it switched on for now. If you see it locking files at this moment, switch it off.
cause-infected-nas-step-2 =
    Do not pay first.
    Paying often brings nothing back.
cause-infected-nas-step-3 =
    Are files locked? Keep them.
    Keep the message that asks for money, too. Do not delete, rename or format anything. Take a photo of the message.
cause-infected-nas-step-4 =
    Go to www.nomoreransom.org.
    It is a free service of the police. It shows whether there is a key for your files, now or later.
cause-infected-nas-step-5 =
    Copy your files and the locked files to a disk that you do not connect to the network.
    Plug a USB disk into the network disk. Or join the network disk to one computer by cable, with the Wi-Fi of that computer off. A computer shop can do this for you. Do not copy over older good copies.
cause-infected-nas-step-6 =
    Open the settings of your router.
    Delete port forwardings to the network disk. Switch off “UPnP”.
cause-infected-nas-step-7 =
    Connect the network disk again.
    Install the newest update of its system and of all its apps. Then run its virus scanner, often called “Malware Remover” or “Antivirus”.
cause-infected-nas-step-8 =
    Change the passwords of all its users.
    Remove users that you do not know. Switch off the user “admin”, if you can. A restart alone is not enough.
cause-infected-nas-step-9 = Switch off remote access in the network disk.
cause-infected-nas-step-10 = { -step-button }
cause-infected-nas-note = You can tell the police about it. It helps to find those who did it. From now on, keep a copy of important files on a disk that is not always connected.

cause-infected-host-title = A computer runs a harmful program
cause-infected-host-means = A computer, phone or other device on your line talks to servers of criminals. It probably runs a harmful program. Such programs can steal passwords and attack others.
cause-infected-host-step-1 =
    Find all computers in your home.
    Think of guests and children, too.
cause-infected-host-step-2 = { -step-scan-pc }
cause-infected-host-step-3 =
    Remove what the scan finds.
    Then restart the computer and scan once more. A restart alone is not enough.
cause-infected-host-step-4 = Remove programs and browser add-ons that you do not know.
cause-infected-host-step-5 = Install all updates of Windows, macOS or your phone, and of your browser.
cause-infected-host-step-6 = On phones and TV boxes, remove apps that do not come from the official store.
cause-infected-host-step-7 = { -step-change-accounts }
cause-infected-host-step-8 =
    Does the scan find nothing, or does it come back?
    Then save your files and set the computer up anew. A computer shop can help.
cause-infected-host-step-9 = { -step-button }

cause-open-http-admin-title = The settings of a device can be seen by anybody
cause-open-http-admin-means = The settings page of one of your devices, such as a router, camera or video recorder, is open to the whole internet. Strangers can try passwords there or use holes in old software.
cause-open-http-admin-step-1 = { -step-find }
cause-open-http-admin-step-2 = { -step-close-router }
cause-open-http-admin-step-3 = Switch off “remote access”, “web access from the internet” or “remote management” in the device.
cause-open-http-admin-step-4 = { -step-new-password }
cause-open-http-admin-step-5 = { -step-update }
cause-open-http-admin-step-6 = { -step-button }
cause-open-http-admin-note = Do you want to see your camera when you are out? Use a VPN to your home. Many routers can do this.

cause-open-iot-title = A smart device can be reached by anybody
cause-open-iot-means = A smart device on your line, such as a camera, a recorder or a home control box, is open to the whole internet. Strangers can look at it, try passwords or switch things.
cause-open-iot-step-1 = { -step-find }
cause-open-iot-step-2 = { -step-close-router }
cause-open-iot-step-3 = { -step-remote-off }
cause-open-iot-step-4 = { -step-new-password }
cause-open-iot-step-5 = { -step-update }
cause-open-iot-step-6 = { -step-retire }
cause-open-iot-step-7 = { -step-button }

cause-open-reflector-title = A device answers strangers and can be misused
cause-open-reflector-means = A device on your line answers questions from the whole internet. Attackers use such devices to flood others with data. It is not a virus. One setting is wrong.
cause-open-reflector-step-1 = { -step-find }
cause-open-reflector-step-2 = { shared-call-us-about-router }
cause-open-reflector-step-3 = { -step-close-router }
cause-open-reflector-step-4 =
    Did you set up a server yourself?
    Let it answer only to your own home network.
cause-open-reflector-step-5 = { -step-update }
cause-open-reflector-step-6 = { -step-button }

cause-open-proxy-title = Strangers can surf through your line
cause-open-proxy-counted = Strangers can surf through the line
cause-open-proxy-means = A device or program on your line lets strangers use your internet as if they were you. What they do looks as if you had done it. Sometimes a free app or a TV box does this without saying so.
cause-open-proxy-step-1 =
    Think of apps that promise money or free films for “sharing your internet”, and of free VPN apps.
    Remove them.
cause-open-proxy-step-2 = { -step-scan-pc }
cause-open-proxy-step-3 =
    Did you set up a proxy or VPN server yourself?
    Switch it off, or let only yourself use it.
cause-open-proxy-step-4 = { -step-close-router }
cause-open-proxy-step-5 = { -step-update }
cause-open-proxy-step-6 = { -step-button }

cause-open-remote-desktop-title = A computer can be controlled from outside
cause-open-remote-desktop-means = A computer on your line offers its screen to the whole internet (remote desktop or VNC). Criminals try passwords there day and night, and lock files once they are in.
cause-open-remote-desktop-step-1 =
    Find the computer whose screen you can use from elsewhere.
    Perhaps somebody set this up to help you.
cause-open-remote-desktop-step-2 =
    Switch off remote control.
    In Windows: “Settings”, “System”, “Remote Desktop”, “Off”. Also remove programs such as VNC, if you do not need them.
cause-open-remote-desktop-step-3 = { -step-close-router }
cause-open-remote-desktop-step-4 = Change the passwords of all users of the computer.
cause-open-remote-desktop-step-5 = { -step-scan-pc }
cause-open-remote-desktop-step-6 = Install all updates.
cause-open-remote-desktop-step-7 = { -step-button }

cause-open-file-sharing-title = Your files can be seen from outside
cause-open-file-sharing-counted = Files can be seen from outside
cause-open-file-sharing-means = A computer or network disk on your line shares files with the whole internet. Strangers may be able to read, change or lock them.
cause-open-file-sharing-step-1 =
    Find the device that shares files.
    Most often it is a network disk, a router with a USB disk, or a computer.
cause-open-file-sharing-step-2 = { -step-close-router }
cause-open-file-sharing-step-3 = In the device, allow file sharing (“SMB”, “FTP”, “AFP”, “NFS”) for your home network only.
cause-open-file-sharing-step-4 =
    Give every share a long password.
    Switch off guest access.
cause-open-file-sharing-step-5 = { -step-update }
cause-open-file-sharing-step-6 = { -step-button }

cause-open-database-title = A data store can be reached by anybody
cause-open-database-means = A server or network disk on your line has a database that is open to the whole internet. Strangers may be able to read, change or delete what is in it.
cause-open-database-step-1 =
    Find the device.
    Most often it is a small server, a network disk or a computer used for programming.
cause-open-database-step-2 =
    Let the database answer only to the device itself or to your home network.
    Give it a long password.
cause-open-database-step-3 = { -step-close-router }
cause-open-database-step-4 = { -step-update }
cause-open-database-step-5 = Make a copy of your data, and check that nothing was changed.
cause-open-database-step-6 = { -step-button }

cause-vulnerable-server-title = A server has a known weak spot
cause-vulnerable-server-means = A server or network disk on your line runs old software with a known hole. Strangers can use it to get in. Perhaps nobody has done so yet.
cause-vulnerable-server-step-1 =
    Find the device.
    Most often it is a small server or a network disk.
cause-vulnerable-server-step-2 = Install the newest updates of its system and of every program on it.
cause-vulnerable-server-step-3 = { -step-close-router }
cause-vulnerable-server-step-4 =
    Look for users, files and programs that you do not know.
    If you find some, set the device up anew.
cause-vulnerable-server-step-5 = { -step-button }

cause-compromised-server-title = A server was taken over by strangers
cause-compromised-server-means = Strangers have put a program or a page onto a server or network disk on your line. They use it to attack or cheat others.
cause-compromised-server-step-1 =
    Pull the network cable of the device.
    Leave it switched on.
cause-compromised-server-step-2 = Save your own data to a disk that you do not connect to the network.
cause-compromised-server-step-3 =
    Set the device up anew with the newest software.
    Cleaning alone is seldom enough, because strangers leave more than one way in.
cause-compromised-server-step-4 =
    Give every user a new long password.
    Remove users that you do not know.
cause-compromised-server-step-5 = { -step-close-router }
cause-compromised-server-step-6 =
    Connect the device again and install all updates.
    A restart alone is not enough.
cause-compromised-server-step-7 = { -step-button }

cause-generic-title = A device on your line is misused
cause-generic-means = A service that watches the internet saw traffic from your line that looks like an attack, or a device that is open to strangers. We do not know more than that.
cause-generic-step-1 = { -step-find }
cause-generic-step-2 = { -step-close-router }
cause-generic-step-3 = { -step-scan-pc }
cause-generic-step-4 =
    Switch the other devices off, wait for one minute, and switch them on again.
    Then change their passwords right away. A restart alone is not enough.
cause-generic-step-5 = Install the newest updates on every device.
cause-generic-step-6 = { -step-remote-off }
cause-generic-step-7 = { -step-button }
