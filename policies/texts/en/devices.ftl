### What is done otherwise with some kinds of devices, in English. Used when a report names the kind; see causes.ftl.

## Names. They stand behind a colon.

device-camera-name = camera
device-dvr-name = recorder for cameras
device-router-name = router or modem
device-nas-name = network disk (NAS)
device-tv-box-name = TV box
device-pc-name = computer
device-printer-name = printer
device-phone-name = phone or tablet

## Finding it

step-find-camera =
    Find your cameras.
    Look at the front door, in the garden, in the garage and in the rooms of small children. The name is most often on the underside. Is there more than one? Then do the steps for each.
step-find-dvr =
    Find the recorder of your cameras.
    It is a box with a hard disk, and your cameras are joined to it. It often stands near the router or the TV.
step-find-router =
    Find your router.
    It is the box that brings the internet into your home. Most have small lights, and a sticker with the password of the Wi-Fi. Is there a second one, or a Wi-Fi booster? Then do the steps for it, too.
step-find-nas =
    Find your network disk.
    It is a box with one or more hard disks for photos and other files. A cable leads from it to the router.
step-find-tv-box =
    Find your TV boxes.
    Look behind and beneath every TV for a small box or a stick.
step-find-pc =
    Find all computers in your home.
    Think of old ones, too, and of those of guests and children.
step-find-printer =
    Find your printers.
    Look for those with Wi-Fi or a network cable.
step-find-phone =
    Find all phones and tablets in your home.
    Think of old ones, too, and of those of guests and children.

## Switching it off and on

step-power-camera =
    Switch the camera off and on again.
    Pull its power plug, wait for one minute, and plug it in again. Does it have a battery? Take that out, too. This removes the harmful program for now.
step-power-dvr =
    Switch the recorder off and on again.
    If its menu has “Shut down”, use that first. Then pull its power plug, wait for one minute, and plug it in again. This removes the harmful program for now.
step-power-router =
    Switch the router off and on again.
    Pull its power plug, wait for one minute, and plug it in again. It may take five minutes to start. This removes the harmful program for now.
step-power-nas =
    Restart the network disk.
    Choose “Restart” in its settings. Do not just pull the plug: that can harm your files. This removes the harmful program for now.
step-power-pc =
    Restart the computer.
    Then run a full virus scan. Windows has one built in: open “Windows Security”, then “Virus and threat protection”.
step-power-phone =
    Restart the phone or tablet.
    Hold its power button until a menu opens. Choose “Restart”, or switch it off and on again. This stops the harmful program for now.
step-restart-nas =
    Restart the network disk.
    Choose “Restart” in its settings. Do not just pull the plug: that can harm your files.
step-restart-pc = Restart the computer.
step-restart-phone =
    Restart the phone or tablet.
    Hold its power button until a menu opens. Choose “Restart”, or switch it off and on again.

## Its password

-again-camera = A restart alone is not enough: with the old password the camera is taken over again within minutes.
-how-password-camera = Open its app or its settings page. Look for “Password”, “Account” or “User”. Take a long one that you use nowhere else.
step-password-camera =
    Right after that, change the password of the camera.
    { -how-password-camera } { -again-camera }
step-new-password-camera =
    Change the password of the camera.
    { -how-password-camera }

-again-dvr = A restart alone is not enough: with the old password the recorder is taken over again within minutes.
-how-password-dvr = Use its screen and mouse, or its app. Look for “User”, “Account” or “Password”. The user “admin” needs a new one, too. Take a long one that you use nowhere else.
step-password-dvr =
    Right after that, change the password of the recorder.
    { -how-password-dvr } { -again-dvr }
step-new-password-dvr =
    Change the password of the recorder.
    { -how-password-dvr }

-again-router = A restart alone is not enough: with the old password the router is taken over again within minutes.
-how-password-router = Open its settings page. The way there is on the sticker of the router. Look for “Administration”, “System” or “Device password”. This is not the password of your Wi-Fi. Take a long one that you use nowhere else.
step-password-router =
    Right after that, change the password of the router.
    { -how-password-router } { -again-router }
step-new-password-router =
    Change the password of the router.
    { -how-password-router }

-again-nas = A restart alone is not enough: with the old password the disk is taken over again within minutes.
-how-password-nas = Open its settings in your browser. Look for “Control Panel”, then “Users”. Switch off the user “admin”, if you can. Take a long password that you use nowhere else.
step-password-nas =
    Right after that, change the passwords of all users of the network disk.
    { -how-password-nas } { -again-nas }
step-new-password-nas =
    Change the passwords of all users of the network disk.
    { -how-password-nas }

