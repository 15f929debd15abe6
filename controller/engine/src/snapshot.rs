//! The bytes of a snapshot: the cases as the log has them up to a position, compact, since a restart waits for them.
//!
//! ```text
//! VERSION, 1 byte ‖ the cases, in postcard's format: values only, in the order of the types' fields
//! ```
//!
//! The format names nothing, so bytes of other types could be taken for ours: every change of what is in an [`Image`]
//! needs a new [`VERSION`], and a test holds the two together. A snapshot of another version is no loss, for the log is
//! replayed instead.

use pratique_core::machine::{Cases, Image};

/// Of what is in an [`Image`], however deep.
const VERSION: u8 = 7;

/// The bytes for an image.
///
/// # Errors
/// What cannot be written, in words.
pub(super) fn encode(image: &Image) -> Result<Vec<u8>, String> {
    postcard::to_extend(image, vec![VERSION]).map_err(|e| e.to_string())
}

/// The cases behind the bytes of [`encode`].
///
/// # Errors
/// Why they cannot be used, in words.
pub(super) fn decode(bytes: &[u8]) -> Result<Cases, String> {
    let image = match bytes.split_first() {
        Some((&VERSION, image)) => image,
        Some((version, _)) => return Err(format!("it has version {version}, this program writes {VERSION}")),
        None => return Err("it is empty".to_owned()),
    };
    let (image, rest) = postcard::take_from_bytes::<Image>(image).map_err(|e| e.to_string())?;
    if !rest.is_empty() {
        return Err(format!("{} bytes too many", rest.len()));
    }
    Ok(image.into())
}

#[cfg(test)]
mod tests {
    use pratique_core::coverage::{FileMark, GapReason};
    use pratique_core::event::{
        Actor, Body, CaseEvent, Closed, Enforcement, Event, EvidenceRef, ProposedBecause, Release,
    };
    use pratique_core::ids::{CaseId, Feed, LineNo, SightingNo, TextRef};
    use pratique_core::playbook::ApprovalRule;
    use pratique_core::rescan::{Probe, ProbeResult, Rescan, RescanTrigger, Verdict};
    use pratique_core::sighting::Severity;
    use pratique_core::time::Timestamp;

    use super::*;

    /// SHA-256 of the bytes of [`everything`], for each version.
    const LAYOUTS: [(u8, &str); 7] = [
        (1, "008e03d550d63a661b57798df8df0578a1bc85eddeca0cc4839fab4d72f581fd"),
        (2, "b41ef3811b7373af14cf82d24feafa42c8c2f437965c1471887ecbbc5bde1ff6"),
        (3, "d6fca431b43d4e6e05840710a61434093b201030cd5520b40ef3051282b98be6"),
        (4, "8ed84633eca95e6e58f716a874560ab8b316f1cf53bb2b60ff267c128e480da3"),
        (5, "16790ec7ba4e6936a7e6a32e302c841d0315d0baa5373dfdc364b2e6a94381c3"),
        (6, "45ae6cd5aec56f92550d81eb4215b54e533281ff5662cdc4f79c9e35959a1f68"),
        (7, "54089fdd60182037a55afb77cfdfe05e3d2085e9b3f847e364142dbb3d0b745e"),
    ];

    fn at(s: i64) -> Timestamp {
        Timestamp::from_secs(1_771_156_800 + s)
    }

    fn feed() -> Feed {
        Feed { source: "shadowserver".into(), report: "compromised_iot".into() }
    }

