//! What other hosts reported about themselves, and what became of starting members there.

use crate::{domain::render::start::HostKnown, error::Error, execute::start::StartOption, tui::widgets::theme::Tone};

/// What other hosts reported, and what became of starting members.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The effect that asks the hosts.
    pub(in crate::tui) asking: Option<u64>,
    /// For which plan they were asked.
    pub(in crate::tui) asked: Option<String>,
    /// What they reported.
    pub known: Vec<HostKnown>,
    /// Why some did not, with the host's name.
    pub(in crate::tui) troubles: Vec<(String, Error)>,
    /// The effect that looks how a member would be started.
    pub(in crate::tui) looking: Option<u64>,
    /// The member that is asked about, and the commands for it.
    pub(in crate::tui) offer: Option<(StartOption, Vec<String>)>,
    /// The effect that starts a member, and its name.
    pub(in crate::tui) starting: Option<(u64, String)>,
    /// What became of members.
    pub(in crate::tui) ended: Vec<(String, String, Tone)>,
}

impl State {
    pub(in crate::tui) fn starting_id(&self) -> Option<u64> {
        self.starting.as_ref().map(|(id, _)| *id)
    }

    pub(in crate::tui) fn ends(&mut self, member: &str, words: String, tone: Tone) {
        self.ended.retain(|(name, ..)| name != member);
        self.ended.push((member.into(), words, tone));
    }
}
