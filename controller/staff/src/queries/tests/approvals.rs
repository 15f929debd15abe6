//! Whether a case can be approved is one answer, wherever it is shown.

use pratique_core::command::{Confirmed, Refusal};
use pratique_core::machine::NextApproval;

use super::*;

#[tokio::test]
async fn list_page_and_preview_say_the_same_of_a_cap_and_of_a_halt() {
    let (office, _folder, now) = office().await;
    let mut policy = pratique_policy::built_in().unwrap().policy;
    policy.global.networks = vec!["192.0.2.0/24".parse().unwrap()];
    (policy.global.caps.share_permille, policy.global.caps.lines) = (1000, 1);
    office.engine.policy(Arc::new(policy)).await.unwrap();
    office.intake(report(DeliveryState::Accepted, "a", &[1, 2, 3], now)).await.unwrap();
    let ann = || Actor::Person("ann".into());
    let blocked = async |case: u64| {
        let rows = office.cases(CaseQuery::default()).await.unwrap().rows;
        let row = rows.into_iter().find(|row| row.case == CaseId(case)).unwrap();
        let page = office.case(CaseId(case)).await.unwrap().unwrap();
        assert_eq!(page.row.blocked, row.blocked);
        assert_eq!(page.approval.map(|need| need.blocked), Some(row.blocked.clone()));
        let pick = Pick { id: row.case, version: row.version };
        let judged = office.judge(vec![pick], ann()).await.unwrap().remove(0);
        assert_eq!(judged.err().map(|why: Refusal| why.to_string()), row.blocked);
        (row.blocked, pick)
    };
    let (free, first) = blocked(1).await;
    let (_, second) = blocked(2).await;
    assert_eq!(free, None);
    let both = office.judge(vec![first, second], ann()).await.unwrap();
    let full = Err(Refusal::Capped { cap: "lines", now: 1, limit: 1 });
    assert_eq!(both, [Ok(NextApproval::Quarantines), full], "the first takes the room");
    let approve =
        Command::Approve { case: first.id, version: first.version, by: ann(), confirmed: Confirmed::default() };
    office.engine.command(approve).await.unwrap();
    assert!(blocked(2).await.0.unwrap().starts_with("the cap lines is reached (1 of 1)"));
    office.engine.command(Command::Halt { by: ann(), because: "odd feed".into() }).await.unwrap();
    assert!(blocked(3).await.0.unwrap().starts_with("enforcement is halted (odd feed)"));
}
