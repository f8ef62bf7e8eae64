//! One blocker: what prevents a plan from being carried out, and how it is resolved.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::error::Remedy;

/// How a fence is overridden. What comes after it is a value: each front end asks again in its own way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lift {
    /// What to do, a sentence, commands of others in it as they are typed; without its full stop where the question is asked
    /// again after it.
    todo: String,
    /// True where the question is to be asked again after that.
    again: bool,
    /// How it is done with requorum.
    remedies: Vec<Remedy>,
}

impl Lift {
    /// To be done, and then asked again.
    pub fn then_ask(todo: impl Into<String>) -> Lift {
        Lift { todo: todo.into(), again: true, remedies: Vec::new() }
    }

    /// Adds how it is done with requorum.
    #[must_use]
    pub fn by(mut self, remedy: Remedy) -> Lift {
        self.remedies.push(remedy);
        self
    }

    /// How it is done with requorum, for the front ends to word.
    pub fn remedies(&self) -> &[Remedy] {
        &self.remedies
    }

    /// The sentence; `again` says how it is asked again here: `r asks again`.
    pub fn words(&self, again: &str) -> String {
        match (self.todo.as_str(), self.again) {
            (todo, false) => todo.into(),
            ("", true) => format!("{again}."),
            (todo, true) => format!("{todo}, then {again}."),
        }
    }
}

impl From<&str> for Lift {
    fn from(todo: &str) -> Self {
        Lift { todo: todo.into(), again: false, remedies: Vec::new() }
    }
}

impl From<String> for Lift {
    fn from(todo: String) -> Self {
        Lift { todo, again: false, remedies: Vec::new() }
    }
}

impl fmt::Display for Lift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words("ask again"))
    }
}

impl Serialize for Lift {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Something that prevents a plan from being carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocker {
    /// What it is, a sentence without a full stop that names the host or directory.
    pub what: String,
    /// What that follows from, each a few words without a full stop.
    pub evidence: Vec<String>,
    /// How it is overridden.
    pub lift: Lift,
    /// What must be typed to go on all the same; none for what only warns.
    pub typed: Option<String>,
}

impl Blocker {
    /// True when it keeps the plan from being carried out until `overridden` holds its text.
    pub fn blocks(&self, overridden: &[String]) -> bool {
        self.typed.as_ref().is_some_and(|typed| !overridden.contains(typed))
    }

    /// What it is and what that follows from, in one sentence without a full stop.
    pub fn sentence(&self) -> String {
        if self.evidence.is_empty() {
            self.what.clone()
        } else {
            format!("{} ({})", self.what, self.evidence.join("; "))
        }
    }
}
