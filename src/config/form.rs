//! A TOML document as a form to be filled in: every field is asked for by name and type, and what was not asked for,
//! or has another type, becomes a problem with its line, key and mend. Reading goes on after a problem, so that one run
//! reports them all.

use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::value::{Datetime, Offset};

use crate::domain::secret::{has_secret, without_secrets};

use super::problem::{Findings, Source, choices};
use super::syntax;

/// Reads the text and hands its root table to `read`. Syntax errors are reported, and what could be parsed is read all
/// the same.
pub(super) fn read<T>(
    name: &Path,
    text: &str,
    findings: &RefCell<Findings>,
    read: impl FnOnce(&mut Form<'_>) -> T,
) -> T {
    let source = Source::new(name, text, findings);
    let (root, errors) = DeTable::parse_recoverable(text);
    syntax::report(&source, text, &errors);
    // After a syntax error the rest of a table may be missing or misplaced, so nothing else is said about such a file.
    let quiet = RefCell::default();
    let silent = Source::new(name, text, &quiet);
    let source = if errors.is_empty() { &source } else { &silent };
    let mut form = Form {
        source,
        place: Rc::new(Place::Root),
        at: None,
        table: root.get_ref(),
        asked: Vec::new(),
        found: 0,
        open: false,
        sound: errors.is_empty(),
    };
    let value = read(&mut form);
    form.finish();
    value
}

/// One table.
pub(super) struct Form<'a> {
    source: &'a Source<'a>,
    place: Rc<Place<'a>>,
    at: Option<Range<usize>>,
    table: &'a DeTable<'a>,
    asked: Vec<&'static str>,
    /// How many of those there are.
    found: usize,
    open: bool,
    sound: bool,
}

/// One value, with its place.
#[derive(Clone)]
pub(super) struct Entry<'a> {
    source: &'a Source<'a>,
    place: Place<'a>,
    at: Range<usize>,
    value: &'a DeValue<'a>,
}

/// Where a value stands in the document. It is put into words only when there is something to say about it.
#[derive(Clone)]
enum Place<'a> {
    Root,
    Field(Rc<Place<'a>>, &'a str),
    Element(Rc<Place<'a>>, usize),
}

impl Place<'_> {
    /// The dotted key; empty for the whole document.
    fn path(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Field(table, name) => join(&table.path(), name),
            Self::Element(array, position) => format!("{}[{position}]", array.path()),
        }
    }
}

