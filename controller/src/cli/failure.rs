//! Why a command did not succeed: words for people on standard error, with `--json` one object for programs on standard
//! output, and the exit code.

use pratique_staff::{error, when};
use serde_json::{Map, Value, json};

use super::print::{complain, say};
use super::{REFUSED, UNREACHABLE, USAGE};

/// Why a command did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// Said no, or something failed here.
    Refused(String),
    /// The command itself is wrong, or a file it works with.
    Usage(String),
    /// Nobody answered.
    Unreachable(String),
    /// The daemon said no.
    Problem(Box<Problem>),
    /// As the other one; the JSON of the answer says it already.
    Answered(Box<Failure>),
    /// It has been told in full; this is the exit code.
    Told(u8),
}

/// A refusal of the daemon, as it came.
#[derive(Debug)]
pub struct Problem {
    /// Its stable code.
    pub code: String,
    /// Its words, one line for each thing that is wrong.
    pub detail: String,
    /// Members beyond those of every problem.
    pub more: Map<String, Value>,
}

impl From<anyhow::Error> for Failure {
    fn from(e: anyhow::Error) -> Self {
        Self::Refused(format!("{e:#}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(e: std::io::Error) -> Self {
        Self::Refused(e.to_string())
    }
}

impl Failure {
    /// Says it and gives the exit code. The words go to standard error; with `json` the object goes to standard output.
    pub fn report(&self, json: bool) -> u8 {
        match self {
            Self::Told(code) => *code,
            Self::Answered(failure) => failure.report(false),
            failure => {
                if json {
                    say!("{}", json!({ "error": failure.object() }));
                }
                complain!("pratique: {}", when::sentence(failure.words()));
                failure.exit_code()
            }
        }
    }

    /// See [`super::EXIT_CODES`].
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::Problem(_) => REFUSED,
            Self::Usage(_) => USAGE,
            Self::Unreachable(_) => UNREACHABLE,
            Self::Answered(failure) => failure.exit_code(),
            Self::Told(code) => *code,
        }
    }

    /// What is wrong, and what to do.
    pub fn words(&self) -> &str {
        match self {
            Self::Refused(said) | Self::Usage(said) | Self::Unreachable(said) => said,
            Self::Problem(problem) => &problem.detail,
            Self::Answered(failure) => failure.words(),
            Self::Told(_) => "",
        }
    }

    /// For programs: a stable code, the words, what to do where that is known by the code alone, and what else was said.
    pub fn object(&self) -> Value {
        let (code, remedy) = match self {
            Self::Refused(_) | Self::Told(_) => ("refused", None),
            Self::Usage(_) => {
                ("usage", Some("correct the command or the file it names; `--help` explains the command"))
            }
            Self::Unreachable(_) => (
                "unreachable",
                Some("see that it runs, and name where it listens: --url for the daemon, --server for a resolver"),
            ),
            Self::Problem(problem) => (problem.code.as_str(), error::remedy(&problem.code)),
            Self::Answered(failure) => return failure.object(),
        };
        let mut object = json!({ "code": code, "message": self.words(), "exit_code": self.exit_code() });
        if let Some(object) = object.as_object_mut() {
            if let Some(remedy) = remedy {
                object.insert("remedy".into(), remedy.into());
            }
            if let Self::Problem(problem) = self {
                object.extend(problem.more.clone());
            }
        }
        object
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_daemon_keeps_its_code_and_says_what_to_do() {
        let more = json!({ "version": 9 }).as_object().cloned().unwrap();
        let problem = Problem { code: "stale".into(), detail: "case 1 has changed".into(), more };
        let failure = Failure::Answered(Box::new(Failure::Problem(Box::new(problem))));
        let object = failure.object();
        assert_eq!((object["code"].as_str(), object["version"].as_u64()), (Some("stale"), Some(9)));
        assert!(object["remedy"].as_str().unwrap().contains("look at it again"), "{object}");
        assert_eq!(failure.exit_code(), REFUSED);
    }
}
