//! Every kind of problem that an answer may be, as the API's reference lists them.

/// Where the reference is served; the type of a problem is a section of it.
pub const PATH: &str = "/api/v1";

/// Every problem: its code, the statuses it comes with, and what it is about in any case.
pub const KINDS: [(&str, &[u16], &str); 54] = [
    ("bad-request", &[400, 413, 415, 422], "The request itself is wrong"),
    ("unauthorized", &[401], "A valid token is needed"),
    ("forbidden", &[403], "The token may not do this"),
    ("csrf", &[403], "The form does not come from pratique's own page"),
    ("same-person", &[403], "This person has approved already"),
    ("not-found", &[404], "There is nothing here"),
    ("no-such-case", &[404], "There is no such case, or none that the token may see"),
    ("no-such-sighting", &[404], "None of the sightings is part of an open case"),
    ("too-slow", &[408], "The request did not arrive in time"),
    ("stale", &[409], "The case changed since it was looked at"),
    ("too-large", &[413], "The file is too large"),
    ("wrong-host", &[421], "The host name is not one of pratique's"),
    ("slow-down", &[429], "Too many attempts"),
    ("internal", &[500], "pratique failed to answer"),
    ("busy", &[503], "Too much waits already"),
    ("loading", &[503], "The node is starting and still reads its store"),
    ("stopped", &[503], "The node is stopping"),
    ("store", &[503], "The store cannot take it now"),
    ("timeout", &[503], "There was no answer in time"),
    ("bulk-capped", &[422], "Too many cases are named at once"),
    ("bulk-refused", &[422], "Some of the cases cannot be approved, so none was"),
    ("cannot-begin", &[422], "A quarantine on paper cannot be enforced"),
    ("capped", &[422], "A cap of the policy is reached"),
    ("checked-just-now", &[422], "The line was checked a moment ago"),
    ("doubtful", &[422], "Somebody else may hold by now what the line held"),
    ("dry-run", &[422], "The node runs dry and enforces nothing"),
    ("empty", &[422], "The file is empty"),
    ("halted", &[422], "Enforcement of anything new is halted"),
    ("information-only", &[422], "The cause is for information only"),
    ("no-bounce", &[422], "The mail is no report of a mail that came back"),
    ("no-check", &[422], "No check from outside tells anything of the case"),
    ("no-ground", &[422], "The contract gives no ground for a quarantine"),
    ("no-playbook", &[422], "There is no playbook for the cause"),
    ("no-such-source", &[422], "There is no such source"),
    ("not-automatic", &[422], "A rule cannot approve this"),
    ("not-on-line", &[422], "Who asks is not on the line of the case"),
    ("not-on-paper", &[422], "The case has no quarantine on paper"),
    ("not-passed", &[422], "The stretch of time is empty or lies ahead"),
    ("not-yet", &[422], "Something still stands between the line and its release"),
    ("nothing-on-paper", &[422], "No quarantine is on paper"),
    ("other-round", &[422], "The page that was pressed on is of another round"),
    ("protected", &[422], "The line is protected"),
    ("renew-too-long", &[422], "The new end lies outside what the playbook allows"),
    ("rescan-under-way", &[422], "A check is under way"),
    ("self-release-used-up", &[422], "The subscriber has left on trust as often as allowed"),
    ("text-missing", &[422], "A reason or note is missing"),
    ("text-too-long", &[422], "A reason or note is too long"),
    ("text-unreadable", &[422], "A reason or note has control characters"),
    ("too-old", &[422], "The observations are too old for a case"),
    ("unconfirmed", &[422], "The number that the preview showed was not repeated"),
    ("undecided", &[422], "Somebody has to decide something else first"),
    ("unreadable", &[422], "The file cannot be read"),
    ("walls-nothing", &[422], "The wall would hold nothing of the line"),
    ("wrong-state", &[422], "The case is in a state in which this cannot be done"),
];

/// What a problem with this code is about, whatever happened.
pub fn title(code: &str) -> Option<&'static str> {
    KINDS.iter().find(|(known, ..)| *known == code).map(|(.., title)| *title)
}
