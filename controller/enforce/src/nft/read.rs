//! Reading back what the kernel holds: at start, and when an answer was lost.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use ipnet::Ipv6Net;
use pratique_core::plan::Element;
use pratique_core::playbook::PortSpec;
use pratique_core::sighting::Transport;
use pratique_core::wall::Attempt;
use rustc_hash::FxHashSet;
use smol_str::SmolStr;

use super::openings::SCAN_SETS;
use super::{NftEnforcer, translate};
use crate::EnforceError;
use crate::netlink::msg;
use crate::netlink::wire::{Message, Writer};
use crate::ruleset::keys::{self, Key};
use crate::ruleset::lines::{self, Lines};
use crate::ruleset::model::protocol;
use crate::ruleset::names::{HASHED, VERSIONED, set};

/// A set that is being read while others change it, or while the kernel grows it, is read again this often.
const DUMP_TRIES: u32 = 50;
/// Pause before reading again; growing a set of a million takes some hundred milliseconds.
const GROWING: Duration = Duration::from_millis(20);
impl NftEnforcer {
    /// By which rules our table was built, empty if it does not say; none: no table.
    pub(super) fn standing_version(&mut self) -> Result<Option<String>, EnforceError> {
        let table = self.wall.table.clone();
        let there = self.socket.get(msg::GETTABLE, |w| w.text(1, &table), |_| ()).map_err(translate)?;
        if there.is_none() {
            return Ok(None);
        }
        let read = |message: Message<'_>| {
            let data = message.attributes().get(12).unwrap_or_default();
            // Type 0, length, text with its zero byte.
            let text = data.get(2..).unwrap_or_default().split(|b| *b == 0).next().unwrap_or_default();
            String::from_utf8_lossy(text).into_owned()
        };
        let asked = |w: &mut Writer| {
            w.text(1, &table);
            w.text(3, VERSIONED);
        };
        Ok(Some(self.socket.get(msg::GETCHAIN, asked, read).map_err(translate)?.unwrap_or_default()))
    }

    /// Names of objects of our table; `name` is the attribute that holds them.
    pub(super) fn names(&mut self, kind: u16, name: u16) -> Result<Vec<String>, EnforceError> {
        let found = std::cell::RefCell::new(Vec::new());
        let table = self.wall.table.clone();
        self.socket
            .dump(
                kind,
                |w| w.text(1, &table),
                || found.borrow_mut().clear(),
                |message| {
                    // Older kernels dump all tables' objects whatever was asked.
                    let attributes = message.attributes();
                    if attributes.text(1) == Some(&table) {
                        found.borrow_mut().extend(attributes.text(name).map(str::to_owned));
                    }
                },
            )
            .map_err(translate)?;
        Ok(found.into_inner())
    }

    pub(super) fn dump_set<T>(
        &mut self,
        set: &str,
        mut each: impl FnMut(&mut Vec<T>, keys::Read<'_>),
    ) -> Result<Vec<T>, EnforceError> {
        let found = std::cell::RefCell::new(Vec::new());
        let table = self.wall.table.clone();
        self.socket
            .dump(
                msg::GETSETELEM,
                |w| {
                    w.text(1, &table);
                    w.text(2, set);
                },
                || found.borrow_mut().clear(),
                |message| {
                    for element in keys::read(message.attributes()) {
                        each(&mut found.borrow_mut(), element);
                    }
                },
            )
            .map_err(translate)?;
        Ok(found.into_inner())
    }

    /// All keys of a hash set. The kernel grows such a set in the background after many additions, and a dump meanwhile can
    /// miss elements without saying so. So what several dumps found is joined until it is as many as the kernel counts
    /// (6.16 and later tell), or until two dumps in a row agree with it.
    pub(super) fn dump_keys<const N: usize>(&mut self, set: &str) -> Result<FxHashSet<[u8; N]>, EnforceError> {
        let mut found: FxHashSet<[u8; N]> = FxHashSet::default();
        let mut agreeing = 0;
        for _ in 0..DUMP_TRIES {
            let before = self.socket.generation().map_err(translate)?;
            let keys: FxHashSet<[u8; N]> = self
                .dump_set(set, |all, element| all.extend(<[u8; N]>::try_from(element.key).ok()))?
                .into_iter()
                .collect();
            let counted = self.count(set)?;
            if self.socket.generation().map_err(translate)? != before {
                (found, agreeing) = (FxHashSet::default(), 0);
                continue;
            }
            let size = keys.len();
            found.extend(keys);
            match counted {
                Some(count) if count == found.len() => return Ok(found),
                Some(_) => {}
                None if size == found.len() => {
                    agreeing += 1;
                    if agreeing == 2 {
                        return Ok(found);
                    }
                }
                None => agreeing = 0,
            }
            std::thread::sleep(GROWING);
        }
        Err(EnforceError::Changed(format!("set `{set}` could not be read whole")))
    }

    /// How many elements the kernel counts in a set; none if this kernel does not tell.
    pub(super) fn count(&mut self, set: &str) -> Result<Option<usize>, EnforceError> {
        let table = self.wall.table.clone();
        let read = self.socket.get(
            msg::GETSET,
            |w| {
                w.text(1, &table);
                w.text(2, set);
            },
            // NFTA_SET_COUNT.
            |message| message.attributes().u32(20).map(|count| count as usize),
        );
        Ok(read.map_err(translate)?.flatten())
    }

    pub(super) fn read_lines(&mut self) -> Result<Lines, EnforceError> {
        let sets = self.names(msg::GETSET, 2)?;
        let has = |name: &str| sets.iter().any(|s| s == name);
        let mut found: Vec<Element> = Vec::new();
        if has(set::JAILED4) {
            found.extend(self.dump_keys(set::JAILED4)?.into_iter().map(|key: [u8; 4]| Element::V4(key.into())));
        }
        for (length, name) in HASHED {
            if has(name) {
                let keys = self.dump_keys(name)?.into_iter();
                found.extend(keys.filter_map(|key: [u8; 16]| Ipv6Net::new(key.into(), length).ok()).map(Element::V6));
            }
        }
        if has(set::JAILED6_ODD) {
            let marks = self.dump_set(set::JAILED6_ODD, |all, element| {
                all.extend(<[u8; 16]>::try_from(element.key).ok().map(|k| (k, element.end)));
            })?;
            found.extend(lines::prefixes(marks.iter().map(|(k, end)| (k, *end))).into_iter().map(Element::V6));
        }
        Lines::new(found).map_err(|wide| EnforceError::Changed(format!("the table holds what we never put in: {wide}")))
    }

    /// Takes over opened flows from the kernel, and what is in use of those whose opening has ended.
    pub(super) fn read_openings(&mut self) -> Result<(), EnforceError> {
        let now = Instant::now();
        let sets = self.names(msg::GETSET, 2)?;
        for (name, in_use) in [(set::ALLOW4, false), (set::ALLOW6, false), (set::LIVE4, true), (set::LIVE6, true)] {
            if !sets.iter().any(|s| s == name) {
                continue;
            }
            let found = self.dump_set(name, |all, element| {
                all.extend(element.left.map(|ms| (Key::plain(element.key), ms, SmolStr::new(element.note))));
            })?;
            for (key, ms, entry) in found {
                self.openings.found(key, Duration::from_millis(ms), in_use, &entry, now);
            }
        }
        for name in SCAN_SETS.into_iter().filter(|name| sets.iter().any(|s| s == name)) {
            let found =
                self.dump_set(name, |all, element| all.extend(element.left.map(|ms| (Key::plain(element.key), ms))))?;
            for (key, ms) in found {
                self.openings.found_scan(name, key, Duration::from_millis(ms), now);
            }
        }
        self.openings.known = true;
        Ok(())
    }

    /// Somebody made our table dormant: it stands, and no packet meets it.
    pub(super) fn is_dormant(&mut self) -> Result<bool, EnforceError> {
        let table = self.wall.table.clone();
        let asked = |w: &mut Writer| w.text(1, &table);
        // NFTA_TABLE_FLAGS, NFT_TABLE_F_DORMANT.
        let flags = self.socket.get(msg::GETTABLE, asked, |message| message.attributes().u32(2).unwrap_or(0));
        Ok(flags.map_err(translate)?.is_some_and(|flags| flags & 1 != 0))
    }

    /// Whether the sets hold the lines we think they hold. Asked when notifications were lost: counted where the kernel counts,
    /// read where it does not.
    pub(super) fn holds_its_lines(&mut self) -> Result<bool, EnforceError> {
        let Some(held) = self.held.take() else { return Ok(true) };
        let same = self.holds(&held);
        self.held = Some(held);
        same
    }

    fn holds(&mut self, lines: &Lines) -> Result<bool, EnforceError> {
        for (name, count) in lines.counts() {
            match self.count(name)? {
                Some(standing) if standing == count => {}
                Some(_) => return Ok(false),
                None => return Ok(self.read_lines()? == *lines),
            }
        }
        Ok(true)
    }
}

/// Address of `N` bytes, protocol, port, each padded to four bytes.
pub(super) fn attempt<const N: usize>(element: keys::Read<'_>) -> Option<Attempt> {
    let address = element.key.get(..N)?;
    let resident = if N == 4 {
        Element::V4(Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?))
    } else {
        let address = Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?);
        Element::V6(Ipv6Net::new(address, 64).ok()?.trunc())
    };
    let transport = match *element.key.get(N)? {
        protocol::TCP => Transport::Tcp,
        protocol::UDP => Transport::Udp,
        _ => return None,
    };
    let port = u16::from_be_bytes(element.key.get(N + 4..N + 6)?.try_into().ok()?);
    Some(Attempt { resident, port: PortSpec { port, transport }, packets: element.packets })
}
