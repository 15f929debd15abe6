//! One scan that a visitor asked for: of the addresses that the line holds at that moment, with the consent in the log before
//! the first packet, and every packet held against the directory. It opens no case and acts on no line.

use std::net::IpAddr;

use pratique_core::command::Command;
use pratique_core::ids::LineNo;
use pratique_core::policy::Policy;
use pratique_core::rescan::{Probe, Rescan, RescanTrigger, doors};
use pratique_core::self_check::SelfCheckStep;
use pratique_core::session::Holding;
use pratique_core::view::CheckCard;
use pratique_core::world::World;
use pratique_portal::{Agreed, CheckError, Found, Visitor};
use pratique_scan::Job;
use tracing::{debug, warn};

use super::Checks;
use super::scans::Place;
use super::who::Who;

/// What a scan needs to know.
struct Brief {
    targets: Vec<IpAddr>,
    probes: Vec<Probe>,
}

impl Checks {
    pub(super) async fn begin(&self, visitor: Visitor, agreed: Agreed) -> Result<(), CheckError> {
        let Some(scans) = &self.scans else { return Err(CheckError::NotOffered) };
        let line = agreed.line;
        let usual = scans.settings().probes.clone();
        let brief = self.engine.read(move |world, _| brief(world, visitor, line, usual));
        let brief = brief.await.map_err(|_| CheckError::Busy)??;
        let place = scans.begin(line, agreed.round, self.clock.now())?;
        // The log is full, or the engine does not answer: no consent, no packet.
        if let Err(error) = self.record(line, SelfCheckStep::Agreed).await {
            warn!(%error, "a consent to a scan could not be recorded; nothing was sent");
            self.meters.lost();
            place.forget();
            return Err(CheckError::Busy);
        }
        let checks = self.clone();
        let mail = agreed.mail && self.mail;
        tokio::spawn(async move { checks.run(line, brief, place, mail).await });
        Ok(())
    }

    async fn run(&self, line: LineNo, brief: Brief, place: Place, mail: bool) {
        let entry = self.running.enter(line, &brief.targets);
        // The directory may have moved on since the brief.
        let running = self.running.clone();
        if self.engine.read(move |world, _| running.recheck(world)).await.is_err() {
            self.meters.lost();
            return;
        }
        let Brief { targets, probes } = brief;
        let job = Job { trigger: RescanTrigger::Subscriber, targets, probes };
        let rescan = self.scanner.rescan(job, |address| entry.holds(address)).await;
        drop(entry);
        let verdict = rescan.verdict();
        debug!(%line, ?verdict, "a scan that a visitor asked for has ended");
        let step = SelfCheckStep::of(&rescan, mail);
        let advice = self.engine.read(move |world, _| (found(world.policy(), &rescan), rescan));
        let Ok((found, _)) = advice.await else {
            self.meters.lost();
            return;
        };
        match self.record(line, step).await {
            Ok(()) => self.meters.ended(verdict),
            Err(error) => {
                warn!(%error, "the result of a scan that a visitor asked for could not be recorded");
                self.meters.lost();
            }
        }
        place.end(found, self.clock.now());
    }

    async fn record(&self, line: LineNo, step: SelfCheckStep) -> Result<(), pratique_engine::handle::EngineError> {
        self.engine.command(Command::RecordSelfCheck { line, step }).await.map(|_| ())
    }
}

/// The line's own present IPv4 addresses; if it has none, the visitor's own IPv6 address. A phone's address tells nothing of a
/// camera's, and would keep every dual-stack line from a clear answer.
pub(super) fn targets(live: &[Holding], visitor: IpAddr) -> Vec<IpAddr> {
    let own = live.iter().filter_map(|holding| match holding {
        Holding::V4(address) => Some(IpAddr::V4(*address)),
        Holding::V4Ports(..) | Holding::V6(_) => None,
    });
    let own: Vec<IpAddr> = own.collect();
    if own.is_empty() && visitor.is_ipv6() && live.iter().any(|h| h.covers(visitor, None)) {
        vec![visitor]
    } else {
        own
    }
}

fn brief(world: &World, visitor: Visitor, line: LineNo, usual: Vec<Probe>) -> Result<Brief, CheckError> {
    let Who::Holder(holder) = Who::is(world, visitor) else { return Err(CheckError::Moved) };
    if holder.line != line {
        return Err(CheckError::Moved);
    }
    let targets = targets(&holder.live, visitor.address);
    if holder.held || targets.is_empty() {
        return Err(CheckError::NotOffered);
    }
    // First what the line was reported for.
    let case = world.cases().open_of(line);
    let reported = case.into_iter().flat_map(|case| &case.troubles);
    let playbooks = reported.filter_map(|trouble| world.policy().playbook(&trouble.cause));
    let mut probes: Vec<Probe> = playbooks.flat_map(|playbook| playbook.rescan.iter().copied()).collect();
    probes.extend(usual);
    Ok(Brief { targets, probes })
}

/// As the page shows it, with the causes whose steps shut what stands open.
fn found(policy: &Policy, rescan: &Rescan) -> Found {
    let causes = doors(policy, &rescan.results);
    Found { check: CheckCard::of(rescan), causes }
}

#[cfg(test)]
mod tests {
    use pratique_core::rescan::cause_of;

    use super::*;

    #[test]
    fn what_is_open_leads_to_the_steps_that_shut_it() {
        let policy = pratique_policy::built_in().unwrap().policy;
        let policy = Policy { digest: pratique_core::ids::TextRef([0; 32]), ..policy };
        for (probe, cause) in [
            (Probe::Telnet(23), "open-telnet"),
            (Probe::Adb(5555), "open-adb"),
            (Probe::HttpAdmin(8080), "open-http-admin"),
            (Probe::OpenDns(53), "open-dns-resolver"),
            (Probe::Ssdp(1900), "open-ssdp"),
            (Probe::NtpMonlist(123), "open-ntp"),
            (Probe::SnmpPublic(161), "open-snmp"),
        ] {
            assert_eq!(cause_of(&policy, probe).unwrap().as_str(), cause, "{probe}");
        }
        assert_eq!(cause_of(&policy, Probe::TcpBanner(9)), None);
    }

    #[test]
    fn only_addresses_of_the_line_alone_are_asked() {
        let own: IpAddr = "192.0.2.1".parse().unwrap();
        let (six, prefix) = ("2001:db8::5".parse().unwrap(), "2001:db8::/64".parse().unwrap());
        let (v4, v6) = (Holding::V4([192, 0, 2, 1].into()), Holding::V6(prefix));
        let shared = Holding::V4Ports([192, 0, 2, 9].into(), 1024, 2047);
        assert_eq!(targets(&[v4, v6], six), [own]);
        assert_eq!(targets(&[v6, shared], six), [six]);
        assert_eq!(targets(&[shared], "192.0.2.9".parse().unwrap()), [] as [IpAddr; 0], "others live there, too");
        assert_eq!(targets(&[shared], six), [] as [IpAddr; 0], "not the line's");
    }
}
