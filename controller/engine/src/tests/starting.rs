//! A handle that others have before the engine is loaded, and a log that lost what was acknowledged while the engine runs.

use pratique_core::command::Refusal;

use super::*;

#[tokio::test]
async fn who_asks_while_the_store_is_read_hears_how_far_it_is_and_nothing_waits() {
    let (handle, inputs) = EngineHandle::ahead();
    let watchers = Watchers { progress: handle.progress(), ..Watchers::default() };
    let store = Memory::default().store(watchers).await.unwrap();
    let clock = Arc::new(Hand(AtomicI64::new(NOON * 1000)));
    let seq = |handle: EngineHandle| async move { handle.read(|world, _| world.generation()).await };
    let asked = seq(handle.clone()).await;
    assert!(matches!(&asked, Err(EngineError::Loading(how_far)) if how_far == "opening the store"), "{asked:?}");
    let halt = Command::Halt { by: Actor::System, because: "drill".into() };
    assert!(matches!(handle.command(halt).await, Err(EngineError::Loading(_))), "nothing is kept for later");
    let parts: (_, _, Arc<dyn Clock>) = (store, policy(), clock);
    let engine = Engine::load_behind(inputs, parts, Seen::default(), |_| Vec::new()).await.unwrap();
    tokio::spawn(engine.run());
    assert!(handle.loading().is_none() && seq(handle.clone()).await.is_ok());
    assert_eq!(handle.read(|world, _| world.cases().halted().map(str::to_owned)).await.unwrap(), None);
}

#[tokio::test]
async fn a_log_that_lost_what_was_acknowledged_while_it_ran_adds_nothing_to_the_wall_before_somebody_resumes() {
    let b = Bench::new().await;
    for line in [1, 2] {
        b.home(&format!("line-{line}"), &format!("192.0.2.{line}")).await;
    }
    b.report(&["192.0.2.1", "192.0.2.2"], "mirai").await.unwrap();
    b.approve(1).await.unwrap();
    b.lost.store(true, Ordering::SeqCst);
    b.full.store(true, Ordering::SeqCst);
    assert!(b.approve(2).await.is_err(), "this fails, and the log is read again");
    b.full.store(false, Ordering::SeqCst);
    b.lost.store(false, Ordering::SeqCst);
    b.clock.0.fetch_add(10_000, Ordering::SeqCst);
    let halted = b.approve(2).await;
    assert!(matches!(halted, Err(EngineError::Refused(Refusal::Halted(_)))), "{halted:?}");
    assert!(b.handle.read(|world, _| world.cases().wall_kept()).await.unwrap());
    // A line that moves is not walled where it goes, and what stands stays.
    b.home("line-1", "192.0.2.11").await;
    assert_eq!(b.seen.wall(), ["192.0.2.1"]);
    b.handle.command(Command::Resume { by: Actor::Person("ann".into()) }).await.unwrap();
    assert_eq!(b.seen.wall(), ["192.0.2.1", "192.0.2.11"]);
    b.approve(2).await.unwrap();
    assert_eq!(b.seen.wall(), ["192.0.2.1", "192.0.2.2", "192.0.2.11"]);
}

#[tokio::test]
async fn what_a_gateway_is_called_is_known_after_a_restart_and_when_the_log_is_read_again() {
    let from = |subscriber: &str, nas: &str, n: u8| SessionChange {
        subscriber: subscriber.into(),
        holding: Holding::V4([192, 0, 2, n].into()),
        nas: nas.into(),
        from: Timestamp::from_secs(NOON - 86_400),
        to: None,
        told: None,
    };
    let named = |world: &World, _| {
        let lines = [1, 2].map(LineNo).into_iter().flat_map(|line| world.directory().sessions_of(line));
        lines.map(|session| world.nases.name(session.nas).cloned().unwrap_or_default()).collect::<Vec<_>>()
    };
    let b = Bench::new().await;
    b.handle.sessions(vec![from("a", "bng-north", 1)]).await.unwrap();
    b.full.store(true, Ordering::SeqCst);
    assert!(b.report(&["192.0.2.1"], "mirai").await.is_err(), "this fails, and the log is read again");
    b.full.store(false, Ordering::SeqCst);
    b.clock.0.fetch_add(10_000, Ordering::SeqCst);
    b.handle.sessions(vec![from("b", "bng-south", 2)]).await.unwrap();
    assert_eq!(b.handle.read(named).await.unwrap(), ["bng-north", "bng-south"]);
    let b = b.crash().await;
    assert_eq!(b.handle.read(named).await.unwrap(), ["bng-north", "bng-south"]);
}

#[tokio::test]
async fn a_full_disk_refuses_no_halt() {
    let b = Bench::new().await;
    b.full.store(true, Ordering::SeqCst);
    assert!(b.report(&["192.0.2.2"], "mirai").await.is_err());
    b.handle
        .command(Command::Halt { by: Actor::System, because: "everything is being released".into() })
        .await
        .unwrap();
}
