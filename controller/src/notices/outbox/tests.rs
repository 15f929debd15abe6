use super::*;

fn at(s: i64) -> Timestamp {
    Timestamp::from_secs(1_771_156_800 + s)
}

fn mail(of: u64, line: u32) -> Notice {
    let (of, line) = (Seq(of), LineNo(line));
    let (channel, kind) = (Channel::Mail, NoticeKind::Quarantined);
    Notice { of, channel, case: CaseId(17), line, kind, asked_at: at(0), tries: 0, outcome: None }
}

async fn outbox() -> (Outbox, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Outbox::open(folder.path()).await.unwrap(), folder)
}

#[tokio::test]
async fn the_same_entry_of_the_log_asks_once_and_the_position_outlives_a_restart() {
    let (mut outbox, folder) = outbox().await;
    assert_eq!(outbox.position().await.unwrap(), None);
    for _ in 0..2 {
        outbox.hear(&[Heard::Wanted(vec![mail(5, 1)])], Seq(5)).await.unwrap();
    }
    drop(outbox);
    let mut outbox = Outbox::open(folder.path()).await.unwrap();
    assert_eq!(outbox.position().await.unwrap(), Some(Seq(5)));
    assert_eq!(outbox.due(Channel::Mail, at(0), 9).await.unwrap(), [mail(5, 1)]);
    assert_eq!(outbox.due(Channel::Mail, at(-1), 9).await.unwrap(), []);
    assert_eq!(outbox.waiting().await.unwrap(), Waiting { notices: 1, oldest: Some(at(0)) });
}

#[tokio::test]
async fn what_ended_is_tried_no_more_and_told_until_the_log_has_it() {
    let (mut outbox, _folder) = outbox().await;
    outbox.hear(&[Heard::Wanted(vec![mail(5, 1), mail(6, 1)])], Seq(6)).await.unwrap();
    outbox.again(&mail(6, 1), at(60)).await.unwrap();
    outbox.end(&mail(5, 1), &NoticeOutcome::Sent, false, at(1)).await.unwrap();
    assert_eq!(outbox.due(Channel::Mail, at(59), 9).await.unwrap(), []);
    assert_eq!(outbox.due(Channel::Mail, at(60), 9).await.unwrap()[0].tries, 1);
    let untold = outbox.untold(9).await.unwrap();
    assert_eq!(untold, [Notice { outcome: Some(NoticeOutcome::Sent), ..mail(5, 1) }]);
    // The log says something else of it, then the right thing.
    let gave_up = NoticeOutcome::Failed { why: NotSent::GaveUp };
    outbox.hear(&[Heard::Told(Seq(5), Channel::Mail, gave_up)], Seq(7)).await.unwrap();
    assert_eq!(outbox.untold(9).await.unwrap().len(), 1);
    outbox.hear(&[Heard::Told(Seq(5), Channel::Mail, NoticeOutcome::Sent)], Seq(8)).await.unwrap();
    assert_eq!(outbox.untold(9).await.unwrap(), []);
    assert_eq!(outbox.sent_since(LineNo(1), Channel::Mail, at(0)).await.unwrap(), 1);
    assert_eq!(outbox.sent_since(LineNo(1), Channel::Mail, at(1)).await.unwrap(), 0);
}

#[tokio::test]
async fn each_channel_has_a_queue_of_its_own() {
    let (mut outbox, _folder) = outbox().await;
    let hook = Notice { channel: Channel::Webhook, ..mail(7, 1) };
    outbox.hear(&[Heard::Wanted(vec![mail(5, 1), mail(6, 1), hook.clone()])], Seq(7)).await.unwrap();
    assert_eq!(outbox.due(Channel::Mail, at(0), 1).await.unwrap(), [mail(5, 1)]);
    assert_eq!(outbox.due(Channel::Webhook, at(0), 1).await.unwrap(), std::slice::from_ref(&hook));
    outbox.again(&hook, at(60)).await.unwrap();
    assert_eq!(outbox.next_due(Channel::Mail).await.unwrap(), Some(at(0)));
    assert_eq!(outbox.next_due(Channel::Webhook).await.unwrap(), Some(at(60)));
}

