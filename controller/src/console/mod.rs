//! Staff, by browser.
pub mod sessions;
/// The paths.
pub fn routes() -> axum::Router<crate::api::Desk> {
    axum::Router::new()
}
