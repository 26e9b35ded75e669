//! Whether an answer is what a schema accepts.
//!
//! ClickBank's JSON is an image of its XML, and no schema accepts it as it comes. So [`undone`] takes back what the image
//! does to values of that schema, and [`differences`], which knows nothing of quirks, compares the rest.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value};

use super::exceptions::Exceptions;
use super::specification::{Kind, Schema};

/// How something differs from the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Difference {
    /// A property that the schema does not list.
    Unlisted,
    /// Null, where the schema has no null.
    Null,
    /// A value of another type.
    NotA(Kind),
    /// A value that is not among those listed.
    NotAmong,
    /// Text that is not in the format that the schema names.
    Misformatted,
    /// Text in that format which the pattern of the schema still refuses.
    Unmatched,
    /// A status that is not listed.
    Status(u16),
    /// A media type that is not listed for the status.
    Media,
    /// A body where none is listed.
    Body,
    /// An operation that works and is called obsolete.
    Obsolete,
    /// An operation that works and is not there.
    Missing,
    /// A parameter that is sent several times, and counts several times.
    Repeated,
    /// A parameter in a place where it is not listed.
    Displaced,
    /// A parameter that has to be there and is not called required.
    Required,
    /// A header that authenticates and is described otherwise.
    Described,
}

/// What differs, and where: a property as `Schema.property`.
pub(super) type Found = BTreeSet<(String, Difference)>;

/// `value` without what the JSON image of XML did to it:
///
/// - one element instead of a list, and nothing instead of an empty one,
/// - `{"@nil":"true"}` for null, and for the value `nil` of an enumeration,
/// - text for numbers and truth values,
/// - `@` before the names of attributes, where the schema has the name without it,
/// - null for an object without members.
///
/// What `exceptions` say of names and lists is undone, too.
pub(super) fn undone(schema: Schema, value: &Value, exceptions: &Exceptions<'_>) -> Value {
    let is_nil = value.get("@nil").is_some_and(|nil| nil == "true");
    if is_nil {
        let has_a_word = schema.values().is_some_and(|values| values.contains(&"nil"));
        return if has_a_word { Value::from("nil") } else { Value::Null };
    }
    match (schema.kind(), value) {
        (Kind::Array, Value::Null) => Value::Array(Vec::new()),
        (Kind::Array, Value::Array(items)) => {
            items.iter().map(|item| undone(schema.items(), item, exceptions)).collect()
        }
        (Kind::Array, one) => Value::Array(vec![undone(schema.items(), one, exceptions)]),
        (Kind::Object, Value::Null) if !schema.is_nullable() => Value::Object(Map::new()),
        (Kind::Object, Value::Object(members)) => {
            let member = |(name, value): (&String, &Value)| {
                let name = exceptions.name(schema, name);
                let name = match name.strip_prefix('@') {
                    Some(bare) if schema.property(&name).is_none() && schema.property(bare).is_some() => {
                        bare.to_owned()
                    }
                    _ => name,
                };
                let value = match schema.property(&name) {
                    None => value.clone(),
                    Some(inner) => undone(inner, &exceptions.list(schema, &name, value), exceptions),
                };
                (name, value)
            };
            Value::Object(members.iter().map(member).collect())
        }
        (Kind::Integer, Value::String(text)) => text.parse::<i64>().map_or_else(|_| value.clone(), Value::from),
        (Kind::Number, Value::String(text)) => text.parse::<f64>().map_or_else(|_| value.clone(), Value::from),
        (Kind::Boolean, Value::String(text)) => text.parse::<bool>().map_or_else(|_| value.clone(), Value::from),
        _ => value.clone(),
    }
}

/// How `value`, which stands at `place`, differs from what `schema` accepts. Properties that it has, with something in
/// them, are added to `seen`.
pub(super) fn differences(schema: Schema, value: &Value, place: &str, seen: &mut BTreeSet<String>) -> Found {
    let one = |difference| Found::from([(place.to_owned(), difference)]);
    if value.is_null() {
        return if schema.is_nullable() { Found::new() } else { one(Difference::Null) };
    }
    match (schema.kind(), value) {
        (Kind::Array, Value::Array(items)) => {
            items.iter().flat_map(|item| differences(schema.items(), item, place, seen)).collect()
        }
        (Kind::Object, Value::Object(members)) => {
            let mut found = Found::new();
            for (name, value) in members {
                let place = format!("{}.{name}", schema.name.unwrap_or(place));
                let Some(inner) = schema.property(name) else {
                    found.insert((place, Difference::Unlisted));
                    continue;
                };
                if !value.is_null() && *value != Value::Array(Vec::new()) {
                    seen.insert(place.clone());
                }
                found.extend(differences(inner, value, &place, seen));
            }
            found
        }
        (Kind::Boolean, Value::Bool(_)) => Found::new(),
        (Kind::Integer, Value::Number(number)) => match (schema.format(), number.as_i64()) {
            (Some("int32"), Some(number)) if i32::try_from(number).is_ok() => Found::new(),
            (Some("int32"), _) => one(Difference::Misformatted),
            (other, _) => panic!("an integer of format {other:?}"),
        },
        (Kind::Number, Value::Number(_)) => {
            assert_eq!(schema.format(), Some("double"));
            Found::new()
        }
        (Kind::String, Value::String(text)) => text_difference(schema, text).map(one).unwrap_or_default(),
        (kind, _) => one(Difference::NotA(kind)),
    }
}

fn text_difference(schema: Schema, text: &str) -> Option<Difference> {
    if schema.values().is_some_and(|values| !values.contains(&text)) {
        return Some(Difference::NotAmong);
    }
    match (schema.format(), schema.pattern()) {
        (None, None) => None,
        (Some("date"), Some("([0-9]{4})-(?:[0-9]{2})-([0-9]{2})")) => {
            let is_date = text.len() == 10 && text.parse::<Date>().is_ok();
            (!is_date).then_some(Difference::Misformatted)
        }
        (Some("date-time"), Some("([0-9]{4})-(?:[0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z")) => {
            let is_time = text.as_bytes().get(10) == Some(&b'T') && text.parse::<Timestamp>().is_ok();
            if !is_time {
                return Some(Difference::Misformatted);
            }
            (!text.ends_with('Z')).then_some(Difference::Unmatched)
        }
        other => panic!("text of format and pattern {other:?}"),
    }
}
