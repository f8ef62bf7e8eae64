//! The member table as it is edited: rows of cells, and every problem of it by cell.

use std::fmt;

pub use crate::domain::members::cell::{Cell, Column, Origin, Row, Suggestion, items, urls};
use crate::etcd::membership::{Id, cluster_id, member_id};
use crate::{
    domain::model::url::{self, Url},
    error::Remedy,
    text::confusables,
};

/// The most members of a table. etcd's documentation advises against more than seven; a file that lists thousands is no
/// cluster's.
pub const MOST_MEMBERS: usize = 100;

/// Whether a problem stops the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth checking; does not stop the plan.
    Warning,
    /// No plan is made while it remains.
    Error,
}

/// What a problem is about, where something depends on that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum About {
    /// What its place says.
    #[default]
    Place,
    /// The cluster token.
    Token,
    /// A required cell is empty.
    Missing,
    /// A filesystem has too little free space.
    Space,
    /// Flags that name certificates.
    Certificates,
    /// A learner of the old cluster.
    Learner,
}

/// One thing that is wrong with the table, at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The row, from 0; `None` when it is about the whole table.
    pub row: Option<usize>,
    /// The column, where it is about one cell.
    pub column: Option<Column>,
    /// Whether it stops the plan.
    pub severity: Severity,
    /// The mistake by name, in a sentence without a full stop.
    pub text: String,
    /// The whole cell's text with the mistake corrected, where that is known.
    pub fix: Option<String>,
    /// True where the sentence names the correction itself.
    pub names_fix: bool,
    /// What it is about.
    pub about: About,
    /// The text to type to override it, where that is possible.
    pub lift: Option<String>,
    /// What to do about it with requorum, for the front ends to word.
    pub remedies: Vec<Remedy>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Problem {
    /// A problem that stops the plan.
    pub fn error(row: Option<usize>, column: Option<Column>, text: impl Into<String>) -> Self {
        Problem {
            row,
            column,
            severity: Severity::Error,
            text: text.into(),
            fix: None,
            names_fix: false,
            about: About::Place,
            lift: None,
            remedies: Vec::new(),
        }
    }

    /// A problem that is worth a look.
    pub fn warning(row: Option<usize>, column: Option<Column>, text: impl Into<String>) -> Self {
        Problem { severity: Severity::Warning, ..Problem::error(row, column, text) }
    }

    /// Sets what it is about.
    #[must_use]
    pub fn about(mut self, about: About) -> Self {
        self.about = about;
        self
    }

    /// Sets whether the sentence names the correction itself.
    #[must_use]
    pub fn naming(mut self, names_fix: bool) -> Self {
        self.names_fix = names_fix;
        self
    }

    /// Adds what to do about it with requorum.
    #[must_use]
    pub fn by(mut self, remedy: Remedy) -> Self {
        self.remedies.push(remedy);
        self
    }

    /// Adds the text to type to override it.
    #[must_use]
    pub fn lifted_by(mut self, lift: Option<String>) -> Self {
        self.lift = lift;
        self
    }

    /// True where no plan is made as long as it is there: it cannot be overridden.
    pub fn is_final(&self) -> bool {
        self.severity == Severity::Error && self.lift.is_none()
    }

    /// Adds the cell's corrected text.
    #[must_use]
    pub fn fixed(mut self, fix: Option<String>) -> Self {
        self.fix = fix;
        self
    }
}

/// Returns the client URLs that are proposed for a row, as a cell: those of [`url::default_clients`]; none while a peer URL is wrong. Where another row is on
/// the same host, which has that port once, the port below each peer port, as in etcd's own examples of several members
/// on one host.
pub fn proposed_clients(rows: &[Row], at: usize) -> String {
    let parsed = |row: &Row, column| urls(row.text(column)).unwrap_or_default();
    let peers = rows.get(at).map(|row| parsed(row, Column::Peer)).unwrap_or_default();
    let usual = url::default_clients(&peers);
    let others = rows.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, row)| row);
    let others: Vec<Url> =
        others.flat_map(|row| [Column::Peer, Column::Client].map(|column| parsed(row, column))).flatten().collect();
    let shares = |url: &Url| others.iter().any(|other| other.place().0 == url.place().0);
    let below: Option<Vec<Url>> = peers
        .iter()
        .filter(|url| !url.scheme.is_unix())
        .map(|url| Some(url.at(&url.host, url.port.checked_sub(1).filter(|port| *port > 0)?)))
        .collect();
    let is_free = |url: &Url| !others.iter().chain(&peers).any(|other| other.place() == url.place());
    let proposed = match below {
        Some(below) if usual.iter().any(shares) && below.iter().all(is_free) => below,
        _ => usual,
    };
    proposed.iter().map(Url::as_str).collect::<Vec<_>>().join(",")
}

