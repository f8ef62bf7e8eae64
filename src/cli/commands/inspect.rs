//! `requorum snapshot status|inspect|keys|compare` and `requorum hashkv`: commands that only read. What kind of file
//! it is goes to standard error first, so that standard output stays what scripts of etcdutl expect.

use std::{
    ffi::OsString,
    ops::ControlFlow,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

use crate::cli::{
    Format, note,
    output::progress::{Meter, interruptible},
    print, print_json, printed, warn,
};
use crate::{
    cli::output::remedies,
    domain::sources::{
        catch_up::CatchUp,
        data_loss::{Entries, History, Horizon, Loss},
    },
    engine::{
        datadir,
        progress::{Progress, ProgressFn},
        salvage::{REPORT, report::marker, write::joined},
        scan::{
            diff::{self as comparing, Change, Compared, Differs, Sums},
            hashkv as hashing,
            key_loss::Tally,
            keys::{self as listing, Wanted},
            row_scan::accept_hint,
            status::{self as looking, Status, Trailer},
            status_formats::fields_of,
            summary::{self, prefix_of},
        },
        source::Source,
    },
    error::{Error, ErrorKind, Remedy, Result},
    text::{
        Shown,
        number::{count, thousands},
        stdio::{self, Detail, OutputFormat},
        table::table,
        value::shown,
    },
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct InspectArgs {
    /// The files to inspect
    ///
    /// Snapshots, copies of member/snap/db, data directories, gzip, zip or zstd archives.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Number of levels by which keys are grouped
    #[arg(long, default_value_t = 2, value_name = "LEVELS")]
    depth: usize,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "With -w json each key is a line. Keys and values that are not UTF-8 are in base64, as \
key_base64 and value_base64. In other formats control characters are shown as \\xNN.")]
pub(in crate::cli) struct KeysArgs {
    /// The file to read
    file: PathBuf,
    /// Only keys with this prefix
    #[arg(long, value_name = "P", default_value = "")]
    prefix: OsString,
    /// Print the values too
    #[arg(long)]
    values: bool,
    /// The keys as of this revision [default: the newest]
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "R")]
    revision: i64,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "With -w json every key that differs is a line, and the last line is the summary.")]
pub(in crate::cli) struct CompareArgs {
    /// The first file
    first: PathBuf,
    /// The second file: keys only in it are added, missing ones deleted
    second: PathBuf,
    /// Only keys with this prefix
    #[arg(long, value_name = "P", default_value = "")]
    prefix: OsString,
    /// Number of levels by which keys are grouped
    #[arg(long, default_value_t = 2, value_name = "LEVELS")]
    depth: usize,
    /// List every key that differs
    #[arg(long)]
    keys: bool,
    /// Include values, where keys are listed as JSON
    #[arg(long)]
    values: bool,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct HashkvArgs {
    /// The file to read
    file: PathBuf,
    /// Hash up to this revision [default: the newest]
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "N")]
    rev: i64,
}

