//! Every command in every state: what it leads to, in one table.

use super::*;

/// `state: command -> new state` or the refusal. Re-read it when it changes: it is the contract of the machine.
const TABLE: &str = "\
warned: observe-again -> warned
warned: observe-other -> proposed
warned: approve -> cannot be approved
warned: free-protected -> cannot be freed as protected
warned: dismiss -> closed
warned: release -> cannot be released
warned: report-fixed -> cannot be reported as fixed
warned: self-release -> cannot be released
warned: check-warned -> warned
warned: request-rescan -> warned
warned: record-rescan -> warned
warned: wall-traffic -> cannot be seen at the wall
warned: threats-queried -> cannot be seen in the garden
warned: wall-watched -> warned
warned: wall-crowded -> warned
warned: retract -> closed
warned: renew -> cannot be renewed
warned: note -> warned
warned: tick-far -> closed
proposed: observe-again -> proposed
proposed: observe-other -> proposed
proposed: approve -> quarantined
proposed: free-protected -> cannot be freed as protected
proposed: dismiss -> closed
proposed: release -> cannot be released
proposed: report-fixed -> cannot be reported as fixed
proposed: self-release -> cannot be released
proposed: check-warned -> no page was shown
proposed: request-rescan -> proposed
proposed: record-rescan -> proposed
proposed: wall-traffic -> cannot be seen at the wall
proposed: threats-queried -> cannot be seen in the garden
proposed: wall-watched -> proposed
proposed: wall-crowded -> proposed
proposed: retract -> closed
proposed: renew -> cannot be renewed
proposed: note -> proposed
proposed: tick-far -> proposed
quarantined: observe-again -> quarantined
quarantined: observe-other -> quarantined
quarantined: approve -> cannot be approved
quarantined: free-protected -> quarantined
quarantined: dismiss -> cannot be dismissed
quarantined: release -> watching
quarantined: report-fixed -> quarantined
quarantined: self-release -> not yet
quarantined: check-warned -> cannot be checked as a warned line
quarantined: request-rescan -> quarantined
quarantined: record-rescan -> quarantined
quarantined: wall-traffic -> quarantined
quarantined: threats-queried -> quarantined
quarantined: wall-watched -> quarantined
quarantined: wall-crowded -> quarantined
quarantined: retract -> closed
quarantined: renew -> quarantined
quarantined: note -> quarantined
quarantined: tick-far -> watching
watching: observe-again -> proposed
watching: observe-other -> proposed
watching: approve -> cannot be approved
watching: free-protected -> cannot be freed as protected
watching: dismiss -> cannot be dismissed
watching: release -> cannot be released
watching: report-fixed -> cannot be reported as fixed
watching: self-release -> cannot be released
watching: check-warned -> cannot be checked as a warned line
watching: request-rescan -> watching
watching: record-rescan -> watching
watching: wall-traffic -> cannot be seen at the wall
watching: threats-queried -> cannot be seen in the garden
watching: wall-watched -> watching
watching: wall-crowded -> watching
watching: retract -> closed
watching: renew -> cannot be renewed
watching: note -> watching
watching: tick-far -> closed
closed: observe-again -> proposed
closed: observe-other -> quarantined
closed: approve -> cannot be approved
closed: free-protected -> cannot be freed as protected
closed: dismiss -> cannot be dismissed
closed: release -> cannot be released
closed: report-fixed -> cannot be reported as fixed
closed: self-release -> cannot be released
closed: check-warned -> cannot be checked as a warned line
closed: request-rescan -> cannot be rescanned
closed: record-rescan -> cannot be rescanned
closed: wall-traffic -> cannot be seen at the wall
closed: threats-queried -> cannot be seen in the garden
closed: wall-watched -> closed
closed: wall-crowded -> closed
closed: retract -> no such sighting
closed: renew -> cannot be renewed
closed: note -> closed
closed: tick-far -> closed
";

