//! The last question before anything is put in place: has the old cluster come back, or been written to, since the
//! snapshot was taken?

use super::facts::{Answer, MemberSays};
use crate::etcd::membership::Id;

/// One member of the old cluster, as it was asked at its client URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The client URL.
    pub url: String,
    /// What it said.
    pub answer: Answer,
}

impl Asked {
    fn says(&self, new: Id) -> Option<&MemberSays> {
        match &self.answer {
            // One that was restored and started by an earlier run of the same plan is no old one.
            Answer::Says(says) if says.cluster_id != new => Some(says),
            _ => None,
        }
    }

    /// Its committed raft index, where it told one.
    pub fn raft_index(&self, new: Id) -> Option<u64> {
        self.says(new).map(|says| says.raft_index).filter(|index| *index > 0)
    }
}

/// Judges what old members say now; `before` are the raft indexes that they told when the first run began, by client URL,
/// and `new` is the ID of the planned cluster.
///
/// # Errors
/// A sentence that names the member, when the plan must not go on.
pub fn judge(before: &[(String, u64)], now: &[Asked], new: Id) -> Result<(), String> {
    for asked in now {
        let Some(says) = asked.says(new) else { continue };
        if says.led() {
            return Err(format!(
                "the old member at {} has a leader again: the old cluster may be serving, and what it was told since would be lost",
                asked.url
            ));
        }
        let known = before.iter().find(|(url, _)| *url == asked.url);
        if let Some((_, index)) = known.filter(|(_, index)| says.raft_index > *index) {
            return Err(format!(
                "the raft index of the old member at {} went from {index} to {}: something was written since",
                asked.url, says.raft_index
            ));
        }
    }
    Ok(())
}

/// What was found, in one sentence: `2 old members asked again: 1 answers without a leader and stands where it stood`.
pub fn summary(now: &[Asked], new: Id) -> String {
    let still = now.iter().filter(|asked| asked.says(new).is_some()).count();
    let asked = match now.len() {
        0 => return "No client URL of the old cluster is known to ask".into(),
        1 => "1 client URL of the old cluster was".to_string(),
        many => format!("{many} client URLs of the old cluster were"),
    };
    match still {
        0 => format!("{asked} asked again: nobody answers"),
        1 => format!("{asked} asked again: 1 member answers, has no leader and stands where it stood"),
        many => format!("{asked} asked again: {many} members answer, have no leader and stand where they stood"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Id = Id(9);

    fn asked(cluster: u64, index: u64, leader: u64) -> Asked {
        let says =
            MemberSays { cluster_id: Id(cluster), raft_index: index, leader: Id(leader), ..MemberSays::default() };
        Asked { url: "http://m2:2379".into(), answer: Answer::Says(Box::new(says)) }
    }

    #[test]
    fn a_leader_or_a_moved_index_stops_and_silence_does_not() {
        let before = [("http://m2:2379".to_string(), 90_114)];
        let silent = Asked {
            url: "http://m1:2379".into(),
            answer: Answer::Silent { why: "connection refused".into(), details: String::new() },
        };
        for (now, word) in [
            (asked(1, 90_114, 0), None),
            (asked(1, 80_000, 0), None),
            (silent, None),
            (asked(9, 99_999, 7), None),
            (asked(1, 90_115, 0), Some("went from 90114 to 90115")),
            (asked(1, 90_114, 7), Some("has a leader again")),
        ] {
            let judged = judge(&before, &[now], NEW);
            match word {
                None => assert_eq!(judged, Ok(())),
                Some(word) => assert!(judged.clone().is_err_and(|why| why.contains(word)), "{judged:?}"),
            }
        }
        // One that was not known before has nothing to be measured by.
        assert_eq!(judge(&[], &[asked(1, 5, 0)], NEW), Ok(()));
    }

    #[test]
    fn in_a_sentence() {
        assert!(summary(&[], NEW).starts_with("No client URL"));
        assert_eq!(summary(&[asked(9, 1, 1)], NEW), "1 client URL of the old cluster was asked again: nobody answers");
        let two = summary(&[asked(1, 1, 0), asked(9, 1, 0)], NEW);
        assert!(two.starts_with("2 client URLs") && two.contains("1 member answers, has no leader"), "{two}");
    }
}
