//! Finds the value of `--initial-cluster` in what was copied around it: a command, a file of variables, a unit, YAML, a
//! manifest, a line of etcd's log. What follows the value, and what is commented out, is not part of it.

use crate::domain::{members::table::Problem, model::url};

/// How the setting is called: as a flag and in files, as a variable, in YAML of other tools, in etcd's log.
const KEYS: [&str; 5] =
    ["initial-cluster", "ETCD_INITIAL_CLUSTER", "initial_cluster", "initialCluster", "initial cluster"];

/// Returns the value without what belongs to a shell, a unit file or YAML around it.
///
/// # Errors
/// Where the text has several values that differ.
pub(super) fn value(text: &str, notes: &mut Vec<String>) -> Result<String, Problem> {
    let all: Vec<&str> = text.lines().collect();
    let active: Vec<&str> = all.iter().map(|line| if is_comment(line) { "" } else { line }).collect();
    let mut found = values(&active);
    if found.is_empty() && active.iter().all(|line| line.trim().is_empty() || !line.contains("://")) {
        let bare: Vec<&str> =
            all.iter().map(|line| line.trim_start().trim_start_matches(['#', '/']).trim_start()).collect();
        found = values(&bare);
        if !found.is_empty() {
            notes.push("the line was commented out".into());
        }
    }
    found.sort();
    found.dedup();
    match found.as_slice() {
        [] => Ok(bare(&active)),
        [one] => Ok(one.clone()),
        many => {
            let text =
                format!("the text has {} values of --initial-cluster that differ; paste one of them", many.len());
            Err(Problem::error(None, None, text))
        }
    }
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    // `//b:2380` is a part of a URL that a terminal broke
    line.starts_with('#') || line.starts_with("// ")
}

/// The values of all places where the setting is named.
fn values(lines: &[&str]) -> Vec<String> {
    let mut out = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        for key in KEYS {
            for (from, _) in line.match_indices(key) {
                let value = named(line, from, key).and_then(|rest| after(lines, at, line, from, rest));
                out.extend(value.map(|value| squeezed(&value)).filter(|value| !value.is_empty()));
            }
        }
    }
    out
}

/// What follows the setting's name, where that name is whole.
fn named<'a>(line: &'a str, from: usize, key: &str) -> Option<&'a str> {
    let before = line.get(..from)?.chars().next_back();
    let rest = line.get(from + key.len()..)?;
    let next = rest.chars().next();
    let part = |c: char| c.is_alphanumeric() || c == '_';
    if before.is_some_and(part) || next.is_some_and(|c| part(c) || c == '-') {
        return None;
    }
    // `the initial cluster is` is a sentence; a flag's value may follow a blank
    let sets = rest.trim_start_matches(['"', '\'', ' ']).starts_with(['=', ':', ',']);
    (sets || before == Some('-') || rest.trim().is_empty()).then_some(rest)
}

/// The value after the name: on its line, or on those that belong to it.
fn after(lines: &[&str], at: usize, line: &str, from: usize, rest: &str) -> Option<String> {
    let lead = line.get(..from)?;
    // `Environment="ETCD_INITIAL_CLUSTER=…"` ends at the quote before the name; after `"initial-cluster":` a new one begins
    let before = lead.trim_end_matches('-').chars().next_back().filter(|c| ['"', '\''].contains(c));
    let (rest, quote) = match before.and_then(|quote| rest.strip_prefix(quote)) {
        Some(rest) => (rest, None),
        None => (rest, before),
    };
    let rest = rest.trim_start();
    let rest = rest.strip_prefix(['=', ':', ',']).unwrap_or(rest).trim_start();
    let following = lines.get(at + 1..).unwrap_or_default();
    let marker = rest.trim_end();
    let is_block = marker.starts_with(['>', '|']) && marker.len() <= 3;
    if !rest.trim().is_empty() && !is_block && rest.trim() != "\\" {
        return Some(scalar(rest, quote, following));
    }
    let indent = |line: &str| line.len() - line.trim_start().len();
    if is_block {
        let block = following.iter().take_while(|next| next.trim().is_empty() || indent(next) > indent(line));
        return Some(block.map(|line| line.trim()).collect::<Vec<_>>().join(""));
    }
    let (skip, next) = following.iter().enumerate().find(|(_, next)| !next.trim().is_empty())?;
    let next = next.trim();
    let next = next.strip_prefix("value:").unwrap_or(next).trim_start();
    let next = next.strip_prefix("- ").unwrap_or(next).trim_start();
    let starts_value =
        next.trim_start_matches(['"', '\'']).split_once('=').is_some_and(|(name, _)| !name.contains([':', '/']));
    starts_value.then(|| scalar(next, None, following.get(skip + 1..).unwrap_or_default()))
}

