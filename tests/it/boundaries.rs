//! What a part of the code may not know. Each rule stands in `docs/architecture.md`; here the source is held to it.

use std::fs;
use std::path::{Path, PathBuf};

/// Every source file below `src`, with its text up to its unit tests.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                sources.push((path.strip_prefix(&root).unwrap().display().to_string(), code));
            }
        }
    }
    assert!(sources.len() > 50, "the source was found");
    sources
}

/// The files, outside the simulator, in which any of `words` stands in code.
fn files_with(words: &[&str]) -> Vec<String> {
    let mut files: Vec<String> = sources()
        .into_iter()
        .filter(|(file, _)| !file.starts_with("simulator/"))
        .filter(|(_, code)| {
            let lines = code.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
            lines.into_iter().any(|line| words.iter().any(|word| line.contains(word)))
        })
        .map(|(file, _)| file)
        .collect();
    files.sort();
    files
}

#[test]
fn only_inject_takes_a_credential_out_of_its_type() {
    assert_eq!(files_with(&["expose_to_upstream"]), ["domain/secret.rs", "stage/inject.rs"]);
}

#[test]
fn only_key_commands_and_the_demo_show_a_key_and_only_issue_makes_one() {
    assert_eq!(files_with(&["expose_once"]), ["cli/demo.rs", "cli/key/change.rs", "domain/secret.rs"]);
    assert_eq!(files_with(&["IssuedKey::new"]), ["keys/issue.rs"]);
}

#[test]
fn only_parsers_of_secrets_read_a_secrets_text() {
    let files = files_with(&["expose_to_parser"]);
    assert_eq!(files, ["config/gateway.rs", "config/policy.rs", "domain/secret.rs"]);
}

#[test]
fn only_authorize_makes_a_permit_and_only_guard_an_answer_to_release() {
    assert_eq!(files_with(&["Permit {"]), ["stage/authorize.rs"]);
    assert_eq!(files_with(&["LookUp {"]), ["stage/authorize.rs"]);
    assert_eq!(files_with(&["= Proven {", "Ok(Proven {"]), ["stage/prove.rs"]);
    assert_eq!(files_with(&["Ok(Guarded {"]), ["stage/guard.rs"]);
    assert_eq!(files_with(&["Ok(Outbound {"]), ["stage/inject.rs"]);
}

#[test]
fn only_shape_says_that_a_call_may_be_sent_again() {
    assert_eq!(files_with(&["Repeatable("]), ["stage/shape.rs"]);
}

#[test]
fn only_respond_picks_a_status_for_callers() {
    // Health and admin answer others than callers.
    assert_eq!(files_with(&["StatusCode::"]), ["admin.rs", "health.rs", "stage/respond.rs"]);
    assert_eq!(files_with(&["status_mut()"]), ["brief.rs", "stage/respond.rs"]);
}

#[test]
fn only_audit_writes_about_requests() {
    let files =
        files_with(&["tracing::info!", "tracing::warn!", "tracing::error!", "tracing::debug!", "tracing::trace!"]);
    assert_eq!(files, ["audit.rs", "cli/serve.rs", "probe.rs", "reload.rs", "server.rs"]);
}

#[test]
fn only_metrics_counts_for_monitoring_and_takes_no_text() {
    assert_eq!(files_with(&["prometheus_client"]), ["metrics.rs", "metrics/exposition.rs"]);
    let sources = sources();
    let (_, metrics) = sources.iter().find(|(file, _)| file == "metrics.rs").unwrap();
    let functions = metrics.lines().filter(|line| line.trim_start().starts_with("pub(crate) fn "));
    let taking_text: Vec<&str> = functions.filter(|line| line.replace("&'static str", "").contains("str")).collect();
    assert!(taking_text.is_empty(), "{taking_text:?}");
}

#[test]
fn the_domain_knows_no_network_no_runtime_and_no_file() {
    let files = files_with(&["tokio", "hyper", "tower", "std::fs", "std::net", "std::env", "async "]);
    let domain: Vec<&String> = files.iter().filter(|file| file.starts_with("domain/")).collect();
    assert!(domain.is_empty(), "{domain:?}");
}

#[test]
fn a_live_request_can_i_and_check_ask_the_same_function() {
    assert_eq!(files_with(&[".decide("]), ["cli/can_i.rs", "domain/gaps.rs", "stage/authorize.rs"]);
}

#[test]
fn the_simulator_reads_requests_with_code_of_its_own() {
    let borrowed: Vec<String> = sources()
        .into_iter()
        .filter(|(file, code)| {
            file.starts_with("simulator/") && (code.contains("crate::domain") || code.contains("crate::stage"))
        })
        .map(|(file, _)| file)
        .collect();
    assert!(borrowed.is_empty(), "{borrowed:?}");
}
