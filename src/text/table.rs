//! Tables as etcdutl prints them.

use crate::text::columns::{Align, column_width, pad};

/// Returns a table as etcdutl prints it: heads centred, cells at the right.
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = heads
        .iter()
        .enumerate()
        .map(|(at, head)| column_width(rows.iter().filter_map(|row| row.get(at)).map(String::as_str).chain([*head])))
        .collect();
    let rule: String =
        widths.iter().map(|w| format!("+{}", "-".repeat(w.saturating_add(2)))).collect::<String>() + "+\n";
    let heads: String =
        heads.iter().zip(&widths).map(|(h, w)| format!("| {} ", pad(h, *w, Align::Middle))).collect::<String>() + "|\n";
    let mut out = format!("{rule}{heads}{rule}");
    for row in rows {
        let cells: String =
            row.iter().zip(&widths).map(|(text, w)| format!("| {} ", pad(text, *w, Align::Right))).collect();
        out.push_str(&format!("{cells}|\n"));
    }
    out + &rule
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::columns::{as_typed, odd_cells};

    #[test]
    fn table_lines_are_as_wide_as_the_rule() {
        let rows: Vec<Vec<String>> = odd_cells().into_iter().map(|cell| vec![cell.clone(), cell]).collect();
        for rows in rows.iter().map(std::slice::from_ref).chain([rows.as_slice()]) {
            let text = table(&["NAME", "語"], rows);
            let widths: std::collections::BTreeSet<_> = text.lines().map(as_typed).collect();
            assert_eq!((widths.len(), text.lines().count()), (1, rows.len() + 4));
        }
    }
}
