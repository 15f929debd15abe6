//! A resident: from typing an address to being back online.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use pratique_core::ids::CaseId;
use pratique_lab::internet::REAL_PAGE;
use pratique_lab::story::Infected;
use pratique_tests::browser::{ENTER, TAB};

use super::{PORTAL, Visit};

/// What the page offers after a while is offered within this.
const PATIENCE: Duration = Duration::from_secs(60);

impl Visit<'_> {
    /// Until the real Internet is there again.
    pub(super) fn to_freedom(&self, infected: &mut Infected) -> Result<()> {
        let browser = &self.browser;
        browser.go("http://example.com")?;
        ensure!(browser.address()?.starts_with(PORTAL), "led to {}", browser.address()?);
        ensure!(browser.attribute("html", "lang")? == self.reader.language, "in the language of the browser");
        let case = browser.text("header .case b")?;
        let number = CaseId(infected.case).number().to_string();
        ensure!(case == number, "case {case} instead of {number}");
        self.look("1-on-hold")?;
        if self.reader.scripts {
            self.narrow_and_large()?;
        }

        if self.reader.scripts && self.reader.width > 600 {
            self.tick_by_keyboard()?;
        } else {
            browser.press("#tick-mirai-1")?;
        }
        browser.wait_for("#step-mirai-1.done")?;
        browser.press("#tick-mirai-2")?;
        browser.wait_for("#step-mirai-2.done")?;
        ensure!(browser.attribute(".progress progress", "value")? == "2", "two steps are done");
        self.look("2-two-steps-done")?;

        // Too early: the camera is as it was.
        browser.press("form.act button")?;
        browser.wait_for("#status.bad")?;
        ensure!(browser.has("#status .findings .bad")?, "what was found is said");
        // What was ticked is still ticked.
        browser.wait_for("#step-mirai-1.done")?;
        self.look("3-still-open")?;

        infected.camera.fix();
        // Between two checks lies a pause.
        self.until_offered("#fixed:not([disabled])")?;
        browser.press("form.act button")?;
        browser.wait_for("#status.good")?;
        self.look("4-clean")?;
        // The wall has to have been quiet before people may leave on trust.
        self.until_offered("form[action^='/leave']")?;
        browser.press("form[action^='/leave'] button")?;
        // The page itself finds out, by its news or by reloading.
        browser.wait_for("#watch-h")?;
        ensure!(browser.attribute("html", "lang")? == self.reader.language, "still in the language of the browser");
        self.look("5-back-online")?;

        let end = Instant::now() + PATIENCE;
        loop {
            browser.go("http://www.example.com/")?;
            if browser.text("body")?.contains(REAL_PAGE) {
                return Ok(());
            }
            ensure!(Instant::now() < end, "www.example.com still shows {}", browser.text("body")?);
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// The first step can be reached and ticked with a keyboard alone, and what has the focus can be seen.
    fn tick_by_keyboard(&self) -> Result<()> {
        let focus = "const done = arguments[arguments.length - 1]; const e = document.activeElement; \
                     done([e.id, getComputedStyle(e).outlineStyle])";
        for _ in 0..20 {
            self.browser.key(TAB)?;
            let now = self.browser.run(focus)?;
            if now[0] == "tick-mirai-1" {
                ensure!(now[1] != "none", "the focus cannot be seen");
                self.browser.key(ENTER)?;
                self.browser.wait_for("#step-mirai-1.done")?;
                let now = self.browser.run(focus)?;
                ensure!(now[0] == "tick-mirai-1", "the focus went to {now}");
                return Ok(());
            }
        }
        anyhow::bail!("the first step cannot be reached by the tab key");
    }

    /// Waits until the page offers something. Without scripts people look again themselves: nothing reloads a page that they
    /// read.
    fn until_offered(&self, what: &str) -> Result<()> {
        if self.reader.scripts {
            return self.browser.wait_for(what);
        }
        let end = Instant::now() + PATIENCE;
        while !self.browser.has(what)? {
            ensure!(Instant::now() < end, "{what} is never offered");
            std::thread::sleep(Duration::from_millis(500));
            self.browser.go(PORTAL)?;
        }
        Ok(())
    }
}
