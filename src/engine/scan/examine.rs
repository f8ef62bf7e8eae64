//! Reads a whole file and returns what it is and what it contains, as far as that can be determined.

use super::walker::scan;
use crate::{
    domain::model::observations::{Content, FileFacts, Health},
    engine::{
        progress::ProgressFn,
        source::{self, Source, Wrapping},
    },
    error::{Error, ErrorKind, Result},
};

/// Reads a whole file and returns what it is and what it contains. Damage is a result, not an error.
///
/// # Errors
/// Only `Stopped`.
pub fn examine(path: &std::path::Path, watch: &mut ProgressFn<'_>) -> Result<FileFacts> {
    let mut facts = FileFacts { path: path.into(), bytes: 0, modified: None, health: Health::Unread, content: None };
    let outcome = (|| {
        if let Ok(meta) = std::fs::metadata(path) {
            facts.bytes = meta.len();
        }
        // A file that is not a database is reported with the way to extract what is in it.
        let source = Source::open_any(path, watch).map_err(|trouble| match trouble.kind {
            ErrorKind::Input if !trouble.why.is_empty() && !trouble.hint.is_empty() => {
                let why = format!("{}. {}", trouble.why, trouble.hint.trim_end_matches('.'));
                Error { why, hint: String::new(), ..trouble }
            }
            _ => trouble,
        })?;
        (facts.bytes, facts.modified) = (source.given_bytes(), source.modified);
        let view = source.view()?;
        let (digest, walk) = scan(&source, false, watch)?;
        let walk = walk.map_err(|halt| halt.into_trouble(&source))?;
        let damage = walk.damage();
        let limited = walk.acceptable(digest.verified().is_ok());
        let mut warnings = walk.findings.warnings;
        let beyond = digest.extra.as_ref().map(|extra| match digest.trailer {
            Some(_) if digest.verified().is_ok() => extra.sentence(),
            _ => extra.of_no_page(),
        });
        warnings.extend(beyond.filter(|_| source.hole.is_none()));
        warnings.extend(source.hole.map(|hole| hole.words(&source)));
        facts.content = Some(Content {
            sha256: digest.file_sha256.clone(),
            hash: walk.hash,
            revision: walk.last.main,
            keys: walk.keys,
            rows: walk.rows,
            total_bytes: view.used_bytes(),
            members: walk.members,
            warnings,
            snapshot_bytes: (digest.snapshot_bytes < digest.hashed).then_some(digest.snapshot_bytes),
            ..walk.content
        });
        let wrong = digest.is_wrong();
        match (damage, digest.verified()) {
            (Some(_), _) if limited.is_some() && source.wrapping == Wrapping::Plain && !wrong && !source.is_part() => {
                match (limited, source.to_cut(&digest)) {
                    (Some(damage), None) => Ok(Health::Limited(damage)),
                    (damage, cut) => {
                        let why = damage.map(|damage| damage.why).into_iter().chain(cut).collect::<Vec<_>>();
                        Err(Error::new(ErrorKind::Input, why.join("; ")))
                    }
                }
            }
            (Some(damage), _) => Err(Error::new(ErrorKind::Input, damage)),
            (None, Err(why)) if wrong => Err(Error::new(ErrorKind::Input, why)),
            (None, _) if matches!(source.wrapping, Wrapping::Archive { .. }) => Ok(Health::Packed(source.to_restore())),
            (None, _) if source.wrapping != Wrapping::Plain => Err(Error::new(ErrorKind::Input, source.to_restore())),
            (None, _) if source.hole.is_some() => Ok(Health::Packed(source.to_cut(&digest).unwrap_or_default())),
            (None, Ok(())) => Ok(Health::Verified),
            (None, Err(_)) if source.is_part() => Err(Error::new(ErrorKind::Input, source::LEFTOVER)),
            (None, Err(_)) => Ok(Health::Unhashed),
        }
    })();
    facts.health = match outcome {
        Ok(health) => health,
        Err(trouble) if trouble.kind == ErrorKind::Stopped => return Err(trouble),
        Err(trouble) if trouble.why.is_empty() => Health::Broken(trouble.what),
        Err(Error { kind: ErrorKind::Failed, why, hint, .. }) => {
            let way = if hint.is_empty() { hint } else { format!(". {}", hint.trim_end_matches('.')) };
            Health::Unreadable(format!("cannot read it: {why}{way}"))
        }
        Err(trouble) => Health::Broken(trouble.why),
    };
    Ok(facts)
}
