//! The interfaces of this network namespace, over rtnetlink (linux/rtnetlink.h, linux/if_link.h). Needs no rights.

use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket};

use super::socket::{NetlinkError, call};
use super::wire::{Attributes, Messages, error_number, flag};

/// `RTM_NEWLINK`, `RTM_GETLINK`.
const NEWLINK: u16 = 16;
const GETLINK: u16 = 18;
/// Control messages (linux/netlink.h).
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// Size of `nlmsghdr` and of `ifinfomsg`, bytes.
const HEADER: usize = 16;
const IFINFO: usize = 16;
/// A dump comes in pieces of at most 32 KiB.
const READ_BUFFER: usize = 64 * 1024;

/// One interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What it is, where the kernel says: `bridge`, `veth`, …
    pub kind: Option<String>,
    /// The interface it is a port or part of.
    pub master: Option<u32>,
    /// What that is: `bridge`, `bond`, `vrf`, …
    pub part_of: Option<String>,
    /// An XDP program is attached.
    pub xdp: bool,
}

/// All of them.
///
/// # Errors
/// When they cannot be read whole.
pub fn links() -> Result<Vec<Link>, NetlinkError> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)
        .map_err(call("opening a route netlink socket"))?;
    let mut request = Vec::with_capacity(HEADER + IFINFO);
    request.extend(((HEADER + IFINFO) as u32).to_ne_bytes());
    request.extend(GETLINK.to_ne_bytes());
    request.extend((flag::REQUEST | flag::DUMP).to_ne_bytes());
    request.extend([0; 8 + IFINFO]);
    sendto(fd.as_raw_fd(), &request, &NetlinkAddr::new(0, 0), MsgFlags::empty())
        .map_err(call("asking for interfaces"))?;
    let mut found = Vec::new();
    let mut buffer = vec![0; READ_BUFFER];
    loop {
        let length = match recv(fd.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Ok(length) => length,
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(NetlinkError::Call { what: "reading interfaces", errno }),
        };
        for message in Messages(buffer.get(..length).unwrap_or_default()) {
            match message.kind {
                NLMSG_DONE => return Ok(found),
                NLMSG_ERROR => {
                    let errno = Errno::from_raw(error_number(message.payload).unwrap_or(0));
                    return Err(NetlinkError::Call { what: "reading interfaces", errno });
                }
                NEWLINK => found.extend(read(message.payload)),
                _ => {}
            }
        }
    }
}

fn read(payload: &[u8]) -> Option<Link> {
    let native = |bytes: &[u8]| bytes.try_into().ok().map(u32::from_ne_bytes);
    let attributes = Attributes(payload.get(IFINFO..)?);
    // IFLA_LINKINFO; in it IFLA_INFO_KIND and IFLA_INFO_SLAVE_KIND.
    let info = attributes.nested(18);
    let kind = |attribute| info.and_then(|info| info.text(attribute)).map(str::to_owned);
    // IFLA_XDP; in it IFLA_XDP_ATTACHED, one byte, 0 for none.
    let attached = attributes.nested(43).and_then(|xdp| xdp.get(2)).and_then(|mode| mode.first().copied());
    Some(Link {
        index: native(payload.get(4..8)?)?,
        name: attributes.text(3)?.to_owned(),
        kind: kind(1),
        master: attributes.get(10).and_then(native),
        part_of: kind(4),
        xdp: attached.is_some_and(|mode| mode != 0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_loopback_interface_and_no_interface_twice() {
        let mut all = links().unwrap();
        assert!(all.iter().any(|link| link.name == "lo" && link.master.is_none()), "{all:?}");
        let count = all.len();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all.dedup_by(|a, b| a.name == b.name);
        assert_eq!(all.len(), count);
    }

    #[test]
    fn a_port_of_a_bridge_is_read_with_what_it_is_part_of() {
        let text = |kind: u16, value: &str| attribute(kind, &[value.as_bytes(), &[0]].concat());
        let info = [text(1, "veth"), text(4, "bridge")].concat();
        let mut payload = vec![0; IFINFO];
        payload[4..8].copy_from_slice(&7u32.to_ne_bytes());
        payload.extend(text(3, "home0"));
        payload.extend(attribute(10, &3u32.to_ne_bytes()));
        payload.extend(attribute(18, &info));
        payload.extend(attribute(43, &attribute(2, &[1])));
        let (kind, part_of) = (Some("veth".into()), Some("bridge".into()));
        assert_eq!(
            read(&payload),
            Some(Link { index: 7, name: "home0".into(), kind, master: Some(3), part_of, xdp: true })
        );
        assert_eq!(read(&payload[..IFINFO]), None);
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = [((value.len() + 4) as u16).to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }
}
