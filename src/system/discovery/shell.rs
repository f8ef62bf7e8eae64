//! Reads the commands of a shell script, as far as possible without running it: words, quotes, variables,
//! `$(hostname)`.
//!
//! Source: POSIX.1-2017, "Shell Command Language", 2.2 to 2.9. What is known only at run time is marked with [`OPEN`].

use std::collections::BTreeMap;

use super::host_names::{Host, OPEN};

/// A simple command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    /// Its words, including `NAME=value` before it; redirections are left out.
    pub words: Vec<String>,
    /// Whether it is always run: no `if`, `||` or loop decides.
    pub always: bool,
}

/// Parses a script. `variables` are those of its environment; assignments in the script apply to what follows them.
pub(super) fn commands(script: &str, variables: &BTreeMap<String, String>, host: &Host) -> Vec<Command> {
    let mut reader = Reader {
        rest: script.chars().collect(),
        at: 0,
        variables: variables.clone(),
        host,
        words: Vec::new(),
        found: Vec::new(),
        depth: 0,
        after_or: false,
    };
    reader.run();
    reader.found
}

struct Reader<'a> {
    rest: Vec<char>,
    at: usize,
    variables: BTreeMap<String, String>,
    host: &'a Host,
    words: Vec<String>,
    found: Vec<Command>,
    /// The nesting depth of `if`, loops and the like.
    depth: usize,
    after_or: bool,
}

/// Shell keywords before a command.
const OPENING: [&str; 5] = ["if", "while", "until", "for", "case"];
const CLOSING: [&str; 3] = ["fi", "done", "esac"];
const BETWEEN: [&str; 7] = ["then", "else", "elif", "do", "!", "{", "}"];

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += usize::from(c.is_some());
        c
    }

    fn run(&mut self) {
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\r' => self.at += 1,
                '\\' if self.rest.get(self.at + 1) == Some(&'\n') => self.at += 2,
                '#' => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                '\n' | ';' | '(' | ')' => {
                    self.at += 1;
                    self.ends();
                    self.after_or = false;
                }
                '&' if self.rest.get(self.at + 1) == Some(&'>') => self.redirection(),
                '&' | '|' => {
                    self.at += 1;
                    let double = self.peek() == Some(c);
                    self.at += usize::from(double);
                    self.ends();
                    self.after_or = c == '|' && double;
                }
                '<' | '>' => self.redirection(),
                _ => self.word(),
            }
        }
        self.ends();
    }

    /// Skips `>FILE`, `2>&1`, `<<<word`: the target is not a word of the command.
    fn redirection(&mut self) {
        while self.peek().is_some_and(|c| "<>&|-".contains(c)) {
            self.at += 1;
        }
        while self.peek().is_some_and(|c| c == ' ' || c == '\t') {
            self.at += 1;
        }
        let before = self.words.len();
        if self.peek().is_some_and(|c| !"\n;|()".contains(c)) {
            self.word();
        }
        self.words.truncate(before);
    }

    /// Reads one word, or several for an unquoted variable with several.
    fn word(&mut self) {
        let (mut word, mut any) = (String::new(), false);
        let mut done: Vec<String> = Vec::new();
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '(' | ')' => break,
                '<' | '>' => {
                    // A number before a redirection is its file descriptor.
                    if !any || !word.chars().all(|c| c.is_ascii_digit()) {
                        break;
                    }
                    self.redirection();
                    return;
                }
                '\'' => {
                    self.at += 1;
                    any = true;
                    while let Some(c) = self.next().filter(|c| *c != '\'') {
                        word.push(c);
                    }
                }
                '"' => {
                    self.at += 1;
                    any = true;
                    self.quoted(&mut word);
                }
                '\\' => {
                    self.at += 1;
                    match self.next() {
                        Some('\n') | None => {}
                        Some(c) => {
                            any = true;
                            word.push(c);
                        }
                    }
                }
                '$' | '`' => {
                    let value = self.expansion();
                    // In an assignment nothing is split.
                    if is_assignment(&word) {
                        word.push_str(&value);
                        any = true;
                        continue;
                    }
                    for (n, part) in value.split(char::is_whitespace).enumerate() {
                        if n > 0 && any {
                            done.push(std::mem::take(&mut word));
                            any = false;
                        }
                        any |= !part.is_empty();
                        word.push_str(part);
                    }
                }
                c => {
                    self.at += 1;
                    any = true;
                    word.push(c);
                }
            }
        }
        self.words.extend(done);
        if any {
            self.words.push(word);
        }
    }

    /// Reads the rest of a text in double quotes.
    fn quoted(&mut self, word: &mut String) {
        while let Some(c) = self.peek() {
            match c {
                '"' => {
                    self.at += 1;
                    return;
                }
                '\\' => {
                    self.at += 1;
                    match self.next() {
                        Some('\n') | None => {}
                        Some(c @ ('$' | '`' | '"' | '\\')) => word.push(c),
                        Some(c) => word.extend(['\\', c]),
                    }
                }
                '$' | '`' => {
                    let value = self.expansion();
                    word.push_str(&value);
                }
                c => {
                    self.at += 1;
                    word.push(c);
                }
            }
        }
    }

    /// Expands `$NAME`, `${NAME}`, `$(command)` or `` `command` ``.
    fn expansion(&mut self) -> String {
        let from = self.at;
        let first = self.next();
        let raw = |reader: &Self| -> String { reader.rest.get(from..reader.at).unwrap_or_default().iter().collect() };
        if first == Some('`') {
            let mut inner = String::new();
            while let Some(c) = self.next().filter(|c| *c != '`') {
                inner.push(c);
            }
            return self.host.printed_by(&inner).unwrap_or_else(|| format!("{OPEN}{}", raw(self)));
        }
        match self.peek() {
            Some('(') => {
                let mut depth = 0usize;
                while let Some(c) = self.next() {
                    depth = if c == '(' { depth + 1 } else { depth - usize::from(c == ')') };
                    if depth == 0 {
                        break;
                    }
                }
                let text = raw(self);
                let inner = text.strip_prefix("$(").and_then(|rest| rest.strip_suffix(')')).unwrap_or_default();
                self.host.printed_by(inner).unwrap_or_else(|| format!("{OPEN}{text}"))
            }
            Some('{') => {
                while self.next().is_some_and(|c| c != '}') {}
                let text = raw(self);
                let inner = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
                let (name, default) = match inner.split_once(":-") {
                    Some((name, default)) => (name, Some(default)),
                    None => (inner, None),
                };
                let plain = |text: &&str| !text.contains(['$', '`', '"', '\'']);
                let value = self.value(name).filter(|value| default.is_none() || !value.is_empty());
                value.or_else(|| default.filter(plain).map(String::from)).unwrap_or_else(|| format!("{OPEN}{text}"))
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
                    self.at += 1;
                }
                let text = raw(self);
                self.value(text.trim_start_matches('$')).unwrap_or_else(|| format!("{OPEN}{text}"))
            }
            // The script's own arguments.
            Some(c) if c.is_ascii_digit() || "@*#?!-$".contains(c) => {
                self.at += 1;
                format!("{OPEN}{}", raw(self))
            }
            _ => "$".into(),
        }
    }

    fn value(&self, name: &str) -> Option<String> {
        let hostname = || self.host.name.clone().filter(|_| name == "HOSTNAME");
        self.variables.get(name).cloned().or_else(hostname)
    }

    /// Ends the command.
    fn ends(&mut self) {
        let mut words = std::mem::take(&mut self.words);
        let mut decided = self.depth > 0 || self.after_or;
        while let Some(first) = words.first() {
            if OPENING.contains(&first.as_str()) {
                self.depth += 1;
                decided = true;
            } else if CLOSING.contains(&first.as_str()) {
                self.depth = self.depth.saturating_sub(1);
            } else if !BETWEEN.contains(&first.as_str()) {
                break;
            }
            words.remove(0);
        }
        if words.is_empty() {
            return;
        }
        let exported = words.first().is_some_and(|word| word == "export");
        let assigns = words.get(usize::from(exported)..).unwrap_or_default();
        if assigns.iter().all(|word| is_assignment(word)) {
            for (name, value) in assigns.iter().filter_map(|word| word.split_once('=')) {
                // The result of an `if` is not known afterwards.
                let value = if decided { format!("{OPEN}${name}") } else { value.to_string() };
                self.variables.insert(name.into(), value);
            }
        }
        self.found.push(Command { words, always: !decided });
    }
}

