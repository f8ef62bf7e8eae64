//! The commands that the instructor types.

use super::Command;

/// A typed line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// A command for the drill.
    Command(Command),
    /// Show the commands.
    Help,
    /// Disconnect; the exercise continues.
    Quit,
    /// An empty line.
    Empty,
    /// An invalid command, and why.
    Unknown(String),
}

/// The commands, each with its description.
pub const WORDS: [(&str, &str); 8] = [
    ("note TEXT", "show the trainee TEXT at the foot of the screen"),
    ("inject NAME", "trigger one of the scenario's injects now"),
    ("act ACT", "do something else: start m2, stop m2, lose m2, place FILE, fill disk, free disk"),
    ("status", "show the current state"),
    ("goals", "show the objectives, with evidence"),
    ("scene", "show the story, the injects and the expert's path again"),
    ("end", "end the exercise; the debrief is shown to both of you"),
    ("quit", "disconnect; the exercise continues without you"),
];

/// Parses a line.
pub fn read(line: &str) -> Typed {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).map_or((line, ""), |(word, rest)| (word, rest.trim()));
    let with = |command: fn(String) -> Command, what: &str| match rest {
        "" => Typed::Unknown(format!("{word}: something is missing. {what}")),
        rest => Typed::Command(command(rest.into())),
    };
    match (word, rest) {
        ("", _) => Typed::Empty,
        ("note" | "say", _) => with(Command::Note, "Usage: note TEXT"),
        ("inject", _) => with(Command::Inject, "Usage: inject NAME; scene shows the names"),
        ("act", _) => with(Command::Act, "For example: act stop m2"),
        ("look" | "status", "") => Typed::Command(Command::Look),
        ("goals", "") => Typed::Command(Command::Goals),
        ("scene" | "injects", "") => Typed::Command(Command::Scene),
        ("end", "") => Typed::Command(Command::End),
        ("quit" | "exit" | "q", "") => Typed::Quit,
        ("help" | "?" | "h", "") => Typed::Help,
        _ => Typed::Unknown(format!("{:?}: unknown command; help shows the commands", super::tame(line))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_as_help_names_it() {
        for (words, _) in WORDS {
            let typed =
                words.replace("TEXT", " look at the  clock ").replace("NAME", "dead-man").replace("ACT", "stop m2");
            assert!(!matches!(read(&typed), Typed::Unknown(_) | Typed::Empty), "{words}");
        }
        assert_eq!(read("note  look at the  clock "), Typed::Command(Command::Note("look at the  clock".into())));
        assert_eq!(read("inject dead-man\n"), Typed::Command(Command::Inject("dead-man".into())));
        assert_eq!(read("\n"), Typed::Empty);
        for wrong in ["note", "inject ", "act", "end now", "stop m2", "\u{1b}[2J"] {
            let Typed::Unknown(why) = read(wrong) else { panic!("{wrong:?} was read") };
            assert!(!why.contains('\u{1b}'), "{why:?}");
        }
    }
}
