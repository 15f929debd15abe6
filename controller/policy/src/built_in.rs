//! The files of `policies/` as they were when this program was built.

use super::PolicyFile;

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/", $name)))),*]
    };
}

pub(super) fn files() -> Vec<PolicyFile> {
    let shown = |name: &str| format!("(built in) {name}");
    FILES.iter().map(|(n, t)| PolicyFile { name: (*n).into(), shown: shown(n), text: (*t).into() }).collect()
}

const FILES: &[(&str, &str)] = &built_in![
    "policy.yaml",
    "protected.yaml",
    "shadowserver.yaml",
    "playbooks/compromised-server.yaml",
    "playbooks/generic.yaml",
    "playbooks/infected-host.yaml",
    "playbooks/infected-nas.yaml",
    "playbooks/infected-router.yaml",
    "playbooks/information.yaml",
    "playbooks/mirai.yaml",
    "playbooks/open-adb.yaml",
    "playbooks/open-database.yaml",
    "playbooks/open-dns-resolver.yaml",
    "playbooks/open-file-sharing.yaml",
    "playbooks/open-http-admin.yaml",
    "playbooks/open-iot.yaml",
    "playbooks/open-ntp.yaml",
    "playbooks/open-proxy.yaml",
    "playbooks/open-reflector.yaml",
    "playbooks/open-remote-desktop.yaml",
    "playbooks/open-snmp.yaml",
    "playbooks/open-ssdp.yaml",
    "playbooks/open-telnet.yaml",
    "playbooks/vulnerable-router.yaml",
    "playbooks/vulnerable-server.yaml",
];
