//! `shadowserver.yaml`: what each report type means to us. The reader of reports asks it for every file.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use pratique_core::ids::CauseKey;
use pratique_core::playbook::Playbook;
use pratique_core::sighting::Severity;
use serde::Deserialize;
use smol_str::SmolStr;

use super::{INFORMATION, PolicyError, PolicyFile, meant};

/// All known report types, and the malware names that sharpen a cause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportTypes {
    types: BTreeMap<SmolStr, ReportType>,
    families: BTreeMap<SmolStr, CauseKey>,
}

/// What one report type means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportType {
    /// Where the subscriber's side stands; none where no line is meant.
    pub address: Option<AddressColumn>,
    /// What its rows are good for.
    pub usage: ReportUse,
    /// Assumed where a row has none.
    pub severity: Severity,
    /// A malware name in the row may change the cause.
    pub families: bool,
    /// UDP rows only inform: their source can be forged.
    pub udp_informs: bool,
    /// Why it is not evidence; empty for types that are.
    pub because: SmolStr,
}

/// The column with the subscriber's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressColumn {
    /// The host that was scanned.
    Ip,
    /// The host that spoke to a sensor.
    SrcIp,
}

/// What rows of a type are good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportUse {
    /// Evidence for this cause.
    Propose(CauseKey),
    /// Kept and shown, never a case.
    Inform,
    /// Counted and dropped: the address is a victim's, forged, or missing.
    Never,
}

impl AddressColumn {
    /// Name of the address column.
    pub const fn address(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::SrcIp => "src_ip",
        }
    }

    /// Name of the port column that belongs to it.
    pub const fn port(self) -> &'static str {
        match self {
            Self::Ip => "port",
            Self::SrcIp => "src_port",
        }
    }
}

impl ReportType {
    /// The cause of a row, before a family sharpens it; none for types that are never about us.
    pub fn cause(&self) -> Option<CauseKey> {
        match &self.usage {
            ReportUse::Propose(cause) => Some(cause.clone()),
            ReportUse::Inform => Some(CauseKey::new(INFORMATION)),
            ReportUse::Never => None,
        }
    }
}

impl ReportTypes {
    /// What a type means; none for one that is not listed.
    pub fn get(&self, name: &str) -> Option<&ReportType> {
        self.types.get(name)
    }

    /// The listed type whose name is nearest, for messages.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        meant(name, self.types.keys().map(SmolStr::as_str))
    }

    /// What a name means that a file bears, be it today's or an older one; none for one that nobody knows.
    pub fn meant<'a>(&'a self, name: &'a str) -> Option<Meant<'a>> {
        if let Some(kind) = self.get(name) {
            return Some(Meant::Listed(name, kind));
        }
        let older = OLDER.iter().find(|older| older.name == name)?;
        match older.today {
            Today::One(today) => Some(Meant::Older { name: today, kind: self.get(today)?, address: older.address }),
            Today::ByProtocol { tcp, udp } => {
                Some(Meant::ByProtocol { tcp: (tcp, self.get(tcp)?), udp: (udp, self.get(udp)?) })
            }
        }
    }

    /// How many types are listed.
    pub fn count(&self) -> usize {
        self.iter().count()
    }

    /// All types by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ReportType)> {
        self.types.iter().map(|(name, t)| (name.as_str(), t))
    }

    /// The cause a text of malware names points to: the first of its words that is listed.
    pub fn family(&self, names: &str) -> Option<&CauseKey> {
        if self.families.is_empty() || names.is_empty() {
            return None;
        }
        names.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty() && w.len() <= 32).find_map(|word| {
            if word.bytes().any(|b| b.is_ascii_uppercase()) {
                self.families.get(word.to_ascii_lowercase().as_str())
            } else {
                self.families.get(word)
            }
        })
    }
}

/// What a report type's name means.
#[derive(Clone, Copy, Debug)]
pub enum Meant<'a> {
    /// A listed type.
    Listed(&'a str, &'a ReportType),
    /// An older name of a listed type.
    Older {
        /// Today's name.
        name: &'a str,
        /// What it means.
        kind: &'a ReportType,
        /// Where the subscriber's side stood then, if not where it stands today.
        address: Option<AddressColumn>,
    },
    /// An older name of what is two types today; the protocol of a row says which.
    ByProtocol {
        /// Of TCP rows.
        tcp: (&'a str, &'a ReportType),
        /// Of UDP rows.
        udp: (&'a str, &'a ReportType),
    },
}

/// An older name of a type, as the table has it.
#[derive(Clone, Copy, Debug)]
struct Older {
    name: &'static str,
    today: Today,
    address: Option<AddressColumn>,
}

