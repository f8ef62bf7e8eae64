//! Reads Rust sources as far as their imports: which file takes which name from which other file, tests left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A name that one file takes from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrow {
    /// The file that takes it, as `src/a/b.rs`.
    pub from: String,
    /// The file that defines it.
    pub to: String,
    /// The name.
    pub name: String,
}

/// Sources by path, and the modules that they are.
pub struct Tree {
    modules: BTreeMap<Vec<String>, Module>,
}

#[derive(Default)]
struct Module {
    file: String,
    /// Modules of its own that are files.
    children: BTreeSet<String>,
    defined: BTreeSet<String>,
    imports: Vec<Import>,
    /// Paths in the code, and how often each single name occurs outside of imports.
    paths: Vec<Vec<String>>,
    names: BTreeSet<String>,
}

struct Import {
    path: Vec<String>,
    /// The name in this file; `*` for all of them.
    alias: String,
    public: bool,
}

impl Tree {
    /// The package at `root`.
    pub fn read(root: &Path) -> Tree {
        let mut sources = BTreeMap::new();
        let mut folders = vec![root.join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|ext| ext == "rs") {
                    let name = path.strip_prefix(root).unwrap().components();
                    let name: Vec<_> = name.map(|part| part.as_os_str().to_str().unwrap()).collect();
                    sources.insert(name.join("/"), std::fs::read_to_string(&path).unwrap());
                }
            }
        }
        Tree::of(&sources)
    }

    /// These sources; only what is reached from `src/lib.rs` and `src/main.rs` without a `#[cfg(test)]` counts.
    pub fn of(sources: &BTreeMap<String, String>) -> Tree {
        let mut tree = Tree { modules: BTreeMap::new() };
        tree.add(sources, vec!["crate".to_string()], "src/lib.rs", "src");
        tree.add(sources, vec!["main".to_string()], "src/main.rs", "src");
        tree
    }

    fn add(&mut self, sources: &BTreeMap<String, String>, path: Vec<String>, file: &str, folder: &str) {
        let Some(source) = sources.get(file) else { return };
        let mut module = parse(source);
        module.file = file.to_string();
        let children = std::mem::take(&mut module.children);
        for child in children {
            let files = [format!("{folder}/{child}.rs"), format!("{folder}/{child}/mod.rs")];
            if let Some(file) = files.iter().find(|file| sources.contains_key(*file)) {
                let path = path.iter().cloned().chain([child.clone()]).collect();
                self.add(sources, path, file, &format!("{folder}/{child}"));
                module.children.insert(child);
            }
        }
        self.modules.insert(path, module);
    }

    /// How many files there are.
    pub fn files(&self) -> usize {
        self.modules.len()
    }

    /// Every arrow between two files.
    pub fn arrows(&self) -> Vec<Arrow> {
        let mut out = BTreeSet::new();
        for (at, module) in &self.modules {
            let mut take = |path: &[String]| {
                if let Some((to, name)) = self.find(at, path, 0)
                    && to != module.file
                {
                    out.insert(Arrow { from: module.file.clone(), to, name });
                }
            };
            for import in &module.imports {
                let passed_on = import.public && !module.names.contains(&import.alias);
                let own = self.absolute(at, &import.path, 0).is_some_and(|path| path.starts_with(at));
                if !(passed_on && own) {
                    take(&import.path);
                }
            }
            module.paths.iter().for_each(|path| take(path));
        }
        out.into_iter().collect()
    }

    /// A path from the crate's root; none for what another crate has.
    fn absolute(&self, at: &[String], path: &[String], depth: usize) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        let module = self.modules.get(at)?;
        let start = match first.as_str() {
            "crate" => vec![at[0].clone()],
            "requorum" if at[0] == "main" => vec!["crate".to_string()],
            "self" => at.to_vec(),
            "super" => {
                let above = at.split_last()?.1.to_vec();
                return match rest.first().is_some_and(|next| next == "super") {
                    true => self.absolute(&above, rest, depth),
                    false => Some(above.into_iter().chain(rest.iter().cloned()).collect()),
                };
            }
            name if module.children.contains(name) => [at, std::slice::from_ref(first)].concat(),
            name => {
                let import = module.imports.iter().find(|import| import.alias == name && import.path != path)?;
                if depth > 8 {
                    return None;
                }
                self.absolute(at, &import.path, depth + 1)?
            }
        };
        Some([start.as_slice(), rest].concat())
    }

    /// The file that defines what a path names; none where the path ends at a module or outside.
    fn find(&self, at: &[String], path: &[String], depth: usize) -> Option<(String, String)> {
        if depth > 12 {
            return None;
        }
        let path = self.absolute(at, path, 0)?;
        let end = (1..=path.len()).rev().find(|end| self.modules.contains_key(&path[..*end]))?;
        let (place, rest) = path.split_at(end);
        let module = &self.modules[place];
        let name = rest.first()?;
        if name == "*" || module.defined.contains(name) {
            return Some((module.file.clone(), name.clone()));
        }
        if let Some(import) = module.imports.iter().find(|import| import.alias == *name) {
            let onward = [import.path.as_slice(), &rest[1..]].concat();
            return self.find(place, &onward, depth + 1);
        }
        let globs = module.imports.iter().filter(|import| import.alias == "*");
        for glob in globs {
            let onward = [&glob.path[..glob.path.len() - 1], rest].concat();
            if let Some(found) = self.find(place, &onward, depth + 1)
                && self.modules.values().any(|m| m.file == found.0 && m.defined.contains(&found.1))
            {
                return Some(found);
            }
        }
        Some((module.file.clone(), name.clone()))
    }
}

