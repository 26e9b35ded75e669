//! Whose rows an answer holds, and what is left of it when rows are cut out.

use std::sync::LazyLock;

use bytes::BytesMut;
use clickbank_gateway::config::built_in_endpoints;
use clickbank_gateway::domain::answer::{Bare, End, Media, judge};
use clickbank_gateway::domain::endpoint::{Party, Rows};
use clickbank_gateway::domain::rows::{ReadError, Reader, Row, Standing, Totals, Verdict, read, survey};

use super::naive_rows::{self, Outcome, Question, Seen, is_mine};

/// The `rows` of the catalogue by the names of their endpoints, and some that are like no endpoint's.
static ROWS: LazyLock<Vec<(String, Rows)>> = LazyLock::new(|| {
    let endpoints = built_in_endpoints().expect("the catalogue").into_iter();
    let mut all: Vec<(String, Rows)> =
        endpoints.filter_map(|endpoint| endpoint.rows.map(|rows| (endpoint.name, rows))).collect();
    let details = all.iter().find(|(name, _)| name == "analytics.subscription.details").expect("an endpoint").1.clone();
    let totals = || vec!["totalCount".to_owned(), "sum".to_owned()];
    all.push(("flat".to_owned(), Rows { at: "row".to_owned(), totals: totals(), ..details.clone() }));
    all.push(("deep".to_owned(), Rows { at: "a.data.row".to_owned(), totals: totals(), ..details.clone() }));
    all.push(("whole".to_owned(), Rows { at: String::new(), role: Some("role".to_owned()), ..details }));
    all
});

pub(crate) fn check_json(bytes: &[u8]) {
    check(Media::Json, bytes);
}

pub(crate) fn check_xml(bytes: &[u8]) {
    check(Media::Xml, bytes);
}

/// A line that says of which endpoint, and how it is asked; and then an answer.
fn check(media: Media, bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (line, body) = text.split_once('\n').unwrap_or(("", text));
    let mut words = line.split(' ');
    let name = words.next().unwrap_or_default();
    let rows = ROWS.iter().find(|(other, _)| other == name).map_or(&ROWS[0].1, |(_, rows)| rows);
    let (party, totals) = (words.next(), words.next());
    let question = Question {
        rows,
        party: party.filter(|party| matches!(*party, "VENDOR" | "AFFILIATE")),
        drop_totals: totals == Some("drop"),
    };
    for unclear in [Verdict::Keep, Verdict::Drop, Verdict::Refuse] {
        compare(media, question, body, &mut |_, standing| match standing {
            "mine" => Verdict::Keep,
            "foreign" => Verdict::Drop,
            _ => unclear,
        });
    }
    // Whoever they belong to, by the bits of a number.
    let bits = words.next().and_then(|bits| bits.parse().ok()).unwrap_or(0x5a5a_u64);
    compare(media, question, body, &mut |number, _| {
        if bits >> (number % 64) & 1 == 1 { Verdict::Keep } else { Verdict::Drop }
    });
}

/// Reads an answer with the gateway's reader and with the naive one, and gives what is left of it.
pub(crate) fn compare(
    media: Media,
    question: Question<'_>,
    body: &str,
    verdict: &mut dyn FnMut(usize, &'static str) -> Verdict,
) -> Option<String> {
    let party = question.party.and_then(Party::parse);
    let totals = if question.drop_totals { Totals::Drop } else { Totals::Keep };
    let reader = Reader::new(question.rows, party, totals);
    let mut rows = Vec::new();
    let mut verdicts = Vec::new();
    let edit = read(media, body, &reader, |row| {
        let row = seen(row);
        let becomes = verdict(rows.len(), row.standing);
        rows.push(row);
        verdicts.push(becomes);
        becomes
    });
    let mut surveyed = Vec::new();
    survey(media, body, &reader, |row| surveyed.push(seen(row)));
    if judge(media, End::Told, Bare::Count, body.as_bytes()).is_err() || body.trim_ascii().parse::<u128>().is_ok() {
        return None;
    }
    let mut number = 0;
    let mut keep = |_: &Seen| {
        number += 1;
        // What the gateway did not get to is unreadable to the naive reader, too, or comes after a refused one.
        verdicts.get(number - 1).is_none_or(|verdict| *verdict != Verdict::Drop)
    };
    let Outcome { rows: naive, text } = match media {
        Media::Json => naive_rows::json::read(question, body, &mut keep),
        _ => naive_rows::xml::read(question, body, &mut keep),
    };
    let refused = verdicts.contains(&Verdict::Refuse);
    assert_eq!(edit.as_ref().err() == Some(&ReadError::Refused), refused, "{body}");
    let all = match media {
        Media::Json => naive_rows::json::survey(question, body),
        _ => naive_rows::xml::survey(question, body),
    };
    assert!(text.is_none() || rows[..] == naive[..rows.len()], "{body}: {rows:?}, but {naive:?}");
    assert_eq!(surveyed, all, "{body}");
    let Ok(edit) = edit else {
        assert!(text.is_none() || refused, "unreadable, but would be {text:?}: {body}");
        return None;
    };
    assert_eq!(rows, naive, "{body}");
    let text = text.unwrap_or_else(|| panic!("was read, but is unreadable: {body}"));
    let dropped = verdicts.iter().filter(|verdict| **verdict == Verdict::Drop).count();
    assert_eq!((edit.kept(), edit.dropped()), (rows.len() - dropped, dropped), "{body}");
    assert_eq!(edit.changes_nothing(), text == body, "{body}");
    let mut edited = BytesMut::from(body);
    edit.apply(&mut edited);
    assert_eq!(String::from_utf8_lossy(&edited), text, "{body}");
    assert!(text.len() <= body.len(), "{body} grew to {text}");
    assert_eq!(judge(media, End::Told, Bare::Count, text.as_bytes()), Ok(()), "{body} became {text}");
    // What was cut clean stays so.
    let again = read(media, &text, &reader, |_| Verdict::Keep).map(|edit| (edit.kept(), edit.changes_nothing()));
    assert_eq!(again, Ok((rows.len() - dropped, true)), "{body} became {text}");
    Some(text)
}

fn seen(row: &Row<'_>) -> Seen {
    let standing = match row.standing(&is_mine) {
        Standing::Mine => "mine",
        Standing::Foreign => "foreign",
        Standing::Unclear => "unclear",
    };
    Seen {
        standing,
        flawed: row.is_flawed(),
        owner: row.certain_owner().map(str::to_owned),
        party: row.party().map(|party| if party == Party::Vendor { "VENDOR" } else { "AFFILIATE" }.to_owned()),
        receipt: row.receipt().text().map(str::to_owned),
    }
}