/// Runs `work` with a progress line; Ctrl-C stops it.
fn metered<T>(work: impl FnOnce(&mut ProgressFn<'_>) -> Result<T>) -> Result<T> {
    interruptible(|cancel| {
        let mut meter = Meter::new(cancel.clone());
        let done = work(&mut |step: Progress| meter.step("", step));
        meter.done();
        done
    })
}

/// Prints what kind of file it is, and its warnings.
fn introduce(path: &Path, status: &Status) {
    let path = path.shown();
    if stdio::detail() != Detail::Least {
        warn(&format!("{path}: {}", status.kind));
    }
    for warning in &status.warnings {
        warn(&format!("Warning: {warning}"));
    }
    if status.trailer == Trailer::Missing && status.problems.is_empty() {
        note(&format!("{path}: {}; its pages and rows are sound.", status.trailer_problem));
    }
}

/// Warns of what the WAL next to a database holds beyond it, and of an etcd that is running on both. `sound` is
/// whether nothing was found in the database with which etcd would not start.
pub(in crate::cli) fn what_lies_beside(file: &Path, sound: bool) {
    let Ok(file) = crate::cli::absolute(file) else { return };
    let dir = match file.ends_with("member/snap/db") {
        true => file.ancestors().nth(3).unwrap_or(&file),
        false if file.join("member/snap/db").exists() => &file,
        false => return,
    };
    let facts = datadir::inspect(dir, None);
    if facts.held.is_held() {
        return warn(&format!(
            "Warning: {}: an etcd is running on it; what is read here is older than what it serves, and may be inconsistent. \
             Save a snapshot from that member instead.",
            dir.shown()
        ));
    }
    let Some(says) = facts.state.says().filter(|says| says.entries_beyond() > 0) else { return };
    let entries = Entries::Beyond { all: says.entries_beyond(), committed: says.committed_beyond() };
    let loss = Loss { revisions: None, seconds: None, entries, horizon: Horizon::Files };
    let way = if sound { CatchUp::new(&facts, None, &[]) } else { CatchUp::NotWhole }.sentence();
    let sentences = loss.sentences(None, Some(&way));
    warn(&format!("Warning: {}: {}", dir.shown(), sentences.join(" ")));
}

/// Notes that a file was salvaged, if the report next to it is about this very file.
fn note_salvaged(path: &Path, sha256: &str) {
    let Some(marker) = marker(path, sha256) else { return };
    warn(&format!(
        "Note: {} was salvaged from the files of dead members; acknowledged writes: {}. See {}",
        path.shown(),
        marker.acknowledged.verdict.words(),
        Path::new(&joined(path.as_os_str(), REPORT)).shown()
    ));
}

/// Opens a file, reads all of it and prints what it is.
fn open(path: &Path) -> Result<(Source, Status)> {
    let opened = metered(|watch| {
        let source = Source::open_any(path, watch)?;
        let status = looking::status_of(&source, watch)?;
        Ok((source, status))
    })?;
    introduce(path, &opened.1);
    note_salvaged(path, &opened.1.sha256);
    what_lies_beside(path, opened.1.problems.is_empty() || opened.1.acceptable_revision.is_some());
    Ok(opened)
}

/// Runs `each` for every file; an error of one does not skip the others.
fn for_all(files: &[PathBuf], mut each: impl FnMut(&Path) -> Result<()>) -> Result<()> {
    let mut worst = Ok(());
    for file in files {
        match each(file) {
            Err(stopped) if stopped.kind == ErrorKind::Stopped => return Err(stopped),
            Err(error) if files.len() > 1 => {
                warn(&format!("Error: {}", remedies::error(&error)));
                worst = Err(Error::new(error.kind, "at least one file is not an intact snapshot"));
            }
            other => worst = other.and(worst),
        }
    }
    worst
}

pub(in crate::cli) fn status(files: &[PathBuf], format: Format) -> Result<()> {
    for_all(files, |file| {
        let (_, status) = open(file)?;
        if format != Format::Json {
            for (words, sentences) in [("Verified", &status.proven), ("Cannot be verified", &status.unproven)] {
                sentences.iter().for_each(|sentence| warn(&format!("{words}: {sentence}.")));
            }
        }
        if files.len() > 1 && format != Format::Json {
            print(&format!("{}: ", file.shown()))?;
        }
        match format {
            Format::Simple => print(&status.simple()),
            Format::Table => print(&status.table()),
            Format::Json => print_json(&status.json()),
            Format::Fields => print(&status.fields()),
        }?;
        status.verdict(file)
    })
}

pub(in crate::cli) fn inspect(args: &InspectArgs, format: Format) -> Result<()> {
    for_all(&args.files, |file| {
        let found = metered(|watch| summary::contents(&Source::open_any(file, watch)?, args.depth, watch))?;
        note_salvaged(file, &found.sha256);
        let name = file.shown().to_string();
        match format {
            Format::Simple => print(&found.simple(&name)),
            Format::Table => print(&found.table(&name)),
            Format::Json => print_json(&found.json(&file.shown())),
            Format::Fields => print(&found.fields(&name)),
        }?;
        match found.damage() {
            Some(why) => {
                let error = Error::new(ErrorKind::Input, format!("{name}: damaged")).why(why);
                Err(match found.acceptable_revision {
                    Some(revision) => error.hint(accept_hint(revision)).remedies(&[Remedy::AcceptDamage { revision }]),
                    None => error.hint("Use another copy of it, or another snapshot."),
                })
            }
            None => Ok(()),
        }
    })
}

fn form(format: Format) -> OutputFormat {
    if format == Format::Json { OutputFormat::Json } else { OutputFormat::Text }
}

pub(in crate::cli) fn keys(args: &KeysArgs, format: Format) -> Result<()> {
    let (source, status) = open(&args.file)?;
    let view = source.view()?;
    let wanted = Wanted { prefix: args.prefix.clone().into_vec(), revision: args.revision };
    let mut out = stdio::Lines::new(form(format));
    let mut written = Ok(());
    let mut rows: Vec<Vec<String>> = Vec::new();
    metered(|watch| {
        let listed = listing::each(&view, &wanted, watch, &mut |kv| {
            let json = listing::json(kv, args.values);
            written = match format {
                Format::Json => out.line(&serde_json::Value::Object(json).to_string()),
                Format::Simple if args.values => out.line(&format!("{}\t{}", shown(kv.key), shown(kv.value))),
                Format::Simple => out.line(&shown(kv.key)),
                Format::Fields => out.put(&fields_of(&json)),
                Format::Table => {
                    let lease = if kv.lease == 0 { String::new() } else { format!("{:x}", kv.lease) };
                    let numbers = [kv.create_revision, kv.mod_revision, kv.version].map(|n| n.to_string());
                    let last = if args.values { shown(kv.value) } else { kv.value.len().to_string() };
                    rows.push([vec![shown(kv.key)], numbers.to_vec(), vec![lease, last]].concat());
                    Ok(())
                }
            };
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        listed.map_err(|refused| refused.into_trouble(&args.file))
    })?;
    if format == Format::Table && written.is_ok() {
        let last = if args.values { "VALUE" } else { "VALUE BYTES" };
        let heads = ["KEY", "CREATE REVISION", "MOD REVISION", "VERSION", "LEASE", last];
        written = out.put(&table(&heads, &rows));
    }
    printed(written.and_then(|()| out.flush()))?;
    status.verdict(&args.file)
}

pub(in crate::cli) fn hashkv(args: &HashkvArgs, format: Format) -> Result<()> {
    let (source, status) = open(&args.file)?;
    let view = source.view()?;
    let hash =
        metered(|watch| hashing::hash_kv(&view, args.rev, watch).map_err(|refused| refused.into_trouble(&args.file)))?;
    match format {
        Format::Simple => print(&hash.simple()),
        Format::Table => print(&hash.table()),
        Format::Json => print_json(&hash.json()),
        Format::Fields => print(&hash.fields()),
    }?;
    status.verdict(&args.file)
}

pub(in crate::cli) fn compare(args: &CompareArgs, format: Format) -> Result<()> {
    let (first, second) = (open(&args.first)?, open(&args.second)?);
    let views = [first.0.view()?, second.0.view()?];
    let mut out = stdio::Lines::new(form(format));
    let mut written = Ok(());
    let mut tally = Tally::default();
    let mut tell = |differs: &Differs<'_>| {
        tally.add(differs);
        let line = match format {
            Format::Json => Some(json_line(differs, args.values)),
            _ if args.keys => Some(text_line(differs)),
            _ => None,
        };
        if let (Some(line), true) = (line, written.is_ok()) {
            written = out.line(&line);
        }
    };
    let group = |key: &[u8]| shown(prefix_of(key, args.depth));
    let compared = metered(|watch| {
        comparing::compare([&views[0], &views[1]], &args.prefix.clone().into_vec(), &group, watch, &mut tell)
            .map_err(|(file, refused)| refused.into_trouble(if file == 0 { &args.first } else { &args.second }))
    })?;
    let (difference, second_is_newer) = tally.finish(&compared, [first.0.modified, second.0.modified]);
    // a program gets the exact path, in JSON's own escapes
    let names = [&args.first, &args.second].map(|path| match format {
        Format::Json => path.shown().to_string(),
        _ => path.shown().to_string(),
    });
    let [older, newer] = if second_is_newer { [&names[0], &names[1]] } else { [&names[1], &names[0]] };
    let line = difference.line(newer, older);
    let summary = match format {
        Format::Json => {
            let loss =
                serde_json::json!({ "choosing": older, "instead_of": newer, "loses": difference, "words": line });
            format!("{}\n", serde_json::json!({ "summary": compared, "loss": loss }))
        }
        Format::Fields => match serde_json::to_value(&compared) {
            Ok(serde_json::Value::Object(object)) => fields_of(&object),
            _ => String::new(),
        },
        _ => format!("{}{line}\n", summary(args, &compared)),
    };
    printed(written.and_then(|()| out.put(&summary)).and_then(|()| out.flush()))?;
    first.1.verdict(&args.first).and(second.1.verdict(&args.second))
}

fn text_line(differs: &Differs<'_>) -> String {
    let key = differs.before.or(differs.after).map(|kv| shown(kv.key)).unwrap_or_default();
    let at = |kv: Option<crate::etcd::proto::KeyValueRef<'_>>| kv.map_or(0, |kv| kv.mod_revision);
    let (before, after) = (at(differs.before), at(differs.after));
    match differs.change {
        Change::Added => format!("+ {key}  (revision {after})"),
        Change::Deleted => format!("- {key}  (revision {before})"),
        Change::Changed => format!("~ {key}  (revision {before} → {after})"),
    }
}

fn json_line(differs: &Differs<'_>, values: bool) -> String {
    let side = |kv: &Option<crate::etcd::proto::KeyValueRef<'_>>| {
        kv.as_ref().map(|kv| {
            let mut side = listing::json(kv, values);
            side.retain(|name, _| !name.starts_with("key"));
            side
        })
    };
    let mut object = serde_json::Map::new();
    object.insert("change".into(), serde_json::to_value(differs.change).unwrap_or_default());
    let key = differs.before.or(differs.after).map(|kv| kv.key).unwrap_or_default();
    crate::text::value::put_bytes(&mut object, "key", key);
    for (name, kv) in [("before", &differs.before), ("after", &differs.after)] {
        if let Some(side) = side(kv) {
            object.insert(name.into(), side.into());
        }
    }
    serde_json::Value::Object(object).to_string()
}

fn summary(args: &CompareArgs, compared: &Compared) -> String {
    let mut out = String::new();
    for (path, reach) in [(&args.first, compared.first), (&args.second, compared.second)] {
        let compacted = match reach.compacted {
            ..=0 => "never compacted".to_string(),
            at => format!("compacted up to {}", thousands(at.unsigned_abs())),
        };
        let revision = thousands(reach.revision.unsigned_abs());
        out += &format!("{}: revision {revision}, {compacted}\n", path.shown());
    }
    out += &match compared.history {
        History::Same { rows, until } => format!(
            "Same history: {} in both, equal up to revision {}.\n",
            count(rows, "row is", "rows are"),
            thousands(until.unsigned_abs())
        ),
        History::Parts { at } => {
            format!("NOT the same history: their rows differ at revision {}.\n", thousands(at.unsigned_abs()))
        }
        History::Unknown => "Whether they share a history is unknown: no row is in both.\n".into(),
    };
    let Sums { added, changed, deleted, equal } = compared.keys;
    out += &format!(
        "{} added, {} changed, {} deleted, {} equal\n",
        count(added, "key", "keys"),
        thousands(changed),
        thousands(deleted),
        thousands(equal)
    );
    let rows: Vec<Vec<String>> = compared
        .prefixes
        .iter()
        .filter(|(_, sums)| sums.added + sums.changed + sums.deleted > 0)
        .map(|(prefix, sums)| {
            let prefix = if prefix.is_empty() { "(no slash)".to_string() } else { prefix.clone() };
            let numbers = [sums.added, sums.changed, sums.deleted, sums.equal].map(thousands);
            [vec![prefix], numbers.to_vec()].concat()
        })
        .collect();
    if !rows.is_empty() {
        out += &table(&["PREFIX", "ADDED", "CHANGED", "DELETED", "EQUAL"], &rows);
    }
    out
}
