//! What deliveries that are not taken in mean for silence, from intake to the log and back after a crash.

use pratique_core::command::Missing;
use pratique_core::coverage::{GapReason, Stretch};

use super::*;
use crate::handle::{Open, Spoken};

fn day() -> Stretch {
    Stretch { from: Timestamp::from_secs(NOON - 12 * 3600), until: Timestamp::from_secs(NOON) }
}

fn spoken(reason: GapReason) -> Spoken {
    Spoken {
        covers: Some(day()),
        open: Some(Open { report: Some("test".into()), stretch: day(), reason }),
        name: Some(TextRef::of("the day's file")),
        unread: Vec::new(),
        incomplete: false,
    }
}

impl Bench {
    async fn deliver(&self, state: DeliveryState, content: &str, number: u64, spoken: Spoken) -> u64 {
        // Of another line, so that the file tells something.
        let rows =
            if state == DeliveryState::Accepted { vec![self.sighting("192.0.2.99", "mirai", 23)] } else { Vec::new() };
        let mut intake = self.intake_of(rows);
        intake.delivery.state = state;
        intake.delivery.number = number;
        intake.delivery.content = TextRef::of(content);
        intake.spoken = Some(spoken);
        self.handle.intake(intake).await.unwrap().delivery
    }

    /// What the release of case 1 rests on: the reasons of its gaps, and what is missing of its silence.
    async fn silence(&self) -> (Vec<Option<GapReason>>, Option<Missing>) {
        let looked = self.handle.read(|world, now| {
            let case = world.cases().get(CaseId(1)).unwrap();
            let silence = world.cases().silences(case, world.policy(), now).remove(0);
            let gaps = silence.quiet.gaps.iter().map(|gap| gap.why.map(|(reason, _)| reason)).collect();
            (gaps, silence.missing())
        });
        looked.await.unwrap()
    }

    async fn rests_on_an_unread_row(&self) -> bool {
        let looked = self.handle.read(|world, now| {
            let case = world.cases().get(CaseId(1)).unwrap();
            world.cases().silences(case, world.policy(), now).remove(0).unread
        });
        looked.await.unwrap()
    }
}

async fn quarantined() -> Bench {
    let b = Bench::new().await;
    b.home("line-1", "192.0.2.1").await;
    b.report(&["192.0.2.1"], "mirai").await.unwrap();
    b.approve(1).await.unwrap();
    b
}

#[tokio::test]
async fn a_refused_or_held_report_is_a_gap_also_after_a_crash_until_it_is_taken_in() {
    let mut b = quarantined().await;
    let open = |reason| Spoken { covers: None, ..spoken(reason) };
    b.deliver(DeliveryState::Refused, "torn", 0, open(GapReason::Refused)).await;
    assert_eq!(b.silence().await, (vec![Some(GapReason::Refused)], Some(Missing::NoFeed)));
    let held = b.deliver(DeliveryState::Held, "huge", 0, spoken(GapReason::Held)).await;
    b = b.crash().await;
    assert_eq!(b.silence().await.0, [Some(GapReason::Refused), Some(GapReason::Held)]);
    b.deliver(DeliveryState::Refused, "huge", held, spoken(GapReason::Discarded)).await;
    assert_eq!(b.silence().await.0, [Some(GapReason::Refused), Some(GapReason::Discarded)]);
    b.deliver(DeliveryState::Accepted, "sound", 0, spoken(GapReason::Held)).await;
    assert_eq!(b.silence().await, (Vec::new(), Some(Missing::Silence)), "a sound file of that name fills both");
}

#[tokio::test]
async fn a_report_that_may_lack_rows_leaves_its_day_open_until_it_comes_whole() {
    let b = quarantined().await;
    let cut = Spoken { covers: None, incomplete: true, ..spoken(GapReason::Held) };
    b.deliver(DeliveryState::Accepted, "cut", 0, cut).await;
    assert_eq!(b.silence().await.0, [Some(GapReason::Unread)]);
    b.deliver(DeliveryState::Accepted, "whole", 0, spoken(GapReason::Held)).await;
    assert_eq!(b.silence().await, (Vec::new(), Some(Missing::Silence)));
}

#[tokio::test]
async fn a_row_that_could_not_be_read_concerns_whoever_held_its_address() {
    let b = quarantined().await;
    let unread = |address: &str| Spoken { unread: vec![address.parse().unwrap()], ..spoken(GapReason::Held) };
    b.deliver(DeliveryState::Accepted, "one", 0, unread("192.0.2.2")).await;
    assert!(!b.rests_on_an_unread_row().await, "a neighbour's row");
    b.deliver(DeliveryState::Accepted, "two", 0, unread("192.0.2.1")).await;
    assert!(b.rests_on_an_unread_row().await);
}