impl<'a> Form<'a> {
    fn entry(&self, key: &'a Spanned<std::borrow::Cow<'a, str>>, value: &'a Spanned<DeValue<'a>>) -> Entry<'a> {
        Entry {
            source: self.source,
            place: Place::Field(Rc::clone(&self.place), key.get_ref()),
            at: key.span().start..value.span().end,
            value: value.get_ref(),
        }
    }

    /// The field of this name, if it is there.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Entry<'a>> {
        let entry = self.table.get_key_value(name).map(|(key, value)| self.entry(key, value));
        if !self.asked.contains(&name) {
            self.asked.push(name);
            self.found += usize::from(entry.is_some());
        }
        entry
    }

    /// The field of this name; its absence is a problem.
    pub(super) fn require(&mut self, name: &'static str, mend: &str) -> Option<Entry<'a>> {
        let entry = self.take(name);
        if entry.is_none() {
            let key = join(&self.place.path(), name);
            self.source.error(self.at.as_ref(), Some(&key), "is missing", mend);
        }
        entry
    }

    /// Whether the table has no fields.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Whether something holds of every field. Only before any is asked for.
    pub(super) fn every(&self, holds: impl Fn(&Entry<'a>) -> bool) -> bool {
        self.unasked().iter().all(|(_, entry)| holds(entry))
    }

    /// Whether the file is valid TOML, so that what is not in this table was not lost in a syntax error.
    pub(super) fn is_sound(&self) -> bool {
        self.sound
    }

    /// All fields that were not asked for by name, in the order of the file: for tables whose keys are names that the
    /// user chose.
    pub(super) fn rest(&mut self) -> Vec<(&'a str, Entry<'a>)> {
        self.open = true;
        self.unasked()
    }

    fn unasked(&self) -> Vec<(&'a str, Entry<'a>)> {
        let mut unasked: Vec<_> = self
            .table
            .iter()
            .filter(|(key, _)| !self.asked.iter().any(|asked| *asked == key.get_ref().as_ref()))
            .map(|(key, value)| (key.get_ref().as_ref(), self.entry(key, value)))
            .collect();
        unasked.sort_by_key(|(_, entry)| entry.at.start);
        unasked
    }

    /// Reports what was never asked for, and says whether there was any.
    pub(super) fn finish(&self) -> bool {
        let all_known = self.open || self.found == self.table.len();
        let unknown = if all_known { Vec::new() } else { self.unasked() };
        let mut options = self.asked.clone();
        options.sort_unstable();
        for (name, entry) in &unknown {
            if has_secret(name) || entry.if_text().is_some_and(has_secret) {
                entry.error("holds a secret, which must not stand in this file", "remove it, and regenerate that key");
            } else {
                entry.error("is not an option here", choices(name, options.iter().copied()));
            }
        }
        !unknown.is_empty()
    }

    /// A problem about the table as a whole.
    pub(super) fn error(&self, message: impl Into<String>, mend: impl Into<String>) {
        self.source.error(
            self.at.as_ref(),
            Some(self.place.path()).filter(|path| !path.is_empty()).as_deref(),
            message,
            mend,
        );
    }
}

impl<'a> Entry<'a> {
    /// A problem at this place.
    pub(super) fn error(&self, message: impl Into<String>, mend: impl Into<String>) {
        self.source.error(Some(&self.at), Some(&self.place.path()), message, mend);
    }

    /// A warning at this place.
    pub(super) fn warning(&self, message: impl Into<String>, mend: impl Into<String>) {
        self.source.warning(Some(&self.at), Some(&self.place.path()), message, mend);
    }

    /// The findings to which a problem at this place would be added.
    pub(super) fn findings(&self) -> &'a RefCell<Findings> {
        self.source.findings()
    }

    fn wrong_type<T>(&self, wanted: &str, mend: impl Into<String>) -> Option<T> {
        self.error(format!("is {}, but has to be {wanted}", kind(self.value)), mend);
        None
    }

    /// The text, if it is a string, without complaint if it is not.
    pub(super) fn if_text(&self) -> Option<&'a str> {
        match self.value {
            DeValue::String(text) => Some(text.as_ref()),
            _ => None,
        }
    }

    /// The text.
    pub(super) fn text(&self) -> Option<&'a str> {
        self.if_text().or_else(|| self.wrong_type("a string", "write it in double quotes"))
    }

    /// The text, which has to be there. `example` shows one.
    pub(super) fn text_like(&self, example: &str) -> Option<&'a str> {
        let mend = format!("write it in double quotes, such as \"{example}\"");
        match self.if_text() {
            Some("") => {
                self.error("is empty", mend);
                None
            }
            Some(text) => Some(text),
            None => self.wrong_type("a string", mend),
        }
    }

    /// A text that means one of a closed set of names.
    pub(super) fn one_of<T>(&self, names: &[&str], parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let Some(text) = self.if_text() else {
            let names = names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>();
            return self.wrong_type("a string", format!("write one of {}", names.join(", ")));
        };
        let parsed = parse(text);
        if parsed.is_none() {
            self.error(format!("has no meaning as `{}`", shown(text)), choices(text, names.iter().copied()));
        }
        parsed
    }

    /// Whether it is yes or no.
    pub(super) const fn is_boolean(&self) -> bool {
        matches!(self.value, DeValue::Boolean(_))
    }

    /// Yes or no.
    pub(super) fn boolean(&self) -> Option<bool> {
        match self.value {
            DeValue::Boolean(value) => Some(*value),
            _ => self.wrong_type("true or false", "write `true` or `false`, without quotes"),
        }
    }

    /// A whole number within bounds.
    pub(super) fn integer(&self, bounds: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let DeValue::Integer(number) = self.value else {
            let mend = format!("write a whole number from {} to {}, without quotes", bounds.start(), bounds.end());
            return self.wrong_type("a whole number", mend);
        };
        let value = u64::from_str_radix(number.as_str(), number.radix()).ok().filter(|value| bounds.contains(value));
        if value.is_none() {
            self.error("is out of bounds", format!("use a whole number from {} to {}", bounds.start(), bounds.end()));
        }
        value
    }

    /// A duration such as `"5s"`, within bounds.
    pub(super) fn duration(&self, bounds: std::ops::RangeInclusive<Duration>) -> Option<Duration> {
        let Some(text) = self.if_text() else {
            return self.wrong_type(
                "a duration",
                "write it with its unit and in double quotes, such as \"500ms\", \"5s\" or \"2m\"",
            );
        };
        match parse_duration(text) {
            Some(duration) if bounds.contains(&duration) => Some(duration),
            Some(_) => {
                let (least, most) = (show_duration(*bounds.start()), show_duration(*bounds.end()));
                self.error("is out of bounds", format!("use a duration from \"{least}\" to \"{most}\""));
                None
            }
            None => {
                self.error(
                    format!("`{}` is not a duration", shown(text)),
                    "write a whole number and a unit, such as \"500ms\", \"5s\", \"2m\" or \"24h\"",
                );
                None
            }
        }
    }

    /// A size such as `"4 MiB"`, in bytes, within bounds.
    pub(super) fn size(&self, bounds: std::ops::RangeInclusive<u64>) -> Option<usize> {
        let Some(text) = self.if_text() else {
            return self.wrong_type("a size", "write it with its unit and in double quotes, such as \"4 MiB\"");
        };
        match parse_size(text) {
            Some(size) if bounds.contains(&size) => usize::try_from(size).ok(),
            Some(_) => {
                let (least, most) = (show_size(*bounds.start()), show_size(*bounds.end()));
                self.error("is out of bounds", format!("use a size from \"{least}\" to \"{most}\""));
                None
            }
            None => {
                self.error(
                    format!("`{}` is not a size", shown(text)),
                    "write a whole number and one of the units B, KiB, MiB and GiB, such as \"4 MiB\"",
                );
                None
            }
        }
    }

    /// A table with fields.
    pub(super) fn form(&self) -> Option<Form<'a>> {
        match self.value {
            DeValue::Table(table) => Some(Form {
                source: self.source,
                place: Rc::new(self.place.clone()),
                at: Some(self.at.clone()),
                table,
                asked: Vec::with_capacity(table.len()),
                found: 0,
                open: false,
                sound: true,
            }),
            _ => self.wrong_type("a table", format!("write it as `[{}]` with its fields below", self.place.path())),
        }
    }

    /// Whether it is a table.
    pub(super) fn is_table(&self) -> bool {
        matches!(self.value, DeValue::Table(_))
    }

    /// Whether it is an array without elements.
    pub(super) fn is_empty_list(&self) -> bool {
        matches!(self.value, DeValue::Array(array) if array.is_empty())
    }

    /// Whether it is an array.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.value, DeValue::Array(_))
    }

    /// The elements of an array.
    pub(super) fn list(&self) -> Option<Vec<Entry<'a>>> {
        let DeValue::Array(array) = self.value else {
            let mend = match self.value {
                DeValue::Table(_) => format!("write `[[{}]]`, with two brackets on each side", self.place.path()),
                _ => "write it in brackets, such as `[\"…\"]`".to_owned(),
            };
            return self.wrong_type("an array", mend);
        };
        let place = Rc::new(self.place.clone());
        let elements = array.iter().enumerate().map(|(position, value)| Entry {
            source: self.source,
            place: Place::Element(Rc::clone(&place), position),
            at: value.span(),
            value: value.get_ref(),
        });
        Some(elements.collect())
    }

    /// A date-time with an offset.
    pub(super) fn timestamp(&self) -> Option<jiff::Timestamp> {
        let wanted = "a date-time with its offset";
        let mend = "write it as `2026-11-22T13:00:00Z`, without quotes; the Z means UTC";
        let DeValue::Datetime(written) = self.value else { return self.wrong_type(wanted, mend) };
        let parsed = match (written.date, written.time, written.offset) {
            (Some(_), Some(_), Some(_)) => utc(written).or_else(|| written.to_string().parse().ok()),
            _ => None,
        };
        parsed.or_else(|| self.wrong_type(wanted, mend))
    }
}

