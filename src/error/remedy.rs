//! What to do after an error, a problem or a verdict, as a value: each front end puts it into its own words, a command or
//! a key (`cli/output/remedies.rs`, `tui/widgets/remedies.rs`).

use serde::{Deserialize, Serialize};

use crate::text::{escape, join};

/// A next step, which each front end names in its own terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// Resume the run.
    Resume,
    /// Roll the run back.
    Undo,
    /// Resume the unfinished run of another plan first.
    FinishOther,
    /// Install the member first.
    Install,
    /// Apply the plan instead, which moves an old member's directory aside.
    MoveAside,
    /// Consent to stopping the etcds that run on members' directories.
    StopEtcds,
    /// Start the member by hand.
    StartByHand,
    /// Restore members by hand.
    RestoreByHand,
    /// Name a build of requorum that runs on the host.
    NameBuild,
    /// Ask the old cluster again before anything else.
    AskOldCluster,
    /// Ask from a host that reaches the client ports.
    AskElsewhere,
    /// Ask the members of one cluster only.
    AskOneCluster,
    /// Ask more members, and give a snapshot or an old data directory.
    AskMore,
    /// Save a snapshot.
    SaveSnapshot {
        /// The client URL of the member to save it from, where that is known.
        from: Option<String>,
    },
    /// Compare snapshots.
    CompareSnapshots,
    /// Save a snapshot from what serves, and compare it with a file.
    SaveAndCompare {
        /// The client URL of the member to save it from, where that is known.
        from: Option<String>,
        /// The file to compare it with.
        with: String,
    },
    /// Inspect a snapshot file: what can still be read of it.
    InspectSnapshot,
    /// Download an object first.
    FetchObject {
        /// Its URL.
        url: String,
    },
    /// List the objects of a store.
    ListObjects {
        /// The bucket and prefix, where they are known.
        url: Option<String>,
    },
    /// Make the plan with a new token.
    NewToken,
    /// Make the plan with a revision bump.
    BumpRevision,
    /// Make the plan with the revision bump that is proposed.
    TakeBump,
    /// Bump together with marking the skipped revisions compacted.
    MarkCompacted,
    /// Make the plan again.
    RenewPlan,
    /// Restore a snapshot of the running cluster with a large bump.
    RepairClients {
        /// The file to save it to.
        file: String,
        /// The client URL of a member.
        from: Option<String>,
        /// The bump.
        bump: u64,
    },
    /// Accept a file without a checksum.
    AcceptUnhashed,
    /// Accept the damage of a file.
    AcceptDamage {
        /// The revision up to which the file is intact.
        revision: i64,
    },
    /// Keep the snapshot's learners, as voters.
    KeepLearners,
    /// Leave the alarms out.
    ClearAlarms,
    /// Disable authentication.
    DisableAuth,
    /// End the downgrade.
    FinishDowngrade,
    /// Name the etcd version that will start.
    NameVersion,
    /// Set the versions in the snapshot for the etcd version that will start.
    SetVersions,
    /// Verify by streaming the whole database.
    ReadWhole,
    /// Ask as a user who may read all.
    LogIn,
}

impl Remedy {
    /// Returns it with the texts of another machine escaped and cut.
    #[must_use]
    pub fn escaped(self) -> Remedy {
        let line = |text: String| escape::line(&text);
        match self {
            Remedy::SaveSnapshot { from } => Remedy::SaveSnapshot { from: from.map(line) },
            Remedy::SaveAndCompare { from, with } => Remedy::SaveAndCompare { from: from.map(line), with: line(with) },
            Remedy::FetchObject { url } => Remedy::FetchObject { url: line(url) },
            Remedy::ListObjects { url } => Remedy::ListObjects { url: url.map(line) },
            Remedy::RepairClients { file, from, bump } => {
                Remedy::RepairClients { file: line(file), from: from.map(line), bump }
            }
            other => other,
        }
    }
}

/// Returns `text` and the remedies as sentences after it. `words` returns a remedy as a front end words it: a clause
/// without a capital and a full stop.
pub fn sentences(text: &str, remedies: &[Remedy], words: impl Fn(&Remedy) -> String) -> String {
    // A key has one letter, and another case would be another key.
    let capital = |words: String| if words.chars().nth(1) == Some(' ') { words } else { join::capital(&words) };
    let each = remedies.iter().map(|remedy| join::sentence(&capital(words(remedy))));
    let text = if remedies.is_empty() { text.to_string() } else { join::sentence(text) };
    std::iter::once(text).filter(|text| !text.is_empty()).chain(each).collect::<Vec<_>>().join(" ")
}

/// Returns `text` and the remedies as clauses after it, for a text without a full stop.
pub fn clauses(text: &str, remedies: &[Remedy], words: impl Fn(&Remedy) -> String) -> String {
    std::iter::once(text.to_string()).chain(remedies.iter().map(words)).collect::<Vec<_>>().join("; ")
}

/// For tests: one value of each variant, by a `match` that does not compile without all of them.
#[cfg(test)]
pub(crate) fn all() -> Vec<Remedy> {
    use Remedy::*;
    let url = || "http://10.0.0.1:2379".to_string();
    let object = || "s3://backups/etcd/".to_string();
    let after = |last: Option<&Remedy>| {
        Some(match last {
            None => Resume,
            Some(Resume) => Undo,
            Some(Undo) => FinishOther,
            Some(FinishOther) => Install,
            Some(Install) => MoveAside,
            Some(MoveAside) => StopEtcds,
            Some(StopEtcds) => StartByHand,
            Some(StartByHand) => RestoreByHand,
            Some(RestoreByHand) => NameBuild,
            Some(NameBuild) => AskOldCluster,
            Some(AskOldCluster) => AskElsewhere,
            Some(AskElsewhere) => AskOneCluster,
            Some(AskOneCluster) => AskMore,
            Some(AskMore) => SaveSnapshot { from: None },
            Some(SaveSnapshot { from: None }) => SaveSnapshot { from: Some(url()) },
            Some(SaveSnapshot { from: Some(_) }) => CompareSnapshots,
            Some(CompareSnapshots) => SaveAndCompare { from: Some(url()), with: "/srv/a b.db".into() },
            Some(SaveAndCompare { .. }) => InspectSnapshot,
            Some(InspectSnapshot) => FetchObject { url: object() + "a.db" },
            Some(FetchObject { .. }) => ListObjects { url: None },
            Some(ListObjects { url: None }) => ListObjects { url: Some(object()) },
            Some(ListObjects { url: Some(_) }) => NewToken,
            Some(NewToken) => BumpRevision,
            Some(BumpRevision) => TakeBump,
            Some(TakeBump) => MarkCompacted,
            Some(MarkCompacted) => RenewPlan,
            Some(RenewPlan) => RepairClients { file: "prod.db".into(), from: Some(url()), bump: 1_000_000_000 },
            Some(RepairClients { .. }) => AcceptUnhashed,
            Some(AcceptUnhashed) => AcceptDamage { revision: 7 },
            Some(AcceptDamage { .. }) => KeepLearners,
            Some(KeepLearners) => ClearAlarms,
            Some(ClearAlarms) => DisableAuth,
            Some(DisableAuth) => FinishDowngrade,
            Some(FinishDowngrade) => NameVersion,
            Some(NameVersion) => SetVersions,
            Some(SetVersions) => ReadWhole,
            Some(ReadWhole) => LogIn,
            Some(LogIn) => return None,
        })
    };
    std::iter::successors(after(None), |last| after(Some(last))).collect()
}
