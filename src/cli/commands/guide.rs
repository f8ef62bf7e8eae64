//! `requorum guide [PAGE]`: the pages for operators and maintainers that the program carries, printed or paged.
//!
//! They are files under `assets/guide` and part of the program, so that they can be read where there is no browser.

use std::{
    env, io,
    io::{IsTerminal, Write},
    process::{Command, Stdio},
};

use clap::builder::{PossibleValue, PossibleValuesParser};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    cli::{note, print},
    error::{Error, ErrorKind, Result},
    text::{Foreign, escape},
};

/// One page.
#[derive(Debug)]
struct Page {
    /// As it is asked for.
    name: &'static str,
    /// Its file, below `assets/guide`; taken as its name, too.
    file: &'static str,
    /// What it is about.
    about: &'static str,
    text: &'static str,
}

macro_rules! pages {
    ($($name:literal $file:literal $about:literal;)*) => {
        /// The pages, in the order of the list.
        const PAGES: &[Page] = &[$(Page {
            name: $name,
            file: $file,
            about: $about,
            text: include_str!(concat!("../../../assets/guide/", $file)),
        }),*];
    };
}

pages! {
    "incident" "incident.md" "the wizard, step by step, and what its figures mean";
    "commands" "commands.md" "everything without the wizard: probe, snapshots, plans, options, exit codes";
    "hosts" "hosts.md" "members on other hosts: ssh, preflight, rollback, hosts that take no program";
    "launch" "launch.md" "start commands: systemd, static pods, containers, shell";
    "verify" "verify.md" "what is compared once the cluster runs";
    "files" "files.md" "what is in a file, and whether it can be trusted";
    "drills" "drills.md" "practice, game days, scenarios of your own";
    "evidence" "evidence.md" "how it is shown to be right, and how fast it is";
    "glossary" "glossary.md" "the words of the screens, flags and code, and how sentences are written";
    "architecture" "architecture.md" "the rooms of the code, the way of the data, what must stay true";
    "bbolt" "formats/bbolt.md" "the database file, byte by byte, and the buckets that etcd keeps in it";
    "wal" "formats/wal.md" "the write-ahead log, byte by byte, and what a restore writes into it";
    "snap" "formats/snap.md" "the .snap file, byte by byte, and saved snapshots";
    "contributing" "contributing.md" "build, test, add a scenario, a start format or a verification";
    "releasing" "releasing.md" "what a release consists of, how it is made, builds for other processors";
    "security" "SECURITY.md" "who is trusted with what, how to report a vulnerability";
    "changelog" "CHANGELOG.md" "what changed in each version";
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
On a terminal a page is shown by $PAGER, or by less or more. PAGER=cat prints it. Into a pipe or a file it is printed.")]
pub(in crate::cli) struct Args {
    /// The page; without it the list of pages.
    #[arg(value_name = "PAGE", ignore_case = true, value_parser = names())]
    page: Option<String>,
}

/// The names that are taken: each page's own, and its file as links have it.
fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(PAGES.iter().map(|page| {
        let stem = page.file.strip_suffix(".md").unwrap_or(page.file);
        let others = [stem, page.file].into_iter().filter(|other| *other != page.name);
        PossibleValue::new(page.name).help(page.about).aliases(others)
    }))
}

impl Page {
    /// The page of this name, in any of the forms that [`names`] takes.
    fn find(name: &str) -> Option<&'static Page> {
        let is = |other: &str| other.eq_ignore_ascii_case(name);
        PAGES.iter().find(|page| is(page.name) || is(page.file) || page.file.strip_suffix(".md").is_some_and(is))
    }
}

/// The list of pages.
fn list() -> String {
    let width = PAGES.iter().map(|page| page.name.len()).max().unwrap_or_default();
    let lines = PAGES.iter().map(|page| format!("  {:width$}  {}\n", page.name, page.about));
    format!("Pages of the guide; print one with: requorum guide PAGE\n\n{}", lines.collect::<String>())
}