fn in_state(state: StateName) -> Bench {
    let mut bench = match state {
        StateName::Warned => {
            let mut bench = Bench::new();
            bench.observe(1, "slow", hours(0), hours(1)).unwrap();
            bench
        }
        StateName::Proposed => {
            let mut bench = Bench::new();
            bench.observe(1, "mirai", hours(0), hours(1)).unwrap();
            bench
        }
        StateName::Quarantined | StateName::Watching | StateName::Closed => Bench::quarantined(),
    };
    bench.around.holders.insert([192, 0, 2, 1].into(), LineNo(1));
    if matches!(state, StateName::Watching | StateName::Closed) {
        bench.release(hours(2));
    }
    if state == StateName::Closed {
        bench.send(Command::Tick, hours(24 * 30)).unwrap();
    }
    assert_eq!(bench.state(), state);
    bench
}

fn commands(bench: &Bench, now: Timestamp) -> Vec<(&'static str, Command, Timestamp)> {
    let case = bench.case();
    let (id, version, line) = (case.id, case.version, case.line);
    let cause = case.troubles.first().unwrap().cause.clone();
    let (by, round) = (person("bob"), bench.round(id));
    let sightings = case.troubles.iter().flat_map(|t| t.sightings.clone()).collect();
    let mut all = vec![
        ("observe-again", Command::Observe { line, cause, evidence: refs(90, now, 1) }),
        ("observe-other", Command::Observe { line, cause: "door".into(), evidence: refs(91, now, 1) }),
        ("approve", Command::Approve { case: id, version, by: by.clone(), confirmed: Confirmed::default() }),
        ("free-protected", Command::FreeProtected { case: id }),
        ("dismiss", Command::Dismiss { case: id, version, by: by.clone(), reason: None }),
        ("release", Command::Release { case: id, version: None, by: by.clone(), reason: None, emergency: false }),
        ("report-fixed", Command::ReportFixed { case: id, round, again: 0 }),
        ("self-release", Command::SelfRelease { case: id, round }),
        ("check-warned", Command::CheckWarned { case: id, round, address: [192, 0, 2, 1].into(), port: 5 }),
        ("request-rescan", Command::RequestRescan { case: id, trigger: RescanTrigger::Staff }),
        ("record-rescan", Command::RecordRescan { case: id, rescan: clean(now) }),
        ("wall-traffic", Command::WallTraffic { case: id, packets: 5, last_seen: now }),
        ("threats-queried", Command::ThreatsQueried { case: id, list: "list".into(), queries: 1, last_seen: now }),
        ("wall-watched", Command::WallWatched { until: now }),
        ("wall-crowded", Command::WallCrowded { until: now }),
        ("retract", Command::Retract { sightings, by: by.clone(), reason: None }),
        (
            "renew",
            Command::Renew { case: id, version, by: by.clone(), until: now.plus(Span::from_days(9)), reason: None },
        ),
        ("note", Command::Note { case: id, by, text: TextRef::of("called") }),
    ]
    .into_iter()
    .map(|(name, command)| (name, command, now))
    .collect::<Vec<_>>();
    all.push(("tick-far", Command::Tick, now.plus(Span::from_days(60))));
    all
}

#[test]
fn every_command_in_every_state_does_what_the_table_says() {
    let mut found = String::new();
    for state in StateName::ALL {
        let now = if state == StateName::Closed { hours(24 * 30 + 1) } else { hours(3) };
        for i in 0..commands(&in_state(state), now).len() {
            let mut bench = in_state(state);
            let (name, command, now) = commands(&bench, now).swap_remove(i);
            let before = bench.cases.clone();
            let result = match bench.send(command, now) {
                Ok(_) => bench.state().to_string(),
                Err(refusal) => {
                    assert_eq!(bench.cases, before, "a refusal changes nothing");
                    match refusal {
                        Refusal::WrongState { verb, .. } => format!("cannot be {verb}"),
                        Refusal::NotYet(_) => "not yet".into(),
                        Refusal::NoSuchSighting => "no such sighting".into(),
                        Refusal::OtherRound(_) => "no page was shown".into(),
                        other => panic!("{state} {name}: {other}"),
                    }
                }
            };
            found.push_str(&format!("{state}: {name} -> {result}\n"));
        }
    }
    assert_eq!(found, TABLE, "found:\n{found}");
}
