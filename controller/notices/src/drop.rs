//! A directory in which mails that came back appear: the `new/` of a mail directory, or wherever a mail server delivers the
//! bounce address to. The same drop directory as that of reports, so a file is taken when it lies still, and ends in `done/` or
//! `refused/` with the reason beside it.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use pratique_ingest::drop_dir::{DropDir, Dropped, Fate};

use super::bounce::MAX_BYTES;
use super::{NotNoted, Noted, Notices};

/// Between two looks. Nobody waits for a bounce.
const EVERY: Duration = Duration::from_secs(5);

/// Opens the directory.
///
/// # Errors
/// When it is not there, or not writable.
pub fn open(folder: &Path) -> anyhow::Result<DropDir> {
    DropDir::open(folder, None).context("notices.bounce_dir")
}

/// Takes in what is dropped, until told to stop.
pub async fn watch(notices: Arc<Notices>, folder: DropDir, stopped: impl Future<Output = ()> + Send) {
    let take = |dropped: Dropped| {
        let notices = Arc::clone(&notices);
        async move { take(&notices, dropped).await }
    };
    folder.watch(EVERY, take, stopped).await;
}

async fn take(notices: &Notices, dropped: Dropped) -> Fate {
    let read = tokio::task::spawn_blocking(move || {
        let mut raw = Vec::new();
        // One more than may be, so that what is too large is refused as that.
        dropped.open()?.take(MAX_BYTES as u64 + 1).read_to_end(&mut raw).map(|_| raw)
    });
    let raw = match read.await {
        Ok(Ok(raw)) => raw,
        Ok(Err(error)) => return Fate::Later(error.to_string()),
        Err(error) => return Fate::Later(error.to_string()),
    };
    match notices.bounced(&raw).await {
        Ok(Noted::Bounced(_) | Noted::Temporary | Noted::Repeated) => Fate::Done,
        Err(NotNoted::Refused(why)) => Fate::Refused(why),
        Err(NotNoted::Later(error)) => Fate::Later(error.to_string()),
    }
}
