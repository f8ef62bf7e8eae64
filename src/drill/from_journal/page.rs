//! Renders a scenario as a file, with comments for the person who edits it.

use super::scene::{Cell, File, ListItem, Scene};
use crate::{
    drill::scenario::VERSION,
    text::columns::{width, wrap},
};

/// The maximum line width.
const WIDTH: usize = 118;

/// Returns the text of the file.
pub(super) fn text(scene: &Scene, name: &str) -> String {
    let mut page = Page(String::new());
    page.head(scene);
    page.line(&format!("version: {VERSION}"));
    page.line(&format!("name: {name}"));
    page.line(&format!("title: {}", quoted(&scene.title)));
    page.line(&format!("# by the number of complications\ndifficulty: {}", scene.difficulty));
    page.line(&format!("minutes: {}", scene.minutes));
    page.comment("Symptoms only, as a pager would report them. Use the style of your own pager, but not its names.");
    page.folded("brief", &scene.brief);
    page.comment("The built-in database (119 keys at revision 274), and generated writes after it.");
    page.line("cluster:");
    for (key, value) in &scene.cluster {
        page.line(&format!("  {key}: {}", cell(value)));
    }
    let states =
        "gone: host and disk are lost; alone: running, without a leader; stopped: its disk is in DIR/old/NAME.etcd";
    page.list(states, "members", &scene.members);
    page.list("Files in DIR/backup.", "backups", &scene.backups);
    page.files(scene);
    page.list(
        "The members of the new cluster; {n1.peer} is the peer URL of a new host.",
        "inventory",
        &scene.inventory,
    );
    page.list("What the trainee can have done at the hosts.", "actions", &scene.actions);
    let meanwhile = "Events during the exercise, each once; an instructor can trigger them at any time.";
    page.list(meanwhile, "injects", &scene.injects);
    if !scene.tips.is_empty() {
        page.comment("Hints that the trainee can ask for, one after the other.");
        page.line("tips:");
    }
    for (step, texts) in &scene.tips {
        page.line(&format!("  {step}:"));
        texts.iter().for_each(|text| page.line(&format!("    - {}", quoted(text))));
    }
    page.list("Hints that are shown as long as a certain mistake is visible.", "hints", &scene.hints);
    page.list("Unsafe acts, which cannot be undone and fail the exercise.", "fails", &scene.fails);
    page.list("The objectives.", "goals", &scene.goals);
    page.comment("The expert's path: what should have been done, even if it was not.");
    page.line("path:");
    for (strides, why) in &scene.path {
        page.strides("  - do:", strides);
        page.line(&format!("    why: {}", quoted(why)));
    }
    page.comment("Wrong ways, which must not pass.");
    page.line("wrong:");
    for (name, strides, because) in &scene.wrong {
        page.line(&format!("  - name: {}", quoted(name)));
        page.strides("    do:", strides);
        page.line(&format!("    because: {}", quoted(because)));
    }
    page.folded("debrief", &scene.debrief);
    page.0
}

struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn comment(&mut self, text: &str) {
        wrap(text, WIDTH - 2).iter().for_each(|line| self.line(&format!("# {}", line.trim_end())));
    }

    fn head(&mut self, scene: &Scene) {
        self.comment(
            "Made by `requorum drill record` from the journal of a real recovery. It has the shape of that recovery and none \
             of its text: every name, address, path, key and number here is invented. Read it before you share it.",
        );
        self.line("#");
        scene.became.iter().for_each(|sentence| self.comment(sentence));
        self.line("#");
        self.comment(
            "Not in the journal, and decided by the simplest assumption; in parentheses, what cannot be practised:",
        );
        scene.assumed.iter().for_each(|what| self.comment(&format!("- {what}")));
        self.line("#");
        self.comment(
            "Check it after every change with `requorum drill check FILE`; `requorum drill new NAME` writes a template that \
             explains every field.",
        );
    }

    fn folded(&mut self, key: &str, text: &str) {
        self.line(&format!("{key}: >-"));
        wrap(text, WIDTH - 2).iter().for_each(|line| self.line(&format!("  {}", line.trim_end())));
    }

    /// Writes a list with a comment above it; nothing if it is empty.
    fn list(&mut self, about: &str, key: &str, entries: &[ListItem]) {
        if entries.is_empty() {
            return;
        }
        self.comment(about);
        self.line(&format!("{key}:"));
        for entry in entries {
            let fields: Vec<String> = entry.iter().map(|(key, value)| format!("{key}: {}", cell(value))).collect();
            let one = format!("  - {{{}}}", fields.join(", "));
            if width(&one) <= WIDTH {
                self.line(&one);
                continue;
            }
            for (at, field) in fields.iter().enumerate() {
                self.line(&format!("  {} {field}", if at == 0 { "-" } else { " " }));
            }
        }
    }

    fn files(&mut self, scene: &Scene) {
        if scene.files.is_empty() {
            return;
        }
        self.comment("Configurations below hosts/MEMBER are found as on a real host.");
        self.line("files:");
        for (path, file, later) in &scene.files {
            let later = if *later { ", later: true" } else { "" };
            match file {
                File::Asset(from) => self.line(&format!("  - {{path: {path}, from: {from}{later}}}")),
                File::Text(text) => {
                    self.line(&format!("  - path: {path}\n    text: |"));
                    text.lines().for_each(|line| self.line(&format!("      {line}")));
                }
            }
        }
    }

    fn strides(&mut self, key: &str, strides: &[String]) {
        let words: Vec<String> = strides.iter().map(|stride| quoted(stride)).collect();
        let one = format!("{key} [{}]", words.join(", "));
        if width(&one) <= WIDTH {
            return self.line(&one);
        }
        self.line(key);
        let indent = key.chars().take_while(|c| *c == ' ' || *c == '-').count() + 2;
        for word in words {
            self.line(&format!("{}- {word}", " ".repeat(indent)));
        }
    }
}

fn cell(value: &Cell) -> String {
    match value {
        Cell::Text(text) => quoted(text),
        Cell::List(texts) => format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ")),
        Cell::Bare(value) => value.clone(),
    }
}

/// Returns text as a YAML scalar, quoted only if necessary.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || " ./_-+=".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let word = !["true", "false", "null", "yes", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str());
    if begins && word && !text.ends_with(' ') && text.chars().all(plain) {
        return text.into();
    }
    serde_json::to_string(text).unwrap_or_default()
}