    /// One of each state, with all that cases can carry.
    fn everything() -> Cases {
        let policy = pratique_policy::built_in().unwrap().policy;
        let evidence = EvidenceRef {
            sighting: SightingNo(7),
            feed: feed(),
            observed_at: at(-60),
            severity: Severity::High,
            device: Some("Example IPC 9000".into()),
        };
        let results = vec![ProbeResult { probe: Probe::Telnet(23), verdict: Verdict::Clean, found: "refused".into() }];
        let rescan = Rescan { started_at: at(6), finished_at: at(7), trigger: RescanTrigger::Subscriber, results };
        let story = [
            CaseEvent::Opened { line: LineNo(3), cause: "mirai".into(), evidence: vec![evidence] },
            CaseEvent::Proposed { rule: ApprovalRule::One, because: ProposedBecause::Evidence },
            CaseEvent::Approved { by: Actor::Person("ann".into()), protected: true },
            CaseEvent::Quarantined {
                by: vec![Actor::Person("ann".into())],
                policy: policy.digest,
                evidence: vec![SightingNo(7)],
                justification: "it attacks".into(),
                until: at(1_000),
            },
            CaseEvent::RowUnread { feed: feed(), until: at(4), delivery: 4 },
            CaseEvent::FixReported { again: 2 },
            CaseEvent::RescanRequested { trigger: RescanTrigger::Subscriber },
            CaseEvent::Rescanned { rescan },
            CaseEvent::RescanRequested { trigger: RescanTrigger::Schedule },
            CaseEvent::WallTraffic { packets: 40, last_seen: at(8) },
            CaseEvent::ThreatsQueried { list: "c2".into(), queries: 3, last_seen: at(8) },
            CaseEvent::Released {
                how: Release::SelfRelease,
                by: Actor::Subscriber,
                reason: None,
                watch_until: at(900),
            },
            CaseEvent::Closed { why: Closed::QuietAfterRelease },
        ];
        let mut cases = Cases::default();
        let feed = Body::FeedDelivered { feed: feed(), covers_from: at(0), covers_until: at(5) };
        let wall_gap = Body::WallGap { from: at(0), until: at(1) };
        let watched = Body::WallWatched { from: at(1), until: at(9) };
        let halted = Body::Halted { by: Actor::System, because: "drill".into(), wall: true };
        let file = FileMark { name: Some(TextRef([8; 32])), content: TextRef([9; 32]) };
        let gap = Body::FeedGap {
            source: "shadowserver".into(),
            report: None,
            from: at(2),
            until: at(3),
            why: GapReason::Held,
            delivery: 4,
            file,
        };
        let confirmed = Body::SilenceConfirmed {
            source: "shadowserver".into(),
            report: Some("compromised_iot".into()),
            from: at(2),
            until: at(3),
            by: Actor::Person("ann".into()),
            because: "looked".into(),
        };
        let dry_run = Body::Enforcement { mode: Enforcement::DryRun };
        let policy_loaded = Body::PolicyLoaded { digest: TextRef([7; 32]) };
        for body in [policy_loaded, feed, gap, confirmed, wall_gap, watched, halted, dry_run] {
            cases.apply(&Event { at: at(0), body }, &policy);
        }
        for (number, events) in [2, 4, 11, 12, 13].into_iter().enumerate() {
            for (second, what) in story.iter().take(events).cloned().enumerate() {
                let mut what = what;
                let case = CaseId(number as u64 + 1);
                if let CaseEvent::Opened { line, .. } = &mut what {
                    *line = LineNo(number as u32 + 1);
                }
                cases.apply(&Event { at: at(second as i64), body: Body::Case { case, what } }, &policy);
            }
        }
        cases
    }

    #[test]
    fn a_snapshot_gives_the_same_cases_back() {
        let cases = everything();
        assert_eq!(decode(&encode(&Image::from(&cases)).unwrap()), Ok(cases));
        assert_eq!(decode(&encode(&Image::default()).unwrap()), Ok(Cases::default()));
    }

    #[test]
    fn what_is_not_whole_or_of_another_version_is_refused() {
        let mut bytes = encode(&Image::from(&everything())).unwrap();
        assert!(decode(&bytes[..bytes.len() - 1]).is_err());
        bytes.push(0);
        assert_eq!(decode(&bytes), Err("1 bytes too many".to_owned()));
        bytes[0] = VERSION + 1;
        assert!(decode(&bytes).unwrap_err().contains("it has version"));
        assert!(decode(&[]).is_err());
        // As snapshots were before they had versions.
        assert!(decode(br#"{"cases":{}}"#).is_err());
    }

    #[test]
    fn what_is_in_a_snapshot_changes_only_together_with_its_version() {
        let layout =
            TextRef(<sha2::Sha256 as sha2::Digest>::digest(encode(&Image::from(&everything())).unwrap()).into());
        let known = LAYOUTS.iter().find(|(version, _)| *version == VERSION).map(|(_, layout)| *layout);
        assert_eq!(
            known,
            Some(layout.to_string().as_str()),
            "the types behind a snapshot have changed: raise VERSION, and note its layout here beside the older ones"
        );
    }
}
