//! The body of an upload on its way to a file: bounded in size and time, never in memory. What is known of it by then is its
//! label.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, header};
use futures_util::StreamExt as _;
use pratique_core::ids::{SourceName, TextRef};
use pratique_ingest::FileReason;
use pratique_ingest::label::Label;
use pratique_staff::plain;
use sha2::Digest as _;
use smol_str::SmolStr;
use tokio::io::AsyncWriteExt as _;

use super::intake::Upload;
use crate::desk::Desk;
use crate::problem::Problem;

/// A body that sends nothing for this long is given up.
pub(super) const NEXT_BYTES_WITHIN: Duration = Duration::from_secs(30);
/// So much of a file that is too large is read and thrown away, so that the sender gets to read why.
const DRAINED_BYTES: u64 = 16 << 20;

/// Why a body was not taken to a file; with its label where it was a whole file that must not get lost without a word.
pub(super) struct NotSpooled {
    pub(super) problem: Problem,
    pub(super) label: Option<Label>,
}

impl From<Problem> for NotSpooled {
    fn from(problem: Problem) -> Self {
        Self { problem, label: None }
    }
}

/// Writes the body to a file that vanishes when it is closed.
pub(super) async fn spool(
    desk: &Desk,
    headers: &HeaderMap,
    upload: Upload,
    body: Body,
) -> Result<(Label, File), NotSpooled> {
    let limit = desk.settings.upload_limit;
    let mut label = label_of(desk, headers, upload);
    let too_large = |label: Label| {
        desk.metrics.engine.file_refused(FileReason::TooLarge);
        let said = format!("the file is larger than {limit} bytes; split it, or raise api.upload_limit_mib");
        NotSpooled {
            problem: Problem::new(http::StatusCode::PAYLOAD_TOO_LARGE, "too-large", said),
            // What was not read has no content to know it by.
            label: Some(Label {
                content: TextRef::of(&format!("too large: {} {} {}", label.name, label.received_at, label.bytes)),
                ..label
            }),
        }
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    if announced.is_some_and(|n: u64| n > limit) {
        drain(body.into_data_stream()).await;
        return Err(too_large(label));
    }
    let no_room =
        |e: std::io::Error| Problem::unavailable("store", format!("the file cannot be kept while it is read: {e}"));
    let file = tempfile::tempfile_in(&desk.settings.spool).map_err(no_room)?;
    let mut writer = tokio::io::BufWriter::new(tokio::fs::File::from_std(file));
    let mut hash = sha2::Sha256::new();
    let mut stream = body.into_data_stream();
    loop {
        let next = tokio::time::timeout(NEXT_BYTES_WITHIN, stream.next()).await;
        let next = next.map_err(|_| Problem::bad_request("the file stopped arriving; send it again"))?;
        let Some(chunk) = next else { break };
        let chunk = chunk.map_err(|_| Problem::bad_request("the file broke off; send it again"))?;
        label.bytes = label.bytes.saturating_add(chunk.len() as u64);
        if label.bytes > limit {
            drain(stream).await;
            return Err(too_large(label));
        }
        hash.update(&chunk);
        writer.write_all(&chunk).await.map_err(no_room)?;
    }
    writer.flush().await.map_err(no_room)?;
    let mut file = writer.into_inner().into_std().await;
    file.seek(SeekFrom::Start(0)).map_err(no_room)?;
    label.content = TextRef(hash.finalize().into());
    Ok((label, file))
}

/// What request and headers say of a file; its content is not known yet.
fn label_of(desk: &Desk, headers: &HeaderMap, upload: Upload) -> Label {
    let named = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(SmolStr::new);
    let bounded = |text: SmolStr| SmolStr::new(plain::short(&text, 64));
    Label {
        source: upload.source.or_else(|| named("x-report-source")).map(|s| SourceName(bounded(s))),
        report: upload.report.or_else(|| named("x-report-type")).map(bounded),
        name: upload.name.map_or_else(|| "api".into(), |n| plain::short(&n, 200)),
        received_at: (desk.now)(),
        content: TextRef([0; 32]),
        bytes: 0,
    }
}

async fn drain(mut stream: BodyDataStream) {
    let mut bytes = 0_u64;
    while bytes < DRAINED_BYTES {
        match tokio::time::timeout(NEXT_BYTES_WITHIN, stream.next()).await {
            Ok(Some(Ok(chunk))) => bytes += chunk.len() as u64,
            _ => return,
        }
    }
}