-again-tv-box = A restart alone is not enough: while it is on, the box is taken over again within minutes.
-how-password-tv-box = Most TV boxes have no password. Strangers come in by a test mode. Open the settings, then “Developer options”. Switch off “ADB debugging”, “USB debugging” and “Network debugging”. Is there no such menu? Then reset the box to factory settings.
step-password-tv-box =
    Right after that, switch off the test mode of the TV box.
    { -how-password-tv-box } { -again-tv-box }
step-new-password-tv-box =
    Switch off the test mode of the TV box.
    { -how-password-tv-box }

-again-pc = A restart alone is not enough.
-how-password-pc = In Windows: “Settings”, “Accounts”, “Sign-in options”. Take a long one that you use nowhere else.
step-password-pc =
    Right after that, change the password of every user of the computer.
    { -how-password-pc } { -again-pc }
step-new-password-pc =
    Change the password of every user of the computer.
    { -how-password-pc }

-again-printer = A restart alone is not enough: with the old password the printer is taken over again within minutes.
-how-password-printer = Open its menu or its settings page. Look for “Security”, “Administrator” or “Password”. Take a long one that you use nowhere else.
step-password-printer =
    Right after that, change the password of the printer.
    { -how-password-printer } { -again-printer }
step-new-password-printer =
    Change the password of the printer.
    { -how-password-printer }

-again-phone = A restart alone is not enough: a bad app starts again with the phone.
-how-password-phone = Look in the settings for “Security”, “Screen lock” or “Passcode”. Take a PIN of six digits or more that you use nowhere else.
step-password-phone =
    Right after that, remove every app that you do not know, and set a new PIN.
    The apps stand in the settings under “Apps”. { -how-password-phone } { -again-phone }
step-new-password-phone =
    Set a new PIN for the phone or tablet.
    { -how-password-phone }

## Its updates

step-update-camera =
    Install the newest update for the camera.
    Open its app or its settings page. Look for “Firmware”, “Device update” or “System”. Take updates from its maker only.
step-update-dvr =
    Install the newest update for the recorder.
    Look in its menu for “Upgrade”, “Firmware” or “Maintenance”. Take updates from its maker only.
step-update-router =
    Install the newest update for the router.
    Look in its settings for “Firmware update”. If there are “automatic updates”, switch them on.
step-update-nas =
    Install the newest update for the network disk.
    Look in its “Control Panel” for “Update & Restore” or “Firmware Update”. Then update all its apps.
step-update-tv-box =
    Install the newest update for the TV box.
    Look in its settings under “About” or “System” for “System update”.
step-update-pc =
    Install all updates of the computer.
    In Windows: “Settings”, “Windows Update”. On a Mac: “System Settings”, “General”, “Software Update”.
step-update-printer =
    Install the newest update for the printer.
    Look in its menu for “Firmware update” or “Maintenance”.
step-update-phone =
    Install all updates of the phone or tablet.
    On Android: “Settings”, “System”, “System update”. On an iPhone or iPad: “Settings”, “General”, “Software Update”.

## Its ways in from outside

step-remote-off-camera =
    Switch off remote access in the camera, if you do not need it.
    Look for words such as “P2P”, “Cloud”, “UPnP” or “Telnet”. Do you want to see the camera when you are out? Use a VPN to your home. Many routers can do this.
step-remote-off-dvr =
    Switch off remote access in the recorder, if you do not need it.
    Look for words such as “P2P”, “Cloud”, “UPnP”, “DDNS” or “Telnet”.
step-remote-off-router =
    Switch off remote management in the router.
    Look for words such as “remote management”, “access from the internet”, “Telnet” or “SSH”.
step-remote-off-nas =
    Switch off remote access in the network disk, if you do not need it.
    Look for words such as “QuickConnect”, “myQNAPcloud”, “UPnP”, “Telnet” or “SSH”.
step-remote-off-tv-box =
    Remove apps that do not come from the official store of the TV box.
    Think of apps for free films, and of free VPN apps. Some of them let strangers in.
step-remote-off-pc =
    Switch off remote control of the computer, if you do not need it.
    In Windows: “Settings”, “System”, “Remote Desktop”, “Off”. Also remove programs such as VNC.
step-remote-off-printer =
    Switch off remote access in the printer, if you do not need it.
    Look for words such as “web services”, “cloud” or “remote management”.
step-remote-off-phone =
    Switch off remote control of the phone or tablet.
    Remove apps such as “AnyDesk” or “TeamViewer”, if you do not need them. On Android, look in the settings for “Developer options”. Is there such a menu? Then switch off “USB debugging” and “Wireless debugging” in it.
