//! What else on this machine moves packets, and what of the wall holds beside it: address translation, connection tracking, flow
//! tables, bridges.
//!
//! The wall owns one table and looks at packets where the kernel's hooks are. Others may have tables of their own, and packets
//! may pass the hooks. This looks, and says it: at start, in `check-config`, on the health page, and as a metric. What cannot be
//! looked at is said, too; it is never "nothing there".

mod remarks;
mod tracking;

pub use self::remarks::{Kind, Remark, remarks};
pub use self::tracking::{Meddles, Tracking};
use super::EnforceError;
use super::netlink::link::{self, Link};
use super::netlink::msg;
use super::netlink::socket::{NetlinkError, Socket};
use super::netlink::wire::Message;
use super::nft::translate;

/// `NFPROTO_UNSPEC`: tables of every family.
const EVERY_FAMILY: u8 = 0;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Chains that translate addresses and have rules, in order.
    pub nat: Vec<NatChain>,
    /// Chains that decide what connection tracking sees, in order.
    pub tracking: Vec<Tracking>,
    /// Flow tables, in order.
    pub flowtables: Vec<Flowtable>,
    /// The interfaces.
    pub links: Vec<Link>,
}

/// A chain of somebody else that translates addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NatChain {
    /// Family, table and chain as `nft` writes them.
    pub name: String,
    /// The number of its hook (`NF_INET_…`); none for iptables' own table, of which only its presence is known.
    pub hook: Option<u32>,
    /// Order among the chains of that hook.
    pub priority: i32,
}

/// A flow table: what it has taken over passes no rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flowtable {
    /// Family, table and flow table as `nft` writes them.
    pub name: String,
    /// Interfaces that it takes packets from.
    pub devices: Vec<String>,
    /// The network card forwards by itself.
    pub hardware: bool,
}

impl Machine {
    /// Looks at this network namespace; `own` is the table of the wall.
    ///
    /// # Errors
    /// When something cannot be read.
    pub fn look(own: &str) -> Result<Self, EnforceError> {
        let mut socket = Socket::open().map_err(translate)?;
        let mut nat = nat_chains(&mut socket, own).map_err(translate)?;
        let tracking = tracking::chains(&mut socket, own).map_err(translate)?;
        let mut flowtables = flowtables(&mut socket).map_err(translate)?;
        nat.extend(iptables());
        nat.sort_unstable();
        flowtables.sort_unstable();
        Ok(Self { nat, tracking, flowtables, links: link::links().map_err(translate)? })
    }
}

fn nat_chains(socket: &mut Socket, own: &str) -> Result<Vec<NatChain>, NetlinkError> {
    let found = std::cell::RefCell::new(Vec::new());
    let each = |message: Message<'_>| {
        let attributes = message.attributes();
        let (family, table) = (message.family(), attributes.text(1).unwrap_or_default());
        // NFTA_CHAIN_USE counts rules, too: a chain that a look by iptables made translates nothing.
        let (kind, used) = (attributes.text(7), attributes.u32(6).unwrap_or(0));
        let ours = family == super::netlink::wire::INET && table == own;
        if kind == Some("nat") && used > 0 && !ours {
            let name = format!("{} {table} {}", family_name(family), attributes.text(3).unwrap_or_default());
            let hook = attributes.nested(4);
            let priority = hook.and_then(|hook| hook.u32(2)).unwrap_or(0).cast_signed();
            found.borrow_mut().push(NatChain { name, hook: hook.and_then(|hook| hook.u32(1)), priority });
        }
    };
    socket.dump_of(EVERY_FAMILY, msg::GETCHAIN, || found.borrow_mut().clear(), each)?;
    Ok(found.into_inner())
}

fn flowtables(socket: &mut Socket) -> Result<Vec<Flowtable>, NetlinkError> {
    let found = std::cell::RefCell::new(Vec::new());
    let each = |message: Message<'_>| found.borrow_mut().push(Flowtable::read(message));
    match socket.dump_of(EVERY_FAMILY, msg::GETFLOWTABLE, || found.borrow_mut().clear(), each) {
        Ok(()) => Ok(found.into_inner()),
        // A kernel without flow tables has none.
        Err(error) if error.errno() == Some(nix::errno::Errno::EOPNOTSUPP) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

impl Flowtable {
    fn read(message: Message<'_>) -> Self {
        let attributes = message.attributes();
        let text = |kind| attributes.text(kind).unwrap_or_default();
        let name = format!("{} {} {}", family_name(message.family()), text(1), text(2));
        // NFTA_FLOWTABLE_HOOK_DEVS, a list of NFTA_DEVICE_NAME.
        let devices = attributes.nested(3).and_then(|hook| hook.nested(3));
        let device = |(_, value): (u16, &[u8])| {
            let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
            String::from_utf8_lossy(name).into_owned()
        };
        let mut devices: Vec<_> = devices.into_iter().flatten().map(device).collect();
        devices.sort_unstable();
        // NFTA_FLOWTABLE_FLAGS, of them NFT_FLOWTABLE_HW_OFFLOAD.
        let hardware = attributes.u32(7).is_some_and(|flags| flags & 1 != 0);
        Self { name, devices, hardware }
    }
}

/// iptables' own tables are not nftables'; whether one has rules cannot be seen from here.
fn iptables() -> Vec<NatChain> {
    [("ip_tables_names", "iptables nat"), ("ip6_tables_names", "ip6tables nat")]
        .into_iter()
        .filter(|(file, _)| loaded(file, "nat"))
        .map(|(_, name)| NatChain { name: name.into(), hook: None, priority: 0 })
        .collect()
}

/// Whether iptables' own table of this name is there.
fn loaded(file: &str, table: &str) -> bool {
    let tables = std::fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default();
    tables.lines().any(|name| name == table)
}

/// `NFPROTO_…` as `nft` writes them.
fn family_name(family: u8) -> &'static str {
    match family {
        1 => "inet",
        2 => "ip",
        3 => "arp",
        5 => "netdev",
        7 => "bridge",
        10 => "ip6",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::super::netlink::wire::{Messages, NFTABLES, Writer};
    use super::*;

    #[test]
    fn a_flow_table_is_read_as_the_kernel_dumps_it() {
        let mut w = Writer::default();
        // NFT_MSG_NEWFLOWTABLE, of family ip.
        w.message(NFTABLES | 22, 0, 1, 2, 0);
        w.text(1, "fast");
        w.text(2, "f");
        let hook = w.begin(3);
        w.u32(1, 0);
        w.u32(2, 0);
        let devices = w.begin(3);
        ["up0", "home0"].iter().for_each(|name| w.text(1, name));
        w.end(devices);
        w.end(hook);
        w.u32(4, 1);
        w.u32(7, 1);
        let read = Flowtable::read(Messages(w.as_slice()).next().unwrap());
        let devices = vec!["home0".to_owned(), "up0".to_owned()];
        assert_eq!(read, Flowtable { name: "ip fast f".into(), devices, hardware: true });
    }
}
