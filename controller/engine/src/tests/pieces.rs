//! What one input asks of many lines: people are answered in between.

use super::*;

/// More than follow a new policy in one turn, and more than are looked at for a proof.
const MANY: u8 = 30;
const TIMES: u8 = 150;

async fn many_in_quarantine() -> (Bench, Arc<Policy>) {
    let mut policy = policy().as_ref().clone();
    policy.global.networks.push("10.0.0.0/8".parse().unwrap());
    policy.global.caps = pratique_core::policy::Caps {
        share_permille: 1000,
        lines: u64::MAX,
        per_hour: u32::MAX,
        automatic_per_hour: u32::MAX,
    };
    let policy = Arc::new(policy);
    let b = Bench::under(Memory::default(), Arc::clone(&policy)).await;
    let addresses: Vec<String> = (0..MANY).flat_map(|a| (0..TIMES).map(move |b| format!("10.0.{a}.{b}"))).collect();
    let change = |address: &String| SessionChange {
        subscriber: address.as_str().into(),
        holding: Holding::V4(address.parse().unwrap()),
        nas: "bng1".into(),
        from: Timestamp::from_secs(NOON - 86_400),
        to: None,
        told: None,
    };
    b.handle.sessions(addresses.iter().map(change).collect()).await.unwrap();
    let sightings = addresses.iter().map(|address| b.sighting(address, "mirai", 23)).collect();
    let opened = b.report_of(sightings).await.unwrap().opened;
    // As many at once as share a turn.
    for some in opened.chunks(256) {
        let mut approvals = tokio::task::JoinSet::new();
        for case in some.iter().copied() {
            let (handle, by) = (b.handle.clone(), Actor::Person("ann".into()));
            let approve = Command::Approve { case, version: 2, by, confirmed: Confirmed::default() };
            approvals.spawn(async move { handle.command(approve).await });
        }
        while let Some(done) = approvals.join_next().await {
            done.unwrap().unwrap();
        }
    }
    assert_eq!(b.count(StateName::Quarantined).await, u64::from(MANY) * u64::from(TIMES));
    (b, policy)
}

/// On one thread, on which nobody else runs while the loop does not wait.
#[tokio::test]
async fn who_asks_while_very_many_lines_follow_a_new_policy_is_answered_before_they_are_through() {
    let (b, policy) = many_in_quarantine().await;
    let mut changed = policy.as_ref().clone();
    changed.digest = TextRef::of("changed");
    changed.global.infrastructure.push("10.0.29.149/32".parse().unwrap());
    b.handle.policy(Arc::new(changed)).await.unwrap();
    let look = || b.handle.read(|world, _| (world.has_more_to_do(), world.plan().elements.len()));
    let all = usize::from(MANY) * usize::from(TIMES);
    assert_eq!(look().await.unwrap(), (true, all), "the last of them has not followed yet");
    for _ in 0..20 {
        if !look().await.unwrap().0 {
            break;
        }
    }
    assert_eq!(look().await.unwrap(), (false, all - 1));
    assert!(!b.seen.wall().contains(&"10.0.29.149".to_owned()));
}
