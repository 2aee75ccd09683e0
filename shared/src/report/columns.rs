//! Renders columns as kubectl prints them: padded with spaces, no lines, a heading in capitals.

use super::style::{display_width, pad_to};

/// Renders rows below a heading. Each column is as wide as its widest cell, with three spaces between columns.
#[must_use]
pub fn render_columns(heading: &[&str], rows: &[Vec<String>]) -> String {
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| display_width(cell));
        cells.chain([heading.get(at).map_or(0, |name| display_width(name))]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| pad_to(cell, *width)).collect();
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
    use super::render_columns;

    #[test]
    fn columns_are_aligned_without_trailing_spaces() {
        let rows = [vec!["a".to_owned(), "bb".to_owned()], vec!["ccc".to_owned(), String::new()]];
        assert_eq!(render_columns(&["X", "Y"], &rows), "X     Y\na     bb\nccc\n");
        let wide = [vec!["証".to_owned(), "b".to_owned()], vec!["a".to_owned(), "b".to_owned()]];
        assert_eq!(render_columns(&["X", "Y"], &wide), "X    Y\n証   b\na    b\n");
    }
}
