//! Somebody on a line that nothing was seen of, who is curious, and who follows a link that is not ours.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use super::{PORTAL, Visit};

impl Visit<'_> {
    /// The pages that are not about a problem.
    pub(super) fn around(&self) -> Result<()> {
        let mut said = BTreeSet::new();
        for (moment, path) in [("1-free", ""), ("2-nothing", "check"), ("3-no-link", "notice/not-one-of-ours")] {
            self.browser.go(&format!("{PORTAL}{path}"))?;
            self.browser.wait_for("#top")?;
            let language = self.browser.attribute("html", "lang")?;
            ensure!(language == self.reader.language, "{moment} speaks {language}");
            ensure!(!self.browser.has("header .case")?, "{moment} is about a case");
            ensure!(said.insert(self.browser.text("#top")?), "{moment} says what another page says");
            self.look(moment)?;
            self.narrow_and_large()?;
        }
        Ok(())
    }
}
