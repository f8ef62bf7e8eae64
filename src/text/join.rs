//! Lists and sentences as people write them, and the order of names.

/// Returns `m1, m2 or m3`.
pub fn either(items: &[String]) -> String {
    list(items, " or ")
}

/// Returns `m1, m2 and m3`.
pub fn all(items: &[String]) -> String {
    list(items, " and ")
}

fn list(items: &[String], last: &str) -> String {
    match items.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((end, rest)) => format!("{}{last}{end}", rest.join(", ")),
    }
}

/// Returns `text` as a sentence: with a full stop, unless it ends in a mark of its own.
pub fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.is_empty() || text.ends_with(['.', '!', '?', ':', '…']) { text.to_string() } else { format!("{text}.") }
}

/// Returns `text` with its first letter as a capital.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Returns the key of natural order: `m2` before `m10`.
pub fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    pieces(a).cmp(&pieces(b)).then_with(|| a.cmp(b))
}

/// Splits off runs of digits as (length without leading zeros, digits), other characters one by one.
fn pieces(text: &str) -> Vec<(usize, String)> {
    let mut out: Vec<(usize, String)> = Vec::new();
    let mut digits = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        if !digits.is_empty() {
            let number = digits.trim_start_matches('0').to_string();
            out.push((number.len() + 1, number));
            digits.clear();
        }
        if c != '\0' {
            out.push((usize::from(c.is_alphabetic()) * 1000, c.to_string()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_end_in_and_or_or() {
        let names = ["m1".to_string(), "m2".to_string(), "m3".to_string()];
        assert_eq!(
            (either(&names[..2]), all(&names), either(&names[..1]), all(&[])),
            ("m1 or m2".into(), "m1, m2 and m3".into(), "m1".into(), String::new())
        );
    }

    #[test]
    fn a_sentence_ends_in_a_mark() {
        assert_eq!(sentence("It is up"), "It is up.");
        assert_eq!(sentence("does it?"), "does it?");
    }

    #[test]
    fn people_count_m2_before_m10() {
        let mut names = ["m10", "m2", "b", "m1", "a10b", "a9c", "m02", ""];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["", "a9c", "a10b", "b", "m1", "m02", "m2", "m10"]);
    }
}
