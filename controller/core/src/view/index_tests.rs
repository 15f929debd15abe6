//! The index beside a plain map, and under readers and a writer at once.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use ipnet::Ipv6Net;
use proptest::prelude::*;

use super::*;
use crate::allow::AllowList;
use crate::view::Garden;

fn resident(line: u32, garden: &Arc<Garden>) -> Arc<Resident> {
    let card = Resident::for_test(u64::from(line), "mirai", AllowList::default()).card.clone();
    Arc::new(Resident { case: card.case, line: LineNo(line), garden: Arc::clone(garden), card })
}

/// Few addresses and prefixes, within and beside each other.
fn element() -> impl Strategy<Value = Element> {
    let prefix = (0..3u128, prop::sample::select(vec![0u8, 48, 56, 63, 64, 65, 96, 127, 128]), 0..3u128);
    prop_oneof![
        (0..6u32).prop_map(|n| Element::V4(n.into())),
        prefix.prop_map(|(net, length, host)| {
            Element::V6(Ipv6Net::new_assert((net << 64 | host).into(), length).trunc())
        }),
    ]
}

/// What the longest match in a plain map says.
fn expected(map: &BTreeMap<Element, u32>, address: IpAddr) -> Option<u32> {
    let covers = |element: &Element| match (element, address) {
        (Element::V4(a), IpAddr::V4(b)) => (*a == b).then_some(32),
        (Element::V6(net), IpAddr::V6(b)) => net.contains(&b).then_some(net.prefix_len()),
        _ => None,
    };
    map.iter().filter_map(|(e, line)| Some((covers(e)?, *line))).max_by_key(|(length, _)| *length).map(|(_, l)| l)
}

proptest! {
    #[test]
    fn readers_see_what_a_plain_map_says(
        steps in prop::collection::vec((element(), prop::option::of((1..4u32, 0..2usize))), 1..80),
    ) {
        let gardens = [Arc::new(Garden::default()), Arc::new(Garden::default())];
        let (view, mut map) = (Arc::new(GardenView::default()), BTreeMap::new());
        let mut reader = Reader::new(Arc::clone(&view));
        for (element, change) in steps {
            match change {
                Some((line, garden)) => {
                    view.put(element, resident(line, &gardens[garden]));
                    map.insert(element, line);
                }
                None => {
                    view.remove(element);
                    map.remove(&element);
                }
            }
            let v4 = (0..6u32).map(|n| IpAddr::V4(n.into()));
            let v6 = (0..3u128).flat_map(|net| (0..3u128).map(move |host| IpAddr::V6((net << 64 | host).into())));
            for address in v4.chain(v6) {
                let held = view.resident(address);
                prop_assert_eq!(held.as_ref().map(|r| r.line.0), expected(&map, address));
                match reader.find(address) {
                    Sight::Nobody => prop_assert!(held.is_none(), "{address} is missing"),
                    Sight::Line(line, number) => {
                        let held = held.expect("somebody");
                        prop_assert_eq!(line, held.line);
                        let garden = view.garden(number).expect("a garden");
                        prop_assert!(Arc::ptr_eq(&garden, &held.garden));
                    }
                    Sight::Unsure => prop_assert!(matches!(address, IpAddr::V6(_)), "{address} is unsure"),
                }
            }
        }
        map.keys().for_each(|element| view.remove(*element));
        prop_assert!(view.garden(GardenNo(0)).is_none(), "an empty view keeps no garden");
    }
}

#[test]
fn only_the_64_with_a_longer_prefix_in_it_is_unsure() {
    let view = Arc::new(GardenView::default());
    let garden = Arc::new(Garden::default());
    view.put(Element::V6("2001:db8:0:1::/64".parse().unwrap()), resident(1, &garden));
    view.put(Element::V6("2001:db8:0:2::5/128".parse().unwrap()), resident(2, &garden));
    let mut reader = Reader::new(Arc::clone(&view));
    let mut at = |address: &str| reader.find(address.parse().unwrap());
    assert_eq!(at("2001:db8:0:1::9"), Sight::Line(LineNo(1), GardenNo(0)));
    assert_eq!(at("2001:db8:0:2::9"), Sight::Unsure);
    assert_eq!(at("2001:db8:0:3::9"), Sight::Nobody);
    view.remove(Element::V6("2001:db8:0:2::5/128".parse().unwrap()));
    assert_eq!(at("2001:db8:0:2::5"), Sight::Nobody);
}

#[test]
fn a_line_that_comes_and_goes_does_not_make_the_table_grow_forever() {
    let view = Arc::new(GardenView::default());
    let (garden, put) = (Arc::new(Garden::default()), |n: u32| Element::V4(n.into()));
    for n in 0..200_000 {
        view.put(put(n), resident(1, &garden));
        view.remove(put(n));
    }
    let slots: usize = view.index.shards.iter().map(|shard| shard.load().0.len()).sum();
    assert!(slots <= SHARDS * FIRST_SLOTS, "{slots}");
}

#[test]
fn readers_always_see_who_stays_and_never_a_wrong_line_while_others_come_and_go() {
    const STAY: u32 = 2_000;
    const COME: u32 = 20_000;
    let view = Arc::new(GardenView::default());
    let garden = Arc::new(Garden::default());
    let at = |n: u32| Element::V4((0x0a00_0000 + n).into());
    // Odd numbers stay. Each line is told by its address, so that a wrong one shows.
    (0..STAY).for_each(|n| view.put(at(n * 2 + 1), resident(n * 2 + 1, &garden)));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let mut reader = Reader::new(Arc::clone(&view));
                let done = &done;
                scope.spawn(move || {
                    let mut rounds = 0_u32;
                    while !done.load(Ordering::Relaxed) || rounds == 0 {
                        for n in 0..COME {
                            match reader.find(IpAddr::V4((0x0a00_0000 + n).into())) {
                                Sight::Line(line, _) => assert_eq!(line, LineNo(n)),
                                Sight::Nobody => assert!(n % 2 == 0 || n >= STAY * 2, "{n} is missing"),
                                Sight::Unsure => panic!("{n} is unsure"),
                            }
                        }
                        rounds += 1;
                    }
                })
            })
            .collect();
        for _ in 0..5 {
            let coming = || (0..COME).filter(|n| n % 2 == 0);
            coming().for_each(|n| view.put(at(n), resident(n, &garden)));
            coming().for_each(|n| view.remove(at(n)));
        }
        done.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}