/// A date-time in UTC and to the second, as nearly all are. Others go the long way.
fn utc(written: &Datetime) -> Option<jiff::Timestamp> {
    let (date, time) = (written.date?, written.time?);
    let second = time.second.filter(|second| *second < 60)?;
    if written.offset != Some(Offset::Z) || time.nanosecond.is_some_and(|nanosecond| nanosecond != 0) {
        return None;
    }
    let number = |number: u8| i8::try_from(number).ok();
    let date = jiff::civil::Date::new(i16::try_from(date.year).ok()?, number(date.month)?, number(date.day)?).ok()?;
    let time = jiff::civil::Time::new(number(time.hour)?, number(time.minute)?, number(second)?, 0).ok()?;
    jiff::tz::Offset::UTC.to_timestamp(date.to_datetime(time)).ok()
}

/// What a user wrote, made safe and short enough to repeat in an error.
pub(super) fn shown(text: &str) -> String {
    let text = without_secrets(text);
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}

fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let key = if bare { without_secrets(key) } else { format!("\"{}\"", shown(key)) };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(true) => "`true`",
        DeValue::Boolean(false) => "`false`",
        DeValue::Datetime(written) => match (written.date, written.time, written.offset) {
            (Some(_), Some(_), Some(_)) => "a date-time",
            (Some(_), Some(_), None) => "a date-time without its offset",
            (Some(_), None, _) => "a date without its time",
            _ => "a time without its date",
        },
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.strip_prefix(' ').unwrap_or(unit)))
}