/// Returns the names that are more than once in a value of `--initial-cluster`: etcd makes one member of each.
pub fn repeated_names(value: &str) -> Vec<&str> {
    let mut names: Vec<&str> = value.split(',').filter_map(|item| Some(item.split_once('=')?.0.trim())).collect();
    names.sort_unstable();
    let mut twice: Vec<&str> =
        names.windows(2).filter_map(|w| Some(*w.first()?).filter(|a| w.last() == Some(a))).collect();
    twice.dedup();
    twice
}

/// Reads the value of `--initial-cluster` as etcd does: `m1=URL,m1=URL2,m2=URL`. Empty items are
/// passed over, the first `=` separates, a repeated name adds a URL to its row. The URLs
/// themselves are not judged here; [`super::validate::check`] does that by cell. Names are not trimmed by etcd, so a
/// space next to one is a mistake.
///
/// # Errors
/// The first mistake by name, with the whole text corrected where that is known.
pub fn parse_initial_cluster(text: &str) -> Result<Vec<Row>, Problem> {
    let slip = |text: String, fix: Option<String>| Problem::error(None, None, text).fixed(fix);
    // The line end that comes along when a line is pasted is not part of a name.
    let text = text.trim_end_matches(['\n', '\r']);
    for lead in ["--initial-cluster=", "--initial-cluster ", "-initial-cluster=", "ETCD_INITIAL_CLUSTER="] {
        if let Some(rest) = text.trim_start().strip_prefix(lead) {
            let what = format!("{:?} does not belong to the value", lead.trim_end());
            return Err(slip(what, Some(rest.trim().to_string())));
        }
    }
    if text.contains(['"', '\'']) {
        let what = "quotes belong to the shell, not to the value".to_string();
        return Err(slip(what, Some(text.replace(['"', '\''], "").trim().to_string())));
    }
    if let Some(stray) = confusables::find_hidden(text) {
        let fix = Some(confusables::clean(text)).filter(|t| t != text);
        return Err(slip(format!("{} in the text", stray.name), fix));
    }
    let mut rows: Vec<Row> = Vec::new();
    for (at, item) in text.split(',').enumerate().filter(|(_, item)| !item.trim().is_empty()) {
        if rows.len() > MOST_MEMBERS {
            return Err(slip(format!("it has more than {MOST_MEMBERS} members"), None));
        }
        let Some((name, url)) = item.split_once('=') else {
            let item = item.trim();
            let why = if item.contains("://") {
                "a member's second URL repeats its name: NAME=URL,NAME=URL2"
            } else {
                "each item is NAME=URL"
            };
            return Err(slip(format!("{item:?} has no name and no \"=\"; {why}"), None));
        };
        let trimmed = || text.split(',').map(squeezed).collect::<Vec<_>>().join(",");
        if name.trim().is_empty() {
            return Err(slip(format!("the name before {:?} is missing", item.trim()), None));
        }
        if name.starts_with(' ') {
            let place = if at == 0 { "a space at the beginning" } else { "a space after the comma" };
            return Err(slip(format!("{place} makes the name {name:?}"), Some(trimmed())));
        }
        if name.ends_with(' ') {
            return Err(slip(format!("a space before the \"=\" makes the name {name:?}"), Some(trimmed())));
        }
        // `m1=http://a:2380 m2=http://b:2380`: what follows the gap has a name of its own.
        let url = url.trim();
        if let Some((_, next)) = url.split_once([' ', ';']).filter(|(_, next)| next.contains('=')) {
            let fix = text.split([' ', ';', ',']).filter(|t| !t.is_empty()).collect::<Vec<_>>().join(",");
            return Err(slip(format!("a comma is missing before {:?}", next.trim()), Some(fix)));
        }
        match rows.iter_mut().find(|row| row.text(Column::Name) == name) {
            Some(row) => {
                let both = format!("{},{url}", row.text(Column::Peer));
                row.set(Column::Peer, both, Origin::Typed);
            }
            None => {
                rows.push(Row::default().with(Column::Name, name, Origin::Typed).with(Column::Peer, url, Origin::Typed))
            }
        }
    }
    if rows.is_empty() {
        return Err(slip("it has no members; the format is NAME=URL,NAME=URL".into(), None));
    }
    Ok(rows)
}

