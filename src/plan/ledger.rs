//! The loss ledger: what restoring one source instead of another loses, in revisions, time and keys. What is not known
//! is said to be not known, and nothing is said to lose nothing while its log holds more.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

use super::words::{plural, thousands};

/// Whether two databases tell one history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "is")]
pub enum History {
    /// Every row that was looked at and that both must have is the same: so many were compared, up to this revision.
    Same {
        /// Rows that stand in both.
        rows: u64,
        /// The last revision that both reach.
        until: i64,
    },
    /// They part ways at this revision or before it: there they hold other rows.
    Parts {
        /// A revision that differs; the first one where all rows were compared.
        at: i64,
    },
    /// No revision is held by both, so it cannot be told.
    Unknown,
}

/// Log entries that a source's database does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entries {
    /// None: the source is the whole of what it was taken from.
    None,
    /// So many stand in the log behind the database.
    Beyond {
        /// All of them.
        all: u64,
        /// Those of them that the member knew to be committed.
        committed: u64,
    },
    /// Where this database's log is, nobody knows.
    Unknown,
}

/// What restoring a source loses against the newest state known from anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// Revisions that the newest known state has more; none where the two cannot be compared.
    pub revisions: Option<u64>,
    /// Seconds between the two states, at most; none where a time is not known.
    pub seconds: Option<u64>,
    /// Log entries that the source itself leaves behind.
    pub entries: Entries,
    /// True where a log that is not in any database may go on past the newest known revision.
    pub at_least: bool,
}

impl Loss {
    /// The loss in a table's cell: `412`, `≥ 59`, `38 entries`, `not known`. Never `0` where there may be more.
    pub fn cell(&self) -> String {
        let unsure = self.at_least || self.entries != Entries::None;
        match (self.revisions, self.entries) {
            (None | Some(0), Entries::Beyond { all, .. }) => {
                format!("{} {}", thousands(all), if all == 1 { "entry" } else { "entries" })
            }
            (None, _) => "?".into(),
            (Some(0), _) if unsure => "not known".into(),
            (Some(n), _) if unsure => format!("≥ {}", thousands(n)),
            (Some(n), _) => thousands(n),
        }
    }

    /// What is behind the cell, in sentences. `newest` names the state that it is measured against, where one is known;
    /// `better` is what to do rather than leave the log's entries behind.
    pub fn sentences(&self, newest: Option<&str>, better: Option<&str>) -> Vec<String> {
        let mut out = Vec::new();
        if let Entries::Beyond { all, committed } = self.entries {
            out.extend(better.map(String::from));
            let known = match committed {
                0 => String::new(),
                n => format!(" ({} of them known to be committed)", thousands(n)),
            };
            let (verb, them) = if all == 1 { ("is", "it") } else { ("are", "them") };
            out.push(format!(
                "{} log {} {verb} not in this file{known}; restoring it loses {them}.",
                thousands(all),
                if all == 1 { "entry" } else { "entries" }
            ));
        }
        let time = self.seconds.map(|s| format!(", at most {}", span(s))).unwrap_or_default();
        out.extend(match self.revisions {
            None if newest.is_none() => None,
            None => Some("What else it loses is not known: it cannot be compared with the newest state.".into()),
            Some(0) if self.entries == Entries::None && !self.at_least => {
                Some("Nothing newer is known anywhere.".to_string())
            }
            Some(0) => None,
            Some(n) => newest.map(|newest| {
                let revisions = if n == 1 { "revision" } else { "revisions" };
                format!("Against {newest} it loses {} {revisions}{time}.", thousands(n))
            }),
        });
        if self.entries == Entries::Unknown {
            out.push("Whether its member's log went on past it is not known: the log is not here.".into());
        }
        if self.at_least {
            out.push("How much a log that no file holds goes on past that is not known.".into());
        }
        out
    }
}

