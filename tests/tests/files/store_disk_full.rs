//! A disk that is really full: a tmpfs of two megabytes in a user and mount namespace of its own (`unshare` of
//! util-linux), so that no root is needed and nothing is left behind.

use std::path::Path;
use std::process::Command;

use pratique_core::event::{Actor, Body, CaseEvent, Event, Release};
use pratique_core::ids::{CaseId, Feed, Seq, TextRef};
use pratique_core::time::Timestamp;
use pratique_sqlite::{Options, SqliteStore, verify};
use pratique_store::{Batch, Delivery, DeliveryState, Store as _, StoreError};

const DISK: &str = "PRATIQUE_FULL_DISK";

#[test]
fn on_a_full_disk_intake_stops_releases_go_on_and_all_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let done = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-ec"])
        .arg("mount -t tmpfs -o size=2m tmpfs \"$0\"; exec \"$1\" --exact store_disk_full::inside_the_full_disk --nocapture")
        .arg(dir.path())
        .arg(std::env::current_exe().unwrap())
        .env(DISK, dir.path())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && said.contains("recovered"), "{said}");
}

/// Not a test of its own: what runs on the small disk. By itself it does nothing.
#[test]
fn inside_the_full_disk() {
    let Some(disk) = std::env::var_os(DISK) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(fill_and_recover(Path::new(&disk)));
    println!("recovered");
}

async fn fill_and_recover(disk: &Path) {
    let db = disk.join("p.db");
    let options = || Options { reserve_bytes: 512 << 10, ..Options::default() };
    let mut store = SqliteStore::open(&db, options()).await.unwrap();
    let mut last = store.append(Seq(0), intake(0)).await.unwrap();
    // Somebody's logs take the rest of the disk.
    let hog = disk.join("hog");
    let filled = std::io::copy(&mut std::io::repeat(b'x'), &mut std::fs::File::create(&hog).unwrap());
    assert_eq!(filled.unwrap_err().kind(), std::io::ErrorKind::StorageFull);

    let (mut taken, mut n) = (1, 1);
    let refused = loop {
        match store.append(last, intake(n)).await {
            Ok(seq) => (last, taken) = (seq, taken + 1),
            Err(error) => break error,
        }
        n += 1;
        assert!(n < 10_000, "the disk is full");
    };
    assert!(matches!(refused, StoreError::Full(_)), "{refused}");
    assert!(!store.reader().health().reserve_in_use, "intake never takes the reserve");
    assert!(disk.join("p.db.reserve").exists());

    for case in 0..500 {
        last = store.append(last, release(case)).await.unwrap();
    }
    assert!(store.reader().health().reserve_in_use);
    let refused = store.append(last, intake(n)).await;
    assert!(matches!(refused, Err(StoreError::Full(_))), "not from the reserve: {refused:?}");
    assert_eq!(verify(&db, None).await.unwrap().last, last);
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.last, loaded.last_delivery), (last, taken - 1));
    // A daemon that is started now starts, and can free lines.
    store.close().await.unwrap();
    let mut store = SqliteStore::open(&db, options()).await.unwrap();
    assert_eq!(store.load().await.unwrap().rolled_back, None);
    for case in 500..600 {
        last = store.append(last, release(case)).await.unwrap();
    }

    std::fs::remove_file(hog).unwrap();
    last = store.append(last, intake(n)).await.unwrap();
    assert!(!store.reader().health().reserve_in_use, "put aside again");
    assert_eq!(std::fs::metadata(disk.join("p.db.reserve")).unwrap().len(), 512 << 10);
    assert_eq!(verify(&db, None).await.unwrap().last, last);
    store.close().await.unwrap();
}

fn intake(number: u64) -> Batch {
    let delivery = Delivery {
        number,
        source: "shadowserver".into(),
        report: "scan_telnet".into(),
        name: "x".repeat(3_000),
        content: TextRef::of(&number.to_string()),
        received_at: Timestamp::from_secs(1),
        state: DeliveryState::Accepted,
        rows: 1,
        refused: Vec::new(),
        because: None,
        warnings: Vec::new(),
    };
    let event = Event {
        at: Timestamp::from_secs(1),
        body: Body::FeedDelivered {
            feed: Feed { source: "shadowserver".into(), report: "scan_telnet".into() },
            covers_from: Timestamp::from_secs(0),
            covers_until: Timestamp::from_secs(1),
        },
    };
    Batch { events: vec![event], deliveries: vec![delivery], ..Batch::default() }
}

fn release(case: u64) -> Batch {
    let what = CaseEvent::Released {
        how: Release::Staff,
        by: Actor::Person("kim".into()),
        reason: None,
        watch_until: Timestamp::from_secs(2),
    };
    let event = Event { at: Timestamp::from_secs(1), body: Body::Case { case: CaseId(case), what } };
    Batch { events: vec![event], ..Batch::default() }
}
