//! The command lines in the documents, run as they stand there: what follows each of them is what it prints.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use jiff::Timestamp;

use super::shell::Shell;

/// What the documents show in the place of what differs from run to run.
const KEY: &str = "cbgw_\u{2026}";
const ID: &str = "key_5t8w2k9m4x7c1v6b3n0q";
const NOW: &str = "2026-12-01T09:00:00Z";

/// The words of a command line, with quotes as a shell reads them.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote, mut open) = (vec![String::new()], None, false);
    for character in line.chars() {
        match character {
            '"' | '\'' if quote.is_none() => (quote, open) = (Some(character), true),
            _ if quote == Some(character) => quote = None,
            ' ' if quote.is_none() => words.push(String::new()),
            _ => words.last_mut().unwrap().push(character),
        }
    }
    words.retain(|word| !word.is_empty() || open);
    words
}

/// Runs a command, and says what a person would see.
fn shown(shell: &Shell, arguments: &[String]) -> String {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = shell.command(&arguments);
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    let mut child = command.spawn().unwrap();
    // Together with it go the ends of the pipe that it holds here.
    drop(command);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    child.wait().unwrap();
    let now = Timestamp::now().as_second();
    let mut steady = String::new();
    for word in
        text.split_inclusive(|character: char| !(character.is_ascii_alphanumeric() || "_:-".contains(character)))
    {
        let body =
            word.trim_end_matches(|character: char| !(character.is_ascii_alphanumeric() || "_:-".contains(character)));
        let end = &word[body.len()..];
        let time = body.parse::<Timestamp>().ok().map(|time| time.as_second() - now);
        let body = match time {
            _ if body.starts_with("cbgw_") && body.len() == 41 => KEY.to_owned(),
            _ if body.starts_with("key_") && body.len() == 24 && !example_has(body) => ID.to_owned(),
            Some(seconds) if (-3_600..40 * 86_400).contains(&seconds) => {
                let minutes = (seconds + 30).div_euclid(60) * 60;
                (NOW.parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(minutes)).to_string()
            }
            _ => body.to_owned(),
        };
        steady.push_str(&(body + end));
    }
    // The day on which keys were made stands in a column.
    steady.replace(&format!("  {}  ", &Timestamp::now().to_string()[..10]), &format!("  {}  ", &NOW[..10]))
}

fn example_has(id: &str) -> bool {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/keys.toml")).unwrap().contains(id)
        || id.contains("0c1o2n3t4r5a6c7t8o9r")
}

/// A document with what its command lines print now.
fn rerun(document: &str) -> (String, usize) {
    let shell = Shell::with_example();
    let (mut text, mut console, mut commands) = (String::new(), false, 0);
    for line in document.lines() {
        if line.starts_with("```") {
            console = line == "```console";
        }
        match line.strip_prefix("$ clickbank-gateway ").filter(|_| console) {
            Some(command) => {
                commands += 1;
                text.push_str(&format!("{line}\n{}", shown(&shell, &words(command))));
            }
            // What a command printed when it was last run.
            None if console && !line.starts_with("```") => {}
            None => text.push_str(&format!("{line}\n")),
        }
    }
    (text, commands)
}

/// `INSTA_UPDATE=always` writes the documents anew, as it does with golden files.
#[test]
fn command_lines_in_documents_print_what_is_said() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    #[expect(clippy::disallowed_methods, reason = "as insta does")]
    let update = std::env::var("INSTA_UPDATE").is_ok_and(|value| value == "always");
    let mut documents: Vec<_> = ["docs", "."]
        .iter()
        .flat_map(|folder| fs::read_dir(root.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    documents.sort();
    let mut commands = 0;
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        let (now, count) = rerun(&text);
        commands += count;
        if update && now != text {
            fs::write(&document, now).unwrap();
            continue;
        }
        for (number, (said, is)) in (1..).zip(text.lines().zip(now.lines())) {
            assert_eq!(said, is, "{}:{number}", document.display());
        }
        assert_eq!(text, now, "{}", document.display());
    }
    assert!(commands > 10, "the command lines were found");
}
