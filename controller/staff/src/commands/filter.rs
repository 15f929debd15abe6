//! Which cases somebody looks for, as it is typed.

use ipnet::IpNet;
use pratique_core::ids::{CaseId, CauseKey, SubscriberId};
use pratique_core::state::StateName;
use serde::{Deserialize, Serialize};

use crate::error::StaffError;
use crate::office::{CaseQuery, MAX_PAGE};
use crate::plain;
use crate::roles::Staff;

/// Filters of a list of cases. Lists are separated by commas.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// States.
    pub state: Option<String>,
    /// Cause.
    pub cause: Option<String>,
    /// Subscriber.
    pub subscriber: Option<String>,
    /// Network or address.
    pub network: Option<String>,
    /// Rows per page; 100 if not said.
    pub limit: Option<u32>,
    /// Cases with a smaller number.
    pub after: Option<u64>,
}

impl Filter {
    /// As a query of this person.
    ///
    /// # Errors
    /// Invalid, naming the field that is wrong.
    pub fn query(self, staff: &Staff) -> Result<CaseQuery, StaffError> {
        let some = |text: Option<String>| text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
        let mut states = Vec::new();
        for name in some(self.state).iter().flat_map(|s| s.split(',')).map(str::trim) {
            let state = StateName::ALL.into_iter().find(|s| s.as_str() == name).ok_or_else(|| {
                let name = plain::short(name, 40);
                StaffError::invalid(format!(
                    "state: `{name}` is none; known are warned, proposed, quarantined, watching, closed"
                ))
            })?;
            states.push(state);
        }
        let network = some(self.network).map(|t| network(&t)).transpose()?;
        let limit = self.limit.unwrap_or(100);
        if limit == 0 || limit > MAX_PAGE {
            return Err(StaffError::invalid(format!("limit must lie between 1 and {MAX_PAGE}; use `after` for more")));
        }
        Ok(CaseQuery {
            ids: Vec::new(),
            states,
            cause: some(self.cause).map(CauseKey::new),
            subscriber: some(self.subscriber).map(SubscriberId::new),
            network,
            scope: staff.scope.clone(),
            limit,
            after: self.after.map(CaseId),
        })
    }
}

/// A network, or an address as the network of itself.
///
/// # Errors
/// Invalid for anything else, also for host bits below the prefix length: `10.0.0.1/8` is more likely a slip than a wish.
pub fn network(text: &str) -> Result<IpNet, StaffError> {
    let shown = plain::short(text, 60);
    let wrong =
        || StaffError::invalid(format!("network: `{shown}` is neither an address nor a network like 192.0.2.0/28"));
    let net = match text.parse::<std::net::IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse::<IpNet>().map_err(|_| wrong())?,
    };
    if net.trunc() != net {
        return Err(StaffError::invalid(format!(
            "network: {net} has bits beyond its length; was {} meant?",
            net.trunc()
        )));
    }
    Ok(net)
}
