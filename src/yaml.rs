//! YAML from other sources: configuration files, manifests, inventories, scenarios. Read by a parser without unsafe code
//! into a tree of bounded size; `plan.yaml`, which requorum itself writes, has its own reader (`domain::model::plan_yaml`).
//!
//! Rejected: more than 1,048,576 bytes, collections nested deeper than 64, more than 100,000 values or
//! 4,194,304 bytes of text once aliases are followed ("billion laughs"), and characters that YAML 1.1 and 1.2 read differently.

#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod scalar;
mod typed;

use std::{collections::BTreeMap, fmt, rc::Rc};

use granit_parser::{Event, Options, Parser, ScalarStyle};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use self::scalar::number_text;
use crate::text::size::byte_count;

/// Longest text that is parsed, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// Maximum nesting depth of collections, with aliases expanded.
const MAX_DEPTH: usize = 64;
/// Maximum number of values in a document, with aliases expanded.
const MAX_NODES: usize = 100_000;
/// Maximum bytes of text in a document, with aliases expanded.
const MAX_TEXT: usize = 4 << 20;

/// An error in a document, and where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Error {
    /// The line, from 1; absent if it concerns the whole text.
    pub line: Option<usize>,
    /// The field, such as `members[1].state`; empty at the top.
    pub field: String,
    /// The reason.
    pub why: String,
}

impl Error {
    fn new(line: usize, why: impl Into<String>) -> Error {
        Error { line: Some(line), why: why.into(), ..Error::default() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.why)?;
        self.line.map_or(Ok(()), |line| write!(f, " at line {line}"))
    }
}

impl std::error::Error for Error {}

/// How unquoted scalars are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// As etcd and the kubelet do (sigs.k8s.io/yaml, that is go-yaml v2, YAML 1.1): `yes`, `on` and `y` are true, `017`
    /// is 15, `1_000` is 1000, a merge key (`<<`) overrides the keys above it.
    Etcd,
    /// As YAML 1.2 does in its core schema: `yes` is a string, and so is `017`. Numbers keep their original text
    /// (`1.10`, `1e5`): they become names and addresses.
    Words,
}

/// Reads the first document of a text as JSON; an empty text is null.
///
/// # Errors
/// When it is not YAML, exceeds the bounds, or has what JSON cannot hold, such as a list for a key.
pub fn to_json(text: &str, schema: Schema) -> Result<Value, Error> {
    document(text)?.map_or(Ok(Value::Null), |node| json(&node, schema))
}

/// Whether a text is YAML within the bounds.
///
/// # Errors
/// When it is not.
pub fn check(text: &str) -> Result<(), Error> {
    document(text).map(drop)
}

/// Reads the first document of a text as a value of a type.
///
/// # Errors
/// When it is not YAML, exceeds the bounds, or does not fit the type; names the line and the field.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    let empty = || Rc::new(Node::scalar(1, String::new(), true, None));
    T::deserialize(&*document(text)?.unwrap_or_else(empty))
}

/// One value of a document. Aliases share their target, so that a tree is never larger than its text.
struct Node {
    line: usize,
    kind: NodeKind,
    /// Collections inside each other, this one counted, aliases followed.
    depth: usize,
    /// Values in it, itself counted, aliases followed.
    nodes: usize,
    /// Bytes of text in it, aliases followed.
    text: usize,
}

enum NodeKind {
    Scalar {
        text: String,
        /// Unquoted, so that it may be a number or a boolean.
        plain: bool,
        tag: Option<String>,
    },
    List(Vec<Rc<Node>>),
    Map(Vec<(Rc<Node>, Rc<Node>)>),
    Alias(Rc<Node>),
}

impl Node {
    fn scalar(line: usize, text: String, plain: bool, tag: Option<String>) -> Node {
        let bytes = text.len();
        Node { line, kind: NodeKind::Scalar { text, plain, tag }, depth: 0, nodes: 1, text: bytes }
    }

