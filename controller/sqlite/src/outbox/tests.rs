use pratique_core::ids::Seq;
use pratique_store::outbox::Outbox as _;

use super::*;

fn at(s: i64) -> Timestamp {
    Timestamp::from_secs(1_771_156_800 + s)
}

fn mail(of: u64, line: u32) -> Notice {
    let (of, line) = (Seq(of), LineNo(line));
    let (channel, kind) = (Channel::Mail, NoticeKind::Quarantined);
    Notice { of, channel, case: CaseId(17), line, kind, asked_at: at(0), tries: 0, outcome: None }
}

#[tokio::test]
async fn an_older_file_is_brought_forward_and_a_newer_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let how = SqliteConnectOptions::new().filename(folder.path().join(SqliteOutbox::FILE)).create_if_missing(true);
    let mut conn = SqliteConnection::connect_with(&how).await.unwrap();
    sqlx::raw_sql(MIGRATIONS[0]).execute(&mut conn).await.unwrap();
    let row = "INSERT INTO notice (of, channel, case_id, line, kind, asked_at, next_at) \
               VALUES (5, 'mail', 17, 1, 'quarantined', 1771156800000, 1771156800000)";
    sqlx::raw_sql(row).execute(&mut conn).await.unwrap();
    for _ in 0..2 {
        let mut outbox = SqliteOutbox::open(folder.path()).await.unwrap();
        assert_eq!(outbox.due(Channel::Mail, at(0), 9).await.unwrap(), [mail(5, 1)]);
    }
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut conn).await.unwrap();
    assert_eq!(version, 2);
    sqlx::raw_sql("PRAGMA user_version = 3").execute(&mut conn).await.unwrap();
    let refused = SqliteOutbox::open(folder.path()).await.unwrap_err();
    assert!(matches!(refused, StoreError::TooNew { found: 3, known: 2 }), "{refused}");
}
