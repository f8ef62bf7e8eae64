//! A scenario's file, as somebody would write it who explains it to the next one who edits it.

use super::scene::{Cell, File, ListItem, Scene};
use crate::{
    drill::scenario::VERSION,
    text::columns::{width, wrap},
};

/// The last column of a line.
const WIDTH: usize = 118;

/// The file's text.
pub(super) fn text(scene: &Scene, name: &str) -> String {
    let mut page = Page(String::new());
    page.head(scene);
    page.line(&format!("version: {VERSION}"));
    page.line(&format!("name: {name}"));
    page.line(&format!("title: {}", quoted(&scene.title)));
    page.line(&format!("# by what has to be seen and done beyond the plain road\ndifficulty: {}", scene.difficulty));
    page.line(&format!("minutes: {}", scene.minutes));
    page.comment("Symptoms only, as a pager would tell them. Tell them as your own pager does, without its names.");
    page.folded("brief", &scene.brief);
    page.comment("The built-in database (119 keys at revision 274), and writes that are made up behind it.");
    page.line("cluster:");
    for (key, value) in &scene.cluster {
        page.line(&format!("  {key}: {}", cell(value)));
    }
    let states =
        "gone: host and disk are lost; alone: it runs and knows no leader; stopped: its disk is in DIR/old/NAME.etcd";
    page.list(states, "members", &scene.members);
    page.list("Files in DIR/backup.", "backups", &scene.backups);
    page.files(scene);
    page.list("Who shall be in the new cluster; {n1.peer} is a new host's address.", "inventory", &scene.inventory);
    page.list("What can be done at the hosts, through the coach.", "hands", &scene.hands);
    let meanwhile = "What happens meanwhile, once; a game master can let it come at any time.";
    page.list(meanwhile, "injects", &scene.injects);
    if !scene.tips.is_empty() {
        page.comment("Hints for those who ask, one after the other.");
        page.line("tips:");
    }
    for (step, texts) in &scene.tips {
        page.line(&format!("  {step}:"));
        texts.iter().for_each(|text| page.line(&format!("    - {}", quoted(text))));
    }
    page.list("For those who make a certain mistake, as long as it shows.", "hints", &scene.hints);
    page.list("What cannot be undone.", "fails", &scene.fails);
    page.list("What must have come of it.", "goals", &scene.goals);
    page.comment("The expert's path: what should have been done, also where it was not.");
    page.line("path:");
    for (strides, why) in &scene.path {
        page.strides("  - do:", strides);
        page.line(&format!("    why: {}", quoted(why)));
    }
    page.comment("Ways that must not lead there.");
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
            "Made by `requorum drill record` from the journal of a real recovery. It holds the shape of that recovery and none \
             of its words: every name, address, path, key and number here is made up. Read it before you share it.",
        );
        self.line("#");
        scene.became.iter().for_each(|sentence| self.comment(sentence));
        self.line("#");
        self.comment(
            "Not in the journal, and decided by the simplest assumption; in brackets, what cannot be practised:",
        );
        scene.assumed.iter().for_each(|what| self.comment(&format!("- {what}")));
        self.line("#");
        self.comment(
            "`requorum drill check FILE` proves it after every change; `requorum drill new NAME` writes a template in which \
             every field is explained.",
        );
    }

    fn folded(&mut self, key: &str, text: &str) {
        self.line(&format!("{key}: >-"));
        wrap(text, WIDTH - 2).iter().for_each(|line| self.line(&format!("  {}", line.trim_end())));
    }

    /// A list below what is to be known of it; nothing where it is empty.
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

/// Text as YAML takes it anywhere, in quotes only where it must be.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || " ./_-+=".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let word = !["true", "false", "null", "yes", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str());
    if begins && word && !text.ends_with(' ') && text.chars().all(plain) {
        return text.into();
    }
    serde_json::to_string(text).unwrap_or_default()
}
