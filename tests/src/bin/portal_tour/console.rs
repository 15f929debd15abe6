//! Somebody at the NOC who tries other words and colours for the portal.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::Visit;

/// A page follows what is typed within a second.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Visit<'_> {
    /// Logs in, types, and looks at what subscribers would see.
    pub(super) fn through_the_preview(&self, console: &str, token: &str) -> Result<()> {
        let browser = &self.browser;
        browser.go(console)?;
        browser.write("#token", token)?;
        browser.press("form[action='/login'] button")?;
        browser.wait_for("a[href='/portal']")?;
        browser.go(&format!("{console}portal"))?;
        browser.wait_for("#trial")?;
        self.shown("h1", "hold to keep you safe")?;
        self.look("1-preview")?;
        self.narrow_and_large()?;

        // The page follows what is typed.
        browser.write("#trial [name=name]", "Hollands Licht")?;
        self.shown(".brand", "Hollands Licht")?;
        for scene in ["warned", "back-online", "unclear"] {
            let before = self.words("h1")?;
            browser.press(&format!("#trial option[value={scene}]"))?;
            self.until(&format!("another page for {scene}"), || Ok(self.words("h1")? != before))?;
        }
        browser.press("#trial [name=language] option:nth-child(2)")?;
        self.until("Japanese", || {
            self.browser.within("#shown", || Ok(self.browser.attribute("html", "lang")? == "ja"))
        })?;
        browser.write("#trial [name=colour]", "#777777")?;
        // A colour that people with weak eyes cannot read is refused, and the reason is said.
        self.until("a word about the contrast", || Ok(self.words("body")?.contains("look.colour")))?;
        self.look("2-refused")?;
        browser.write("#trial [name=colour]", "#7a1f5c")?;
        browser.write("#trial [name=colour_dark]", "#f0a8d8")?;
        self.until("the new colour", || Ok(self.colour(".brand")?.replace(' ', "").contains("(122,31,92")))?;
        self.look("3-new-colour")?;
        browser.press("#trial button[formaction='/portal/yaml']")?;
        self.until("what to write", || {
            let yaml = self.words("body")?;
            Ok(yaml.contains("name: Hollands Licht") && yaml.contains("colour: '#7a1f5c'"))
        })?;
        ensure!(!browser.has(".banner.bad")?, "nothing is wrong with that");
        self.look("4-yaml")
    }

    /// Waits until the frame says this.
    fn shown(&self, selector: &str, wanted: &str) -> Result<()> {
        self.until(wanted, || Ok(self.words(selector)?.contains(wanted)))
    }

    /// What an element of the frame says; nothing while it is being loaded.
    fn words(&self, selector: &str) -> Result<String> {
        self.browser.within("#shown", || {
            if self.browser.has(selector)? { self.browser.text(selector) } else { Ok(String::new()) }
        })
    }

    /// A property of an element of the frame, as the browser has worked it out.
    fn colour(&self, selector: &str) -> Result<String> {
        self.browser.within("#shown", || self.browser.style(selector, "color"))
    }

    fn until(&self, awaited: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            // A frame that is being replaced cannot be asked.
            let last = match is_so() {
                Ok(true) => return Ok(()),
                Ok(false) => String::new(),
                Err(error) => format!(": {error:#}"),
            };
            ensure!(Instant::now() < end, "waited for {awaited}{last}");
            std::thread::sleep(LOOK_EVERY);
        }
    }
}
