//! Data loss: what restoring one source instead of another loses, in revisions, time and keys. What is not known is
//! reported as unknown, and no source is reported as losing nothing while its log holds more.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::text::number::{count, plural, thousands};

/// Whether two databases share one history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum History {
    /// Every row that was looked at and that both must have is the same: so many were compared, up to this revision.
    Same {
        /// Rows that both have.
        rows: u64,
        /// The last revision that both reach.
        until: i64,
    },
    /// They diverge at this revision or before it: there their rows differ.
    Parts {
        /// A revision that differs; the first one where all rows were compared.
        at: i64,
    },
    /// No revision is held by both, so it is unknown.
    Unknown,
}

/// Log entries that a source's database does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entries {
    /// None: the source is the whole of what it was taken from.
    None,
    /// So many are in the log after the end of the database.
    Beyond {
        /// All of them.
        all: u64,
        /// Those of them that the member knew to be committed.
        committed: u64,
    },
    /// Where this database's log is, is not known.
    Unknown,
}

/// Whether the newest state that is known holds every write that the cluster acknowledged. A write is acknowledged once a
/// majority of the voters has it in its logs; so it can be missed for certain only where the ends of so many logs were
/// read that every majority has one among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Horizon {
    /// It does: a quorum served a read, or enough logs were read to their ends and all of them are in it.
    Complete,
    /// The states of so many voters are known; the others may have acknowledged more among themselves. Of 0 voters where
    /// their number is not known.
    Partial {
        /// Voters whose state is known.
        known: usize,
        /// All voters.
        voters: usize,
    },
    /// Enough voters are known, but not what their logs end with: an answer does not show it, and a directory may be a copy.
    LogEnds,
    /// No member's own data could be read, only files.
    #[default]
    Files,
    /// A log that is in no file goes on past it.
    LogAhead,
    /// It is not known which cluster is meant.
    Unsettled,
    /// Sources of this cluster hold different data: whichever is restored, what the other holds is lost.
    Differing,
}

impl Horizon {
    /// Why there may be more than what is known, a clause; none where there is not.
    fn doubt(self) -> Option<String> {
        Some(match self {
            Horizon::Complete | Horizon::LogAhead => return None,
            Horizon::Partial { known: 0, .. } => "no voting member's last state is known".into(),
            Horizon::Partial { voters: 0, .. } => "the number of voting members is not known".into(),
            Horizon::Partial { known, voters } => {
                format!(
                    "only {known} of {voters} voting {} could be read",
                    plural(voters, "member", "members")
                )
            }
            Horizon::LogEnds => {
                "the logs of members that answer may end with writes that they have not applied, and a directory may be a copy"
                    .into()
            }
            Horizon::Files => "no member's own data could be read".into(),
            Horizon::Unsettled => "it is not known which cluster is meant".into(),
            Horizon::Differing => "sources of this cluster hold different data".into(),
        })
    }

    /// Returns why there may be something newer than the newest state known, to be shown with that state; `None` where
    /// that is shown otherwise.
    pub fn caveat(self) -> Option<String> {
        match self {
            Horizon::Files | Horizon::Partial { .. } => {
                self.doubt().map(|doubt| format!("There may be newer writes: {doubt}."))
            }
            _ => None,
        }
    }
}

/// How many revisions restoring a source loses, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "known", content = "revisions")]
pub enum Lost {
    /// So many, shown.
    Exactly(u64),
    /// So many against the newest state that is known; there may be more.
    AtLeast(u64),
    /// It is not known.
    NotKnown,
}

/// What restoring a source loses against the newest state known from anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// Revisions that the newest known state has more; none where the two cannot be compared.
    pub revisions: Option<u64>,
    /// Seconds between the two states, at most; none where a time is not known.
    pub seconds: Option<u64>,
    /// Log entries that the source itself leaves out.
    pub entries: Entries,
    /// Whether the newest known state is the newest that there was.
    pub horizon: Horizon,
}

impl Loss {
    /// What is known of the loss. Never `Exactly` where there may be more, and no zero where nothing is known.
    pub fn lost(&self) -> Lost {
        let whole = self.entries == Entries::None;
        match (self.revisions, self.horizon) {
            (None, _) => Lost::NotKnown,
            (Some(n), Horizon::Complete) if whole => Lost::Exactly(n),
            (Some(0), Horizon::Partial { known: 1.., .. } | Horizon::LogEnds) if whole => Lost::AtLeast(0),
            (Some(0), _) => Lost::NotKnown,
            (Some(n), _) => Lost::AtLeast(n),
        }
    }

