//! Lets a test of an ordinary user run where it may make network namespaces.

use std::process::Command;

use pratique_lab::net::{Rights, enter};

/// Set in the process that was started again.
const INSIDE: &str = "PRATIQUE_TEST_INSIDE";

/// Runs the body in a process of its own inside an own user and network namespace. There
/// [`pratique_lab::net::Namespace::new`] works without root, and nothing outside can be touched.
///
/// The test program runs itself again for this one test, so the body has to be a closure written in the test.
///
/// # Panics
/// When the body does; that is how a test fails.
#[allow(clippy::expect_used, clippy::panic, reason = "called by tests only")]
pub fn without_root<Body: FnOnce()>(body: Body) {
    if std::env::var_os(INSIDE).is_some() {
        enter(Rights::AsWeAre).expect("made by `inside`");
        return body();
    }
    let test = test_of::<Body>();
    let this = std::env::current_exe().expect("a test program has a path");
    let inside = this.ancestors().nth(2).map(|dir| dir.join("inside")).expect("target/PROFILE/deps/TEST");
    let again = Command::new(inside)
        .arg(this)
        .args(["--exact", test, "--test-threads=1", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("cargo builds `inside` before tests");
    let said = String::from_utf8_lossy(&again.stdout);
    let complained = String::from_utf8_lossy(&again.stderr);
    assert!(again.status.success() && said.contains("1 passed"), "{said}\n{complained}");
}

/// The test harness's name of the test that a closure is written in: of `wall::rules::it_holds::{{closure}}` the middle. The
/// language does not promise this form; should it change, no test has the name, and [`without_root`] fails.
fn test_of<Body>() -> &'static str {
    let closure = std::any::type_name::<Body>();
    let test = closure.split_once("::").and_then(|(_program, rest)| rest.strip_suffix("::{{closure}}"));
    test.unwrap_or(closure)
}
