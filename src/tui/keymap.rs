//! The one table of keys. Dispatch, the footer and the `?` overlay all read it; nothing else in
//! the program knows which key does what.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::state::key::{Action, Place};
use super::state::step::Step;

/// One key press as the table names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chord {
    code: KeyCode,
    ctrl: bool,
}

const fn key(code: KeyCode) -> Chord {
    Chord { code, ctrl: false }
}

const fn ch(c: char) -> Chord {
    Chord { code: KeyCode::Char(c), ctrl: false }
}

const fn ctrl(c: char) -> Chord {
    Chord { code: KeyCode::Char(c), ctrl: true }
}

impl Chord {
    /// The press of this key.
    pub fn event(self) -> KeyEvent {
        KeyEvent::new(self.code, if self.ctrl { KeyModifiers::CONTROL } else { KeyModifiers::NONE })
    }

    fn is(self, event: KeyEvent) -> bool {
        let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
        let alt = event.modifiers.contains(KeyModifiers::ALT);
        // Shift-Tab arrives as BackTab, with or without its modifier
        event.code == self.code && ctrl == self.ctrl && !alt
    }
}

/// One line of the table.
#[derive(Debug)]
pub struct Binding {
    /// What it does.
    pub action: Action,
    /// The keys that do it.
    pub keys: &'static [Chord],
    /// The keys as the footer and the help name them; empty where another line names them too.
    pub show: &'static str,
    /// A word or two for the footer; empty where the footer leaves it out.
    pub label: &'static str,
    /// A sentence for the help.
    pub help: &'static str,
    /// Where it works.
    pub on: &'static [Place],
}

use Place::{
    AskCanary, AskPaste, AskQuit, AskRehearse, AskStart, AskStop, AskSure, AskToken, AskUnfinished, AskUnhashed,
    Details, Detect, Field, Held, Help, Launch, Members, Menu, Proof, Restore, Review, Snapshot,
};

const STEPS: &[Place] = &[Detect, Snapshot, Members, Review, Restore, Launch, Proof];
const WINDOWS: &[Place] = &[
    Help,
    Details,
    AskQuit,
    AskUnhashed,
    AskStop,
    AskPaste,
    AskCanary,
    AskStart,
    AskRehearse,
    AskUnfinished,
    AskToken,
    AskSure,
    Held,
    Menu,
];
const EVERYWHERE: &[Place] = &[
    Detect,
    Snapshot,
    Members,
    Review,
    Restore,
    Launch,
    Proof,
    Field,
    Help,
    Details,
    AskQuit,
    AskUnhashed,
    AskStop,
    AskPaste,
    AskCanary,
    AskStart,
    AskRehearse,
    AskUnfinished,
    AskToken,
    AskSure,
    Held,
    Menu,
];
const SCROLLS: &[Place] = &[
    Detect,
    Snapshot,
    Members,
    Review,
    Restore,
    Launch,
    Proof,
    Help,
    Details,
    AskPaste,
    AskRehearse,
    AskUnfinished,
    Menu,
];
/// Windows with a question; the answer that changes nothing is selected first.
const QUESTIONS: &[Place] =
    &[AskQuit, AskUnhashed, AskStop, AskPaste, AskCanary, AskStart, AskRehearse, AskToken, AskSure, AskUnfinished];

macro_rules! row {
    ($action:expr, [$($key:expr),+], $show:literal, $label:literal, $help:literal, $on:expr) => {
        Binding { action: $action, keys: &[$($key),+], show: $show, label: $label, help: $help, on: $on }
    };
}