/// One value, quoted or not, from its begin; it may go on in the following lines.
fn scalar(rest: &str, quote: Option<char>, following: &[&str]) -> String {
    let own = rest.chars().next().filter(|c| ['"', '\''].contains(c));
    if let Some((quote, inner)) = own.and_then(|quote| Some((quote, rest.strip_prefix(quote)?))) {
        let mut out = String::new();
        for line in [inner].iter().chain(following) {
            match line.split_once(quote) {
                Some((end, _)) => return out + end.trim(),
                None => out += line.trim().trim_end_matches('\\').trim_end(),
            }
        }
        return cut(inner).to_string();
    }
    if let Some((inner, _)) = quote.and_then(|quote| rest.split_once(quote)) {
        return inner.to_string();
    }
    let first = cut(rest);
    let mut out = first.trim_end_matches('\\').trim_end().to_string();
    // what ends inside the line ends the value
    let mut open = first.len() == rest.trim_end().len();
    for line in following.iter().map(|line| line.trim()) {
        let whole =
            out.rsplit(',').next().and_then(|item| item.split_once('=')).is_some_and(|(_, u)| url::parse(u).is_ok());
        let goes_on = out.ends_with(',') || !whole || line.contains("://");
        if !open || line.is_empty() || is_comment(line) || begins_other(line) || !goes_on {
            break;
        }
        let next = cut(line);
        open = next.len() == line.len();
        // a URL that the terminal broke is put together again
        out += if out.ends_with(',') || !whole { "" } else { " " };
        out += next.trim_end_matches('\\').trim_end();
    }
    out
}

/// A line up to where something else begins: a comment, a further flag or variable, another command.
fn cut(line: &str) -> &str {
    let mut end = line.len();
    for (at, _) in line.match_indices(' ') {
        let rest = line.get(at..).map(str::trim_start).unwrap_or_default();
        let variable = rest.split_once('=').is_some_and(|(name, _)| is_variable(name));
        if variable || ["#", "-", "&&", "||", "| ", ">", "\\ "].iter().any(|lead| rest.starts_with(lead)) {
            end = end.min(at);
        }
    }
    // of several commands in a line; between two members it is a slip for the comma
    for (at, _) in line.match_indices(';') {
        if line.get(at..).is_some_and(|rest| !rest.contains("://")) {
            end = end.min(at);
        }
    }
    line.get(..end).unwrap_or(line).trim_end()
}

fn is_variable(name: &str) -> bool {
    name.contains('_') && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Whether a line begins something else than a further part of the value: a flag, a variable, a key of YAML or JSON.
fn begins_other(line: &str) -> bool {
    if line.starts_with(['-', '}', ']', '$', '"', '\'']) {
        return true;
    }
    if let Some((name, value)) = line.split_once('=')
        && !name.contains(':')
    {
        let name = name.trim_start_matches("export ").trim();
        return is_variable(name) || !value.contains("://");
    }
    let key = line.split_once(':').filter(|(key, after)| {
        let plain = |c: char| c.is_alphanumeric() || "_-.".contains(c);
        !key.is_empty() && key.chars().all(plain) && (after.is_empty() || after.starts_with([' ', '"']))
    });
    key.is_some()
}

/// A value by itself: in quotes, in a list, over several lines.
fn bare(lines: &[&str]) -> String {
    let items = lines.iter().map(|line| line.trim().trim_end_matches('\\').trim()).filter(|line| !line.is_empty());
    let items: Vec<&str> =
        items.map(|line| line.strip_prefix("- ").or(line.strip_prefix("* ")).unwrap_or(line)).collect();
    let joined = items.join(" ");
    let mut rest = joined.trim();
    if let Some(inner) =
        rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|list| list.contains("://"))
    {
        return squeezed(&inner.replace(['"', '\''], ""));
    }
    if let Some(quote) = rest.chars().next().filter(|c| ['"', '\''].contains(c))
        && let Some(inner) = rest.strip_prefix(quote)
    {
        rest = inner.split(quote).next().unwrap_or(inner);
        return squeezed(rest);
    }
    squeezed(rest.split(" -").next().and_then(|rest| rest.split(" #").next()).unwrap_or(rest))
}

/// Without lines and blanks after a comma, which are how it was laid out, and what trails.
fn squeezed(value: &str) -> String {
    let value = value.trim().trim_end_matches(['"', '\'', ',', '\\', ']', '}']);
    // an IPv6 address at the end has its bracket before the port
    value.split(',').map(str::trim).filter(|item| !item.is_empty()).collect::<Vec<_>>().join(",")
}
