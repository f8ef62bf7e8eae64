//! Finds the line of a field in a YAML file by its indentation, since the parser keeps no positions. For a part written in
//! flow style, it is the line of that part.

#[derive(Debug, Clone, Copy)]
struct YamlLine<'a> {
    number: usize,
    indent: usize,
    text: &'a str,
}

impl<'a> YamlLine<'a> {
    /// Returns a line that is neither blank nor a comment.
    fn parse(number: usize, line: &'a str) -> Option<YamlLine<'a>> {
        let text = line.trim_start();
        let blank = text.is_empty() || text.starts_with('#');
        (!blank).then_some(YamlLine { number, indent: line.len() - text.len(), text })
    }

    /// Returns what follows the dash of a list item.
    fn after_dash(self) -> Option<YamlLine<'a>> {
        let text = self.text.strip_prefix('-')?;
        Some(YamlLine {
            indent: self.indent + 1 + text.len() - text.trim_start().len(),
            text: text.trim_start(),
            ..self
        })
    }
}

/// Returns the line of a field such as `members[1].state`, from 1.
pub fn line_of(text: &str, field: &str) -> usize {
    let mut block: Vec<YamlLine<'_>> =
        text.lines().enumerate().filter_map(|(at, line)| YamlLine::parse(at + 1, line)).collect();
    let mut here = 1;
    for part in field.split(['.', '[']) {
        let nth = part.strip_suffix(']').and_then(|n| n.parse::<usize>().ok());
        let Some(deep) = block.first().map(|line| line.indent) else { break };
        let starts = |line: &YamlLine<'_>| match nth {
            Some(_) => line.indent == deep && line.text.starts_with('-'),
            None => line.indent == deep && line.text.split(':').next() == Some(part),
        };
        let found = block.iter().enumerate().filter(|(_, line)| starts(line)).nth(nth.unwrap_or(0));
        let Some((at, line)) = found.map(|(at, line)| (at, *line)) else { break };
        here = line.number;
        let first = nth.and_then(|_| line.after_dash());
        // a list may be indented as little as its key
        let belongs = |line: &&YamlLine<'_>| {
            line.indent > deep || (nth.is_none() && line.indent == deep && line.text.starts_with('-'))
        };
        let below = block.iter().skip(at + 1).take_while(belongs).copied();
        block = first.into_iter().chain(below).collect();
    }
    here
}
