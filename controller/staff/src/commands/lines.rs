//! One line's record and its erasure, and who held an address, as far as somebody may see them.

use std::net::IpAddr;

use ipnet::IpNet;
use pratique_core::ids::SubscriberId;
use pratique_core::time::Timestamp;

use crate::error::StaffError;
use crate::models::lines::{AddressDossier, LineDossier, Purged};
use crate::office::{Office, visible};
use crate::roles::{Role, Staff};

/// What is known of a subscriber, if this person may see it.
///
/// # Errors
/// Not found if nothing is known or it may not be seen.
pub async fn line_of(office: &dyn Office, staff: &Staff, subscriber: &SubscriberId) -> Result<LineDossier, StaffError> {
    let unknown = || StaffError::not_found("no such subscriber is known");
    let line = office.line(subscriber).await?.ok_or_else(unknown)?;
    // A line without holdings belongs to no network, so only unrestricted staff see it.
    let nets = line.holdings.iter().filter_map(|h| h.element.map(|e| e.net()).or_else(|| shared(&h.holding)));
    if visible(&staff.scope, nets, []) { Ok(line) } else { Err(unknown()) }
}

/// The address of a shared holding, written `192.0.2.1:1024-2047`.
fn shared(holding: &str) -> Option<IpNet> {
    let (address, _) = holding.rsplit_once(':')?;
    address.parse::<std::net::Ipv4Addr>().ok().map(|a| IpNet::from(IpAddr::V4(a)))
}

/// Who holds and held an address. Restricted staff see addresses of their own networks alone.
///
/// # Errors
/// Not found if it may not be seen.
pub async fn address_of(
    office: &dyn Office,
    staff: &Staff,
    address: IpAddr,
    at: Option<Timestamp>,
) -> Result<AddressDossier, StaffError> {
    if !visible(&staff.scope, [IpNet::from(address.to_canonical())], []) {
        return Err(StaffError::not_found("this address is not in your networks"));
    }
    Ok(office.address(address, at).await?)
}

/// Erases the personal data of a subscriber.
///
/// # Errors
/// Forbidden unless a supervisor asks; not found if nothing is known; refused while the line has an open case.
pub async fn purge(office: &dyn Office, staff: &Staff, subscriber: &SubscriberId) -> Result<Purged, StaffError> {
    staff.needs(Role::Supervisor)?;
    let purged = office.purge(subscriber, staff.actor()).await?;
    purged.ok_or_else(|| StaffError::not_found("no such subscriber is known"))
}