/// `m1=URL` without spaces around name and URL.
fn squeezed(item: &str) -> String {
    item.split_once('=').map_or(item.trim().to_string(), |(name, url)| format!("{}={}", name.trim(), url.trim()))
}

/// Each row's member ID as it will be (`None` while its peer URLs are wrong), and the cluster's,
/// when all are known.
pub fn ids(rows: &[Row], token: &str) -> (Vec<Option<Id>>, Option<Id>) {
    let ids: Vec<Option<Id>> = rows
        .iter()
        .map(|row| {
            let printed: Vec<String> = urls(row.text(Column::Peer))?.iter().map(|u| u.as_str().to_string()).collect();
            Some(member_id(&printed, token))
        })
        .collect();
    let known: Option<Vec<Id>> = ids.iter().copied().collect();
    let cluster = known.filter(|k| !k.is_empty()).map(|k| cluster_id(&k));
    (ids, cluster)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn pairs(rows: &[Row]) -> Vec<(&str, &str)> {
        rows.iter().map(|r| (r.text(Column::Name), r.text(Column::Peer))).collect()
    }

    #[test]
    fn initial_cluster_is_read_as_etcd_reads_it() {
        for (text, wanted) in [
            ("m1=http://a:2380,m2=http://b:2380", &[("m1", "http://a:2380"), ("m2", "http://b:2380")][..]),
            ("m1=http://a:1,m2=http://b:1,m1=http://a:2", &[("m1", "http://a:1,http://a:2"), ("m2", "http://b:1")]),
            (",m1=http://a:2380,,", &[("m1", "http://a:2380")]),
            ("m1= http://a:2380 \n", &[("m1", "http://a:2380")]),
            ("m1=http:/a:2380", &[("m1", "http:/a:2380")]),
            ("m1=x=y", &[("m1", "x=y")]),
        ] {
            assert_eq!(pairs(&parse_initial_cluster(text).unwrap()), wanted, "{text:?}");
        }
    }

    #[test]
    fn client_urls_of_members_on_one_host() {
        let table = |peers: &[&str]| -> Vec<Row> {
            peers.iter().map(|p| Row::default().with(Column::Peer, *p, Origin::Typed)).collect()
        };
        for (peers, clients) in [
            (&["http://a:2380", "http://b:2380"][..], &["http://a:2379", "http://b:2379"][..]),
            (
                &["http://127.0.0.1:2380", "http://127.0.0.1:2382", "http://127.0.0.1:2384"],
                &["http://127.0.0.1:2379", "http://127.0.0.1:2381", "http://127.0.0.1:2383"],
            ),
            (&["http://[::1]:2380", "http://[::1]:22380"], &["http://[::1]:2379", "http://[::1]:22379"]),
            (&["https://[2001:db8::1]:2380"], &["https://[2001:db8::1]:2379"]),
            // the port below is another member's peer port: nothing better is known
            (&["http://a:2380", "http://a:2381"], &["http://a:2379", "http://a:2379"]),
            (&["http://a:1", "http://a:2"], &["http://a:2379", "http://a:2379"]),
            (&["unix:///s", "http://a:2380"], &["", "http://a:2379"]),
            (&["http:/x", ""], &["", ""]),
        ] {
            let rows = table(peers);
            let made: Vec<String> = (0..rows.len()).map(|at| proposed_clients(&rows, at)).collect();
            assert_eq!(made, clients, "{peers:?}");
        }
    }

    #[test]
    fn slips_of_initial_cluster_by_name() {
        let both = "m1=http://a:2380,m2=http://b:2380";
        let mut messages = Vec::new();
        for (text, fix) in [
            ("m1=http://a:2380, m2=http://b:2380", Some(both)),
            (" m1=http://a:2380,m2=http://b:2380", Some(both)),
            ("m1 =http://a:2380,m2= http://b:2380", Some(both)),
            ("m1=http://a:2380 m2=http://b:2380", Some(both)),
            ("m1=http://a:2380;m2=http://b:2380", Some(both)),
            ("'m1=http://a:2380,m2=http://b:2380'", Some(both)),
            ("--initial-cluster=m1=http://a:2380,m2=http://b:2380", Some(both)),
            ("m1=http://a:2380,\u{200b}m2=http://b:2380", Some(both)),
            ("m1=http://a:2380\u{ff0c}m2=http://b:2380", Some(both)),
            ("m1=http://a:2380,http://b:2380", None),
            ("m1", None),
            ("=http://a:2380", None),
            (" , ", None),
            ("", None),
        ] {
            let problem = parse_initial_cluster(text).unwrap_err();
            messages.push((format!("{text:?}"), problem.text.clone()));
            assert_eq!(problem.fix.as_deref(), fix, "{text:?}");
            if let Some(fix) = fix {
                assert_eq!(pairs(&parse_initial_cluster(fix).unwrap()).len(), 2);
            }
        }
        crate::text::messages::hold("plan-initial-cluster", &messages);
    }

    #[test]
    fn ids_are_known_row_by_row() {
        let table = |peers: &[&str]| -> Vec<Row> {
            peers.iter().map(|p| Row::default().with(Column::Peer, *p, Origin::Typed)).collect()
        };
        let (rows, cluster) =
            ids(&table(&["HTTP://127.0.0.31:2380", "http://127.0.0.32:2380", " http://127.0.0.33:2380"]), "spec-token");
        let shown: Vec<String> = rows.iter().map(|id| id.unwrap().to_string()).collect();
        assert_eq!(shown, ["cfa01bbb22abcc1b", "3c505846437ba852", "bdbc04245f594d01"]);
        assert_eq!(cluster.unwrap().to_string(), "e88e3c40b93f9f54");
        let (rows, cluster) = ids(&table(&["http://127.0.0.31:2380", "http:/x:1", ""]), "spec-token");
        assert_eq!((rows[0].unwrap(), rows[1], rows[2], cluster), (Id(0xcfa0_1bbb_22ab_cc1b), None, None, None));
        assert_eq!(ids(&[], "t"), (vec![], None));
        // The order of one member's URLs does not matter, for etcd sorts them.
        let one = |peers| ids(&table(&[peers]), "t").1;
        assert_eq!(one("http://a:1,http://b:1"), one("http://b:1, http://a:1"));
    }

    proptest! {
        #[test]
        fn rows_come_back_from_their_initial_cluster(names in prop::collection::btree_set("[a-z][a-z0-9.-]{0,5}", 1..5), urls in 1usize..3) {
            let wanted: Vec<(String, String)> = names.iter().map(|n| {
                (n.clone(), (0..urls).map(|u| format!("http://{n}:{}", u + 1)).collect::<Vec<_>>().join(","))
            }).collect();
            let text: Vec<String> =
                wanted.iter().flat_map(|(n, us)| us.split(',').map(move |u| format!("{n}={u}"))).collect();
            let rows = parse_initial_cluster(&text.join(",")).unwrap();
            let got: Vec<(String, String)> = pairs(&rows).into_iter().map(|(n, p)| (n.into(), p.into())).collect();
            prop_assert_eq!(got, wanted);
        }

        #[test]
        fn any_text_parses_or_its_corrections_end(text in "\\PC{0,30}|([m ]{0,2}1?[= ]{0,2}(http://a:1)?[,; ]{0,2}){0,4}") {
            let mut text = text;
            for _ in 0..8 {
                let Err(problem) = parse_initial_cluster(&text) else { return Ok(()) };
                prop_assert!(!problem.text.is_empty());
                let Some(fix) = problem.fix else { return Ok(()) };
                prop_assert_ne!(&fix, &text);
                text = fix;
            }
            prop_assert!(false, "corrections do not end: {text:?}");
        }
    }
}
