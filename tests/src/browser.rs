//! A real Chromium inside a namespace, asked by WebDriver (W3C Recommendation) over chromedriver. A hundred lines instead of a
//! client library: those bring an HTTP stack and a TLS of their own.

#![allow(clippy::expect_used, clippy::panic, reason = "called by tests only")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use data_encoding::BASE64;
use pratique_lab::net::Namespace;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A slow machine that does something else meanwhile gets a page in this time.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Keys (WebDriver, section 17.4.2).
pub const TAB: char = '\u{e004}';
/// See above.
pub const ENTER: char = '\u{e007}';
/// See above.
const SPACE: char = ' ';
/// More than there are things to reach on a page, once around.
const MOST_TABS: usize = 100;
/// What an element is called in answers (WebDriver, section 12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// What kind of reader.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// `Accept-Language`.
    pub language: &'static str,
    /// CSS pixels.
    pub width: u32,
    /// The same.
    pub height: u32,
    /// Scripts run.
    pub scripts: bool,
}

/// One browser window. Everything ends when it is dropped.
pub struct Browser {
    inside: Namespace,
    driver: Child,
    // A driver whose words nobody could hear would end.
    _said: BufReader<ChildStdout>,
    _profile: TempDir,
    session: String,
    scripts: bool,
}

impl Browser {
    /// Opens a window inside a namespace whose people ask this resolver.
    ///
    /// # Errors
    /// When chromium or chromedriver cannot be started.
    pub fn open(inside: &Namespace, resolver: Ipv4Addr, reader: Reader) -> Result<Self> {
        let profile = tempfile::tempdir()?;
        let names = profile.path().join("resolv.conf");
        std::fs::write(&names, format!("nameserver {resolver}\noptions timeout:2 attempts:2\n"))?;
        // In a mount namespace of its own, so that this machine's resolver stays what it is.
        let mut driver = inside
            .run(|| {
                Command::new("unshare")
                    .args([
                        "--mount",
                        "sh",
                        "-c",
                        "mount --bind \"$0\" \"$(realpath /etc/resolv.conf)\" && exec chromedriver --port=0",
                    ])
                    .arg(&names)
                    .env("HOME", profile.path())
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::null())
                    .spawn()
            })?
            .context("unshare (package util-linux)")?;
        let mut said = BufReader::new(driver.stdout.take().context("a pipe")?);
        let port = said.by_ref().lines().map_while(Result::ok).find_map(|line| {
            line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse::<u16>().ok()
        });
        let Some(port) = port else {
            driver.kill()?;
            bail!("chromedriver did not start (packages chromium and chromium-driver)");
        };
        let session = format!("http://127.0.0.1:{port}/session");
        let mut browser =
            Self { inside: inside.clone(), driver, _said: said, _profile: profile, session, scripts: reader.scripts };
        let settings = json!({ "intl.accept_languages": reader.language });
        let mut arguments = vec![
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
        ];
        let (language, size) =
            (format!("--lang={}", reader.language), format!("--window-size={},{}", reader.width, reader.height));
        arguments.extend([language.as_str(), &size]);
        let mut options = json!({ "args": arguments, "prefs": settings });
        if reader.width < 600 {
            options["mobileEmulation"] = json!({
                "deviceMetrics": { "width": reader.width, "height": reader.height, "pixelRatio": 2.0, "touch": true },
            });
        }
        let wanted =
            json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": options } } });
        let made = browser.ask("POST", "", &wanted)?;
        let id = made["sessionId"].as_str().context("a session without a name")?;
        browser.session = format!("{}/{id}", browser.session);
        // As the switch in the developer tools does; the setting in the profile would stop the driver's scripts, too.
        let command = json!({ "cmd": "Emulation.setScriptExecutionDisabled", "params": { "value": !reader.scripts } });
        browser.ask("POST", "/goog/cdp/execute", &command)?;
        Ok(browser)
    }

    /// Types an address.
    ///
    /// # Errors
    /// When nothing is there.
    pub fn go(&self, url: &str) -> Result<()> {
        self.ask("POST", "/url", &json!({ "url": url })).map(drop)
    }

    /// What the address bar says.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn address(&self) -> Result<String> {
        Ok(self.ask("GET", "/url", &Value::Null)?.as_str().unwrap_or_default().to_owned())
    }

    /// Waits for an element, by its CSS selector.
    ///
    /// # Errors
    /// When it does not come.
    pub fn wait_for(&self, selector: &str) -> Result<()> {
        self.element(selector).map(drop)
    }

    /// Whether it is there now.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn has(&self, selector: &str) -> Result<bool> {
        let found = self.ask("POST", "/elements", &json!({ "using": "css selector", "value": selector }))?;
        Ok(found.as_array().is_some_and(|all| !all.is_empty()))
    }

    /// Presses it as a person does, once it is there: with the mouse, or without scripts, which the driver needs to find the
    /// place, with the keyboard.
    ///
    /// # Errors
    /// When it does not come or cannot be pressed.
    pub fn press(&self, selector: &str) -> Result<()> {
        if !self.scripts {
            self.reach(selector)?;
            return self.key(ENTER);
        }
        // A page that is being replaced takes the element away between the look and the press.
        let end = Instant::now() + PATIENCE;
        loop {
            let element = self.element(selector)?;
            match self.ask("POST", &format!("/element/{element}/click"), &json!({})) {
                Err(error) if Instant::now() > end => return Err(error.context(format!("pressing {selector}"))),
                Err(_) => std::thread::sleep(LOOK_EVERY),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// Ticks a box, as [`Self::press`] presses.
    ///
    /// # Errors
    /// When it does not come or cannot be ticked.
    pub fn tick(&self, selector: &str) -> Result<()> {
        if self.scripts {
            return self.press(selector);
        }
        self.reach(selector)?;
        self.key(SPACE)
    }

    /// Goes there by the tab key.
    fn reach(&self, selector: &str) -> Result<()> {
        let wanted = self.element(selector)?;
        for _ in 0..MOST_TABS {
            if self.ask("GET", "/element/active", &Value::Null)?[ELEMENT] == wanted.as_str() {
                return Ok(());
            }
            self.key(TAB)?;
        }
        bail!("{selector} cannot be reached by the tab key")
    }

    /// Its words, once it is there.
    ///
    /// # Errors
    /// When it does not come.
    pub fn text(&self, selector: &str) -> Result<String> {
        let element = self.element(selector)?;
        let text = self.ask("GET", &format!("/element/{element}/text"), &Value::Null)?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// One of its attributes.
    ///
    /// # Errors
    /// When it does not come.
    pub fn attribute(&self, selector: &str, name: &str) -> Result<String> {
        let element = self.element(selector)?;
        let value = self.ask("GET", &format!("/element/{element}/attribute/{name}"), &Value::Null)?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    /// A property of its style, as the browser has worked it out.
    ///
    /// # Errors
    /// When it does not come.
    pub fn style(&self, selector: &str, property: &str) -> Result<String> {
        let element = self.element(selector)?;
        let value = self.ask("GET", &format!("/element/{element}/css/{property}"), &Value::Null)?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    /// Writes into a field in place of what stands there, once it is there.
    ///
    /// # Errors
    /// When it does not come or takes no text.
    pub fn write(&self, selector: &str, text: &str) -> Result<()> {
        let element = self.element(selector)?;
        self.ask("POST", &format!("/element/{element}/clear"), &json!({}))?;
        self.ask("POST", &format!("/element/{element}/value"), &json!({ "text": text })).map(drop)
    }

    /// Looks into a frame of the page; what is asked meanwhile is asked of the page in it.
    ///
    /// # Errors
    /// When there is no such frame, or what is done fails.
    pub fn within<T>(&self, frame: &str, does: impl FnOnce() -> Result<T>) -> Result<T> {
        let element = self.element(frame)?;
        self.ask("POST", "/frame", &json!({ "id": { ELEMENT: element } }))?;
        let done = does();
        self.ask("POST", "/frame", &json!({ "id": null }))?;
        done
    }

    /// Runs a function's body in the page; its last argument is called with the result.
    ///
    /// # Errors
    /// When it fails there.
    pub fn run(&self, body: &str) -> Result<Value> {
        self.ask("POST", "/execute/async", &json!({ "script": body, "args": [] }))
    }

    /// Presses a key of the keyboard, for example [`TAB`].
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn key(&self, key: char) -> Result<()> {
        let strokes = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        let actions = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes }] });
        self.ask("POST", "/actions", &actions).map(drop)
    }

    /// As on a screen whose owner wants dark pages, or light ones.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn dark(&self, dark: bool) -> Result<()> {
        let scheme = json!({ "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } });
        let command = json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "features": [scheme] } });
        self.ask("POST", "/goog/cdp/execute", &command).map(drop)
    }

    /// Another size of the window, in CSS pixels.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn resize(&self, width: u32, height: u32) -> Result<()> {
        self.ask("POST", "/window/rect", &json!({ "width": width, "height": height })).map(drop)
    }

    /// A picture of the window as PNG.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn picture(&self, file: &Path) -> Result<()> {
        let picture = self.ask("GET", "/screenshot", &Value::Null)?;
        let bytes = BASE64.decode(picture.as_str().context("a picture")?.as_bytes())?;
        Ok(std::fs::write(file, bytes)?)
    }

    fn element(&self, selector: &str) -> Result<String> {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.ask("POST", "/element", &json!({ "using": "css selector", "value": selector })) {
                Ok(found) => return Ok(found[ELEMENT].as_str().context("an element without a name")?.to_owned()),
                Err(error) if Instant::now() > end => {
                    let page = self.ask("GET", "/source", &Value::Null)?;
                    return Err(error.context(format!("waiting for {selector} in {page}")));
                }
                Err(_) => std::thread::sleep(LOOK_EVERY),
            }
        }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{}{path}", self.session);
        let agent = ureq::Agent::new_with_config(
            ureq::config::Config::builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build(),
        );
        let answer = self.inside.run(|| -> Result<Value> {
            let mut response = match method {
                "GET" => agent.get(&url).call()?,
                "DELETE" => agent.delete(&url).call()?,
                _ => agent.post(&url).send_json(body)?,
            };
            Ok(response.body_mut().with_config().limit(64 << 20).read_json()?)
        })??;
        let value = answer.get("value").cloned().unwrap_or_default();
        ensure!(value.get("error").is_none(), "{}: {}", value["error"], value["message"]);
        Ok(value)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends chromium; the driver goes then.
        let _closed = self.ask("DELETE", "", &Value::Null).is_ok();
        let _ended = self.driver.kill().and_then(|()| self.driver.wait()).is_ok();
    }
}
