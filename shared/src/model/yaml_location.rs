//! On which line of a YAML text something stands: for people who look it up, and for code scanning.
//!
//! The YAML crate reads values and not their places. Block style, as generators and people write it, is followed by its
//! indentation; where that ends (flow style, JSON), the last line that was found is reported: near, and never wrong by more than that.

/// One step into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathSegment {
    /// A key of a map.
    Key(String),
    /// An item of a list.
    Item(usize),
}

/// The line, from 1 on, of each document that is not empty.
#[must_use]
pub fn find_document_lines(text: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut waiting = true;
    for (at, line) in text.lines().enumerate() {
        if line == "---" || line.starts_with("--- ") {
            waiting = true;
            continue;
        }
        if waiting && has_content(line) && line.trim_end() != "..." {
            starts.push(at + 1);
            waiting = false;
        }
    }
    starts
}

/// The line, from 1 on, at which the steps lead, or the last one that is found on the way. `start` is the line of the document.
#[must_use]
pub fn find_line(text: &str, start: usize, steps: &[PathSegment]) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let end = lines.iter().skip(start).position(|line| line.starts_with("---")).map_or(lines.len(), |at| start + at);
    let mut here = YamlBlock { lines: &lines, start: start.saturating_sub(1), end, dash: None };
    let mut found = start;
    for step in steps {
        let Some((line, below)) = here.descend(step) else { return found };
        found = line + 1;
        here = below;
    }
    found
}

fn has_content(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with('#')
}

fn is_item(content: &str) -> bool {
    content == "-" || content.starts_with("- ")
}

fn is_key(content: &str, key: &str) -> bool {
    [key.to_owned(), format!("\"{key}\""), format!("'{key}'")]
        .iter()
        .any(|written| content.strip_prefix(written.as_str()).is_some_and(|rest| rest == ":" || rest.starts_with(": ")))
}

/// The lines of one value.
struct YamlBlock<'a> {
    lines: &'a [&'a str],
    start: usize,
    end: usize,
    /// Where the content of the first line begins, behind the dash of an item.
    dash: Option<usize>,
}

impl YamlBlock<'_> {
    /// Column and content of a line.
    fn content(&self, at: usize) -> (usize, &str) {
        let line = self.lines.get(at).copied().unwrap_or_default();
        let column = self.dash.filter(|_| at == self.start).unwrap_or(line.len() - line.trim_start().len());
        (column, line.get(column..).unwrap_or_default())
    }

    /// The line of a key or an item, and the lines below it.
    fn descend(&self, step: &PathSegment) -> Option<(usize, Self)> {
        let first = (self.start..self.end).find(|at| has_content(self.content(*at).1))?;
        let column = self.content(first).0;
        let wants_item = matches!(step, PathSegment::Item(_));
        let here = |at: &usize| {
            let (line_column, content) = self.content(*at);
            line_column == column && has_content(content) && is_item(content) == wants_item
        };
        let begins: Vec<usize> = (first..self.end).filter(here).collect();
        let number = match step {
            PathSegment::Item(number) => *number,
            PathSegment::Key(key) => begins.iter().position(|at| is_key(self.content(*at).1, key))?,
        };
        let line = *begins.get(number)?;
        let to = begins.get(number + 1).copied().unwrap_or(self.end);
        let (line_column, content) = self.content(line);
        let inner = content.trim_start_matches('-').trim_start();
        let (from, dash) =
            if wants_item { (line, Some(line_column + content.len() - inner.len())) } else { (line + 1, None) };
        Some((line, YamlBlock { lines: self.lines, start: from, end: to, dash }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# a comment\n---\napiVersion: v1\nspec:\n  versions:\n  - name: v1\n    schema:\n      a: |\n        name: no\n      \"b\":\n        c: 1\n  -\n    name: v2\n---\nkind: List\nitems:\n  - kind: A\n    x: {y: 1}\n  - kind: B\n";

    fn steps(path: &str) -> Vec<PathSegment> {
        let step = |part: &str| part.parse().map_or_else(|_| PathSegment::Key(part.to_owned()), PathSegment::Item);
        path.split('.').map(step).collect()
    }

    #[test]
    fn documents_begin_where_they_say_something() {
        assert_eq!(find_document_lines(TEXT), [3, 15]);
        assert_eq!(find_document_lines("a: 1\n---\n---\n# nothing\n--- # more\nb: 1\n"), [1, 6]);
    }

    #[test]
    fn a_place_is_found_by_its_indentation() {
        let at = |start: usize, path: &str| find_line(TEXT, start, &steps(path));
        assert_eq!(at(3, "spec"), 4);
        assert_eq!(at(3, "spec.versions.0.name"), 6);
        assert_eq!(at(3, "spec.versions.0.schema.b.c"), 11);
        assert_eq!(at(3, "spec.versions.1.name"), 13);
        assert_eq!(at(15, "items.1"), 19);
        // Flow style and what is not there: the last line on the way.
        assert_eq!(at(15, "items.0.x.y"), 18);
        assert_eq!(at(3, "spec.versions.0.schema.d"), 7);
    }
}
