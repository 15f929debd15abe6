//! The servers of Debian's packages. Each runs as a copy in a folder of its own: AppArmor ties its profiles to the place of a
//! program, and those of Kea and dhcpd let them read nothing in a temporary folder.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use pratique_lab::net::Namespace;
use pratique_tests::station::until;

use super::examples::example;

/// A program with its example.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    pub program: &'static str,
    pub package: &'static str,
    pub example: &'static str,
    /// Versions of IP that the example serves.
    pub versions: &'static [u8],
    /// How it checks a file, which follows.
    check: &'static [&'static str],
    /// How it serves in the foreground; `FILE` and `FOLDER` are put in.
    serve: &'static [&'static str],
}

pub const SERVERS: [Server; 5] = [
    Server {
        program: "kea-dhcp4",
        package: "kea-dhcp4-server",
        example: "kea-dhcp4.conf",
        versions: &[4],
        check: &["-t", "FILE"],
        serve: &["-c", "FILE"],
    },
    Server {
        program: "kea-dhcp6",
        package: "kea-dhcp6-server",
        example: "kea-dhcp6.conf",
        versions: &[6],
        check: &["-t", "FILE"],
        serve: &["-c", "FILE"],
    },
    Server {
        program: "dhcpd",
        package: "isc-dhcp-server",
        example: "dhcpd.conf",
        versions: &[4],
        check: &["-t", "-4", "-cf", "FILE", "-lf", "FOLDER/leases", "-pf", "FOLDER/pid"],
        serve: &["-4", "-f", "-d", "-cf", "FILE", "-lf", "FOLDER/leases", "-pf", "FOLDER/pid", "access0"],
    },
    Server {
        program: "dhcpd",
        package: "isc-dhcp-server",
        example: "dhcpd6.conf",
        versions: &[6],
        check: &["-t", "-6", "-cf", "FILE", "-lf", "FOLDER/leases", "-pf", "FOLDER/pid"],
        serve: &["-6", "-f", "-d", "-cf", "FILE", "-lf", "FOLDER/leases", "-pf", "FOLDER/pid", "access0"],
    },
    Server {
        program: "dnsmasq",
        package: "dnsmasq-base",
        example: "dnsmasq.conf",
        versions: &[4, 6],
        check: &["--test", "-C", "FILE"],
        serve: &["-d", "-C", "FILE", "--port=0", "--pid-file=FOLDER/pid", "--dhcp-leasefile=FOLDER/leases"],
    },
];

pub const RADVD: Server = Server {
    program: "radvd",
    package: "radvd",
    example: "radvd.conf",
    versions: &[],
    check: &["-c", "-C", "FILE"],
    serve: &[],
};

/// A running server; killed, and its folder removed, when dropped.
pub struct Running {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Server {
    /// Serves its example on the access network.
    pub fn start(&self, gateway: &Namespace, version: u8) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(self.example);
        // What has to differ: leases lie in the folder, and Kea keeps no identity of its own in its usual place.
        let text = example(self.example)
            .replace("/var/lib/kea", &folder.path().display().to_string())
            .replace("\"Dhcp6\": {", "\"Dhcp6\": {\n\"server-id\": { \"type\": \"LLT\", \"persist\": false },");
        std::fs::write(&file, text).unwrap();
        std::fs::write(folder.path().join("leases"), "").unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut command = self.command(folder.path(), self.serve, &file);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut child = gateway.run(|| command.spawn()).unwrap().unwrap();
        let said = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        // Its socket is there: in the table of the namespace, by its port in hexadecimal.
        let (table, port) = if version == 4 { ("udp", ":0043 ") } else { ("udp6", ":0223 ") };
        until("the server's socket", || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{} ended ({status}):\n{}", self.program, said());
            }
            // dhcpd answers IPv4 from a packet socket, which is not in that table.
            let table = gateway.run(|| std::fs::read_to_string(format!("/proc/thread-self/net/{table}"))).unwrap();
            table.unwrap().contains(port) || said().contains("Sending on   LPF/access0")
        });
        Running { child, _folder: folder }
    }

    fn command(&self, folder: &Path, words: &[&str], file: &Path) -> Command {
        let copy = copy(self, folder);
        let put = |word: &&str| {
            word.replace("FILE", &file.display().to_string()).replace("FOLDER", &folder.display().to_string())
        };
        let mut command = Command::new(copy);
        command.args(words.iter().map(put));
        // Where Kea writes beside its leases; from 2.6.3 on it takes no other folder unless told.
        for name in ["KEA_PIDFILE_DIR", "KEA_LOCKFILE_DIR", "KEA_DHCP_DATA_DIR", "KEA_LOG_FILE_DIR"] {
            command.env(name, folder);
        }
        command.env("KEA_LOGGER_DESTINATION", "stdout");
        command
    }
}

/// What the program says against a file; nothing if it takes it.
pub fn check(inside: &Namespace, folder: &Path, server: &Server, file: &Path) -> Result<(), String> {
    std::fs::write(folder.join("leases"), "").unwrap();
    let text = std::fs::read_to_string(file).unwrap().replace("/var/lib/kea", &folder.display().to_string());
    std::fs::write(file, text).unwrap();
    let mut command = server.command(folder, server.check, file);
    let done = inside.run(|| command.output()).unwrap().unwrap();
    if done.status.success() { Ok(()) } else { Err(format!("{}: {}", server.program, said(&done))) }
}

/// From 2.20 on.
pub fn radvd_knows_captive_portals() -> bool {
    let said = said(&Command::new(find(&RADVD)).arg("--version").output().unwrap());
    let version = said.split_once("Version: ").unwrap().1.split_whitespace().next().unwrap();
    let (major, minor) = version.split_once('.').unwrap();
    (major.parse::<u32>().unwrap(), minor.parse::<u32>().unwrap()) >= (2, 20)
}

/// A copy of a program of a package.
pub fn copy(server: &Server, folder: &Path) -> PathBuf {
    let copy = folder.join(server.program);
    if !copy.exists() {
        std::fs::copy(find(server), &copy).unwrap();
    }
    copy
}

fn find(server: &Server) -> PathBuf {
    let places = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(|place| Path::new(place).join(server.program));
    places.into_iter().find(|path| path.exists()).unwrap_or_else(|| {
        panic!("{} is not here; tests/run installs it, or: apt-get install {}", server.program, server.package)
    })
}

fn said(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

/// The client of the same origin as `dhcpd`.
pub const DHCLIENT: Server =
    Server { program: "dhclient", package: "isc-dhcp-client", example: "", versions: &[4, 6], check: &[], serve: &[] };
