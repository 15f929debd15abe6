//! Look at a delivery, and decide about one that is held.

use pratique_engine::handle::IntakeReport;

use crate::error::StaffError;
use crate::models::deliveries::{DeliveryDossier, RefusedLine};
use crate::office::Office;
use crate::roles::{Role, Staff};

/// One delivery.
///
/// # Errors
/// Not found when there is none with this number.
pub async fn looked_at(office: &dyn Office, staff: &Staff, number: u64) -> Result<DeliveryDossier, StaffError> {
    staff.needs_everything(Role::Viewer)?;
    let found = office.delivery(number).await?;
    found.ok_or_else(|| StaffError::not_found(format!("there is no delivery {number}")))
}

/// All refused rows of a delivery that are kept.
///
/// # Errors
/// Not found when there is no delivery with this number.
pub async fn refused_rows(office: &dyn Office, staff: &Staff, number: u64) -> Result<Vec<RefusedLine>, StaffError> {
    looked_at(office, staff, number).await?;
    Ok(office.refused_rows(number, 0).await?)
}

/// Takes in the sound rows of a held delivery, or all it says as information only.
///
/// # Errors
/// Not found when none with this number is held; refused when nobody has said what its type means.
pub async fn accept_held(
    office: &dyn Office,
    staff: &Staff,
    number: u64,
    as_information: bool,
) -> Result<IntakeReport, StaffError> {
    staff.needs_everything(Role::Operator)?;
    let taken = office.accept_held(number, as_information, staff.actor()).await?;
    taken.ok_or_else(|| StaffError::not_found(format!("no delivery {number} is held")))
}

/// Refuses a held delivery.
///
/// # Errors
/// Not found when none with this number is held.
pub async fn refuse_held(office: &dyn Office, staff: &Staff, number: u64) -> Result<(), StaffError> {
    staff.needs_everything(Role::Operator)?;
    let refused = office.refuse_held(number, staff.actor()).await?;
    refused.then_some(()).ok_or_else(|| StaffError::not_found(format!("no delivery {number} is held")))
}
