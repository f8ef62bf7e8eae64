//! What a game master types.

use super::Order;

/// A line that was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// Something for the drill.
    Order(Order),
    /// What can be typed.
    Help,
    /// Away; the exercise goes on.
    Quit,
    /// Nothing.
    Empty,
    /// It is none of these; why.
    Unknown(String),
}

/// What can be typed, a line each, with what it does.
pub const WORDS: [(&str, &str); 8] = [
    ("note TEXT", "the trainee reads TEXT at the foot of the screen"),
    ("inject NAME", "let one of the scenario's injects come now"),
    ("act WORDS", "do something else: start m2, stop m2, lose m2, place FILE, fill disk, free disk"),
    ("look", "how things stand"),
    ("goals", "what is reached so far, with what shows it"),
    ("scene", "the story, the injects and the expert's path once more"),
    ("end", "end the exercise; both of you see how it went"),
    ("quit", "leave; the exercise goes on without you"),
];

/// Reads a line.
pub fn read(line: &str) -> Typed {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).map_or((line, ""), |(word, rest)| (word, rest.trim()));
    let with = |order: fn(String) -> Order, what: &str| match rest {
        "" => Typed::Unknown(format!("{word} what? {what}")),
        rest => Typed::Order(order(rest.into())),
    };
    match (word, rest) {
        ("", _) => Typed::Empty,
        ("note" | "say", _) => with(Order::Note, "note TEXT says something to the trainee"),
        ("inject", _) => with(Order::Inject, "inject NAME; scene shows their names"),
        ("act", _) => with(Order::Act, "act stop m2, for one"),
        ("look" | "status", "") => Typed::Order(Order::Look),
        ("goals", "") => Typed::Order(Order::Goals),
        ("scene" | "injects", "") => Typed::Order(Order::Scene),
        ("end", "") => Typed::Order(Order::End),
        ("quit" | "exit" | "q", "") => Typed::Quit,
        ("help" | "?" | "h", "") => Typed::Help,
        _ => Typed::Unknown(format!("{:?} is nothing that can be typed here; help shows what is", super::tame(line))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_as_help_names_it() {
        for (words, _) in WORDS {
            let typed =
                words.replace("TEXT", " look at the  clock ").replace("NAME", "dead-man").replace("WORDS", "stop m2");
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
