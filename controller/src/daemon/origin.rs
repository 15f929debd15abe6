//! Where the portal passes plain HTTP on to: the captive resolver says it, so that its caps and its rule for addresses hold for
//! both ways.

use std::net::SocketAddr;

use async_trait::async_trait;
use pratique_core::view::Resident;
use pratique_dns::{NoAddress, Resolver};
use pratique_portal::forward::{NoOrigin, Origin};

/// The port of plain HTTP.
const HTTP: u16 = 80;

/// The names of the gardens.
pub struct GardenNames(pub Resolver);

#[async_trait]
impl Origin for GardenNames {
    async fn addresses(&self, resident: &Resident, name: &str) -> Result<Vec<SocketAddr>, NoOrigin> {
        let found = self.0.addresses(resident, name).await.map_err(|none| match none {
            NoAddress::NotListed => NoOrigin::NotListed,
            NoAddress::Spent => NoOrigin::Spent,
            NoAddress::None | NoAddress::Failed(_) => NoOrigin::None,
        })?;
        Ok(found.into_iter().map(|address| SocketAddr::new(address, HTTP)).collect())
    }
}