    fn over<'n>(line: usize, kind: NodeKind, parts: impl Iterator<Item = &'n Rc<Node>>, level: usize) -> Node {
        let mut node = Node { line, kind: NodeKind::List(Vec::new()), depth: 0, nodes: 1, text: 0 };
        for part in parts {
            node.depth = node.depth.max(part.depth);
            node.nodes = node.nodes.saturating_add(part.nodes);
            node.text = node.text.saturating_add(part.text);
        }
        node.depth = node.depth.saturating_add(level);
        node.kind = kind;
        node
    }

    /// The value itself, where this is an alias.
    fn target(&self) -> &Node {
        match &self.kind {
            NodeKind::Alias(node) => node,
            _ => self,
        }
    }

    /// Refuses what exceeds the bounds once aliases are followed.
    fn bounded(self) -> Result<Rc<Node>, Error> {
        let refused = |what: String| Err(Error::new(self.line, what));
        if self.depth > MAX_DEPTH {
            return refused(format!("collections are nested more than {MAX_DEPTH} deep"));
        }
        if self.nodes > MAX_NODES {
            return refused(format!("more than {MAX_NODES} values with aliases expanded"));
        }
        if self.text > MAX_TEXT {
            return refused(format!("more than {} of text with aliases expanded", byte_count(MAX_TEXT as u64)));
        }
        Ok(Rc::new(self))
    }
}

/// A collection that is not complete yet.
struct Open {
    line: usize,
    anchor: usize,
    map: bool,
    parts: Vec<Rc<Node>>,
}

impl Open {
    fn close(self) -> Result<Rc<Node>, Error> {
        let Open { line, map, parts, .. } = self;
        let Node { depth, nodes, text, .. } = Node::over(line, NodeKind::List(Vec::new()), parts.iter(), 1);
        let kind = if map {
            let mut pairs = Vec::with_capacity(parts.len() / 2);
            let mut parts = parts.into_iter();
            while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
                pairs.push((key, value));
            }
            NodeKind::Map(pairs)
        } else {
            NodeKind::List(parts)
        };
        Node { line, kind, depth, nodes, text }.bounded()
    }
}

/// The first document; nothing where the text has none.
fn document(text: &str) -> Result<Option<Rc<Node>>, Error> {
    let source = text.strip_prefix('\u{feff}').unwrap_or(text);
    if source.len() > MAX_BYTES {
        return Err(Error {
            why: format!(
                "text too long: {}, at most {} allowed",
                byte_count(source.len() as u64),
                byte_count(MAX_BYTES as u64)
            ),
            ..Error::default()
        });
    }
    readable(source)?;
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    // As libyaml and go-yaml do.
    options.block_scalar_eof_without_line_feed = true;
    options.emit_anchor_events = true;
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: BTreeMap<usize, Rc<Node>> = BTreeMap::new();
    let mut count = 0usize;
    for event in Parser::new_from_str_with_options(source, options) {
        let (event, span) = event.map_err(|error| Error::new(error.marker().line(), error.kind().to_string()))?;
        let line = span.start.line();
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                // Where these end depends on the version of YAML.
                if open.is_empty() && (anchor != 0 || matches!(style, ScalarStyle::Literal | ScalarStyle::Folded)) {
                    return Err(Error::new(
                        line,
                        "unsupported: the document itself is a block scalar or has an anchor",
                    ));
                }
                let after = span.byte_range().and_then(|range| source.get(range.end..)).unwrap_or_default();
                if plain && after.strip_prefix(':').is_some_and(|next| next.starts_with([',', '[', ']', '{', '}'])) {
                    return Err(Error::new(line, "missing space after a colon"));
                }
                let tag = tag.map(|tag| format!("{}{}", tag.handle(), tag.suffix()));
                (anchor, Node::scalar(line, text.into_owned(), plain, tag).bounded()?)
            }
            Event::Anchor(_, name) => {
                label(&name, line)?;
                continue;
            }
            Event::Alias(id) => {
                label(span.slice(source).unwrap_or_default().trim_start_matches('*'), line)?;
                let Some(target) = anchors.get(&id) else {
                    return Err(Error::new(line, "an alias inside the value it refers to"));
                };
                let part = Rc::clone(target);
                (0, Node::over(line, NodeKind::Alias(Rc::clone(target)), [part].iter(), 0).bounded()?)
            }
            Event::SequenceStart(_, anchor, _) => {
                open.push(Open { line, anchor, map: false, parts: Vec::new() });
                continue;
            }
            Event::MappingStart(_, anchor, _) => {
                open.push(Open { line, anchor, map: true, parts: Vec::new() });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(done) => (done.anchor, done.close()?),
                None => continue,
            },
            Event::DocumentEnd | Event::StreamEnd => return Ok(None),
            _ => continue,
        };
        count = count.saturating_add(1);
        if count > MAX_NODES {
            return Err(Error::new(line, format!("more than {MAX_NODES} values")));
        }
        if anchor != 0 {
            anchors.insert(anchor, Rc::clone(&node));
        }
        match open.last_mut() {
            Some(parent) => parent.parts.push(node),
            // What follows the first document is not read, as etcd does not read it.
            None => return Ok(Some(node)),
        }
    }
    Ok(None)
}

