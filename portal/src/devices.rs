//! Which kind of device a report speaks of, so that the steps fit it: a camera is found, restarted and updated in another way
//! than a router. Nothing is guessed: a report that names no kind, or two, is answered with the general steps.

/// A kind of device that has steps of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// A camera on the network.
    Camera,
    /// A recorder of cameras' pictures.
    Dvr,
    /// The box between home and Internet.
    Router,
    /// Storage on the network.
    Nas,
    /// A box that brings pictures from the network to a television set.
    TvBox,
    /// A computer with a screen.
    Pc,
    /// A printer.
    Printer,
    /// A smartphone or tablet.
    Phone,
}

/// The words by which reports name a kind, in lower case: types as Shadowserver writes them (`ip-camera`, `router`), and
/// product lines that are of one kind only. Makers' names alone say nothing: most make several kinds.
const WORDS: [(Device, &[&str]); 8] = [
    (Device::Camera, &["camera", "cameras", "ipcam", "webcam", "netcam", "doorbell"]),
    (Device::Dvr, &["dvr", "nvr", "xvr", "dvrs", "nvrs", "video recorder"]),
    (
        Device::Router,
        &[
            "router",
            "routers",
            "cpe",
            "modem",
            "home gateway",
            "residential gateway",
            "fritzbox",
            "fritz box",
            "speedport",
        ],
    ),
    (
        Device::Nas,
        &["nas", "network storage", "network attached storage", "diskstation", "readynas", "mycloud", "my cloud"],
    ),
    (
        Device::TvBox,
        &["tv box", "tvbox", "set top box", "settopbox", "stb", "media player", "media streamer", "fire tv"],
    ),
    (
        Device::Pc,
        &["pc", "personal computer", "laptop", "notebook", "macbook", "imac", "windows 7", "windows 10", "windows 11"],
    ),
    (Device::Printer, &["printer", "printers", "laserjet", "officejet"]),
    (Device::Phone, &["smartphone", "iphone", "ipad", "tablet"]),
];

impl Device {
    /// All kinds.
    pub fn all() -> impl Iterator<Item = Self> {
        WORDS.iter().map(|(device, _)| *device)
    }

    /// The kind that a report's words for vendor, type and model name; none if they name none or several.
    pub fn named_in(report: &str) -> Option<Self> {
        let words: Vec<_> = report.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        // Words beside each other, so that `pc` is not found in `IPC`, nor `nas` in a name.
        let words = format!(" {} ", words.join(" ").to_lowercase());
        let mut named = WORDS.iter().filter(|(_, names)| names.iter().any(|name| words.contains(&format!(" {name} "))));
        let (device, _) = named.next()?;
        named.next().is_none().then_some(*device)
    }

    /// Its name in the keys of texts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Dvr => "dvr",
            Self::Router => "router",
            Self::Nas => "nas",
            Self::TvBox => "tv-box",
            Self::Pc => "pc",
            Self::Printer => "printer",
            Self::Phone => "phone",
        }
    }

    /// The kind of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::all().find(|device| device.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_names_one_kind_of_device_is_understood() {
        for (report, device) in [
            ("Acme ip-camera IPCAM-2000", Device::Camera),
            ("Hikvision camera DS-2CD", Device::Camera),
            ("Dahua DVR", Device::Dvr),
            ("network-video-recorder", Device::Dvr),
            ("MikroTik router", Device::Router),
            ("AVM FRITZ!Box 7590", Device::Router),
            ("Synology nas", Device::Nas),
            ("Synology DiskStation DS918+", Device::Nas),
            ("Generic set-top-box X96", Device::TvBox),
            ("Microsoft Windows 10", Device::Pc),
            ("HP printer LaserJet M402", Device::Printer),
            ("Apple iPad", Device::Phone),
        ] {
            assert_eq!(Device::named_in(report), Some(device), "{report}");
        }
    }

    #[test]
    fn nothing_is_claimed_where_a_report_names_no_kind_or_two() {
        for report in [
            "",
            " - ",
            "Hikvision",
            "Synology",
            "Fortinet firewall FortiGate",
            "Example IPC 9000",
            "Super Micro Computer",
            "NASA Pcamera",
            "Acme camera NVR-4",
            "router with NAS",
            "Yealink voip phone",
            "カメラ",
        ] {
            assert_eq!(Device::named_in(report), None, "{report}");
        }
    }

    #[test]
    fn every_kind_has_a_name_that_finds_it() {
        for device in Device::all() {
            assert_eq!(Device::of_name(device.name()), Some(device));
        }
        assert_eq!(Device::of_name("toaster"), None);
    }
}
