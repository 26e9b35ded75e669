//! The naive reader of JSON.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{Outcome, Question, Seen};

struct Value {
    span: Range<usize>,
    kind: Kind,
}

enum Kind {
    Null,
    /// `None` when it holds half a surrogate pair.
    Text(Option<String>),
    Other,
    Array(Vec<Part>),
    Object(Vec<Part>),
}

/// What stands between two commas. Elements of arrays have no name.
struct Part {
    span: Range<usize>,
    name: String,
    value: Value,
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn space(&mut self) {
        while self.text.get(self.at).is_some_and(|byte| b" \t\r\n".contains(byte)) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Value {
        self.space();
        let start = self.at;
        let kind = match self.text[self.at] {
            b'{' => Kind::Object(self.parts(b'}')),
            b'[' => Kind::Array(self.parts(b']')),
            b'"' => Kind::Text(self.string().ok()),
            _ => {
                while self.text.get(self.at).is_some_and(|byte| !b",]} \t\r\n".contains(byte)) {
                    self.at += 1;
                }
                if &self.text[start..self.at] == b"null" { Kind::Null } else { Kind::Other }
            }
        };
        Value { span: start..self.at, kind }
    }

    fn parts(&mut self, end: u8) -> Vec<Part> {
        let mut parts = Vec::new();
        self.at += 1;
        loop {
            let start = self.at;
            self.space();
            if self.text[self.at] == end {
                break;
            }
            let mut name = String::new();
            if end == b'}' {
                name = self.string().unwrap_or_else(|lossy| lossy);
                self.space();
                self.at += 1;
            }
            let value = self.value();
            self.space();
            parts.push(Part { span: start..self.at, name, value });
            if self.text[self.at] == end {
                break;
            }
            self.at += 1;
        }
        self.at += 1;
        parts
    }

    /// The text, or with U+FFFD what is none.
    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut units: Vec<u16> = Vec::new();
        let mut plain = Vec::new();
        loop {
            let byte = self.text[self.at];
            if byte == b'"' || byte == b'\\' {
                units.extend(String::from_utf8(std::mem::take(&mut plain)).unwrap().encode_utf16());
            }
            match byte {
                b'"' => break,
                b'\\' => {
                    let letter = self.text[self.at + 1];
                    let unit = match letter {
                        b'u' => {
                            let digits = std::str::from_utf8(&self.text[self.at + 2..self.at + 6]).unwrap();
                            self.at += 4;
                            u16::from_str_radix(digits, 16).unwrap()
                        }
                        b'b' => 8,
                        b'f' => 12,
                        b'n' => 10,
                        b'r' => 13,
                        b't' => 9,
                        other => u16::from(other),
                    };
                    units.push(unit);
                    self.at += 2;
                }
                other => {
                    plain.push(other);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        String::from_utf16(&units).map_err(|_| String::from_utf16_lossy(&units))
    }
}

/// `text` is JSON. `keep` says of each row, by its number, whether it stays.
pub(crate) fn read(question: Question<'_>, text: &str, keep: &mut dyn FnMut(&Seen) -> bool) -> Outcome {
    let mut reading = Reading { question, text, keep, rows: Vec::new(), readable: true };
    if text.is_empty() {
        return Outcome { rows: Vec::new(), text: Some(String::new()) };
    }
    let root = Parser { text: text.as_bytes(), at: 0 }.value();
    let became = if question.rows.at.is_empty() {
        match &root.kind {
            Kind::Null => Some(reading.as_it_is(&root)),
            Kind::Object(members) if members.is_empty() => Some(reading.as_it_is(&root)),
            _ => reading.row(&root),
        }
    } else {
        Some(reading.container(&root, 0))
    };
    let became = became.unwrap_or_else(|| "null".to_owned());
    let whole = format!("{}{became}{}", &text[..root.span.start], &text[root.span.end..]);
    Outcome { rows: reading.rows, text: reading.readable.then_some(whole) }
}

/// Every row that can be found.
pub(crate) fn survey(question: Question<'_>, text: &str) -> Vec<Seen> {
    let mut found = Vec::new();
    if !text.is_empty() {
        let root = Parser { text: text.as_bytes(), at: 0 }.value();
        find(question, &root, &question.path(), &mut found);
    }
    found
}

fn find(question: Question<'_>, value: &Value, path: &[&str], found: &mut Vec<Seen>) {
    match (&value.kind, path) {
        (Kind::Array(elements), _) => elements.iter().for_each(|element| find(question, &element.value, path, found)),
        (Kind::Object(members), []) => found.push(seen(question, members)),
        (Kind::Object(members), [next, rest @ ..]) => {
            for member in members.iter().filter(|member| member.name == *next) {
                find(question, &member.value, rest, found);
            }
        }
        _ => {}
    }
}

struct Reading<'a> {
    question: Question<'a>,
    text: &'a str,
    keep: &'a mut dyn FnMut(&Seen) -> bool,
    rows: Vec<Seen>,
    readable: bool,
}

impl Reading<'_> {
    fn as_it_is(&self, value: &Value) -> String {
        self.text[value.span.clone()].to_owned()
    }

    fn part(&self, part: &Part, became: &str) -> String {
        let (before, after) = (part.span.start..part.value.span.start, part.value.span.end..part.span.end);
        format!("{}{became}{}", &self.text[before], &self.text[after])
    }

    fn container(&mut self, value: &Value, level: usize) -> String {
        let members = match &value.kind {
            Kind::Object(members) => members,
            other => {
                self.readable &= matches!(other, Kind::Null);
                return self.as_it_is(value);
            }
        };
        let path = self.question.path();
        let mut names = BTreeSet::new();
        let mut stay = Vec::new();
        for member in members {
            self.readable &= names.insert(&member.name);
            let became = if member.name == path[level] {
                if level + 1 == path.len() {
                    self.list(&member.value)
                } else {
                    Some(self.container(&member.value, level + 1))
                }
            } else if self.question.is_total(level, &member.name) {
                self.readable &= !is_flawed(self.question, &member.value, &mut Vec::new(), false);
                Some(self.as_it_is(&member.value)).filter(|_| !self.question.drop_totals)
            } else {
                self.readable = false;
                None
            };
            stay.extend(became.map(|became| self.part(member, &became)));
        }
        match (stay.len(), members.len()) {
            (_, 0) => self.as_it_is(value),
            (0, _) => "null".to_owned(),
            _ => format!("{{{}}}", stay.join(",")),
        }
    }

    fn list(&mut self, value: &Value) -> Option<String> {
        match &value.kind {
            Kind::Null => Some(self.as_it_is(value)),
            Kind::Array(elements) if elements.is_empty() => Some(self.as_it_is(value)),
            Kind::Array(elements) => {
                let mut stay = Vec::new();
                for element in elements {
                    let became = self.row(&element.value);
                    stay.extend(became.map(|became| self.part(element, &became)));
                }
                match &stay[..] {
                    [] => None,
                    [only] if elements.len() > 1 => Some(only.clone()),
                    _ => Some(format!("[{}]", stay.join(","))),
                }
            }
            _ => self.row(value),
        }
    }

    fn row(&mut self, value: &Value) -> Option<String> {
        let Kind::Object(members) = &value.kind else {
            self.readable = false;
            return None;
        };
        let seen = seen(self.question, members);
        let stays = (self.keep)(&seen);
        self.rows.push(seen);
        stays.then(|| self.as_it_is(value))
    }
}

fn seen(question: Question<'_>, members: &[Part]) -> Seen {
    let fields: Vec<(String, Option<String>)> = members
        .iter()
        .map(|member| match &member.value.kind {
            Kind::Text(text) => (member.name.clone(), text.clone()),
            _ => (member.name.clone(), None),
        })
        .collect();
    question.see(&fields, are_flawed(question, members, &mut Vec::new(), true))
}

fn is_flawed(question: Question<'_>, value: &Value, path: &mut Vec<String>, in_row: bool) -> bool {
    match &value.kind {
        Kind::Array(elements) => elements.iter().any(|element| is_flawed(question, &element.value, path, in_row)),
        Kind::Object(members) => are_flawed(question, members, path, in_row),
        _ => false,
    }
}

fn are_flawed(question: Question<'_>, members: &[Part], path: &mut Vec<String>, in_row: bool) -> bool {
    let names: BTreeSet<&String> = members.iter().map(|member| &member.name).collect();
    let mut flawed = names.len() < members.len();
    for member in members {
        path.push(member.name.clone());
        flawed |= question.is_forbidden(path, in_row);
        flawed |= is_flawed(question, &member.value, path, in_row);
        path.pop();
    }
    flawed
}
