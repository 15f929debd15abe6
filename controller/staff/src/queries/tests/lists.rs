//! Session lists as deliveries: taken, held, refused, and what is said of the rows that were refused.

use pratique_engine::handle::RecordField;
use pratique_ingest::sessions;
use pratique_policy::zone::Zone;

use super::*;
use crate::models::lines::TenureRow;

fn delivery(content: &str, now: Timestamp) -> Delivery {
    Delivery {
        report: sessions::REPORT.into(),
        source: "radius".into(),
        ..report(DeliveryState::Receiving, content, &[], now).delivery
    }
}

async fn send(office: &EngineOffice, text: &str, now: Timestamp) -> SessionsTaken {
    let list = sessions::read(text.as_bytes(), Some(Zone::named("UTC").unwrap()), now, |_, _| ()).unwrap();
    office.session_list(list, delivery(text, now)).await.unwrap()
}

fn rows(good: u8, bad: usize, now: Timestamp) -> String {
    let from = now.minus(Span::from_days(1));
    let good = (1..=good).map(|n| format!("new-{n},192.0.2.{},{from},,de\n", n + 20));
    let bad = (0..bad).map(|_| format!("bad,0.0.0.0,{from},,\n"));
    let head = "subscriber,address,from,to,language\n".to_owned();
    std::iter::once(head).chain(good).chain(bad).collect()
}

#[tokio::test]
async fn a_list_is_a_delivery_and_a_wrong_row_costs_itself() {
    let (office, _folder, now) = office().await;
    let taken = send(&office, &rows(30, 2, now), now).await;
    assert_eq!((taken.report.started, taken.report.new_lines, taken.rows), (30, 30, 32));
    assert_eq!((taken.state, &taken.refused[..]), (DeliveryState::Accepted, &[("address".into(), 2)][..]));
    let listed = office.deliveries(10).await.unwrap();
    let recorded: Vec<_> = listed.iter().map(|d| (d.number, d.source.as_str(), d.report.as_str(), d.rows)).collect();
    assert_eq!(recorded, [(taken.delivery, "radius", "sessions", 32)]);
    let stalled = office.engine.read(|world, now| world.decide(&Command::Tick, now).is_ok()).await.unwrap();
    assert!(stalled, "no feed comes of it");
    let metrics = String::from_utf8(office.metrics.render().unwrap()).unwrap();
    for line in [
        "pratique_deliveries_total{state=\"accepted\"} 1",
        "pratique_refused_rows_total{reason=\"address\"} 2",
        "pratique_subscriber_records_changed_total{field=\"opted_out\"} 0",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line}");
    }
    let told = format!("subscriber,address,from,to,language\nnew-1,192.0.2.21,{},,nl\n", now.minus(Span::from_days(1)));
    let again = send(&office, &told, now).await;
    assert_eq!(again.report.fields.into_iter().collect::<Vec<_>>(), [(RecordField::Language, 1)]);
    let metrics = String::from_utf8(office.metrics.render().unwrap()).unwrap();
    assert!(metrics.contains("pratique_subscriber_records_changed_total{field=\"language\"} 1"));
}

#[tokio::test]
async fn a_list_with_many_wrong_rows_is_held_and_what_is_right_in_it_can_be_taken() {
    let (office, _folder, now) = office().await;
    let ann = || Actor::Person("ann".into());
    let known = async || office.engine.read(|world, _| world.directory().live_sessions()).await.unwrap();
    let held = send(&office, &rows(30, 11, now), now).await;
    assert_eq!((held.state, held.report.started, known().await), (DeliveryState::Held, 0, 9));
    assert_eq!(held.because.as_deref(), Some("11 of 41 rows cannot be used"));
    let taken = office.accept_held(held.delivery, false, ann()).await.unwrap().unwrap();
    assert_eq!((taken.delivery, taken.taken, known().await), (held.delivery, 30, 39));
    assert_eq!(office.accept_held(held.delivery, false, ann()).await.unwrap(), None, "once");
    let other = send(&office, &rows(40, 12, now), now).await;
    assert!(office.refuse_held(other.delivery, ann()).await.unwrap());
    let refused = send(&office, &rows(0, 1, now), now).await;
    assert_eq!((refused.state, known().await), (DeliveryState::Refused, 39), "nothing of it can be used");
    let expected = [
        (refused.delivery, DeliveryState::Refused),
        (other.delivery, DeliveryState::Refused),
        (held.delivery, DeliveryState::Accepted),
    ];
    assert_eq!(states(&office).await, expected);
    assert_eq!(office.held.older_than(std::time::Duration::ZERO).await.unwrap(), [0_u64; 0]);
}

#[tokio::test]
async fn a_refused_row_says_whom_it_leaves_as_it_is() {
    let (office, _folder, now) = office().await;
    let text = "subscriber,address,from,to\n\
                line-1,192.0.2.1,2026-01-01 08:00:00,gone\n\
                line-77,192.0.2.2,,\n\
                line-3,NULL,2026-01-01 08:00:00,\n\
                line-78,192.0.2.99,,\n";
    let taken = send(&office, text, now).await;
    let leaves: Vec<_> = taken.refused_rows.iter().map(|row| row.leaves.as_deref()).collect();
    assert_eq!(
        leaves,
        [
            Some("this subscriber goes on holding 192.0.2.1"),
            Some("192.0.2.2 stays with line-2"),
            Some("this subscriber goes on holding what it holds, one address or prefix"),
            None,
        ]
    );
}

#[tokio::test]
async fn who_holds_and_held_an_address_can_be_asked() {
    let (office, _folder, now) = office().await;
    let at = now.minus(Span::from_hours(2));
    let mut second = holds(2, now, None);
    (second.holding, second.from) = (Holding::V4([192, 0, 2, 1].into()), at.plus(Span::from_mins(1)));
    second.nas = "bng2".into();
    office.sessions(vec![holds(1, now, Some(at)), second]).await.unwrap();
    let address = "192.0.2.1".parse().unwrap();
    let found = office.address(address, None).await.unwrap();
    let names = |rows: &[TenureRow]| -> Vec<String> {
        rows.iter().filter_map(|row| row.subscriber.as_ref()).map(ToString::to_string).collect()
    };
    assert_eq!(
        (names(&found.held_by), names(&found.tenures)),
        (vec!["line-2".into()], vec!["line-2".into(), "line-1".into()])
    );
    let gateways: Vec<_> = found.tenures.iter().map(|row| row.nas.as_str()).collect();
    assert_eq!(gateways, ["bng2", "bng1"]);
    let line = office.line(&SubscriberId::new("line-2")).await.unwrap().unwrap();
    let held: Vec<_> = line.holdings.iter().map(|row| (row.holding.as_str(), row.nas.as_str())).collect();
    assert_eq!(held, [("192.0.2.2", "bng1"), ("192.0.2.1", "bng2")]);
    let then = office.address(address, Some(at.minus(Span::from_secs(1)))).await.unwrap();
    assert_eq!(names(&then.held_by), ["line-1"]);
    assert_eq!(names(&office.address(address, Some(at)).await.unwrap().held_by), [] as [&str; 0]);
    office.sessions(vec![SessionChange { from: now, ..holds(1, now, None) }]).await.unwrap();
    assert!(office.address(address, None).await.unwrap().claimed_twice);
}
