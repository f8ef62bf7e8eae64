//! A set of pages by number: which ones are in use.

/// Pages in use, one bit each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageSet {
    words: Vec<u64>,
}

impl PageSet {
    /// Creates a set from 64 pages per word, the lowest page in the lowest bit.
    pub fn from_words(words: Vec<u64>) -> Self {
        Self { words }
    }

    /// Returns whether the page is in the set.
    pub fn has(&self, page: u64) -> bool {
        let word = usize::try_from(page >> 6).ok().and_then(|at| self.words.get(at));
        word.is_some_and(|word| word & (1 << (page & 63)) != 0)
    }

    /// Returns the number of pages in the set.
    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).fold(0, u64::saturating_add)
    }

    /// Returns the pages from `from` up to `end` as runs of (first, one past the last), in the set if `inside`, else not.
    pub fn runs(&self, from: u64, end: u64, inside: bool) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut at = from;
        std::iter::from_fn(move || {
            let first = self.next(at, end, inside);
            let behind = self.next(first, end, !inside);
            at = behind;
            (first < end).then_some((first, behind))
        })
    }

    /// Returns the first page from `at` on that is in the set if `inside`, else not in it; `end` if no page before it matches.
    fn next(&self, mut at: u64, end: u64, inside: bool) -> u64 {
        while at < end {
            let word = usize::try_from(at >> 6).ok().and_then(|at| self.words.get(at)).copied().unwrap_or(0);
            let wanted = (if inside { word } else { !word }) >> (at & 63);
            if wanted != 0 {
                return at.saturating_add(u64::from(wanted.trailing_zeros())).min(end);
            }
            at = (at | 63).saturating_add(1);
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_what_the_bits_say() {
        let set = PageSet::from_words(vec![0b1011, 0, u64::MAX, 1]);
        let all = |from, end, inside| set.runs(from, end, inside).collect::<Vec<_>>();
        assert_eq!(all(0, 400, true), [(0, 2), (3, 4), (128, 193)]);
        assert_eq!(all(1, 130, true), [(1, 2), (3, 4), (128, 130)]);
        assert_eq!(all(0, 130, false), [(2, 3), (4, 128)]);
        assert_eq!(all(190, 400, false), [(193, 400)]);
        assert_eq!((all(5, 5, true), all(300, 400, true)), (vec![], vec![]));
        assert_eq!(set.count(), 68);
        assert!(set.has(3) && !set.has(2) && !set.has(10_000));
    }
}