/// How the keys of two readable sources differ, of which the newer one is called A and the older one B.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Whether they tell one history.
    pub history: History,
    /// A's last revision.
    pub newer: i64,
    /// B's last revision.
    pub older: i64,
    /// Seconds from B's file time to A's; none where either is not known or they stand the other way round.
    pub seconds: Option<u64>,
    /// Keys whose newest state only A has, by kind: new ones and ones that B has in an older state.
    pub lost: BTreeMap<String, u64>,
    /// Keys that A deleted and B still has.
    pub back: u64,
}

/// More kinds than this are summed up as others.
const MOST_KINDS: usize = 6;

impl Difference {
    /// `choosing B instead of A loses 412 writes, 7 minutes, 3 deployments`, and what the history has to say against it.
    pub fn line(&self, newer: &str, older: &str) -> String {
        let mut parts = Vec::new();
        let writes = u64::try_from(self.newer.saturating_sub(self.older)).unwrap_or(0);
        match self.history {
            History::Same { .. } if writes > 0 => parts.push(counted(writes, "write", "writes")),
            History::Same { .. } => {}
            History::Parts { at } => parts.push(format!(
                "what {newer} wrote since they went different ways (at revision {} or before)",
                thousands(at.unsigned_abs())
            )),
            History::Unknown => {
                parts.push("a number of writes that is not known (nothing shows that they share a history)".into());
            }
        }
        if let (Some(seconds @ 1..), true) = (self.seconds, writes > 0) {
            parts.push(span(seconds));
        }
        let mut kinds: Vec<(&String, &u64)> = self.lost.iter().collect();
        kinds.sort_by_key(|(kind, n)| (std::cmp::Reverse(**n), kind.as_str()));
        let rest: u64 = kinds.iter().skip(MOST_KINDS).map(|(_, n)| **n).sum();
        parts.extend(kinds.iter().take(MOST_KINDS).map(|(kind, n)| kind_words(kind, **n)));
        if rest > 0 {
            parts.push(counted(rest, "other key", "other keys"));
        }
        if parts.is_empty() && self.back == 0 {
            return format!("choosing {older} instead of {newer} loses nothing: they hold the same keys");
        }
        let lost = if parts.is_empty() { "no key".into() } else { parts.join(", ") };
        let back = match self.back {
            0 => String::new(),
            n => format!("; {} {} back", counted(n, "deleted key", "deleted keys"), plural_verb(n)),
        };
        format!("choosing {older} instead of {newer} loses {lost}{back}")
    }
}

fn plural_verb(n: u64) -> &'static str {
    if n == 1 { "comes" } else { "come" }
}

fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(n), plural(usize::try_from(n).unwrap_or(usize::MAX), one, many))
}

/// `3 deployments`, `1 policy`; a prefix of keys that are not Kubernetes' as `3 keys in /app/`.
fn kind_words(kind: &str, n: u64) -> String {
    if kind.is_empty() || kind.ends_with('/') {
        let place = if kind.is_empty() { String::new() } else { format!(" in {kind}") };
        return counted(n, "key", "keys") + &place;
    }
    // services keep their specs beside their endpoints; nodes are still stored under their first name
    let many = match kind {
        "services/specs" => "services",
        "services/endpoints" => "endpoints",
        "minions" => "nodes",
        other => other.rsplit('/').next().unwrap_or(other),
    };
    let one = match many {
        "endpoints" => many.to_string(),
        many if many.ends_with("ies") => format!("{}y", many.trim_end_matches("ies")),
        many if ["sses", "xes", "ches"].iter().any(|end| many.ends_with(end)) => {
            many.trim_end_matches("es").to_string()
        }
        many => many.strip_suffix('s').unwrap_or(many).to_string(),
    };
    counted(n, &one, many)
}

/// A span of seconds in words: `12 seconds`, `72 minutes`, `5 hours`, `41 days`.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => counted(seconds, "second", "seconds"),
        120..=7199 => counted(seconds / 60, "minute", "minutes"),
        7200..=172_799 => counted(seconds / 3600, "hour", "hours"),
        _ => counted(seconds / 86_400, "day", "days"),
    }
}
