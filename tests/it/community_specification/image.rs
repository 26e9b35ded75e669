//! The JSON image of an XML document, made after the rules that client authors found: the root is not shown, elements of
//! one name are a list, attributes begin with `@`, and nil is `{"@nil":"true"}`.

use serde_json::{Map, Value};

/// The image of what the root of `document` holds.
pub(super) fn image(document: &str) -> Value {
    let root = document.split_once("?>").expect("an XML declaration").1;
    let mut reader = Reader { rest: root };
    let (_, value) = reader.element();
    assert_eq!(reader.rest, "", "something follows the root");
    value
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn until(&mut self, ends: &[char]) -> &'a str {
        let place = self.rest.find(ends).expect("an element that breaks off");
        let (taken, rest) = self.rest.split_at(place);
        self.rest = rest;
        taken
    }

    fn take(&mut self, expected: &str) -> bool {
        let rest = self.rest.strip_prefix(expected);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn must(&mut self, expected: &str) {
        assert!(self.take(expected), "no {expected} where {:.40} is", self.rest);
    }

    /// Name and image of the element that comes next.
    fn element(&mut self) -> (&'a str, Value) {
        self.must("<");
        let name = self.until(&[' ', '>', '/']);
        let mut members = Map::new();
        while self.take(" ") {
            let attribute = self.until(&['=']);
            self.must("=\"");
            let value = unescaped(self.until(&['"']));
            self.must("\"");
            if !attribute.starts_with("xmlns:") {
                let local = attribute.rsplit(':').next().unwrap();
                members.insert(format!("@{local}"), Value::String(value));
            }
        }
        if self.take("/>") {
            return (name, if members.is_empty() { Value::Null } else { Value::Object(members) });
        }
        self.must(">");
        let text = unescaped(self.until(&['<']));
        let mut is_text = true;
        while !self.take("</") {
            is_text = false;
            let (name, value) = self.element();
            match members.get_mut(name) {
                None => drop(members.insert(name.to_owned(), value)),
                Some(Value::Array(values)) => values.push(value),
                Some(first) => *first = Value::Array(vec![first.take(), value]),
            }
        }
        self.must(name);
        self.must(">");
        if !is_text {
            assert_eq!(text, "", "{name} holds text and elements");
            return (name, Value::Object(members));
        }
        if members.is_empty() {
            return (name, Value::String(text));
        }
        members.insert("$".to_owned(), Value::String(text));
        (name, Value::Object(members))
    }
}

fn unescaped(text: &str) -> String {
    let names = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#9;", "\t"), ("&#10;", "\n"), ("&#13;", "\r")];
    let text = names.into_iter().fold(text.to_owned(), |text, (escaped, character)| text.replace(escaped, character));
    text.replace("&amp;", "&")
}