/// Reads a duration such as `5s`: a whole number and `ms`, `s`, `m`, `h` or `d`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}

fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        _ if duration.subsec_millis() != 0 => format!("{}ms", duration.as_millis()),
        0 => "0s".to_owned(),
        _ if seconds.is_multiple_of(86_400) => format!("{}d", seconds / 86_400),
        _ if seconds.is_multiple_of(3_600) => format!("{}h", seconds / 3_600),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

fn show_size(size: u64) -> String {
    let (unit, factor) =
        UNITS.iter().find(|(_, factor)| size >= *factor && size.is_multiple_of(*factor)).unwrap_or(&("B", 1));
    format!("{} {unit}", size / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_and_show_alike() {
        for text in ["1ms", "1500ms", "5s", "2m", "24h", "7d"] {
            let shown = show_duration(parse_duration(text).unwrap());
            assert_eq!(parse_duration(&shown), parse_duration(text), "{text}");
        }
        for text in ["1 B", "64 KiB", "16MiB", "1 GiB"] {
            assert_eq!(parse_size(&show_size(parse_size(text).unwrap())), parse_size(text), "{text}");
        }
        for text in ["", "5", "s", "-5s", "5 sec", "1.5s", "5  s", "99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(parse_duration(text), None, "{text}");
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn the_short_way_to_a_time_leads_where_the_long_way_does() {
        for text in ["2026-11-22T13:00:00Z", "2024-02-29 23:59:59z", "0001-01-01T00:00:00Z", "9999-12-30T22:00:00Z"] {
            let written: Datetime = text.parse().unwrap();
            assert_eq!(utc(&written), written.to_string().parse().ok(), "{text}");
            assert!(utc(&written).is_some(), "{text}");
        }
        for text in ["2026-11-22T13:00:00.5Z", "2026-11-22T13:00:00+01:00", "2026-11-22", "2026-11-22T13:00:60Z"] {
            assert_eq!(utc(&text.parse().unwrap()), None, "{text}");
        }
    }

    #[test]
    fn what_is_repeated_in_an_error_cannot_break_out_of_its_line() {
        assert_eq!(shown("a\n\u{1b}[31m"), "a\\n\\u{1b}[31m");
        assert_eq!(shown(&"x".repeat(61)).chars().count(), 61);
    }
}
