//! The edit of a file that cannot be written here, or is not to be yet, as `patch` and `git apply` take it.

use similar::TextDiff;

/// The difference between two texts, as a unified diff. Empty where there is none.
pub(in crate::cli) fn unified(name: &str, before: &str, after: &str) -> String {
    TextDiff::from_lines(before, after).unified_diff().header(name, name).to_string()
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