/// The table, in the order in which the footer and the help list it.
#[rustfmt::skip]
pub static TABLE: &[Binding] = &[
    // what the step is for
    row!(Action::Open, [key(KeyCode::Enter)], "⏎", "details", "everything the selected member reported", &[Detect]),
    row!(Action::Open, [key(KeyCode::Enter)], "⏎", "choose", "restore from the selected file; on a member: save a snapshot from it", &[Snapshot]),
    row!(Action::Open, [key(KeyCode::Enter)], "⏎", "edit", "edit the selected cell, or change the selected option", &[Members]),
    row!(Action::Open, [key(KeyCode::Enter)], "⏎", "open, fold", "in the text: open or fold the selected part; on the button below: open the field for the cluster label", &[Review]),
    row!(Action::Open, [key(KeyCode::Enter)], "⏎", "details and log", "everything known about the selected member, and its host's log", &[Restore]),
    row!(Action::TakeFix, [ch('x')], "x", "take fix", "put the proposed correction into the selected cell; on bump revision: set the proposed amount, or 0 where one is set", &[Members]),
    row!(Action::Other, [ch('o')], "o", "other source", "put the next source's value into the selected cell; press again for another (≠ marks cells where sources differ)", &[Members]),
    row!(Action::AskAgain, [ch('r')], "r", "ask again", "ask every member again", &[Detect]),
    row!(Action::Endpoints, [ch('e')], "e", "endpoints", "type the client URLs to ask, separated by commas", &[Detect]),
    row!(Action::Cluster, [ch('c')], "c", "cluster", "choose the cluster to restore, where several were seen; press again for the next one", &[Detect]),
    row!(Action::Unfinished, [ch('u')], "u", "earlier run", "show the restore of an earlier run that is not complete, or not verified", &[Detect]),
    row!(Action::Gone, [ch('g')], "g", "gone", "mark the selected silent member as gone for good (asks first); g again unmarks it", &[Detect]),
    row!(Action::Agree, [ch('y')], "y", "take unhashed", "accept the selected file without a checksum (asks first)", &[Snapshot]),
    row!(Action::Details, [ch('i')], "i", "inspect", "everything known about the selected source", &[Snapshot]),
    row!(Action::Compare, [ch('d')], "d", "compare", "compare two files, which writes and keys would be lost: select the first and press d, then the second and press d", &[Snapshot]),
    row!(Action::OpenFile, [ch('o')], "o", "open file", "type the path of a snapshot, or of a directory to search", &[Snapshot]),
    row!(Action::AskAgain, [ch('r')], "r", "search again", "search the same places again", &[Snapshot]),
    row!(Action::StopWork, [ch('c')], "c", "cancel", "stop saving the snapshot (what was received is removed), or comparing", &[Snapshot]),
    row!(Action::LookAtHosts, [ch('r')], "r", "check hosts", "connect to every host in the table and check whether it is ready for its members; nothing is written there", &[Members]),
    row!(Action::Details, [ch('i')], "i", "host", "everything known about the selected row's host", &[Members]),
    row!(Action::FillHosts, [ch('f')], "f", "fill hosts", "put root@HOST (or the user of another row) into the rows whose peer URL is not this machine", &[Members]),
    row!(Action::Add, [ch('+'), ch('a')], "+", "add", "add a member", &[Members]),
    row!(Action::Remove, [ch('-'), key(KeyCode::Delete)], "-", "remove", "remove the selected member from the table (u undoes it)", &[Members]),
    row!(Action::Undo, [ch('u')], "u", "undo", "undo the last change to the table", &[Members]),
    row!(Action::PasteCluster, [ch('p')], "p", "paste cluster", "type or paste an --initial-cluster value; it replaces names and peer URLs. A paste on the step itself, of that or of etcdctl member list, asks first", &[Members]),
    row!(Action::FreshToken, [ch('g')], "g", "new token", "generate a new cluster token (asks first)", &[Members]),
    row!(Action::Label, [ch('l')], "l", "label", "change what this cluster is called here; it is what you type to confirm", &[Detect, Members]),
    row!(Action::Rehearse, [ch('d')], "d", "dry run", "build and verify every member in staging, run the final check, and remove what was built (asks first)", &[Review]),
    row!(Action::Closer, [ch('c')], "c", "look closer", "copy requorum briefly to hosts where an etcd runs, to find out how to stop it", &[Review]),
    row!(Action::Details, [ch('i')], "i", "hosts", "everything known about every host", &[Review]),
    row!(Action::SavePlan, [ch('s')], "s", "save plan", "write the plan to a new file, to apply it elsewhere or later", &[Review]),
    row!(Action::AskAgain, [ch('r')], "r", "ask again", "check the hosts again, and whether an old member still answers", &[Review]),
    row!(Action::Retry, [ch('t')], "t", "resume", "resume the same plan from its first incomplete step", &[Restore]),
    row!(Action::Details, [ch('e')], "e", "what now", "the whole error of the selected member, with what to do", &[Restore]),
    row!(Action::Undo, [ch('u')], "u", "roll back", "put the previous data directories back (asks for the label)", &[Restore]),
    row!(Action::StopWork, [ch('c')], "c", "stop", "stop at the next safe point (asks first)", &[Restore]),
    row!(Action::Open, [key(KeyCode::Enter)], "⏎", "notes", "everything to know about the selected command", &[Launch]),
    row!(Action::Copy, [ch('y')], "y", "copy", "copy what is shown: by tmux inside tmux, else by your terminal (OSC 52)", &[Launch]),
    row!(Action::Right, [key(KeyCode::Right), ch('l')], "←→", "format", "start format: shell, systemd, environment file, etcd.conf.yml, containers, static pod", &[Launch]),
    row!(Action::Left, [key(KeyCode::Left), ch('h')], "", "", "", &[Launch]),
    row!(Action::WriteSheet, [ch('w')], "w", "save all", "save what is shown, for all members, to a new file", &[Launch]),
    row!(Action::Runbook, [ch('p')], "p", "runbook", "save the whole recovery as a Markdown runbook with check boxes", &[Launch]),
    row!(Action::StartMember, [ch('s')], "s", "start", "start the selected member with what starts etcd on its host: systemd, or its parked static pod (asks first)", &[Launch]),
    row!(Action::Canary, [ch('c')], "c", "write a key", "put one key, read it through each member and delete it (asks first)", &[Proof]),
    row!(Action::AskAgain, [ch('r')], "r", "ask again", "watch the members again", &[Proof]),
    row!(Action::Open, [key(KeyCode::Enter)], "⏎", "details", "the full result, with each command on one line", &[Proof]),
    row!(Action::Filter, [ch('/')], "/", "filter", "show only the lines that contain a text; Esc shows all again", &[Detect, Snapshot, Members, Review]),
    // the way through
    row!(Action::Next, [ch('n')], "n", "next", "go to the next step; where that is not possible yet, say why", &[Detect, Snapshot, Members, Review, Restore, Launch]),
    row!(Action::Back, [key(KeyCode::Esc), ch('b')], "Esc", "back", "go back; nothing typed is lost (or b)", &[Detect, Snapshot, Members, Review, Restore, Launch, Proof]),
    row!(Action::Note, [ch('!')], "!", "hint", "ask the coach for a hint", STEPS),
    row!(Action::Help, [ch('?'), key(KeyCode::F(1))], "?", "help", "this list", STEPS),
    row!(Action::Quit, [ch('q')], "q", "quit", "quit (asks first)", STEPS),
    // moving about
    row!(Action::Up, [key(KeyCode::Up), ch('k')], "↑↓", "select", "select the line above or below", STEPS),
    row!(Action::Up, [key(KeyCode::Up), ch('k')], "↑↓", "scroll", "scroll", &[Help, Details, AskPaste, AskRehearse, AskUnfinished]),
    row!(Action::Up, [key(KeyCode::Up), ch('k')], "↑↓", "select", "select the line above or below", &[Menu]),
    row!(Action::Down, [key(KeyCode::Down), ch('j')], "", "", "", SCROLLS),
    row!(Action::FocusNext, [key(KeyCode::Tab)], "Tab", "", "to the buttons at the foot and back, Shift-Tab the other way (on Members: the next cell first)", STEPS),
    row!(Action::FocusBefore, [key(KeyCode::BackTab)], "", "", "", STEPS),
    row!(Action::Menu, [ch(' ')], "Space", "", "all actions of this step in a list, for arrows and Enter", STEPS),
    row!(Action::Left, [key(KeyCode::Left), ch('h')], "←→", "cell", "select the next or previous cell (or Tab and Shift-Tab)", &[Members]),
    row!(Action::Right, [key(KeyCode::Right)], "", "", "", &[Members]),
    row!(Action::Left, [key(KeyCode::Left)], "", "", "", &[Detect, Snapshot, Review, Restore, Proof]),
    row!(Action::Right, [key(KeyCode::Right)], "", "", "", &[Detect, Snapshot, Review, Restore, Proof]),
    row!(Action::PageUp, [key(KeyCode::PageUp)], "PgUp PgDn", "", "a page up or down", SCROLLS),
    row!(Action::PageDown, [key(KeyCode::PageDown)], "", "", "", SCROLLS),
    row!(Action::PageDown, [ch(' ')], "", "", "", &[Help, Details, AskPaste, AskRehearse, AskUnfinished]),
    row!(Action::First, [key(KeyCode::Home)], "Home End", "", "the first, the last", SCROLLS),
    row!(Action::Last, [key(KeyCode::End)], "", "", "", SCROLLS),
    row!(Action::Step(1), [ch('1')], "1 … 7", "", "go to that step, as far as the earlier steps allow", STEPS),
    row!(Action::Step(2), [ch('2')], "", "", "", STEPS),
    row!(Action::Step(3), [ch('3')], "", "", "", STEPS),
    row!(Action::Step(4), [ch('4')], "", "", "", STEPS),
    row!(Action::Step(5), [ch('5')], "", "", "", STEPS),
    row!(Action::Step(6), [ch('6')], "", "", "", STEPS),
    row!(Action::Step(7), [ch('7')], "", "", "", STEPS),
    // the text field
    row!(Action::Submit, [key(KeyCode::Enter)], "⏎", "accept", "accept what was typed", &[Field]),
    row!(Action::SubmitNext, [key(KeyCode::Tab)], "Tab", "next cell", "accept it and edit the next cell", &[Field]),
    row!(Action::TakeFixTyping, [ctrl('x'), key(KeyCode::Down)], "↓", "take fix", "put the proposed correction into the field", &[Field]),
    row!(Action::Leave, [key(KeyCode::Esc)], "Esc", "leave it", "close the field and change nothing", &[Field]),
    // windows
    row!(Action::Yes, [ch('y'), ch('q')], "y", "yes, quit", "quit", &[AskQuit]),
    row!(Action::Yes, [ch('y')], "y", "yes, accept it", "accept the file", &[AskUnhashed]),
    row!(Action::Yes, [ch('y')], "y", "yes, replace", "replace the table (u undoes it)", &[AskPaste]),
    row!(Action::Yes, [ch('y')], "y", "yes, do it", "do it", &[AskSure]),
    row!(Action::Yes, [ch('y')], "y", "yes, a new one", "generate a new token", &[AskToken]),
    row!(Action::Yes, [key(KeyCode::Enter)], "⏎", "continue", "do what was asked for, once it is possible", &[Held]),
    row!(Action::Close, [key(KeyCode::Esc)], "Esc", "close", "close the window; work in progress continues", &[Held]),
    row!(Action::Yes, [ch('y')], "y", "yes, dry run", "build and verify, then remove what was built", &[AskRehearse]),
    row!(Action::Yes, [ch('y')], "y", "resume it", "resume the earlier run", &[AskUnfinished]),
    row!(Action::Yes, [ch('y')], "y", "yes, stop", "stop at the next safe point", &[AskStop]),
    row!(Action::Yes, [ch('y')], "y", "yes, start it", "run the command", &[AskStart]),
    row!(Action::Yes, [ch('y')], "y", "yes, write it", "write the key", &[AskCanary]),
    row!(Action::Close, [key(KeyCode::Esc), ch('n')], "n", "no, stay", "stay", &[AskQuit, AskUnhashed, AskStop, AskPaste, AskCanary, AskStart, AskRehearse, AskToken, AskSure]),
    row!(Action::Close, [key(KeyCode::Esc), ch('n')], "n", "leave it", "leave it as it is", &[AskUnfinished]),
    row!(Action::Decide, [key(KeyCode::Enter)], "", "", "", QUESTIONS),
    row!(Action::Toggle, [key(KeyCode::Tab), key(KeyCode::BackTab), key(KeyCode::Left), key(KeyCode::Right)], "Tab", "other answer", "select the other answer", QUESTIONS),
    row!(Action::Yes, [key(KeyCode::Enter)], "⏎", "do it", "do what is selected", &[Menu]),
    row!(Action::Close, [key(KeyCode::Esc), ch(' ')], "Esc", "close", "close", &[Menu]),
    row!(Action::Close, [key(KeyCode::Esc), key(KeyCode::Enter), ch('q'), ch('?')], "Esc", "close", "close", &[Help, Details]),
    row!(Action::Interrupt, [ctrl('c')], "Ctrl-C", "", "quit (asks once, then quits)", EVERYWHERE),
    row!(Action::Suspend, [ctrl('z')], "Ctrl-Z", "", "suspend; `fg` resumes", EVERYWHERE),
];

