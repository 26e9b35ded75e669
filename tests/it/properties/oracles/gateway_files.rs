//! `gateway.toml`: whatever stands in it, reading it ends in a configuration or in problems that say where they are and
//! repeat no secret.

use std::fs;
use std::path::Path;

use clickbank_gateway::config::{self, Findings, Problem, Secrets};

use super::setup;

/// The file.
pub(crate) fn check(bytes: &[u8]) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("gateway.toml");
    let write =
        |name: &str, bytes: &[u8]| fs::write(directory.path().join(name), bytes).expect("a file can be written");
    write("gateway.toml", bytes);
    write("keys.toml", setup::keys_toml().as_bytes());
    write("clickbank", setup::CLICKBANK_KEY.as_bytes());
    for secrets in [Secrets::Read, Secrets::Skip] {
        match config::load(&file, secrets) {
            Ok((config, warnings)) => {
                check_problems(&file, bytes, &warnings);
                assert!(!format!("{config:?}").contains(setup::CLICKBANK_KEY));
            }
            Err(Findings { errors, warnings, .. }) => {
                assert!(!errors.is_empty());
                check_problems(&file, bytes, &errors);
                check_problems(&file, bytes, &warnings);
            }
        }
    }
}

/// What holds for every problem that is found in a file with these bytes, or in one that it names.
pub(crate) fn check_problems(file: &Path, bytes: &[u8], problems: &[Problem]) {
    let lines = bytes.split(|byte| *byte == b'\n').count();
    let readable = std::str::from_utf8(bytes).is_ok();
    for problem in problems {
        let shown = problem.to_string();
        if problem.file == file {
            assert!(problem.line.is_none_or(|line| (1..=lines).contains(&line)), "{lines} lines: {shown}");
            // There is no place in a file that is no text, and the parser does not know where it nests too deeply.
            let somewhere = readable && !problem.message.ends_with("recursion limit");
            assert!(problem.line.is_some() || problem.key.is_some() || !somewhere, "nowhere: {problem:?}");
        }
        assert!(!problem.message.is_empty() && !problem.mend.is_empty(), "{problem:?}");
        let told = [&*problem.message, &*problem.mend, problem.key.as_deref().unwrap_or_default()].join(" ");
        assert!(!told.chars().any(char::is_control), "{told:?}");
        assert!(!told.contains(setup::CLICKBANK_KEY), "{told:?}");
        for secret in secrets_in(bytes) {
            assert!(!told.contains(&secret), "{secret}: {told:?}");
        }
    }
}

/// Everything in a text that looks like a key.
fn secrets_in(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let prefixes = ["cbgw_", "API-", "DEV-"].into_iter();
    let found = prefixes.flat_map(|prefix| text.match_indices(prefix)).filter_map(|(at, prefix)| {
        let rest = &text[at + prefix.len()..];
        let length = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
        (length >= 8).then(|| text[at..at + prefix.len() + length].to_owned())
    });
    found.collect()
}
