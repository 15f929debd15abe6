//! `pratique verify-log`: reads a log from its first entry and says whether it is what was appended. Works on the
//! database of a running or a stopped daemon, read-only.
//!
//! Four things are compared: each entry's hash with its content and the entry before; the case index with the bodies; the
//! last entry with the stored head and with the position this node remembers (a log cut at its end); and, if a person
//! brings one, an anchor written down earlier (a log rewritten as a whole).

use std::path::Path;

use futures_util::TryStreamExt as _;
use pratique_core::chain::{Anchor, BadEntry, Chain, Stored};
use pratique_core::event::Body;
use pratique_core::ids::Seq;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::fault::Fault;
use super::rows::Columns;
use super::{StoreError, Verified, VerifyError, position, rows, schema, store};

impl From<Fault> for VerifyError {
    fn from(Fault(error): Fault) -> Self {
        error.into()
    }
}

/// Verifies a whole log. `anchor` is a point that a person knows from an earlier run.
///
/// # Errors
/// [`VerifyError::Bad`] names the first bad entry.
pub async fn verify(path: &Path, anchor: Option<Anchor>) -> Result<Verified, VerifyError> {
    verify_with(path, None, anchor).await
}

/// The same with the copy of the position, where there is one.
///
/// # Errors
/// As [`verify`].
pub async fn verify_with(path: &Path, copy: Option<&Path>, anchor: Option<Anchor>) -> Result<Verified, VerifyError> {
    // Before the log: a running daemon only ever adds to it afterwards.
    let remembered = position::read(&store::beside(path, ".position"))?;
    let copied = copy.map(position::read).transpose()?.flatten();
    let known: Vec<(Anchor, &str)> = remembered
        .map(|a| (a, "this node's position file"))
        .into_iter()
        .chain(copied.map(|a| (a, "the copy of this node's position")))
        .chain(anchor.map(|a| (a, "the anchor")))
        .collect();
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .create_if_missing(false)
        .row_buffer_size(1024)
        .disable_statement_logging();
    let mut conn = SqliteConnection::connect_with(&options).await.map_err(Fault::from)?;
    if schema::version(&mut conn).await? == 0 {
        let what = format!("{} is not a database of pratique", path.display());
        return Err(StoreError::Other(what).into());
    }
    // One view of the database for all that follows.
    let mut tx = conn.begin().await.map_err(Fault::from)?;
    let chain = entries(&mut tx, &known).await?;
    let head = chain.head();
    let row = sqlx::query("SELECT seq, hash FROM log_head").fetch_one(&mut *tx).await.map_err(Fault::from)?;
    let mut columns = Columns::of(&row, "log_head");
    let seq = Seq(columns.number()?);
    let noted = rows::hash(columns.next()?).map(|hash| Anchor { seq, hash });
    let cut = |known: Seq, who: &str| BadEntry {
        seq: Seq(head.seq.0.saturating_add(1)),
        what: format!("cut off: the log ends at {}, but {who} knows entries up to {known}", head.seq),
    };
    if seq > head.seq {
        return Err(cut(seq, "the database's own head").into());
    }
    if noted != Some(head) {
        let what =
            "the database's own head does not know it: it was added or replaced behind pratique's back".to_owned();
        return Err(BadEntry { seq: Seq(seq.0.saturating_add(1).min(head.seq.0)), what }.into());
    }
    if let Some((known, who)) = known.iter().filter(|(a, _)| a.seq > head.seq).max_by_key(|(a, _)| a.seq) {
        return Err(cut(known.seq, who).into());
    }
    Ok(Verified { entries: head.seq.0, last: head.seq, head })
}

async fn entries(conn: &mut SqliteConnection, known: &[(Anchor, &str)]) -> Result<Chain, VerifyError> {
    let mut chain = Chain::new();
    let sql = "SELECT seq, at, body, hash, case_id FROM event ORDER BY seq";
    let mut stream = sqlx::query(sql).persistent(false).fetch(conn);
    loop {
        let row = match stream.try_next().await.map_err(|e| Fault::from(e).0) {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(chain),
            // The file itself is broken here.
            Err(StoreError::Corrupt(what)) => {
                return Err(BadEntry { seq: Seq(chain.head().seq.0.saturating_add(1)), what }.into());
            }
            Err(error) => return Err(error.into()),
        };
        let entry = rows::entry(&row)?;
        chain.check(Stored { seq: entry.seq, at: entry.at, body: entry.body.as_bytes(), hash: entry.hash })?;
        let bad = |what: String| VerifyError::Bad(BadEntry { seq: entry.seq, what });
        let case = match entry.event().map_err(|e| bad(e.to_string()))?.body {
            Body::Case { case, .. } => Some(rows::integer(case.0)?),
            _ => None,
        };
        let mut columns = Columns::at(&row, "event", 4);
        if columns.next::<Option<i64>>()? != case {
            return Err(bad("its case column is not the case it speaks of: the case's story was changed".to_owned()));
        }
        if let Some((_, who)) = known.iter().find(|(a, _)| a.seq == entry.seq && *a != chain.head()) {
            return Err(bad(format!("{who} knows another hash here: the log was rewritten up to this entry")));
        }
    }
}