/// The character that a key types, where it types one.
pub fn letter(event: KeyEvent) -> Option<char> {
    let plain = !event.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    match event.code {
        KeyCode::Char(c) if plain => Some(c),
        _ => None,
    }
}

/// The character that a key types together with Alt.
pub fn alt_letter(event: KeyEvent) -> Option<char> {
    match event.code {
        KeyCode::Char(c) if event.modifiers == KeyModifiers::ALT => Some(c),
        _ => None,
    }
}

impl Binding {
    /// Whether a character by itself is one of its keys.
    pub fn is_letter(&self, letter: char) -> bool {
        self.keys.iter().any(|chord| *chord == ch(letter))
    }
}

/// Whether a character by itself is a key at `place`.
pub fn is_key(place: Place, letter: char) -> bool {
    lookup(place, KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE)).is_some()
}

/// The line of the table that answers `event` at `place`.
pub fn lookup(place: Place, event: KeyEvent) -> Option<&'static Binding> {
    TABLE.iter().find(|b| b.on.contains(&place) && b.keys.iter().any(|k| k.is(event)))
}

/// Why nothing happened: where the key does work, for a key that is on the table for other steps.
pub fn elsewhere(place: Place, event: KeyEvent) -> Option<String> {
    if WINDOWS.contains(&place) || place == Field {
        return None;
    }
    let here = |b: &&Binding| b.keys.iter().any(|k| k.is(event)) && b.on.iter().all(|p| STEPS.contains(p));
    let Some(binding) = TABLE.iter().filter(|b| !b.show.is_empty()).find(here) else {
        return letter(event)
            .map(|c| format!("{} does nothing here. Space lists what can be done.", c.escape_default()));
    };
    let steps: Vec<String> = binding.on.iter().filter_map(|p| Some(step(*p)?.title().to_string())).collect();
    let what = if binding.label.is_empty() { binding.help } else { binding.label };
    Some(format!("{} ({what}) works on {}, not here.", binding.show, crate::text::join::all(&steps)))
}

