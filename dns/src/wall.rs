//! The seam to the wall: a resident may reach an allow-listed address only after the wall holds it.

use std::net::IpAddr;
use std::sync::Arc;

use pratique_core::playbook::PortSpec;
use pratique_core::time::Span;
use pratique_core::view::Resident;

/// Opens addresses in the wall for a resident.
#[async_trait::async_trait]
pub trait WallOpener: Send + Sync + 'static {
    /// Opens `ports` on each of `addresses` for the resident behind `client`, for `lasts` from now, then closed by
    /// itself: `name` resolved to them, in lower case without a trailing dot. Opening again while open prolongs. Returns when the wall holds it: the DNS answer leaves after that. The
    /// call is abandoned at the query's deadline; half an opening does no harm, as it ends by itself.
    ///
    /// # Errors
    /// When the wall does not hold it; the client then gets SERVFAIL instead of an address it cannot reach.
    async fn open(
        &self,
        client: IpAddr,
        resident: &Arc<Resident>,
        addresses: &[IpAddr],
        ports: &[PortSpec],
        lasts: Span,
        name: &str,
    ) -> Result<(), OpenError>;
}

/// Why the wall was not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too many openings wait already.
    #[error("too many openings wait for the wall")]
    Busy,
    /// Nobody drives the wall any more.
    #[error("the wall's driver has stopped")]
    Stopped,
    /// The wall refused.
    #[error("the wall was not opened: {0}")]
    Failed(String),
}