/// Returns whether a word begins with `NAME=`.
pub(super) fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn host() -> Host {
        Host { here: true, name: Some("h1.example".into()), ..Host::default() }
    }

    fn read(script: &str) -> Vec<(String, bool)> {
        let variables = [("N", "m1"), ("ARGS", "--a=1 --b")].map(|(n, v)| (n.to_string(), v.to_string())).into();
        commands(script, &variables, &host()).into_iter().map(|c| (c.words.join("|"), c.always)).collect()
    }

    #[test]
    fn words_of_commands() {
        for (script, expected) in [
            ("exec etcd --name=$N $ARGS", vec![("exec|etcd|--name=m1|--a=1|--b", true)]),
            ("etcd \"--x=$ARGS\" '--y=$N'", vec![("etcd|--x=--a=1 --b|--y=$N", true)]),
            ("etcd --name ${N}-x \\\n  --d /d 1>>/log 2>&1", vec![("etcd|--name|m1-x|--d|/d", true)]),
            ("etcd >/dev/null &> /x --a", vec![("etcd|--a", true)]),
            ("etcd --name=$(hostname -s) `uname -n`", vec![("etcd|--name=h1|h1.example", true)]),
            ("A=1; export B=$A\netcd --b=$B", vec![("A=1", true), ("export|B=1", true), ("etcd|--b=1", true)]),
            ("if [ -e /x ]; then /x; fi; exec etcd", vec![("[|-e|/x|]", false), ("/x", false), ("exec|etcd", true)]),
            ("a && b || c", vec![("a", true), ("b", true), ("c", false)]),
            ("etcd --z=${Z:-5} --y=${N:-6}", vec![("etcd|--z=5|--y=m1", true)]),
            ("# a comment\nGOMAXPROCS=2 etcd # and another", vec![("GOMAXPROCS=2|etcd", true)]),
            ("echo a\\ b \"c\\\"d\"", vec![("echo|a b|c\"d", true)]),
        ] {
            let expected: Vec<(String, bool)> = expected.into_iter().map(|(w, a)| (w.to_string(), a)).collect();
            assert_eq!(read(script), expected, "{script}");
        }
    }

    #[test]
    fn what_only_a_run_can_tell_is_marked() {
        for script in [
            "etcd --a=$Z",
            "etcd --a=$(date)",
            "etcd --a=`x`",
            "etcd --a=\"${Z}\"",
            "etcd $@",
            "if x; then Z=1; fi; etcd $Z",
        ] {
            assert!(read(script).last().unwrap().0.contains(OPEN), "{script}");
        }
    }

    proptest! {
        #[test]
        fn any_script_ends(script in "[\\\\ a$\"'{}()`&|;<>#=\n-]{0,60}", any: String) {
            let (_, _) = (read(&script), read(&any));
        }
    }
}