/// The sets of files of which each reaches all others.
pub fn circles(arrows: &[Arrow]) -> Vec<BTreeSet<String>> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for arrow in arrows {
        next.entry(&arrow.from).or_default().insert(&arrow.to);
    }
    let reach = |from: &str| -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&str> = next.get(from).into_iter().flatten().copied().collect();
        while let Some(file) = open.pop() {
            if seen.insert(file) {
                open.extend(next.get(file).into_iter().flatten());
            }
        }
        seen
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> = next.keys().map(|file| (*file, reach(file))).collect();
    let mut found = BTreeSet::new();
    for (file, to) in &reached {
        if to.contains(file) {
            let circle = to.iter().filter(|other| reached.get(**other).is_some_and(|back| back.contains(file)));
            found.insert(circle.map(|file| file.to_string()).collect::<BTreeSet<_>>());
        }
    }
    found.into_iter().collect()
}

/// The words and signs of a source: `::` is one, comments and literals are none.
fn tokens(source: &str) -> Vec<String> {
    let chars: Vec<char> = source.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut out, mut i) = (Vec::new(), 0);
    while i < chars.len() {
        let c = at(i);
        let raw = {
            let start = i + usize::from(c == 'b');
            let hashes = (start + 1..).take_while(|j| at(*j) == '#').count();
            (at(start) == 'r' && at(start + 1 + hashes) == '"').then_some((start + 1 + hashes, hashes))
        };
        if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            let mut depth = 0;
            while i < chars.len() {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (depth, i) = (depth + 1, i + 2),
                    ('*', '/') => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
                if depth == 0 {
                    break;
                }
            }
        } else if let Some((quote, hashes)) = raw {
            i = quote + 1;
            while i < chars.len() && !(at(i) == '"' && (1..=hashes).all(|j| at(i + j) == '#')) {
                i += 1;
            }
            i += 1 + hashes;
        } else if c == '"' || (c == 'b' && at(i + 1) == '"') {
            i += if c == 'b' { 2 } else { 1 };
            while i < chars.len() && at(i) != '"' {
                i += if at(i) == '\\' { 2 } else { 1 };
            }
            i += 1;
        } else if c == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'') {
            i += if at(i + 1) == '\\' { 3 } else { 2 };
            while i < chars.len() && at(i) != '\'' {
                i += 1;
            }
            i += 1;
        } else if word(c) {
            let start = i;
            while word(at(i)) {
                i += 1;
            }
            out.push(chars[start..i].iter().collect());
        } else if c == ':' && at(i + 1) == ':' {
            out.push("::".to_string());
            i += 2;
        } else {
            if !c.is_whitespace() {
                out.push(c.to_string());
            }
            i += 1;
        }
    }
    out
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Where what begins at `at` with an opening sign ends: the place after its closing sign.
fn after_group(all: &[String], at: usize) -> usize {
    let mut depth = 0_usize;
    for (i, token) in all.iter().enumerate().skip(at) {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return i + 1;
        }
    }
    all.len()
}