    /// The loss in a table's cell: `412`, `≥ 59`, `0 known`, `38 entries`, `not known`. Never `0` where there may be more.
    pub fn cell(&self) -> String {
        match (self.lost(), self.revisions, self.entries) {
            (_, None | Some(0), Entries::Beyond { all, .. }) => {
                format!("{} {}", thousands(all), if all == 1 { "entry" } else { "entries" })
            }
            (Lost::Exactly(n), ..) => thousands(n),
            (Lost::AtLeast(0), ..) => "0 known".into(),
            (Lost::AtLeast(n), ..) => format!("≥ {}", thousands(n)),
            (Lost::NotKnown, None, _) => "?".into(),
            (Lost::NotKnown, ..) => "not known".into(),
        }
    }

    /// Returns the cell's explanation, in sentences. `newest` names the state that it is measured against, where one is
    /// known; `better` is what to do rather than lose the log's entries.
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
        let doubt = self.horizon.doubt();
        out.extend(match self.revisions {
            None if newest.is_none() => None,
            None => Some("What else it loses is not known: it cannot be compared with the newest known state.".into()),
            Some(0) if self.entries != Entries::None => None,
            Some(0) => match (self.horizon, &doubt) {
                (Horizon::Complete, _) => Some("It holds every write that the cluster acknowledged.".into()),
                (
                    Horizon::Files | Horizon::Unsettled | Horizon::Differing | Horizon::Partial { known: 0, .. },
                    Some(doubt),
                ) => Some(format!("What it loses is not known: {doubt}.")),
                (_, Some(doubt)) => Some(format!("It lacks nothing that is known. It may lack more: {doubt}.")),
                (_, None) => None,
            },
            Some(n) => newest.map(|newest| {
                let revisions = if n == 1 { "revision" } else { "revisions" };
                let more = doubt.map(|doubt| format!(" There may be more: {doubt}.")).unwrap_or_default();
                format!("Compared with {newest} it loses {} {revisions}{time}.{more}", thousands(n))
            }),
        });
        if self.entries == Entries::Unknown {
            out.push("It is not known whether its member's log goes on past it: the log is not here.".into());
        }
        if self.horizon == Horizon::LogAhead {
            out.push("It is not known how far a log that is in no file goes on past it.".into());
        }
        out
    }
}

/// How the keys of two readable sources differ, of which the newer one is called A and the older one B.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Whether they share one history.
    pub history: History,
    /// A's last revision.
    pub newer: i64,
    /// B's last revision.
    pub older: i64,
    /// Seconds from B's file time to A's; none where either is not known or they are the other way round.
    pub seconds: Option<u64>,
    /// Keys whose newest state only A has, by kind: new ones and ones that B has in an older state.
    pub lost: BTreeMap<String, u64>,
    /// Keys that A deleted and B still has.
    pub back: u64,
}

/// More kinds than this are summed up as others.
const MOST_KINDS: usize = 6;

impl Difference {
    /// `choosing B instead of A loses 412 writes, 7 minutes, 3 deployments`, with what the history shows against it.
    pub fn line(&self, newer: &str, older: &str) -> String {
        let mut parts = Vec::new();
        let writes = u64::try_from(self.newer.saturating_sub(self.older)).unwrap_or(0);
        match self.history {
            History::Same { .. } if writes > 0 => parts.push(count(writes, "write", "writes")),
            History::Same { .. } => {}
            History::Parts { at } => parts.push(format!(
                "what {newer} wrote since they diverged (at revision {} or before)",
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
            parts.push(count(rest, "other key", "other keys"));
        }
        if parts.is_empty() && self.back == 0 {
            return format!("choosing {older} instead of {newer} loses nothing: they hold the same keys");
        }
        let lost = if parts.is_empty() { "no key".into() } else { parts.join(", ") };
        let back = match self.back {
            0 => String::new(),
            n => format!("; {} {} back", count(n, "deleted key", "deleted keys"), plural_verb(n)),
        };
        format!("choosing {older} instead of {newer} loses {lost}{back}")
    }
}

fn plural_verb(n: u64) -> &'static str {
    if n == 1 { "comes" } else { "come" }
}

/// `3 deployments`, `1 policy`; a prefix of keys that are not Kubernetes' as `3 keys in /app/`.
fn kind_words(kind: &str, n: u64) -> String {
    if kind.is_empty() || kind.ends_with('/') {
        let place = if kind.is_empty() { String::new() } else { format!(" in {kind}") };
        return count(n, "key", "keys") + &place;
    }
    // services keep their specs next to their endpoints; nodes are still stored under their first name
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
    count(n, &one, many)
}

/// A span of seconds in words: `12 seconds`, `72 minutes`, `5 hours`, `41 days`.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => count(seconds, "second", "seconds"),
        120..=7199 => count(seconds / 60, "minute", "minutes"),
        7200..=172_799 => count(seconds / 3600, "hour", "hours"),
        _ => count(seconds / 86_400, "day", "days"),
    }
}
