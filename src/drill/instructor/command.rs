//! The commands that the instructor types.

use super::Order;

/// A typed line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// A command for the drill.
    Order(Order),
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
    let with = |order: fn(String) -> Order, what: &str| match rest {
        "" => Typed::Unknown(format!("{word}: something is missing. {what}")),
        rest => Typed::Order(order(rest.into())),
    };
    match (word, rest) {
        ("", _) => Typed::Empty,
        ("note" | "say", _) => with(Order::Note, "Usage: note TEXT"),
        ("inject", _) => with(Order::Inject, "Usage: inject NAME; scene shows the names"),
        ("act", _) => with(Order::Act, "For example: act stop m2"),
        ("look" | "status", "") => Typed::Order(Order::Look),
        ("goals", "") => Typed::Order(Order::Goals),
        ("scene" | "injects", "") => Typed::Order(Order::Scene),
        ("end", "") => Typed::Order(Order::End),
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
        assert_eq!(read("note  look at the  clock "), Typed::Order(Order::Note("look at the  clock".into())));
        assert_eq!(read("inject dead-man\n"), Typed::Order(Order::Inject("dead-man".into())));
        assert_eq!(read("\n"), Typed::Empty);
        for wrong in ["note", "inject ", "act", "end now", "stop m2", "\u{1b}[2J"] {
            let Typed::Unknown(why) = read(wrong) else { panic!("{wrong:?} was read") };
            assert!(!why.contains('\u{1b}'), "{why:?}");
        }
    }
}
