//! Notices that wait and what became of them.

use pratique_core::ids::{CaseId, LineNo, Seq};
use pratique_core::notice::{Channel, NotSent, NoticeKind, NoticeOutcome};
use pratique_core::time::Timestamp;
use pratique_store::factory::Factory;
use pratique_store::outbox::{Heard, Notice, Outbox, Waiting};

fn at(s: i64) -> Timestamp {
    Timestamp::from_secs(1_771_156_800 + s)
}

fn mail(of: u64, line: u32) -> Notice {
    let (of, line) = (Seq(of), LineNo(line));
    let (channel, kind) = (Channel::Mail, NoticeKind::Quarantined);
    Notice { of, channel, case: CaseId(17), line, kind, asked_at: at(0), tries: 0, outcome: None }
}

async fn open(factory: &dyn Factory) -> Box<dyn Outbox> {
    factory.outbox().await.unwrap()
}

pub async fn the_same_entry_of_the_log_asks_once_and_the_position_outlives_a_restart(factory: &dyn Factory) {
    let mut outbox = open(factory).await;
    assert_eq!(outbox.position().await.unwrap(), None);
    for _ in 0..2 {
        outbox.hear(&[Heard::Wanted(vec![mail(5, 1)])], Seq(5)).await.unwrap();
    }
    drop(outbox);
    let mut outbox = open(factory).await;
    assert_eq!(outbox.position().await.unwrap(), Some(Seq(5)));
    assert_eq!(outbox.due(Channel::Mail, at(0), 9).await.unwrap(), [mail(5, 1)]);
    assert_eq!(outbox.due(Channel::Mail, at(-1), 9).await.unwrap(), []);
    assert_eq!(outbox.waiting().await.unwrap(), Waiting { notices: 1, oldest: Some(at(0)) });
}

pub async fn what_ended_is_tried_no_more_and_told_until_the_log_has_it(factory: &dyn Factory) {
    let mut outbox = open(factory).await;
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

pub async fn each_channel_has_a_queue_of_its_own(factory: &dyn Factory) {
    let mut outbox = open(factory).await;
    let hook = Notice { channel: Channel::Webhook, ..mail(7, 1) };
    outbox.hear(&[Heard::Wanted(vec![mail(5, 1), mail(6, 1), hook.clone()])], Seq(7)).await.unwrap();
    assert_eq!(outbox.due(Channel::Mail, at(0), 1).await.unwrap(), [mail(5, 1)]);
    assert_eq!(outbox.due(Channel::Webhook, at(0), 1).await.unwrap(), std::slice::from_ref(&hook));
    outbox.again(&hook, at(60)).await.unwrap();
    assert_eq!(outbox.next_due(Channel::Mail).await.unwrap(), Some(at(0)));
    assert_eq!(outbox.next_due(Channel::Webhook).await.unwrap(), Some(at(60)));
}

pub async fn what_waited_too_long_ends_whether_it_was_tried_or_not(factory: &dyn Factory) {
    let mut outbox = open(factory).await;
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

pub async fn a_bounce_counts_once_and_only_for_what_was_sent(factory: &dyn Factory) {
    let mut outbox = open(factory).await;
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

pub async fn a_purged_line_and_a_log_that_went_back_leave_nothing_behind(factory: &dyn Factory) {
    let mut outbox = open(factory).await;
    outbox.hear(&[Heard::Wanted(vec![mail(5, 1), mail(6, 2), mail(9, 3)])], Seq(9)).await.unwrap();
    outbox.hear(&[Heard::Purged(LineNo(1))], Seq(10)).await.unwrap();
    outbox.begin_at(Seq(8)).await.unwrap();
    assert_eq!(outbox.due(Channel::Mail, at(0), 9).await.unwrap(), [mail(6, 2)]);
    assert_eq!(outbox.position().await.unwrap(), Some(Seq(8)));
}

pub async fn what_was_told_is_forgotten_after_its_time(factory: &dyn Factory) {
    let mut outbox = open(factory).await;
    outbox.hear(&[Heard::Wanted(vec![mail(5, 1), mail(6, 1)])], Seq(6)).await.unwrap();
    outbox.end(&mail(5, 1), &NoticeOutcome::Sent, true, at(1)).await.unwrap();
    outbox.end(&mail(6, 1), &NoticeOutcome::Sent, false, at(1)).await.unwrap();
    assert_eq!(outbox.forget(at(2)).await.unwrap(), 1, "the untold one stays");
    outbox.scrub().await.unwrap();
}

pub async fn only_what_went_out_counts_towards_a_lines_share(factory: &dyn Factory) {
    let mut outbox = open(factory).await;
    outbox.hear(&[Heard::Wanted((5..=8).map(|of| mail(of, 1)).collect())], Seq(8)).await.unwrap();
    outbox.end(&mail(5, 1), &NoticeOutcome::Sent, false, at(10)).await.unwrap();
    outbox.end(&mail(6, 1), &NoticeOutcome::Bounced { status: "5.1.1".into() }, false, at(10)).await.unwrap();
    outbox.end(&mail(7, 1), &NoticeOutcome::Failed { why: NotSent::GaveUp }, false, at(10)).await.unwrap();
    assert_eq!(outbox.sent_since(LineNo(1), Channel::Mail, at(0)).await.unwrap(), 2);
    assert_eq!(outbox.sent_since(LineNo(1), Channel::Webhook, at(0)).await.unwrap(), 0);
    assert_eq!(outbox.sent_since(LineNo(2), Channel::Mail, at(0)).await.unwrap(), 0);
    outbox.told(&Notice { outcome: Some(NoticeOutcome::Sent), ..mail(5, 1) }).await.unwrap();
    assert_eq!(outbox.untold(9).await.unwrap().iter().map(|n| n.of.0).collect::<Vec<_>>(), [6, 7]);
    assert_eq!(outbox.position().await.unwrap(), Some(Seq(8)), "the log is followed no further by that");
}
