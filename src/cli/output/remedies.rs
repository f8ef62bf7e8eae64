//! What to do next, in the words of the command line: commands and flags.

use crate::{
    domain::members::table::Problem,
    error::{
        Error, Remedy,
        remedy::{clauses, sentences},
    },
    text::quote::{shell_line, shell_word},
};

/// Returns a remedy as a clause without a capital and a full stop; `file` is the plan or journal, as it is typed.
fn words(remedy: &Remedy, file: Option<&str>) -> String {
    let on = |command: &str| match file {
        Some(file) => format!("`requorum {command} {file}`"),
        None => format!("`requorum {command}`"),
    };
    let save = |to: &str, from: &Option<String>| {
        let from = from.as_deref().map_or_else(|| "--endpoints=URL".into(), |url| format!("--endpoints={url}"));
        format!("`{}`", shell_line(["requorum", "snapshot", "save", to, &from]))
    };
    match remedy {
        Remedy::Resume => format!("{} continues", on("resume")),
        Remedy::Undo => format!("{} rolls it back", on("undo")),
        Remedy::FinishOther => "finish the other plan first: `requorum resume` with that plan's journal".into(),
        Remedy::Install => format!("install it first: {}", on("apply")),
        Remedy::MoveAside => {
            "or use `requorum apply`, which moves an old member's directory aside under a dated name".into()
        }
        Remedy::StopEtcds => "to run these commands just before the directories are moved: `--stop`".into(),
        Remedy::StartByHand => format!("{} prints the command to start it by hand", on("launch")),
        Remedy::RestoreByHand => "or restore its members by hand: `requorum sheet`".into(),
        Remedy::NameBuild => "or name a build for it with `--agent FILE`".into(),
        Remedy::AskOldCluster => "inspect the old cluster first: `requorum probe`".into(),
        Remedy::AskElsewhere => "there: `requorum --endpoints http://127.0.0.1:2379`".into(),
        Remedy::AskOneCluster => "`--endpoints` takes the client URLs of that cluster only".into(),
        Remedy::AskMore => "`--endpoints` queries others, `--snapshot` reads a snapshot, `--data-dir` an old data \
                            directory"
            .into(),
        Remedy::SaveSnapshot { from } => format!("to save a snapshot: {}", save("FILE", from)),
        Remedy::CompareSnapshots => "to compare them: `requorum snapshot compare`".into(),
        Remedy::SaveAndCompare { from, with } => {
            let compare = shell_line(["requorum", "snapshot", "compare", "FILE", with]);
            format!("to find out: {}, then `{compare}`", save("FILE", from))
        }
        Remedy::InspectSnapshot => "`requorum snapshot status` shows what can still be read".into(),
        Remedy::FetchObject { url } => format!("download it first: `requorum snapshot fetch {} FILE`", shell_word(url)),
        Remedy::ListObjects { url } => {
            let url = url.as_deref().map_or_else(|| "s3://BUCKET/PREFIX".into(), shell_word);
            format!("to list the objects: `requorum snapshot list {url}`")
        }
        Remedy::NewToken => "without `--initial-cluster-token`, `requorum plan` generates a new one".into(),
        Remedy::BumpRevision => "or make the plan again with a `--bump-revision`".into(),
        Remedy::TakeBump => "`requorum plan` proposes it".into(),
        Remedy::MarkCompacted => "`--bump-revision` and `--mark-compacted` go together".into(),
        Remedy::RenewPlan => "`requorum plan --again PLAN -o NEW-PLAN` makes the same plan with a new token".into(),
        Remedy::RepairClients { file, from, bump } => {
            let bump = bump.to_string();
            let plan =
                shell_line(["requorum", "plan", "--snapshot", file, "--bump-revision", &bump, "--mark-compacted"]);
            format!("{}, then `{plan}`, and apply that plan", save(file, from))
        }
        Remedy::AcceptUnhashed => "to skip the hash check: `--skip-hash-check`".into(),
        Remedy::AcceptDamage { revision } => format!("to accept that state: `--accept-damage={revision}`"),
        Remedy::KeepLearners => "to have learners as voters: `--keep-learners`, or rows of their own".into(),
        Remedy::ClearAlarms => "`--clear-alarms` leaves alarms out".into(),
        Remedy::DisableAuth => "if the password is lost, `--disable-auth` disables authentication".into(),
        Remedy::FinishDowngrade => "`--finish-downgrade` ends the downgrade".into(),
        Remedy::NameVersion => "`--etcd-version` names the version".into(),
        Remedy::SetVersions => "`--set-version` with `--etcd-version` sets the versions".into(),
        Remedy::ReadWhole => "`--deep` streams it".into(),
        Remedy::LogIn => "give `--user` and `--password` of root".into(),
    }
}

/// Returns an error's hint and remedies, a line each; `file` is the plan or journal, as it is typed.
pub(in crate::cli) fn advice(error: &Error, file: Option<&str>) -> String {
    error.advice(|remedy| words(remedy, file))
}

/// Returns the whole error: what failed and why, then the hint and the remedies on lines of their own.
pub(in crate::cli) fn error(error: &Error) -> String {
    Error { hint: advice(error, None), remedies: Vec::new(), ..error.clone() }.to_string()
}

/// Returns a sentence and its remedies.
pub(in crate::cli) fn advised(text: &str, remedies: &[Remedy]) -> String {
    sentences(text, remedies, |remedy| words(remedy, None))
}

/// Returns a remedy as a sentence.
pub(in crate::cli) fn sentence(remedy: &Remedy) -> String {
    advised("", std::slice::from_ref(remedy))
}

/// Returns a problem and its remedies, without a full stop.
pub(in crate::cli) fn problem(problem: &Problem) -> String {
    clauses(&problem.text, &problem.remedies, |remedy| words(remedy, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_remedy_has_words() {
        let all = crate::error::remedy::all();
        let all: Vec<(String, String)> =
            all.iter().map(|way| (format!("{way:?}"), words(way, Some("plan.yaml")))).collect();
        let table: Vec<(&str, String)> = all.iter().map(|(way, words)| (way.as_str(), words.clone())).collect();
        crate::text::messages::hold("cli-remedies", &table);
    }
}
