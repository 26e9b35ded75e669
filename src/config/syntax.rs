//! What is not TOML at all, in words that help to mend it.

use toml::de::Error;

use super::form::shown;
use super::problem::Source;

const DUPLICATE: &str = "duplicate key";

/// By words in the parser's message, the mend. The first that fits counts.
const MENDS: [(&str, &str); 9] = [
    (DUPLICATE, "a section or option stands only once in a file; merge the two, or remove one"),
    ("must be quoted", "write text in double quotes: `name = \"value\"`"),
    ("unclosed", "close the bracket on the same line"),
    ("invalid basic string", "end the text with a double quote on the same line"),
    ("expected `=`", "write `name = value`, or `[name]` for a section"),
    ("invalid unquoted key", "write the name in double quotes, or with letters, digits, `-` and `_` only"),
    ("invalid date", "write a day and time that exist, such as `2026-11-22T13:00:00Z`"),
    // The parser does not say where.
    ("recursion limit", "look for a name with many dots, or for many brackets within each other; no option needs them"),
    ("invalid time", "write a day and time that exist, such as `2026-11-22T13:00:00Z`"),
];

/// Reports syntax errors. One mistake can trip the parser several times: only the first on a line counts, and of a
/// section that stands twice only the first line.
pub(super) fn report(source: &Source<'_>, text: &str, errors: &[Error]) {
    let mut last: Option<(usize, &str)> = None;
    for error in errors {
        let span = error.span();
        let line = span.as_ref().map_or(1, |span| source.line(span.start));
        let follows = last.is_some_and(|(last_line, message)| {
            last_line == line || (message == DUPLICATE && error.message() == DUPLICATE && line == last_line + 1)
        });
        last = Some((line, error.message()));
        if follows {
            continue;
        }
        // The parser's message can span lines; ours stays on one.
        let mut message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(name) = span.clone().and_then(|span| text.get(span)).filter(|_| message == DUPLICATE) {
            message = format!("`{}` stands here a second time", shown(name));
        }
        let mend = MENDS.iter().find(|(words, _)| error.message().contains(words));
        let mend = mend.map_or("write `name = value` or `[section]`, and text in double quotes", |(_, mend)| mend);
        source.error(span.as_ref(), None, format!("is not valid TOML: {message}"), mend);
    }
}
