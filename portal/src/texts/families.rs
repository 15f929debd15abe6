//! Families of texts: one per cause, step, device, probe, finding, and of whatever else policies name.

/// Texts whose keys end in something that policies, playbooks or probes name. A provider can add more of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// The keys begin so.
    pub prefix: &'static str,
    /// Variables given beside [`COMMON`].
    pub args: &'static [&'static str],
}

/// Per cause: `cause-<cause>-title`, `-means`, `-step-1`, `-step-2` …, `-note` where there is more to say, and
/// `-counted` where the title speaks to the reader and the open figures must not. A step of one
/// kind of device is `cause-<cause>-step-1-<device>`.
pub const CAUSE: Family = Family { prefix: "cause-", args: &[] };
/// A shared step of one kind of device: `step-<shared step>-<device>`, shown where a step is `{ -step-<shared step> }` alone.
pub const STEP: Family = Family { prefix: "step-", args: &[] };
/// Per kind of device: `device-<device>-name`.
pub const DEVICE: Family = Family { prefix: "device-", args: &[] };
/// Per probe, as in playbooks: what was asked, in words.
pub const PROBE: Family = Family { prefix: "probe-", args: &["port"] };
/// Per finding of a probe.
pub const FOUND: Family = Family { prefix: "found-", args: &[] };
/// What still works.
pub const WORKS: Family = Family { prefix: "works-", args: &[] };
/// Parts that other texts refer to; never shown by themselves.
pub const SHARED: Family = Family { prefix: "shared-", args: &[] };

/// All families.
pub const FAMILIES: [Family; 7] = [CAUSE, STEP, DEVICE, PROBE, FOUND, WORKS, SHARED];
