//! The edit of a file that cannot be written here, as `patch` and `git apply` take it.

use std::fmt::Write as _;

/// Lines shown around what changes.
const CONTEXT: usize = 3;

/// The difference between two texts, as a unified diff with one hunk. Empty where there is none.
pub(super) fn unified(name: &str, before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) =
        (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    if same == old.len() && same == new.len() {
        return String::new();
    }
    let most = old.len().min(new.len()) - same;
    let same_below = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(old, new)| old == new).count();
    let start = same.saturating_sub(CONTEXT);
    let part = |lines: &[&str], from: usize, below: usize| -> Vec<String> {
        let lines = lines.get(from..lines.len() - below).unwrap_or_default();
        lines.iter().map(|line| (*line).to_owned()).collect()
    };
    let below = same_below.saturating_sub(CONTEXT);
    let place = |lines: usize| if lines == 0 { start } else { start + 1 };
    let (old_lines, new_lines) = (old.len() - below - start, new.len() - below - start);
    let mut text =
        format!("--- {name}\n+++ {name}\n@@ -{},{old_lines} +{},{new_lines} @@\n", place(old_lines), place(new_lines));
    let mut lines = |sign: char, lines: Vec<String>| {
        for line in lines {
            let (line, ending) = line
                .strip_suffix('\n')
                .map_or((line.as_str(), "\n\\ No newline at end of file\n"), |line| (line, "\n"));
            // Writing to a string does not fail.
            let _ = write!(text, "{sign}{line}{ending}");
        }
    };
    lines(' ', old.get(start..same).unwrap_or_default().iter().map(|line| (*line).to_owned()).collect());
    lines('-', part(&old, same, same_below));
    lines('+', part(&new, same, same_below));
    let after = new.get(new.len() - same_below..new.len() - below).unwrap_or_default();
    lines(' ', after.iter().map(|line| (*line).to_owned()).collect());
    text
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_change_is_shown_with_what_stands_around_it() {
        let before = "a\nb\nc\nd\ne\nf\ng\nh\n";
        let after = "a\nb\nc\nd\nE\nf\ng\nh\n";
        let expected = "--- x\n+++ x\n@@ -2,7 +2,7 @@\n b\n c\n d\n-e\n+E\n f\n g\n h\n";
        assert_eq!(unified("x", before, after), expected);
        assert_eq!(unified("x", before, before), "");
    }

    #[test]
    fn the_edit_applied_gives_the_new_text() {
        let texts =
            ["", "a\n", "a", "a\nb\nc\nd\ne\nf\ng\n", "a\nb\nX\nd\ne\nf\ng", "z\na\nb\nc\nd\ne\nf\ng\nz\n", "a\na\n"];
        let directory = tempfile::tempdir().unwrap();
        if Command::new("git").arg("--version").output().is_err() {
            return;
        }
        for before in texts {
            for after in texts.iter().filter(|after| **after != before) {
                fs::write(directory.path().join("x"), before).unwrap();
                fs::write(directory.path().join("patch"), unified("x", before, after)).unwrap();
                let mut git = Command::new("git");
                git.args(["apply", "-p0", "--unidiff-zero", "patch"]).current_dir(directory.path());
                let output = git.output().unwrap();
                let applied = fs::read_to_string(directory.path().join("x")).unwrap();
                assert_eq!(&applied, after, "{before:?}: {output:?}\n{}", unified("x", before, after));
            }
        }
    }
}
