//! `docs/ownership.md` says of every endpoint how ownership is established, and what that takes behind a wide credential.
//! Its table is made from the catalogue.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clickbank_gateway::config::built_in_endpoints;
use clickbank_gateway::domain::decision::behind_a_wide_credential;
use clickbank_gateway::domain::endpoint::{Changes, Endpoint};
use clickbank_gateway::domain::permission::Permission;
use clickbank_gateway::domain::target::API_PREFIX;

const BEGIN: &str = "<!-- made from the catalogue by tests/it/ownership_table.rs -->\n";
const END: &str = "<!-- end of what is made -->\n";

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ownership.md")
}

fn row(endpoint: &Endpoint) -> String {
    let permissions: Vec<String> =
        endpoint.permissions.iter().map(|permission: Permission| format!("`{permission}`")).collect();
    let changes = match endpoint.changes {
        Changes::Nothing => "",
        Changes::Something => " *changes*",
        Changes::Money => " *moves money*",
    };
    let mut row = format!("| `{}` `{API_PREFIX}{}`{changes} ", endpoint.method, endpoint.path);
    let permissions = if permissions.is_empty() { "none".to_owned() } else { permissions.join(" and ") };
    let (shows, takes) = (endpoint.owner.description(), behind_a_wide_credential(endpoint));
    writeln!(row, "| `{}` | {permissions} | {shows} | {takes} |", endpoint.name).unwrap();
    row
}

fn table() -> String {
    let mut table =
        "| call | id | permission | owner shows in | behind a wide credential |\n|---|---|---|---|---|\n".to_owned();
    built_in_endpoints().unwrap().iter().for_each(|endpoint| table.push_str(&row(endpoint)));
    table
}

/// `CBGW_TEST_WRITE=1 cargo test --test it ownership_table` writes the table anew.
#[test]
#[expect(clippy::disallowed_methods, reason = "whoever runs the test asks in the environment to have the page written")]
fn the_page_agrees_with_the_catalogue() {
    let text = fs::read_to_string(page()).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the page says where the table begins");
    let (written, after) = rest.split_once(END).expect("the page says where the table ends");
    let made = format!("\n{}\n", table());
    if written != made && std::env::var_os("CBGW_TEST_WRITE").is_some() {
        fs::write(page(), format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(written, made, "CBGW_TEST_WRITE=1 writes it anew");
}

#[test]
fn every_endpoint_has_its_row() {
    let text = fs::read_to_string(page()).unwrap();
    let rows: BTreeSet<&str> = text.lines().filter_map(|line| line.split(" | `").nth(1)?.split('`').next()).collect();
    let endpoints = built_in_endpoints().unwrap();
    let expected: BTreeSet<&str> = endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
    assert_eq!(rows, expected);
}
