//! What the documents claim and a program can check: each code has its page, links lead somewhere, tables agree with
//! the code, and nothing in them tells of the machine they were written on.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a document that cannot be read fails the test that asks for it")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clickbank_gateway::config::built_in_endpoints;
use clickbank_gateway::domain::permission::Permission;
use clickbank_gateway::rejection::Code;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Every Markdown file of the repository.
fn documents() -> Vec<PathBuf> {
    let mut folders = vec![root().join("docs")];
    let mut documents = markdown_in(root());
    while let Some(folder) = folders.pop() {
        documents.extend(markdown_in(&folder));
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        folders.extend(entries.filter(|path| path.is_dir()));
    }
    assert!(documents.len() > Code::ALL.len(), "the documents were found");
    documents
}

fn markdown_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// The lines of a document that are not in a block of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// The texts between single backticks of a line.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The targets of a line's links, images among them.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// What a heading's anchor is called: lower case, without punctuation, with dashes for spaces.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn anchors(text: &str) -> BTreeSet<String> {
    prose(text).filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#'))).collect()
}

fn codes() -> BTreeSet<String> {
    Code::ALL.iter().map(|code| code.as_str().to_owned()).collect()
}

/// The codes that a document lists in the first column of a table, linked to their pages below `folder`, in order.
fn listed(text: &str, folder: &str) -> Vec<String> {
    let rows = prose(text).filter_map(|line| line.strip_prefix("| [`"));
    rows.map(|row| {
        let (code, rest) = row.split_once("`](").unwrap_or_else(|| panic!("not a row of codes: {row}"));
        assert!(rest.starts_with(&format!("{folder}{code}.md)")), "the row of {code} leads elsewhere: {row}");
        code.to_owned()
    })
    .collect()
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let pages: BTreeSet<String> = markdown_in(&root().join("docs/errors"))
        .iter()
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|page| page != "README")
        .collect();
    assert_eq!(pages, codes());
}

#[test]
fn both_tables_list_every_code_once_in_order() {
    let expected: Vec<String> = codes().into_iter().collect();
    assert_eq!(listed(&read("README.md"), "docs/errors/"), expected);
    assert_eq!(listed(&read("docs/errors/README.md"), ""), expected);
}

#[test]
fn a_page_has_the_mend_for_both_and_an_answer_with_its_code_and_status() {
    for code in codes() {
        let page = read(&format!("docs/errors/{code}.md"));
        for part in ["## Why you got it", "## What to do", "**Caller:**", "**Operator:**", "## Example"] {
            assert!(page.contains(part), "the page of {code} has no {part}");
        }
        let status = page.lines().find_map(|line| line.strip_prefix("Status ")).unwrap().trim_end_matches('.');
        for part in [format!("HTTP/1.1 {status}"), format!("gateway-error: {code}"), format!("\"code\":\"{code}\"")] {
            assert!(page.contains(&part), "the example of {code} has no {part}");
        }
        let number = status.split(' ').next().unwrap();
        for (file, cell) in
            [("README.md", format!(" | {number} |")), ("docs/errors/README.md", format!(" | {status} |"))]
        {
            let text = read(file);
            let row = text.lines().find(|line| line.starts_with(&format!("| [`{code}`]"))).unwrap();
            assert!(row.contains(&cell), "{file} gives {code} another status than its page: {row}");
        }
    }
}

#[test]
fn links_lead_to_files_and_headings_that_exist() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in prose(&text).flat_map(links).filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            assert!(target.exists(), "{} links to {link}", document.display());
            let known = heading.is_empty() || anchors(&fs::read_to_string(&target).unwrap()).contains(heading);
            assert!(known, "{} links to a heading that is not there: {link}", document.display());
        }
    }
}

#[test]
fn every_document_below_docs_is_linked_from_another() {
    let documents = documents();
    let mut reached = BTreeSet::new();
    for document in &documents {
        let text = fs::read_to_string(document).unwrap();
        for link in prose(&text).flat_map(links).filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let file = link.split('#').next().unwrap_or_default();
            let target = fs::canonicalize(document.parent().unwrap().join(file)).unwrap();
            if target != fs::canonicalize(document).unwrap() {
                reached.insert(target);
            }
        }
    }
    for document in documents.iter().filter(|document| document.starts_with(root().join("docs"))) {
        assert!(reached.contains(&fs::canonicalize(document).unwrap()), "nothing links to {}", document.display());
    }
}