/// The step that a place is.
fn step(place: Place) -> Option<Step> {
    Some(match place {
        Detect => Step::Detect,
        Snapshot => Step::Snapshot,
        Members => Step::Members,
        Review => Step::Review,
        Restore => Step::Restore,
        Launch => Step::Launch,
        Proof => Step::Proof,
        _ => return None,
    })
}

/// All lines of the table that work at `place`, in order.
pub fn bindings_for(place: Place) -> impl Iterator<Item = &'static Binding> {
    TABLE.iter().filter(move |b| b.on.contains(&place))
}

/// Where a selection lands.
pub(in crate::tui) fn moved(at: usize, action: Action, count: usize) -> usize {
    const PAGE: usize = 8;
    let to = match action {
        Action::Up => at.saturating_sub(1),
        Action::Down => at.saturating_add(1),
        Action::PageUp => at.saturating_sub(PAGE),
        Action::PageDown => at.saturating_add(PAGE),
        Action::First => 0,
        Action::Last => usize::MAX,
        _ => at,
    };
    to.min(count.saturating_sub(1))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_in_one_place() {
        for place in EVERYWHERE {
            let mut seen: Vec<(Chord, Action)> = Vec::new();
            for binding in bindings_for(*place) {
                for chord in binding.keys {
                    let twice = seen.iter().find(|(c, _)| c == chord);
                    assert!(twice.is_none(), "{place:?}: {chord:?} is {:?} and {twice:?}", binding.action);
                    seen.push((*chord, binding.action));
                }
            }
        }
    }

    #[test]
    fn plain_keys_reach_everything_without_ctrl() {
        let q = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        assert_eq!(lookup(Place::Detect, q).unwrap().action, Action::Quit);
        let ctrl_q = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::CONTROL);
        assert!(lookup(Place::Detect, ctrl_q).is_none());
        assert!(lookup(Place::Field, q).is_none(), "letters belong to the field");
    }

    #[test]
    fn another_steps_key_says_where_it_works() {
        let t = KeyEvent::new(KeyCode::Char('t'), KeyModifiers::NONE);
        crate::text::messages::hold("tui-key-elsewhere", &[("t on Detect", elsewhere(Place::Detect, t).unwrap())]);
        assert_eq!(elsewhere(Place::Field, t), None);
    }
}