#[tokio::test]
async fn what_waited_too_long_ends_whether_it_was_tried_or_not() {
    let (mut outbox, _folder) = outbox().await;
    let (tried, late) = (Notice { tries: 1, ..mail(6, 1) }, Notice { asked_at: at(9), ..mail(8, 1) });
    let hook = Notice { channel: Channel::Webhook, ..mail(7, 1) };
    let wanted = vec![mail(5, 1), mail(6, 1), hook.clone(), late.clone()];
    outbox.hear(&[Heard::Wanted(wanted)], Seq(8)).await.unwrap();
    outbox.again(&mail(6, 1), at(3_600)).await.unwrap();
    let outcome = Some(NoticeOutcome::Failed { why: NotSent::GaveUp });
    let gone = |notice| Notice { outcome: outcome.clone(), ..notice };
    let mut ended = Vec::new();
    for _ in 0..3 {
        ended.extend(outbox.give_up(Channel::Mail, at(9), at(100), 1).await.unwrap());
    }
    ended.sort_by_key(|notice| notice.of);
    assert_eq!(ended, [gone(mail(5, 1)), gone(tried)]);
    assert_eq!(outbox.untold(9).await.unwrap(), ended);
    assert_eq!(outbox.due(Channel::Mail, at(3_600), 9).await.unwrap(), [late]);
    assert_eq!(outbox.due(Channel::Webhook, at(3_600), 9).await.unwrap(), [hook]);
}

#[tokio::test]
async fn an_older_file_is_brought_forward_and_a_newer_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let how = SqliteConnectOptions::new().filename(folder.path().join(FILE)).create_if_missing(true);
    let mut conn = SqliteConnection::connect_with(&how).await.unwrap();
    sqlx::raw_sql(MIGRATIONS[0]).execute(&mut conn).await.unwrap();
    let row = "INSERT INTO notice (of, channel, case_id, line, kind, asked_at, next_at) \
               VALUES (5, 'mail', 17, 1, 'quarantined', 1771156800000, 1771156800000)";
    sqlx::raw_sql(row).execute(&mut conn).await.unwrap();
    for _ in 0..2 {
        let mut outbox = Outbox::open(folder.path()).await.unwrap();
        assert_eq!(outbox.due(Channel::Mail, at(0), 9).await.unwrap(), [mail(5, 1)]);
    }
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut conn).await.unwrap();
    assert_eq!(version, 2);
    sqlx::raw_sql("PRAGMA user_version = 3").execute(&mut conn).await.unwrap();
    let refused = Outbox::open(folder.path()).await.unwrap_err();
    assert!(matches!(refused, StoreError::TooNew { found: 3, known: 2 }), "{refused}");
}

#[tokio::test]
async fn a_bounce_counts_once_and_only_for_what_was_sent() {
    let (mut outbox, _folder) = outbox().await;
    outbox.hear(&[Heard::Wanted(vec![mail(5, 1)])], Seq(5)).await.unwrap();
    let bounced = NoticeOutcome::Bounced { status: "5.1.1".into() };
    assert!(!outbox.bounced(CaseId(17), Seq(5), &bounced).await.unwrap(), "it has not left");
    outbox.end(&mail(5, 1), &NoticeOutcome::Sent, false, at(1)).await.unwrap();
    assert!(!outbox.bounced(CaseId(18), Seq(5), &bounced).await.unwrap(), "another case's");
    assert!(outbox.bounced(CaseId(17), Seq(5), &bounced).await.unwrap());
    assert!(!outbox.bounced(CaseId(17), Seq(5), &bounced).await.unwrap(), "it came back before");
    assert_eq!(outbox.untold(9).await.unwrap()[0].outcome, Some(bounced));
    assert!(outbox.is_known(CaseId(17), Seq(5)).await.unwrap());
}

#[tokio::test]
async fn a_purged_line_and_a_log_that_went_back_leave_nothing_behind() {
    let (mut outbox, _folder) = outbox().await;
    outbox.hear(&[Heard::Wanted(vec![mail(5, 1), mail(6, 2), mail(9, 3)])], Seq(9)).await.unwrap();
    outbox.hear(&[Heard::Purged(LineNo(1))], Seq(10)).await.unwrap();
    outbox.begin_at(Seq(8)).await.unwrap();
    assert_eq!(outbox.due(Channel::Mail, at(0), 9).await.unwrap(), [mail(6, 2)]);
    assert_eq!(outbox.position().await.unwrap(), Some(Seq(8)));
}

#[tokio::test]
async fn what_was_told_is_forgotten_after_its_time() {
    let (mut outbox, _folder) = outbox().await;
    outbox.hear(&[Heard::Wanted(vec![mail(5, 1), mail(6, 1)])], Seq(6)).await.unwrap();
    outbox.end(&mail(5, 1), &NoticeOutcome::Sent, true, at(1)).await.unwrap();
    outbox.end(&mail(6, 1), &NoticeOutcome::Sent, false, at(1)).await.unwrap();
    assert_eq!(outbox.forget(at(2)).await.unwrap(), 1, "the untold one stays");
    outbox.scrub().await.unwrap();
}