#[derive(Clone, Copy, Debug)]
enum Today {
    One(&'static str),
    ByProtocol { tcp: &'static str, udp: &'static str },
}

static OLDER: LazyLock<Vec<Older>> =
    LazyLock::new(|| include_str!("data/legacy-types.txt").lines().filter_map(Older::read).collect());

impl Older {
    /// None for a comment.
    fn read(line: &'static str) -> Option<Self> {
        let mut cells = line.split('|').map(str::trim);
        let (name, today, column) = (cells.next()?, cells.next()?, cells.next()?);
        let today = match today.split_once(' ') {
            None => Today::One(today),
            Some((tcp, udp)) => Today::ByProtocol { tcp: tcp.strip_prefix("tcp:")?, udp: udp.strip_prefix("udp:")? },
        };
        let address = match column {
            "ip" => Some(AddressColumn::Ip),
            "src_ip" => Some(AddressColumn::SrcIp),
            _ => None,
        };
        (!name.starts_with('#')).then_some(Self { name, today, address })
    }
}

/// The file as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    #[serde(default)]
    families: BTreeMap<SmolStr, CauseKey>,
    types: BTreeMap<SmolStr, TypeSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TypeSpec {
    address: Option<AddressColumn>,
    #[serde(rename = "use")]
    usage: UseSpec,
    cause: Option<CauseKey>,
    severity: Option<Severity>,
    #[serde(default)]
    families: bool,
    udp: Option<UdpSpec>,
    #[serde(default)]
    because: SmolStr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum UseSpec {
    Propose,
    Inform,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum UdpSpec {
    Inform,
}

/// Checks what the types cannot. `causes` is none when a playbook did not parse: then nobody can say what is missing.
pub(super) fn check(
    spec: Spec,
    file: &PolicyFile,
    causes: Option<&BTreeMap<CauseKey, Playbook>>,
) -> Result<ReportTypes, Vec<PolicyError>> {
    let mut errors = Vec::new();
    let mut wrong = |key: &str, what: String| {
        errors.push(PolicyError::new(file.shown.clone(), file.line_of(key), what));
    };
    let lost = |cause: &CauseKey| -> Option<String> {
        let causes = causes?;
        if causes.contains_key(cause) {
            return None;
        }
        let meant = meant(cause.as_str(), causes.keys().map(CauseKey::as_str));
        let hint = meant.map_or_else(|| format!("add playbooks/{cause}.yaml"), |m| format!("did you mean `{m}`?"));
        Some(format!("cause `{cause}` has no playbook; {hint}"))
    };
    for (name, cause) in &spec.families {
        if name.is_empty() || name.len() > 32 || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
            wrong(name, format!("families: `{name}`: use lower-case letters and digits only, at most 32"));
        }
        if let Some(what) = lost(cause) {
            wrong(name, format!("families: `{name}`: {what}"));
        }
    }
    let mut types = BTreeMap::new();
    for (name, t) in spec.types {
        match t.checked() {
            Ok(known) => {
                if let Some(what) = known.cause().as_ref().and_then(lost) {
                    wrong(&name, format!("type `{name}`: {what}"));
                }
                types.insert(name, known);
            }
            Err(what) => wrong(&name, format!("type `{name}`: {what}")),
        }
    }
    if types.is_empty() {
        wrong("types", "no report type is listed; copy the file from the program's policies/".into());
    }
    if errors.is_empty() { Ok(ReportTypes { types, families: spec.families }) } else { Err(errors) }
}

impl TypeSpec {
    fn checked(self) -> Result<ReportType, &'static str> {
        let usage = match (self.usage, self.cause) {
            (UseSpec::Propose, Some(cause)) => ReportUse::Propose(cause),
            (UseSpec::Propose, None) => {
                return Err("use: propose needs a cause; add cause: and the name of a playbook");
            }
            (_, Some(_)) => return Err("a cause is for use: propose only; remove it or change use"),
            (UseSpec::Inform, None) => ReportUse::Inform,
            (UseSpec::Never, None) => ReportUse::Never,
        };
        if usage != ReportUse::Never && self.address.is_none() {
            return Err("the column with the subscriber's address is missing; add address: ip or address: src_ip");
        }
        if usage == ReportUse::Never && self.address.is_some() {
            return Err("use: never reads no address; remove address or change use");
        }
        if !matches!(usage, ReportUse::Propose(_)) && (self.families || self.udp.is_some()) {
            return Err("families and udp are for use: propose only; remove them");
        }
        if !matches!(usage, ReportUse::Propose(_)) && self.because.trim().is_empty() {
            return Err("the reason is missing; add because: and why its rows are not evidence");
        }
        Ok(ReportType {
            address: self.address,
            usage,
            severity: self.severity.unwrap_or_default(),
            families: self.families,
            udp_informs: self.udp.is_some(),
            because: self.because,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_older_name_leads_to_a_listed_type_and_is_none_itself() {
        let set = crate::built_in().unwrap();
        assert!(OLDER.len() >= 17, "{}", OLDER.len());
        for older in OLDER.iter() {
            assert!(set.reports.get(older.name).is_none(), "{}", older.name);
            assert!(set.reports.meant(older.name).is_some(), "{}", older.name);
        }
    }
}