/// The tokens without items and statements that only tests have.
fn without_tests(all: &[String]) -> Vec<String> {
    let (mut out, mut i) = (Vec::new(), 0);
    while i < all.len() {
        if all[i] == "#" && all.get(i + 1).is_some_and(|t| t == "[") {
            let end = after_group(all, i + 1);
            let attribute = &all[i..end];
            let has = |name: &str| attribute.iter().any(|token| token == name);
            let tests_only = attribute.get(2).is_some_and(|t| t == "test") || has("cfg") && has("test") && !has("not");
            i = end;
            if !tests_only {
                continue;
            }
            while i < all.len() && all[i] == "#" {
                i = after_group(all, i + 1);
            }
            let item =
                ["pub", "fn", "mod", "use", "impl", "struct", "enum", "const", "static", "type", "trait", "async"];
            let item = all.get(i).is_some_and(|t| item.contains(&t.as_str()));
            while i < all.len() {
                match all[i].as_str() {
                    "{" => {
                        i = after_group(all, i);
                        break;
                    }
                    "(" | "[" => i = after_group(all, i),
                    ";" => {
                        i += 1;
                        break;
                    }
                    "," if !item => {
                        i += 1;
                        break;
                    }
                    "}" => break,
                    _ => i += 1,
                }
            }
            continue;
        }
        out.push(all[i].clone());
        i += 1;
    }
    out
}

fn parse(source: &str) -> Module {
    let all = without_tests(&tokens(source));
    let mut module = Module::default();
    let get = |i: usize| all.get(i).map_or("", String::as_str);
    let mut i = 0;
    while i < all.len() {
        let token = get(i);
        match token {
            "use" => {
                let public = i > 0 && (get(i - 1) == "pub" || get(i - 1) == ")");
                i = import(&all, i + 1, &[], public, &mut module.imports);
            }
            "mod" if is_word(get(i + 1)) && get(i + 2) == ";" => {
                module.children.insert(get(i + 1).to_string());
                i += 3;
            }
            "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "union" | "mod"
                if is_word(get(i + 1)) =>
            {
                module.defined.insert(get(i + 1).to_string());
                i += 2;
            }
            _ if is_word(token) => {
                let mut path = vec![token.to_string()];
                let rooted = i > 0 && (get(i - 1) == "::" || get(i - 1) == ".");
                i += 1;
                while get(i) == "::" && is_word(get(i + 1)) {
                    path.push(get(i + 1).to_string());
                    i += 2;
                }
                module.names.insert(path[0].clone());
                if path.len() > 1 && !rooted {
                    module.paths.push(path);
                }
            }
            _ => i += 1,
        }
    }
    module
}

/// Reads one branch of an import's tree; where it ends.
fn import(all: &[String], mut i: usize, before: &[String], public: bool, out: &mut Vec<Import>) -> usize {
    let get = |i: usize| all.get(i).map_or("", String::as_str);
    let mut path = before.to_vec();
    loop {
        match get(i) {
            "::" => i += 1,
            "{" => {
                let end = after_group(all, i);
                i += 1;
                while i + 1 < end {
                    i = import(all, i, &path, public, out);
                    if get(i) == "," {
                        i += 1;
                    }
                }
                return end;
            }
            "*" => {
                path.push("*".to_string());
                out.push(Import { path, alias: "*".to_string(), public });
                return i + 1;
            }
            "as" => {
                out.push(Import { path, alias: get(i + 1).to_string(), public });
                return i + 2;
            }
            "self" if !path.is_empty() => i += 1,
            word if is_word(word) => {
                path.push(word.to_string());
                i += 1;
            }
            _ => {
                if let Some(alias) = path.last().cloned() {
                    out.push(Import { path, alias, public });
                }
                return if get(i) == ";" || get(i) == "," || get(i) == "}" { i } else { i + 1 };
            }
        }
    }
}
