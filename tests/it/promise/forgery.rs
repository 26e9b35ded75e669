//! Somebody else's rows in an answer, in JSON and in XML.

use serde_json::{Value, json};

use super::hostile::Form;

/// Where rows stand; nowhere means that the answer is one row.
const ROWS: [&str; 9] = [
    "/orderData",
    "/accountData",
    "/orderShipData",
    "/orderShipData2",
    "/shippingNoticeData",
    "/ticketData",
    "/products/product",
    "/data/row",
    "/rows/row",
];
const OWNERS: [&str; 9] =
    ["vendor", "site", "affiliate", "affi", "nickName", "nickname", "accountNickName", "pubNickName", "affNickName"];

/// The rows of `foreign` in the place of, or added to, those of `own`.
pub(super) fn forge_json(form: Form, own: &str, foreign: &str, caller: &str) -> String {
    let parsed: Value = serde_json::from_str(foreign).unwrap_or_default();
    let place = ROWS.into_iter().find(|place| parsed.pointer(place).is_some());
    let rows = |value: &Value| match place.map_or(Some(value), |place| value.pointer(place)) {
        Some(Value::Array(rows)) => rows.clone(),
        Some(row @ Value::Object(_)) => vec![row.clone()],
        _ => Vec::new(),
    };
    let with_rows = |mut whole: Value, rows: Value| {
        match place.and_then(|place| whole.pointer_mut(place)) {
            Some(place) => *place = rows,
            None => whole = rows,
        }
        whole
    };
    let others = rows(&parsed);
    let own: Value = serde_json::from_str(own).unwrap_or_default();
    let own_rows = rows(&own);
    match form {
        Form::Among => with_rows(parsed, own_rows.into_iter().chain(others).collect()).to_string(),
        Form::Beside if own.is_object() => {
            let mut own = own;
            own["more"] = json!(others);
            own.to_string()
        }
        Form::Within if !own_rows.is_empty() => {
            let mut own_rows = own_rows;
            own_rows[0]["more"] = json!(others);
            with_rows(parsed, json!(own_rows)).to_string()
        }
        Form::Deeper => with_rows(parsed, json!([others])).to_string(),
        Form::Escaped => OWNERS.iter().fold(foreign.to_owned(), |text, owner| {
            let first = u32::from(owner.as_bytes()[0]);
            text.replace(&format!("\"{owner}\":"), &format!("\"\\u{first:04x}{}\":", &owner[1..]))
        }),
        Form::Twice => OWNERS.iter().fold(foreign.to_owned(), |text, owner| {
            text.replace(&format!("\"{owner}\":"), &format!("\"{owner}\":\"{caller}\",\"{owner}\":"))
        }),
        _ => {
            let damaged: Vec<Value> = others.into_iter().map(|row| damaged(form, row)).collect();
            let damaged = if let [only] = damaged.as_slice() { only.clone() } else { json!(damaged) };
            with_rows(parsed, damaged).to_string()
        }
    }
}

/// A row whose owner cannot be read.
fn damaged(form: Form, mut row: Value) -> Value {
    let Some(fields) = row.as_object_mut() else { return row };
    for owner in OWNERS {
        let Some(value) = fields.remove(owner) else { continue };
        match form {
            Form::Nil => drop(fields.insert(owner.to_owned(), json!({ "@nil": "true" }))),
            Form::Renamed => drop(fields.insert(owner.to_uppercase(), value)),
            Form::Missing => {}
            _ => drop(fields.insert(owner.to_owned(), value)),
        }
    }
    if form == Form::Share {
        fields.insert("role".to_owned(), json!("JV_TRADITIONAL"));
    }
    row
}

/// The same in XML.
pub(super) fn forge_xml(form: Form, own: &str, foreign: &str, caller: &str) -> String {
    let names = ROWS.iter().filter_map(|place| place.rsplit('/').next());
    let place = names.into_iter().find(|name| foreign.contains(&format!("</{name}>")));
    let Some(name) = place else { return replaced(form, foreign, caller) };
    let end = format!("</{name}>");
    let rows = |text: &str| {
        let first = text.find(&format!("<{name}>")).or_else(|| text.find(&format!("<{name} ")))?;
        Some(text[first..text.rfind(&end)? + end.len()].to_owned())
    };
    let others = rows(foreign).unwrap_or_default();
    let last_close = own.rfind("</");
    match (form, rows(own), last_close) {
        (Form::Among, Some(own_rows), _) => own.replacen(&own_rows, &format!("{own_rows}{others}"), 1),
        (Form::Beside, _, Some(close)) => format!("{}<more>{others}</more>{}", &own[..close], &own[close..]),
        (Form::Within, Some(_), _) => own.replacen(&end, &format!("<more>{others}</more>{end}"), 1),
        (Form::Deeper, ..) => foreign.replacen(&others, &format!("<{name}>{others}</{name}>"), 1),
        _ => replaced(form, foreign, caller),
    }
}

/// XML with owners that are damaged.
fn replaced(form: Form, foreign: &str, caller: &str) -> String {
    let text = OWNERS.iter().fold(foreign.to_owned(), |text, owner| {
        let (begin, end) = (format!("<{owner}>"), format!("</{owner}>"));
        let mut parts = text.split(&begin);
        let mut written = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (value, rest) = part.split_once(&end).unwrap_or((part, ""));
            match form {
                Form::Nil => written.push_str(&format!("<{owner} xsi:nil=\"true\"/>")),
                Form::Missing => {}
                Form::Renamed => {
                    let owner = owner.to_uppercase();
                    written.push_str(&format!("<{owner}>{value}</{owner}>"));
                }
                Form::Twice => written.push_str(&format!("{begin}{caller}{end}{begin}{value}{end}")),
                Form::Escaped => {
                    let escaped =
                        value.chars().fold(String::new(), |text, letter| format!("{text}&#{};", u32::from(letter)));
                    written.push_str(&format!("{begin}{escaped}{end}"));
                }
                _ => written.push_str(&format!("{begin}{value}{end}")),
            }
            written.push_str(rest);
        }
        written
    });
    if form != Form::Share {
        return text;
    }
    ["VENDOR", "AFFILIATE"]
        .iter()
        .fold(text, |text, role| text.replace(&format!("<role>{role}</role>"), "<role>JV_TRADITIONAL</role>"))
}
