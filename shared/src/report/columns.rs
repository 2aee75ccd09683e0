//! Columns as kubectl prints them: padded with spaces, no lines, a heading in capitals.

use super::style::{columns_of, padded};

/// Rows below a heading, each column as wide as its widest cell, three spaces between.
#[must_use]
pub fn columns(heading: &[&str], rows: &[Vec<String>]) -> String {
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| columns_of(cell));
        cells.chain([heading.get(at).map_or(0, |name| columns_of(name))]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| padded(cell, *width)).collect();
        padded.join("   ").trim_end().to_owned() + "\n"
    };
    let mut out = line(&mut heading.iter().copied());
    for row in rows {
        out.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::columns;

    #[test]
    fn columns_line_up_and_lines_have_no_tail() {
        let rows = [vec!["a".to_owned(), "bb".to_owned()], vec!["ccc".to_owned(), String::new()]];
        assert_eq!(columns(&["X", "Y"], &rows), "X     Y\na     bb\nccc\n");
        let wide = [vec!["証".to_owned(), "b".to_owned()], vec!["a".to_owned(), "b".to_owned()]];
        assert_eq!(columns(&["X", "Y"], &wide), "X    Y\n証   b\na    b\n");
    }
}
