//! Lists of subscribers' records over HTTP.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Extension, Json, Router};
use pratique_ingest::FileReason;
use pratique_ingest::label::Unreadable;
use pratique_ingest::sessions::subscribers::REPORT;
use pratique_staff::models::intake::SessionsTaken;
use pratique_staff::plain;
use pratique_staff::roles::{Role, Staff};
use pratique_store::{Delivery, DeliveryState};
use smol_str::SmolStr;

use super::intake::{REFUSED_SHOWN, Upload, delivery_of, in_words, unreadable};
use super::spool::{NotSpooled, spool};
use crate::auth::Peer;
use crate::desk::Desk;
use crate::extract::Asked;
use crate::problem::Problem;
use crate::uploads::Kind;

/// The path.
pub fn routes() -> Router<Desk> {
    Router::new().route("/subscribers", post(subscribers))
}

async fn subscribers(
    State(desk): State<Desk>,
    staff: Staff,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Asked(upload): Asked<Upload>,
    body: Body,
) -> Result<Json<SessionsTaken>, Problem> {
    staff.needs_everything(Role::Operator)?;
    let _place = desk.uploads.receive(Kind::SessionList, staff.token, peer.0, &desk.meters)?;
    let (label, mut file) = match spool(&desk, &headers, upload, body).await {
        Ok(spooled) => spooled,
        Err(NotSpooled { problem, label }) => {
            if let Some(label) = label {
                let because = Some(problem.detail.clone());
                desk.office
                    .list_refused(Delivery { because, ..of(delivery_of(&label, DeliveryState::Refused)) })
                    .await?;
            }
            return Err(problem);
        }
    };
    let _turn = desk.uploads.turn(Kind::SessionList).await?;
    let readers = desk.readers.clone();
    let read = tokio::task::spawn_blocking(move || {
        let list = readers.subscribers(&label, &mut file);
        (label, list)
    });
    let (label, list) = read.await.map_err(|e| Problem::internal(&e))?;
    let list = match list {
        Ok(list) => list,
        Err(why) => {
            desk.metrics.engine.file_refused(why.reason);
            let because = Some(plain::short(&why.said, 300));
            desk.office.list_refused(Delivery { because, ..of(delivery_of(&label, DeliveryState::Refused)) }).await?;
            return Err(unreadable(why));
        }
    };
    let delivery = of(delivery_of(&label, DeliveryState::Receiving));
    let mut taken = desk.office.subscriber_list(list, delivery).await?;
    if taken.state == DeliveryState::Refused {
        desk.metrics.engine.file_refused(FileReason::Rows);
        return Err(unreadable(Unreadable::new(FileReason::Rows, in_words(&label.name, &taken))));
    }
    taken.refused_rows.truncate(REFUSED_SHOWN);
    Ok(Json(taken))
}

/// As a list of subscribers is recorded.
fn of(delivery: Delivery) -> Delivery {
    Delivery { report: SmolStr::new_static(REPORT), ..delivery }
}
