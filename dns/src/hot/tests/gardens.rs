//! Residents whose portal is elsewhere: both halves tell each its own, whoever asked before and whatever their causes were.

use std::net::{Ipv4Addr, Ipv6Addr};

use pratique_core::ids::CauseKey;
use pratique_core::reach::Families;
use pratique_core::view::Garden;

use super::*;
use crate::settings::GardenPortal;

/// Three lines; the first is the usual client.
const CLIENTS: [&str; 3] = [CLIENT, "192.0.2.2", "192.0.2.3"];

/// Combinations of causes, with the portal's last number for each family; both numbers as the settings below say, by hand.
const GARDENS: [(&[&str], u8, u16); 7] = [
    (&["mirai"], 80, 0x80),
    (&["nas"], 81, 0x81),
    (&["door"], 80, 0x82),
    (&["door", "nas"], 81, 0x81),
    (&["door", "mirai"], 80, 0x82),
    // Of these lines one family alone is known: nothing is told of the other (0).
    (&["mirai", ONLY_IPV4], 80, 0),
    (&["nas", ONLY_IPV6], 0, 0x81),
];

/// Stands among the causes for what is known of the line.
const ONLY_IPV4: &str = "only-ipv4";
const ONLY_IPV6: &str = "only-ipv6";

fn v4(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, last)
}

fn v6(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)
}

/// Both halves, where `nas` has a portal of its own and `door` one for IPv6 only; each client with the first garden's causes.
fn halves() -> Halves {
    let halves = Halves::new(|settings| {
        let at = |causes: &[&str], portal4, portal6| GardenPortal {
            causes: causes.iter().map(CauseKey::new).collect(),
            portal4,
            portal6,
        };
        settings.gardens =
            vec![at(&["other", "nas"], Some(v4(81)), Some(v6(0x81))), at(&["door"], None, Some(v6(0x82)))];
    });
    CLIENTS.iter().for_each(|client| put(&halves, client, GARDENS[0].0));
    halves
}

/// The client's case has these causes from now on.
fn put(halves: &Halves, client: &str, causes: &[&str]) {
    let list = Resident::for_test(7, "mirai", AllowList::default());
    let families = Families { v4: !causes.contains(&ONLY_IPV6), v6: !causes.contains(&ONLY_IPV4) };
    let garden = Garden::new(causes.iter().map(CauseKey::new), AllowList::default()).known_over(families);
    let resident = Resident { case: list.case, line: list.line, garden: Arc::new(garden), card: list.card.clone() };
    halves.resolver.0.view.put(Element::V4(client.parse().unwrap()), Arc::new(resident));
}

/// The last number of the address in a reply; none for "no data".
fn told(reply: &[u8]) -> Option<u16> {
    let message = Message::from_vec(reply).unwrap();
    let address = message.answers.first()?.data.ip_addr()?;
    Some(match address {
        IpAddr::V4(a) => a.octets()[3].into(),
        IpAddr::V6(a) => a.segments()[7],
    })
}

#[test]
fn each_resident_hears_of_its_own_portal_from_both_halves_while_causes_change() {
    let halves = RefCell::new(halves());
    let now: RefCell<[usize; CLIENTS.len()]> = RefCell::default();
    let seen = RefCell::new(std::collections::BTreeSet::new());
    let change = prop::option::weighted(0.2, 0..GARDENS.len());
    let step = (0..CLIENTS.len(), change, asked());
    let checked = runner(10_000).run(&step, |(client, change, asked)| {
        let (mut halves, mut now) = (halves.borrow_mut(), now.borrow_mut());
        if let Some(garden) = change {
            put(&halves, CLIENTS[client], GARDENS[garden].0);
            now[client] = garden;
        }
        let query = asked.bytes();
        if halves.agree_for(CLIENTS[client], &query)? {
            let (_, portal4, portal6) = GARDENS[now[client]];
            let wanted = match asked.kind {
                1 => Some(portal4.into()).filter(|portal| *portal > 0),
                28 => Some(portal6).filter(|portal| *portal > 0),
                _ => None,
            };
            prop_assert_eq!(told(&halves.buffer), wanted, "{:?} {:?}", GARDENS[now[client]].0, asked);
            seen.borrow_mut().insert((now[client], asked.kind.clamp(0, 29)));
        }
        Ok(())
    });
    checked.unwrap();
    let seen = seen.into_inner();
    let all = (0..GARDENS.len()).flat_map(|garden| [(garden, 1), (garden, 28)]);
    assert!(all.clone().all(|one| seen.contains(&one)), "not all were asked for: {seen:?}");
}

#[test]
fn in_one_batch_each_gets_its_own_and_who_changed_meanwhile_the_old_or_the_new_one_whole() {
    let mut halves = halves();
    for (client, garden) in CLIENTS.iter().zip([0, 1, 2]) {
        put(&halves, client, GARDENS[garden].0);
    }
    let query = query("www.bank.example", 28);
    // As a worker does it: first who they all are, then the answers.
    let gates = |halves: &mut Halves| {
        let rates = &halves.resolver.0.rates;
        CLIENTS.map(|client| {
            let client = client.parse().unwrap();
            let sight = halves.hot.find(client);
            halves.hot.admit(sight, client, rates, rates.tick(Instant::now())).unwrap()
        })
    };
    let judge = |halves: &mut Halves, gate| {
        halves.buffer[..query.len()].copy_from_slice(&query);
        match halves.hot.judge(gate, &mut halves.buffer, query.len()) {
            Outcome::Reply(size) => told(&halves.buffer[..size]),
            Outcome::Handler => None,
        }
    };
    let batch = |halves: &mut Halves, meanwhile: &[&str]| {
        let gates = gates(halves);
        if !meanwhile.is_empty() {
            put(halves, CLIENTS[1], meanwhile);
        }
        gates.map(|gate| judge(halves, gate))
    };
    assert_eq!(batch(&mut halves, &[]), [0x80, 0x81, 0x82].map(Some));
    // Known to the thread: as it was when the batch came in.
    assert_eq!(batch(&mut halves, &["door"]), [0x80, 0x81, 0x82].map(Some));
    assert_eq!(batch(&mut halves, &[]), [0x80, 0x82, 0x82].map(Some));
    // Not known yet and gone already: only the handler can say.
    put(&halves, CLIENTS[1], &["door", "nas"]);
    assert_eq!(batch(&mut halves, &["mirai"]), [Some(0x80), None, Some(0x82)]);
    let step = halves.resolver.admitted(&query, CLIENTS[1].parse().unwrap(), wire::Transport::Udp);
    assert!(matches!(step, Step::Reply(reply) if told(&reply) == Some(0x80)));
    assert_eq!(batch(&mut halves, &[]), [0x80, 0x80, 0x82].map(Some));
}
