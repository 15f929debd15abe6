//! What lies beside the log and is no table: ticks, and rows of deliveries that wait.

use std::time::Duration;

use pratique_core::ids::CaseId;
use pratique_core::time::Timestamp;
use pratique_store::factory::Factory;
use pratique_store::ticks::Tick;

fn tick(case: u64, step: &str, done: bool) -> Tick {
    Tick { case: CaseId(case), since: Timestamp::from_secs(1_771_156_800), step: step.into(), done }
}

pub async fn ticks_come_back_in_their_order_until_others_take_their_place(factory: &dyn Factory) {
    let mut log = factory.ticks();
    assert_eq!(log.all().unwrap(), []);
    let ticks = [tick(7, "mirai-1", true), tick(8, "mirai-1", true), tick(7, "mirai-1", false)];
    ticks.iter().for_each(|tick| log.add(tick).unwrap());
    drop(log);
    let mut log = factory.ticks();
    assert_eq!(log.all().unwrap(), ticks);
    log.replace(&ticks[1..2]).unwrap();
    log.add(&ticks[0]).unwrap();
    assert_eq!(factory.ticks().all().unwrap(), [ticks[1].clone(), ticks[0].clone()]);
}

pub async fn a_piece_is_there_whole_until_it_is_taken_away(factory: &dyn Factory) {
    let shelf = factory.shelf();
    assert_eq!((shelf.get(7).await.unwrap(), shelf.has(7).await), (None, false));
    shelf.take_away(7).await.unwrap();
    assert_eq!(shelf.older_than(Duration::ZERO).await.unwrap(), [0_u64; 0]);
    for piece in [vec![7; 100_000], b"another".to_vec()] {
        shelf.put(7, piece.clone()).await.unwrap();
        let again = factory.shelf();
        assert_eq!((again.get(7).await.unwrap(), again.has(7).await), (Some(piece), true));
    }
    shelf.put(8, Vec::new()).await.unwrap();
    assert_eq!(shelf.get(8).await.unwrap(), Some(Vec::new()));
    std::thread::sleep(Duration::from_millis(20));
    let mut old = shelf.older_than(Duration::from_millis(1)).await.unwrap();
    old.sort_unstable();
    assert_eq!(old, [7, 8]);
    assert_eq!(shelf.older_than(Duration::from_secs(3_600)).await.unwrap(), [0_u64; 0]);
    shelf.take_away(7).await.unwrap();
    assert_eq!((shelf.has(7).await, shelf.has(8).await), (false, true));
}
