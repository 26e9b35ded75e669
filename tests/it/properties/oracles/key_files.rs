//! `keys.toml`: whatever stands in it, reading it ends in keys or in problems that say where they are and repeat no
//! secret.

use std::path::Path;

use clickbank_gateway::config;

use super::gateway_files::check_problems;
use super::setup::PLAIN;

/// The file's text.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let file = Path::new("keys.toml");
    if let Err(findings) = config::check_keys(file, text, &PLAIN.snapshot.policy.nicknames) {
        assert!(!findings.errors.is_empty());
        check_problems(file, bytes, &findings.errors);
        check_problems(file, bytes, &findings.warnings);
    }
}
