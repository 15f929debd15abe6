//! Somebody on a line that is not in quarantine: warned of an open resolver, has the line checked, and reads the open figures.

use anyhow::{Result, ensure};
use pratique_core::ids::CaseId;
use pratique_lab::story::Warned;

use super::{PORTAL, Visit};

impl Visit<'_> {
    /// From the warning to the figures.
    pub(super) fn through_the_self_check(&self, warned: &mut Warned) -> Result<()> {
        let browser = &self.browser;
        browser.go(PORTAL)?;
        ensure!(browser.attribute("html", "lang")? == self.reader.language, "in the language of the browser");
        let case = browser.text("header .case b")?;
        let number = CaseId(warned.case).number().to_string();
        ensure!(case == number, "case {case} instead of {number}");
        self.look("1-warned")?;
        self.at_all_widths()?;

        browser.press("a[href$='/check']")?;
        browser.wait_for("#recent-h")?;
        ensure!(browser.has("ol.steps")?, "the page says what to do");
        self.look("2-seen")?;
        self.at_all_widths()?;

        // Without consent nothing is sent: the browser says so itself.
        browser.press("#ask button")?;
        ensure!(!browser.has("#scan")? && !browser.has(".note")?, "a form went without consent");
        ensure!(!browser.address()?.contains("s="), "a form went without consent: {}", browser.address()?);
        self.check()?;
        browser.wait_for("#scan.bad .findings .bad")?;
        ensure!(browser.attribute("html", "lang")? == self.reader.language, "still in the language of the browser");
        self.look("3-open")?;
        warned.resolver.fix();
        self.check()?;
        browser.wait_for("#scan.good .findings .good")?;
        self.look("4-shut")?;
        self.at_all_widths()?;

        browser.press("a[href$='/figures']")?;
        browser.wait_for("#weeks-t")?;
        self.look("5-figures")?;
        self.at_all_widths()
    }

    /// Says yes, and asks for a scan.
    fn check(&self) -> Result<()> {
        self.browser.tick("#ask input[name=consent]")?;
        self.browser.press("#ask button")
    }

    fn at_all_widths(&self) -> Result<()> {
        if self.reader.scripts { self.narrow_and_large() } else { Ok(()) }
    }
}
