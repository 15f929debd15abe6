//! One person with a browser, who leaves pictures.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use pratique_tests::browser::{Browser, Reader};
use serde_json::Value;

/// axe-core, see `tests/assets`.
const AXE: &str = include_str!("../../../assets/axe-core/axe.min.js");
/// Rules of WCAG 2.2 at levels A and AA, and what axe thinks is good practice.
const RULES: &str = "['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']";

pub(super) struct Visit<'a> {
    pub(super) browser: Browser,
    pub(super) reader: Reader,
    pub(super) folder: &'a Path,
    pub(super) name: &'a str,
}

impl Visit<'_> {
    /// A picture, and with scripts what axe finds, in light and dark colours.
    pub(super) fn look(&self, moment: &str) -> Result<()> {
        self.browser.picture(&self.folder.join(format!("{}-{moment}.png", self.name)))?;
        if !self.reader.scripts {
            return Ok(());
        }
        for dark in [false, true] {
            self.browser.dark(dark)?;
            self.ask_axe(moment, dark)?;
        }
        self.browser.dark(false)
    }

    fn ask_axe(&self, moment: &str, dark: bool) -> Result<()> {
        // What axe says of dark colours counts only if there are any.
        let found = self.browser.run(&format!(
            "{AXE}; const done = arguments[arguments.length - 1]; \
             axe.run(document, {{ runOnly: {RULES} }}).then(r => done(r.violations.map(v => \
             v.id + ': ' + v.help + ': ' + v.nodes.map(n => n.html).join(' ')).concat( \
             matchMedia('(prefers-color-scheme: dark)').matches === {dark} ? [] : ['not the colours asked for']))).catch(e => done(['axe: ' + e]))"
        ))?;
        let found: Vec<_> = found.as_array().context("what axe found")?.iter().filter_map(Value::as_str).collect();
        ensure!(found.is_empty(), "{moment}: {}", found.join("\n"));
        Ok(())
    }

    /// Nothing sticks out at 320 pixels, which is also what 400 % of 1,280 is (WCAG 2.2, 1.4.10), nor with text twice as
    /// large (1.4.4).
    pub(super) fn narrow_and_large(&self) -> Result<()> {
        for (width, size) in [(self.reader.width.min(320), 100), (self.reader.width, 200)] {
            // A narrower body would not be a narrower window for a wide page's rules.
            if self.reader.width > 600 && width == 320 {
                continue;
            }
            let sticks_out = self.browser.run(&format!(
                "const done = arguments[arguments.length - 1]; const root = document.documentElement; \
                 root.style.fontSize = '{size}%'; document.body.style.width = '{width}px'; \
                 const out = [...document.querySelectorAll('body *')].filter(e => !e.closest('.heard') && \
                 e.getBoundingClientRect().right > {width} + 1).map(e => e.outerHTML.slice(0, 120)); \
                 root.style.fontSize = ''; document.body.style.width = ''; done(out)"
            ))?;
            let out = sticks_out.as_array().context("what sticks out")?;
            ensure!(out.is_empty(), "at {width} pixels and {size} %: {out:?}");
        }
        Ok(())
    }
}