#[test]
fn the_lifecycle_names_every_stage_and_every_code() {
    let text = read("docs/request-lifecycle.md");
    let rows: Vec<&str> = text.lines().filter(|line| line.contains("`src/")).collect();
    let files: BTreeSet<&str> =
        rows.iter().flat_map(|row| spans(row)).filter(|span| span.starts_with("src/")).collect();
    for file in &files {
        assert!(root().join(file).exists(), "{file} is not there");
    }
    for entry in fs::read_dir(root().join("src/stage")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let named = !is_source(&name) || name == "mod.rs" || files.contains(format!("src/stage/{name}").as_str());
        assert!(named, "the stage {name} is not described");
    }
    let last = rows.iter().filter_map(|row| row.split(" | ").nth(3));
    let refusals: BTreeSet<String> = last.flat_map(spans).map(str::to_owned).collect();
    assert_eq!(refusals, codes());
}

fn is_source(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "rs")
}

#[test]
fn the_map_names_files_that_exist() {
    let text = read("docs/architecture.md");
    let named = text.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|row| row.split('`').next());
    let files: Vec<&str> = named.filter(|name| name.ends_with('/') || is_source(name)).collect();
    assert!(files.len() > 20, "the tables were found");
    for file in &files {
        let there = ["src", "src/domain"].iter().any(|folder| root().join(folder).join(file).exists());
        assert!(there, "{file} is not there");
    }
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let name = if path.is_dir() { format!("{name}/") } else { name };
        let told = ["lib.rs", "main.rs"].contains(&name.as_str()) || text.contains(&format!("`{name}`"));
        assert!(told, "the map lacks {name}");
    }
}

/// The endpoints that one cell of the table of permissions names: `GET /orders[2]/list` is that path with and without
/// the `2`.
fn expand(span: &str) -> Vec<String> {
    let Some((before, rest)) = span.split_once('[') else { return vec![span.to_owned()] };
    let (endings, after) = rest.split_once(']').unwrap();
    std::iter::once("").chain(endings.split(',')).map(|ending| format!("{before}{ending}{after}")).collect()
}

#[test]
fn the_table_of_permissions_agrees_with_the_catalogue() {
    let text = read("README.md");
    let endpoints = built_in_endpoints().unwrap();
    for permission in Permission::ALL {
        let beginning = format!("| {} | `{}` |", permission.clickbank_name(), permission.as_str());
        let row = text.lines().find_map(|line| line.strip_prefix(&beginning)).unwrap_or_else(|| panic!("{beginning}"));
        let documented: Vec<String> = spans(row).flat_map(expand).collect();
        let needing = endpoints.iter().filter(|endpoint| endpoint.permissions.contains(permission));
        let expected: BTreeSet<String> =
            needing.map(|endpoint| format!("{} {}", endpoint.method, endpoint.path)).collect();
        assert_eq!(documented.iter().cloned().collect::<BTreeSet<_>>(), expected, "{permission}");
        assert_eq!(documented.len(), expected.len(), "{permission}: an endpoint is listed twice");
    }
}

#[test]
fn decisions_are_numbered_in_a_row_and_listed() {
    let index = read("docs/adr/README.md");
    let mut pages: Vec<String> = markdown_in(&root().join("docs/adr"))
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .filter(|page| page != "README.md")
        .collect();
    pages.sort();
    for (number, page) in (1..).zip(&pages) {
        assert!(page.starts_with(&format!("{number:04}-")), "{page} is not number {number}");
        assert!(index.contains(&format!("]({page})")), "{page} is not listed");
        let text = read(&format!("docs/adr/{page}"));
        for part in ["## Context", "## Choice", "## What it costs"] {
            assert!(text.contains(part), "{page} has no {part}");
        }
    }
}

#[test]
fn nothing_tells_of_the_machine_it_was_written_on() {
    // Put together here, so that this file passes as well.
    let traces = ["work", "shared", "root", "home"].map(|folder| format!("/{folder}/"));
    let own = ["Dockerfile", ".dockerignore", "Cargo.toml", "tests/it/documentation.rs"].map(|file| root().join(file));
    for file in documents().into_iter().chain(own) {
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for (number, line) in (1..).zip(text.lines()) {
            let trace = traces.iter().find(|trace| line.contains(trace.as_str()));
            assert_eq!(trace, None, "{}:{number}: {line}", file.display());
        }
    }
}
