//! The lines that differ between two texts, or the items between two lists: a longest common subsequence.

/// The largest product of both lengths that is compared line by line; beyond it, everything counts as changed.
const MAX_CELLS: usize = 4_000_000;

/// A line that only one side has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DiffLine {
    /// Only the old side has it.
    Removed {
        /// Its position on the old side.
        at: usize,
        /// The line.
        text: String,
    },
    /// Only the new side has it.
    Added {
        /// Its position on the new side.
        at: usize,
        /// The line.
        text: String,
    },
}

/// The changed lines in the order of the text; in each changed block the removed lines come first.
pub(super) fn diff_items(old: &[String], new: &[String]) -> Vec<DiffLine> {
    let start = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let tail = old[start..].iter().rev().zip(new[start..].iter().rev()).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[start..old.len() - tail], &new[start..new.len() - tail]);
    let common = if old.len() * new.len() > MAX_CELLS { Vec::new() } else { find_common_lines(old, new) };
    let mut changes = Vec::new();
    let (mut from_old, mut from_new) = (0, 0);
    for (to_old, to_new) in common.into_iter().chain([(old.len(), new.len())]) {
        let removed = (from_old..to_old).map(|at| DiffLine::Removed { at: start + at, text: old[at].clone() });
        changes.extend(removed);
        let added = (from_new..to_new).map(|at| DiffLine::Added { at: start + at, text: new[at].clone() });
        changes.extend(added);
        (from_old, from_new) = (to_old + 1, to_new + 1);
    }
    changes
}

/// The positions of a longest common subsequence.
fn find_common_lines(old: &[String], new: &[String]) -> Vec<(usize, usize)> {
    let width = new.len() + 1;
    let mut lengths = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            lengths[i * width + j] = if old[i] == new[j] {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut common) = (0, 0, Vec::new());
    while i < old.len() && j < new.len() {
        if old[i] == new[j] {
            common.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(old: &str, new: &str) -> String {
        let items = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let lines = diff_items(&items(old), &items(new)).into_iter().map(|line| match line {
            DiffLine::Removed { at, text } => format!("-{at}{text}"),
            DiffLine::Added { at, text } => format!("+{at}{text}"),
        });
        lines.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn only_lines_of_one_side_are_changes() {
        assert_eq!(changes("a b c", "a b c"), "");
        assert_eq!(changes("a b c", "a x c d"), "-1b +1x +3d");
        assert_eq!(changes("a b c d", "b d e"), "-0a -2c +2e");
    }
}
