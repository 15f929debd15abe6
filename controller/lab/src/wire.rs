//! Cables, addresses and routes of a [`Namespace`], over route netlink and without `ip`.

use std::net::IpAddr;
use std::os::fd::AsRawFd as _;

use ipnet::IpNet;
use netlink_packet_route::address::AddressHeaderFlags;
use netlink_packet_route::link::{InfoData, InfoVeth};
use netlink_packet_route::route::RouteScope;
use nix::net::if_::if_nametoindex;
use rtnetlink::{Handle, LinkUnspec, LinkVeth, RouteMessageBuilder};
use tokio::runtime::Runtime;

use super::net::{Namespace, NetError};

/// Changes the links of one namespace. Lives only on the thread inside it.
pub struct Wire<'a> {
    namespace: &'a Namespace,
    runtime: Runtime,
    handle: Handle,
}

impl Namespace {
    /// Lets the closure change links, addresses and routes inside, all on one thread and one netlink socket.
    ///
    /// # Errors
    /// What the closure returns, or when the inside cannot be entered.
    pub fn wire<R: Send>(&self, change: impl FnOnce(&Wire<'_>) -> Result<R, NetError> + Send) -> Result<R, NetError> {
        self.run(|| change(&Wire::here(self)?))?
    }
}

impl<'a> Wire<'a> {
    fn here(namespace: &'a Namespace) -> Result<Self, NetError> {
        let no_netlink = |e: std::io::Error| NetError::File { path: "route netlink".into(), source: e };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(no_netlink)?;
        let handle = {
            let _inside = runtime.enter();
            let (connection, handle, _) = rtnetlink::new_connection().map_err(no_netlink)?;
            runtime.spawn(connection);
            handle
        };
        Ok(Self { namespace, runtime, handle })
    }

    /// A cable: `name` ends here, `peer` in the other namespace. Both ends are up.
    ///
    /// # Errors
    /// When a name is taken or longer than 15 bytes, or the kernel has no veth.
    pub fn veth(&self, name: &str, other: &Namespace, peer: &str) -> Result<(), NetError> {
        let what = || format!("cable from {name} to {peer} in {}", other.name());
        let end = LinkUnspec::new_with_name(peer).setns_by_fd(other.fd().as_raw_fd()).build();
        let link = LinkVeth::new(name, peer).set_info_data(InfoData::Veth(InfoVeth::Peer(end))).up().build();
        self.runtime.block_on(self.handle.link().add(link).execute()).map_err(|e| self.error(what(), e))?;
        // Not in the same request: the kernel opens the peer before it is connected (ENOTCONN).
        other.wire(|there| there.up(peer))
    }

    /// Sets an interface up.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn up(&self, interface: &str) -> Result<(), NetError> {
        let link = LinkUnspec::new_with_index(self.index(interface)?).up().build();
        self.runtime
            .block_on(self.handle.link().set(link).execute())
            .map_err(|e| self.error(format!("{interface} up"), e))
    }

    /// Sets an interface down.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn down(&self, interface: &str) -> Result<(), NetError> {
        let link = LinkUnspec::new_with_index(self.index(interface)?).down().build();
        self.runtime
            .block_on(self.handle.link().set(link).execute())
            .map_err(|e| self.error(format!("{interface} down"), e))
    }

    /// Gives an interface an address, usable at once (no duplicate address detection).
    ///
    /// # Errors
    /// When it has it already, or there is no such interface.
    pub fn address(&self, interface: &str, address: IpNet) -> Result<(), NetError> {
        let index = self.index(interface)?;
        let mut request = self.handle.address().add(index, address.addr(), address.prefix_len());
        request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
        self.runtime.block_on(request.execute()).map_err(|e| self.error(format!("address {address} on {interface}"), e))
    }

    /// Takes an address from an interface.
    ///
    /// # Errors
    /// When it does not have it.
    pub fn remove_address(&self, interface: &str, address: IpNet) -> Result<(), NetError> {
        let index = self.index(interface)?;
        let mut message = self.handle.address().add(index, address.addr(), address.prefix_len());
        let message = std::mem::take(message.message_mut());
        self.runtime
            .block_on(self.handle.address().del(message).execute())
            .map_err(|e| self.error(format!("address {address} off {interface}"), e))
    }

    /// A route to a network through an interface; `via` none means that it is on the link.
    ///
    /// # Errors
    /// When `via` is of the other family or not reachable, or there is no such interface.
    pub fn route(&self, to: IpNet, via: Option<IpAddr>, interface: &str) -> Result<(), NetError> {
        let what = || format!("route to {to} through {interface}");
        let index = self.index(interface)?;
        let invalid = |e: String| self.error(what(), rtnetlink::Error::NamespaceError(e));
        let mut route = RouteMessageBuilder::<IpAddr>::new()
            .destination_prefix(to.trunc().addr(), to.prefix_len())
            .map_err(|e| invalid(e.to_string()))?
            .output_interface(index);
        route = match via {
            Some(via) => route.gateway(via).map_err(|e| invalid(e.to_string()))?,
            // Only an address on the link can be a gateway for others.
            None => route.scope(RouteScope::Link),
        };
        self.runtime.block_on(self.handle.route().add(route.build()).execute()).map_err(|e| self.error(what(), e))
    }

    fn index(&self, interface: &str) -> Result<u32, NetError> {
        if_nametoindex(interface).map_err(|errno| NetError::Thread {
            namespace: self.namespace.name().into(),
            what: format!("no interface {interface}: {errno}"),
        })
    }

    fn error(&self, what: String, source: rtnetlink::Error) -> NetError {
        let source = match source {
            rtnetlink::Error::NetlinkError(answer) => answer.to_io(),
            other => std::io::Error::other(other),
        };
        NetError::Netlink { namespace: self.namespace.name().into(), what, source }
    }
}
