//! The captive resolver: what residents of the garden get when they ask for names. In the order a query flows:
//!
//! * [`settings`], [`endpoint`]: what is configured, checked before anything starts
//! * `hot`: nearly everything: batches of datagrams, plainly captive questions answered in place, the rest handed on
//! * `serve`: sockets; what `hot` left and TCP frames in, replies out from the address they were asked at
//! * `cookie`: the cookies of RFC 7873; `cookie_query`: a message that asks for nothing but one
//! * `streams`: connections, over TCP and [`tls`] alike; `doh`: HTTP on some of them
//! * `wire`: bytes to a request and back; hickory's types end here
//! * [`question`], [`captive`], [`portals`]: PURE. A question, a resident, a garden: what to answer and why
//! * `rates`, `strangers`, `limits`: how often one line may ask, and how much work it may cause; `places`: how many connections
//!   it may keep
//! * `handler`: the steps above put together for one query
//! * `reply`: padding and lifetime of what leaves encrypted
//! * `wildcards`: what one line may have asked below wildcards, across restarts
//! * `upstream`, `cache`, [`networks`]: allow-listed names truly resolved, and what of that may be used; `inwards`: which
//!   entries point inwards
//! * [`wall`]: the hole that must be open before the real address leaves
//! * [`threats`]: names that only an infected device asks for; counted, not kept
//! * `allowed`: those put together for one allow-listed question; `for_portal`: the same names for the portal
//! * `proofs`: what validating resolvers at home need to believe an answer, passed on as it is
//! * `forward`: the questions of clients that are no residents, where the settings say so
//! * `passed`: an upstream's answer as it goes on, byte for byte
//! * [`explain`]: the same decision as words, for people
//! * `metrics`: what is counted; `health`: the same for the NOC's eyes
//!
//! The crate reads a [`GardenView`](pratique_core::view::GardenView) and knows nothing of the controller. It writes no
//! names and no addresses to any log. hickory's crates and h2 log names in places, so a daemon should filter the
//! targets `h2`, `hickory_proto`, `hickory_net` and `hickory_resolver` out of its logs.
//!
//! Captive answers carry no signatures: a client that validates DNSSEC itself rejects them where the name's zone is signed, as
//! it should. What residents are to reach it can believe: allow-listed names keep their signatures, and DS and DNSKEY of their
//! zones, of the portal's and of the names with which devices look for a portal are the true ones, so that a zone which is not
//! signed is provably so. Nothing is validated here.
//!
//! Steering DNS is a help, not the wall: clients may use other resolvers or none, and then the wall stops them.

mod allowed;
mod cache;
pub mod captive;
mod cookie;
mod cookie_query;
mod doh;
pub mod endpoint;
pub mod explain;
mod for_portal;
mod forward;
mod handler;
mod health;
mod hot;
mod inwards;
mod limits;
mod metrics;
pub mod networks;
mod passed;
mod places;
pub mod portals;
mod proofs;
pub mod question;
mod rates;
mod reply;
mod serve;
pub mod settings;
mod strangers;
mod streams;
pub mod threats;
pub mod tls;
mod upstream;
pub mod wall;
mod wildcards;
mod wire;

pub use endpoint::Endpoint;
pub use explain::{ExplainError, Explanation};
pub use for_portal::NoAddress;
pub use handler::{Resolver, SetupError};
pub use health::{Health, Place};
pub use inwards::PointsInward;
pub use serve::{BindError, Datagrams, Encrypted, bind, bind_encrypted};
pub use settings::{PlainHttp, Settings};
pub use threats::{ListHealth, ThreatQueries};
pub use tls::{CertificateHealth, TlsSettings};
pub use upstream::RootsError;
pub use wall::{OpenError, WallOpener};
