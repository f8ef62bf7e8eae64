//! What was probably meant by a mistyped name.

/// Returns the number of letters to add, drop, change or swap with the next one to get from one word to the other.
pub fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // the last three rows of the table of all prefixes: optimal string alignment
    let mut above: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let mut best = cell(&row, j + 1).min(cell(&next, j)) + 1;
            best = best.min(cell(&row, j) + usize::from(x != y));
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(cell(&above, j - 1) + 1);
            }
            next.push(best);
        }
        above = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or_default()
}

/// Returns whether `typed` is within reach of `name`: a third of its letters, and at least one.
pub fn is_slip(typed: &str, name: &str) -> bool {
    let (typed, name) = (typed.to_lowercase(), name.to_lowercase());
    let letters = typed.chars().count().max(name.chars().count());
    distance(&typed, &name) <= (letters / 3).max(1)
}

/// Returns the names that may have been meant: those that begin with what was typed, else those that are within reach of
/// it, the nearest only; else those that have it in the middle. Empty where nothing is like it.
pub fn candidates<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let typed = typed.trim().to_lowercase();
    let names: Vec<&str> = names.into_iter().collect();
    if typed.is_empty() {
        return Vec::new();
    }
    let begin: Vec<&str> = names.iter().copied().filter(|name| name.to_lowercase().starts_with(&typed)).collect();
    if !begin.is_empty() {
        return begin;
    }
    let near = |name: &&str| distance(&typed, &name.to_lowercase());
    let slips: Vec<&str> = names.iter().copied().filter(|name| is_slip(&typed, name)).collect();
    if let Some(best) = slips.iter().map(near).min() {
        return slips.into_iter().filter(|name| near(name) == best).collect();
    }
    let has = |name: &&str| typed.chars().count() > 2 && name.to_lowercase().contains(&typed);
    names.into_iter().filter(has).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_between_two_words() {
        for (a, b, letters) in [
            ("", "", 0),
            ("a", "", 1),
            ("start", "stat", 1),
            ("stauts", "status", 1),
            ("undo", "redo", 2),
            ("é", "e", 1),
        ] {
            assert_eq!((distance(a, b), distance(b, a)), (letters, letters), "{a} {b}");
        }
    }

    #[test]
    fn what_was_meant() {
        let names = ["first-night", "torn-pages", "typed-at-night", "dead-man-answers", "no-space", "new-hosts"];
        for (typed, meant) in [
            ("torn-page", &["torn-pages"][..]),
            ("dead-man", &["dead-man-answers"]),
            ("Torn", &["torn-pages"]),
            ("fist-night", &["first-night"]),
            ("ton-pags", &["torn-pages"]),
            ("night", &["first-night", "typed-at-night"]),
            ("n", &["no-space", "new-hosts"]),
            ("quorum", &[]),
            ("", &[]),
            (" ", &[]),
        ] {
            assert_eq!(candidates(typed, names), meant, "{typed}");
        }
    }
}
