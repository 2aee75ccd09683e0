//! Edits of Rust source text: a module, an entry of a list, the length of an array. Pure; no file is read or written.

/// Adds `pub mod NAME;` to the block of modules, in alphabetical order.
pub(crate) fn insert_module(text: &str, name: &str) -> Result<String, String> {
    let line = format!("pub mod {name};");
    let modules: Vec<&str> = text.lines().filter(|line| is_module(line)).collect();
    if modules.contains(&line.as_str()) {
        return Err(format!("the module {name} exists"));
    }
    match modules.iter().find(|module| **module > line.as_str()) {
        Some(next) => Ok(text.replacen(next, &format!("{line}\n{next}"), 1)),
        None => {
            let last = modules.last().ok_or("there is no module to stand beside")?;
            Ok(text.replacen(last, &format!("{last}\n{line}"), 1))
        }
    }
}

fn is_module(line: &str) -> bool {
    line.starts_with("pub mod ") && line.ends_with(';')
}

/// Adds an entry to the list that starts with `head`: after the last line that starts with `after`, else at the end.
/// The length in the head grows by one: `[Guard; 48]` becomes `[Guard; 49]`.
pub(crate) fn append_entry(text: &str, list: &List<'_>, entry: &str) -> Result<String, String> {
    let start = text.find(list.head).ok_or_else(|| format!("the list {:?} is not in the file", list.head))?;
    let end = start + text[start..].find("\n];").ok_or_else(|| format!("the list {:?} does not end", list.head))? + 1;
    let (before, body, after) = (&text[..start], &text[start..end], &text[end..]);
    let mut lines: Vec<&str> = body.lines().collect();
    let beside = list.after.and_then(|prefix| lines.iter().rposition(|line| line.trim_start().starts_with(prefix)));
    lines.insert(beside.map_or(lines.len(), |at| at + 1), entry.trim_end_matches('\n'));
    let head = grow_length(lines.first().copied().unwrap_or_default())?;
    let rest: Vec<&str> = lines.into_iter().skip(1).collect();
    Ok(format!("{before}{head}\n{}\n{after}", rest.join("\n")))
}

/// A list in a file.
pub(crate) struct List<'a> {
    /// How the line of its declaration starts.
    pub(crate) head: &'a str,
    /// How the entries start beside which a new one belongs.
    pub(crate) after: Option<&'a str>,
}

/// The line of a declaration with the length of its array plus one.
fn grow_length(line: &str) -> Result<String, String> {
    let unreadable = || format!("the array's length is not in {line:?}");
    let (before, rest) = line.split_once("; ").ok_or_else(unreadable)?;
    let (length, after) = rest.split_once(']').ok_or_else(unreadable)?;
    let length: usize = length.parse().map_err(|_| unreadable())?;
    Ok(format!("{before}; {}]{after}", length + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_inserted_in_its_order() {
        let text = "//! Doc.\n\npub mod alpha;\npub mod delta;\n\nuse x;\n";
        let with = |name: &str| insert_module(text, name).unwrap();
        assert_eq!(with("beta"), "//! Doc.\n\npub mod alpha;\npub mod beta;\npub mod delta;\n\nuse x;\n");
        assert_eq!(with("zeta"), "//! Doc.\n\npub mod alpha;\npub mod delta;\npub mod zeta;\n\nuse x;\n");
        assert!(insert_module(text, "delta").is_err());
    }

    #[test]
    fn an_entry_is_sorted_in_and_the_length_grows() {
        let text = "static ALL: [Check; 2] = checks![\n    tools::a,\n    flux::b,\n];\nfn f() {}\n";
        let list = List { head: "static ALL", after: Some("tools::") };
        let expected = "static ALL: [Check; 3] = checks![\n    tools::a,\n    tools::c,\n    flux::b,\n];\nfn f() {}\n";
        assert_eq!(append_entry(text, &list, "    tools::c,").unwrap(), expected);
        let list = List { head: "static ALL", after: None };
        assert!(append_entry(text, &list, "    z::c,\n").unwrap().contains("    flux::b,\n    z::c,\n];"));
        assert!(append_entry(text, &List { head: "static OTHER", after: None }, "x").is_err());
    }
}