/// Refuses a label of an anchor that would end earlier in YAML 1.1.
fn label(name: &str, line: usize) -> Result<(), Error> {
    let sound = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if sound { Ok(()) } else { Err(Error::new(line, "an anchor or alias may only have letters, digits, - and _")) }
}

/// Refuses control characters, as go-yaml does, and the line breaks that only YAML 1.1 knows.
fn readable(text: &str) -> Result<(), Error> {
    let bad = |c: char| match c {
        '\t' | '\n' | '\r' => false,
        '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => true,
        c => c.is_control(),
    };
    let Some((at, c)) = text.char_indices().find(|(_, c)| bad(*c)) else { return Ok(()) };
    let line = text.get(..at).unwrap_or_default().matches('\n').count().saturating_add(1);
    Err(Error::new(line, format!("character U+{:04X} is not allowed", u32::from(c))))
}

fn json(node: &Node, schema: Schema) -> Result<Value, Error> {
    match &node.target().kind {
        NodeKind::Scalar { text, plain, tag } => {
            scalar::resolve(text, *plain, tag.as_deref(), schema).map_err(|why| Error::new(node.line, why))
        }
        NodeKind::List(items) => {
            Ok(Value::Array(items.iter().map(|item| json(item, schema)).collect::<Result<_, _>>()?))
        }
        NodeKind::Map(pairs) => {
            let mut map = Entries::default();
            // go-yaml takes keys and merges in their order; elsewhere the keys of the map itself win.
            if schema == Schema::Words {
                for (_, value) in pairs.iter().filter(|(key, _)| is_merge(key)) {
                    map.merge(value, schema)?;
                }
            }
            map.add(pairs, schema)?;
            Ok(Value::Object(map.entries))
        }
        // An alias's target is none itself.
        NodeKind::Alias(_) => Err(Error::new(node.line, "an alias of an alias")),
    }
}

fn is_merge(key: &Node) -> bool {
    match &key.kind {
        NodeKind::Scalar { text, plain, tag } => {
            let tag = tag.as_deref();
            text == "<<" && (tag == Some("tag:yaml.org,2002:merge") || *plain && matches!(tag, None | Some("!")))
        }
        _ => false,
    }
}

/// The entries of a map, with the kind of each key as go-yaml sees it.
#[derive(Default)]
struct Entries {
    entries: Map<String, Value>,
    kinds: BTreeMap<String, std::mem::Discriminant<Value>>,
}

impl Entries {
    fn add(&mut self, pairs: &[(Rc<Node>, Rc<Node>)], schema: Schema) -> Result<(), Error> {
        for (key, value) in pairs {
            if is_merge(key) {
                if schema == Schema::Etcd {
                    self.merge(value, schema)?;
                }
                continue;
            }
            let typed = json(key, schema)?;
            let name = scalar::key_text(&typed)
                .ok_or_else(|| Error::new(key.line, "a key must be a string, a number or a boolean"))?;
            let value = json(value, schema)?;
            let kind = std::mem::discriminant(&typed);
            if self.kinds.insert(name.clone(), kind).is_some_and(|before| before != kind) {
                // To go-yaml these are two keys, of which either may win.
                return Err(Error::new(key.line, "duplicate key, once quoted and once not"));
            }
            self.entries.insert(name, value);
        }
        Ok(())
    }

    fn merge(&mut self, from: &Node, schema: Schema) -> Result<(), Error> {
        match (&from.target().kind, &from.kind) {
            (NodeKind::Map(pairs), _) => self.add_nested(pairs, schema),
            // Earlier ones win, so they come last.
            (NodeKind::List(items), NodeKind::List(_)) => {
                items.iter().rev().try_for_each(|item| match &item.target().kind {
                    NodeKind::Map(pairs) => self.add_nested(pairs, schema),
                    _ => Err(Error::new(item.line, "a merge key (<<) accepts only maps")),
                })
            }
            _ => Err(Error::new(from.line, "a merge key (<<) accepts only a map or a list of maps")),
        }
    }

    /// The entries of a map that is merged in, and of those that it merges in itself.
    fn add_nested(&mut self, pairs: &[(Rc<Node>, Rc<Node>)], schema: Schema) -> Result<(), Error> {
        if schema == Schema::Words {
            for (_, value) in pairs.iter().filter(|(key, _)| is_merge(key)) {
                self.merge(value, schema)?;
            }
        }
        self.add(pairs, schema)
    }
}

#[cfg(test)]
mod tests;
