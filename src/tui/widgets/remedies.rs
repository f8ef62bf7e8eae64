//! What to do next, in the words of the wizard: steps and keys, and a shell only where the wizard has no key for it.

use crate::{
    domain::members::table::Problem,
    error::{
        Error, Remedy,
        remedy::{clauses, sentences},
    },
    text::number::thousands,
};

/// Returns a remedy as a clause without a capital and a full stop.
fn words(remedy: &Remedy) -> String {
    let from = |from: &Option<String>| from.as_ref().map_or_else(|| "a member".to_string(), String::clone);
    match remedy {
        Remedy::Resume => "press t to resume".into(),
        Remedy::Undo => "press u to roll it back".into(),
        Remedy::FinishOther => "finish the other plan first: `requorum resume JOURNAL` in a shell".into(),
        Remedy::Install => "install it first, on Restore".into(),
        Remedy::MoveAside => "or restore it here: an old member's directory is moved aside under a dated name".into(),
        Remedy::StopEtcds => "Review asks for your consent to run these commands just before the install".into(),
        Remedy::StartByHand => "Launch has the command to start it by hand".into(),
        Remedy::RestoreByHand => {
            "or restore its members by hand: s on Review saves the plan, and `requorum sheet` prints the commands"
                .into()
        }
        Remedy::NameBuild => "or start the wizard again with --agent FILE, a build for it".into(),
        Remedy::AskOldCluster => "inspect the old cluster first: r on Detect asks again".into(),
        Remedy::AskElsewhere => "e takes http://127.0.0.1:2379 there".into(),
        Remedy::AskOneCluster => "e on Detect takes the client URLs of that cluster only".into(),
        Remedy::AskMore => "e on Detect queries others, o on Snapshot opens a snapshot or an old data directory".into(),
        Remedy::SaveSnapshot { from: url } => format!("on Snapshot, Enter on {} saves a snapshot", from(url)),
        Remedy::CompareSnapshots => "on Snapshot, d compares two files".into(),
        Remedy::SaveAndCompare { from: url, with } => {
            format!("to find out: on Snapshot, Enter on {} saves a snapshot, and d compares it with {with}", from(url))
        }
        Remedy::InspectSnapshot => "on Snapshot, i shows what can still be read".into(),
        Remedy::FetchObject { url } => format!("o on Snapshot opens {url}"),
        Remedy::ListObjects { url } => {
            let url = url.as_deref().unwrap_or("s3://BUCKET/PREFIX");
            format!("o on Snapshot takes {url} and lists the objects")
        }
        Remedy::NewToken => "g on Members generates a new one".into(),
        Remedy::BumpRevision => "or set a bump revision on Members".into(),
        Remedy::TakeBump => "x on bump revision, on Members, sets it".into(),
        Remedy::MarkCompacted => "set bump revision and mark compacted on Members together".into(),
        Remedy::RenewPlan => "g on Members generates a new token, for the same plan with new IDs".into(),
        Remedy::RepairClients { from: url, bump, .. } => format!(
            "in a new run of the wizard, save a snapshot from {} on Snapshot, and set bump revision to {} on Members",
            from(url),
            thousands(*bump)
        ),
        Remedy::AcceptUnhashed => "y on Snapshot accepts a file without a checksum".into(),
        Remedy::AcceptDamage { .. } => "Enter on Snapshot asks whether to accept that state".into(),
        Remedy::KeepLearners => "to have learners as voters: learners on Members, or rows of their own".into(),
        Remedy::ClearAlarms => "set clear alarms on Members to leave alarms out".into(),
        Remedy::DisableAuth => "if the password is lost, set disable auth on Members".into(),
        Remedy::FinishDowngrade => "set end downgrade on Members to end the downgrade".into(),
        Remedy::NameVersion => "set etcd version on Members to name the version".into(),
        Remedy::SetVersions => "the option set versions on Members does it".into(),
        Remedy::ReadWhole => "`requorum verify --deep PLAN` in a shell streams it".into(),
        Remedy::LogIn => "start the wizard with --user and --password of root".into(),
    }
}

/// Returns an error's hint and remedies, a line each.
pub(crate) fn advice(error: &Error) -> String {
    error.advice(words)
}

/// Returns the whole error on one line, the hint and the remedies as sentences.
pub(crate) fn on_one_line(error: &Error) -> String {
    Error { hint: advice(error), remedies: Vec::new(), ..error.clone() }.on_one_line()
}

/// Returns a sentence and its remedies.
pub(crate) fn advised(text: &str, remedies: &[Remedy]) -> String {
    sentences(text, remedies, words)
}

/// Returns a problem and its remedies, without a full stop.
pub(crate) fn problem(problem: &Problem) -> String {
    clauses(&problem.text, &problem.remedies, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_remedy_has_words() {
        let all = crate::error::remedy::all();
        let all: Vec<(String, String)> = all.iter().map(|way| (format!("{way:?}"), words(way))).collect();
        let table: Vec<(&str, String)> = all.iter().map(|(way, words)| (way.as_str(), words.clone())).collect();
        crate::text::messages::hold("tui-remedies", &table);
    }
}