/// The pages as completions for fish: what clap makes for it has options and subcommands only.
pub(in crate::cli) fn fish_completions() -> String {
    let line = |page: &Page| {
        format!(
            "complete -c requorum -n \"__fish_seen_subcommand_from guide\" -f -a \"{}\" -d '{}'\n",
            page.name, page.about
        )
    };
    PAGES.iter().map(line).collect()
}

pub(in crate::cli) fn run(args: &Args) -> Result<()> {
    let Some(name) = &args.page else { return print(&list()) };
    let unknown = || Error::new(ErrorKind::Usage, format!("no page of the guide has the name {}", Foreign::new(name)));
    let page = Page::find(name).ok_or_else(unknown)?;
    let text = without_pictures(page.text);
    if io::stdout().is_terminal() && paged(&text) {
        return Ok(());
    }
    print(&text)
}

/// The page with what its pictures show in their place: a terminal shows none.
fn without_pictures(text: &str) -> String {
    let words = |line: &str| {
        let (alt, _) = line.strip_prefix("![")?.split_once("](")?;
        Some(format!("[Picture: {alt}]\n"))
    };
    text.split_inclusive('\n').map(|line| words(line).unwrap_or_else(|| line.to_string())).collect()
}

/// Shows `text` in the reader's pager. False where none could be started: it is printed then.
fn paged(text: &str) -> bool {
    let chosen = env::var("PAGER").ok().filter(|pager| !pager.trim().is_empty());
    let pagers: Vec<Vec<String>> = match &chosen {
        Some(pager) => match shell_words::split(pager) {
            Ok(words) => vec![words],
            Err(_) => Vec::new(),
        },
        None => vec![vec!["less".into(), "-R".into()], vec!["more".into()]],
    };
    if pagers.iter().flatten().next().is_some_and(|program| program == "cat") {
        return false;
    }
    if pagers.iter().any(|words| show(words, text)) {
        return true;
    }
    if let Some(pager) = chosen {
        note(&format!("PAGER={} could not be started; the page is printed.", Foreign::new(&pager)));
    }
    false
}

/// Gives `text` to this pager and waits for its end. False where it could not be started.
fn show(words: &[String], text: &str) -> bool {
    let Some((program, args)) = words.split_first() else { return false };
    // Ctrl-C is the pager's as long as it runs; it would otherwise be left alone with the terminal.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let _interrupt = runtime.as_ref().ok().and_then(|runtime| {
        let _inside = runtime.enter();
        signal(SignalKind::interrupt()).ok()
    });
    let Ok(mut pager) = Command::new(program).args(args).stdin(Stdio::piped()).spawn() else { return false };
    if let Some(mut input) = pager.stdin.take() {
        // A pager that was left before the end of the page takes no more.
        let _ = input.write_all(escape::page(text).as_bytes());
    }
    let _ = pager.wait();
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pages_are_found_by_name_and_file() {
        for page in PAGES {
            let stem = page.file.strip_suffix(".md").unwrap();
            for name in [page.name, page.file, stem, &page.name.to_uppercase()] {
                assert_eq!(Page::find(name).map(|found| found.file), Some(page.file), "{name}");
            }
        }
        assert!(Page::find("formats").is_none());
    }

    #[test]
    fn every_file_of_the_guide_is_a_page() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/guide");
        let mut files = Vec::new();
        for dir in ["", "formats/"] {
            for entry in std::fs::read_dir(format!("{root}/{dir}")).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                if !["formats", "pictures"].contains(&name.as_str()) {
                    files.push(format!("{dir}{name}"));
                }
            }
        }
        files.sort();
        let mut pages: Vec<&str> = PAGES.iter().map(|page| page.file).collect();
        pages.sort_unstable();
        assert_eq!(files, pages);
    }

    #[test]
    fn pages_hold_nothing_that_is_escaped() {
        for page in PAGES {
            assert_eq!(escape::page(page.text), page.text, "{}", page.name);
        }
    }
}
