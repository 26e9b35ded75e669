use std::cell::RefCell;

use bytes::BytesMut;

use super::ReadError::{Refused, Unreadable};
use super::Standing::{Foreign, Mine, Unclear};
use super::*;
use crate::config::built_in_endpoints;
use crate::domain::answer::Media::{Json, Xml};
use crate::domain::answer::{Bare, End, judge};

fn rows(at: &str, owner: Option<OwnerField>) -> Rows {
    Rows { at: at.to_owned(), owner, role: None, receipt: None, counterparty: Vec::new(), totals: Vec::new() }
}

fn by_role() -> OwnerField {
    OwnerField::ByRole { vendor: "vendor".to_owned(), affiliate: "affiliate".to_owned() }
}

/// Orders, whose role says which field is the owner.
fn orders() -> Rows {
    let (role, receipt) = (Some("role".to_owned()), Some("receipt".to_owned()));
    Rows { role, receipt, ..rows("orderData", Some(by_role())) }
}

/// Rows below two levels, with totals beside them and at the root.
fn nested() -> Rows {
    let totals = vec!["count".to_owned(), "sum".to_owned()];
    let counterparty = vec!["deal.vendor".to_owned()];
    Rows { counterparty, totals, ..rows("data.row", Some(OwnerField::Field("vendor".to_owned()))) }
}

/// One row, which is the answer.
fn single() -> Rows {
    rows("", Some(OwnerField::Field("vendor".to_owned())))
}

fn mine(text: &str) -> bool {
    text.eq_ignore_ascii_case("acme")
}

/// The body without what is foreign, where nothing is unclear.
fn filtered(media: Media, rows: &Rows, totals: Totals, body: &str) -> Result<String, ReadError> {
    let judged = judge(media, End::Told, Bare::Count, body.as_bytes());
    assert_eq!(judged, Ok(()), "{body} would not come here");
    let verdict = |row: &Row<'_>| match row.standing(&mine) {
        Mine => Verdict::Keep,
        Foreign => Verdict::Drop,
        Unclear => Verdict::Refuse,
    };
    let edit = read(media, body, &Reader::new(rows, None, totals), verdict)?;
    let (nothing, dropped) = (edit.changes_nothing(), edit.dropped());
    let mut bytes = BytesMut::from(body);
    edit.apply(&mut bytes);
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(nothing, text == body, "{body}");
    assert!(dropped == 0 || !nothing, "{body}");
    assert_eq!(judge(media, End::Told, Bare::Count, text.as_bytes()), Ok(()), "{body} became {text}");
    Ok(text)
}

fn assert_filtered(rows: &Rows, totals: Totals, cases: &[(Media, &str, Result<&str, ReadError>)]) {
    for (media, body, expected) in cases {
        let became = filtered(*media, rows, totals, body);
        assert_eq!(became.as_deref().map_err(|error| *error), *expected, "{body}");
    }
}

/// What is seen of the only row that a body has.
fn only_row<'a>(media: Media, rows: &Rows, party: Option<Party>, body: &'a str) -> Row<'a> {
    let seen = RefCell::new(Vec::new());
    let keep = |row: &Row<'a>| {
        seen.borrow_mut().push(row.clone());
        Verdict::Keep
    };
    let edit = read(media, body, &Reader::new(rows, party, Totals::Keep), keep);
    assert_eq!(edit.map(|edit| (edit.kept(), edit.dropped())), Ok((1, 0)), "{body}");
    let surveyed = RefCell::new(Vec::new());
    survey(media, body, &Reader::new(rows, party, Totals::Keep), |row| surveyed.borrow_mut().push(row.clone()));
    let (seen, surveyed) = (seen.into_inner(), surveyed.into_inner());
    assert_eq!(surveyed, seen, "{body}");
    seen.into_iter().next().unwrap()
}

/// A row of orders with these members (JSON) or elements (XML).
fn order(media: Media, inner: &str) -> String {
    match media {
        Json => format!(r#"{{"orderData":{{{inner}}}}}"#),
        _ => format!("<orders><orderData>{inner}</orderData></orders>"),
    }
}

#[test]
fn an_owner_is_read_as_every_reader_would_read_it() {
    // Unless said otherwise, the role is VENDOR and the row has no flaw.
    for (media, inner, expected) in [
        (Json, r#""vendor":"acme""#, Mine),
        (Json, r#""vendor":"ACME""#, Mine),
        (Json, r#""\u0076endor":"\u0061cme""#, Mine),
        (Json, r#""vendor":"rival""#, Foreign),
        (Json, r#""vendor":"r\u0069val""#, Foreign),
        (Json, r#""vendor":" acme""#, Unclear),
        (Json, r#""vendor":"acme ""#, Unclear),
        (Json, r#""vendor":"riv-al""#, Unclear),
        (Json, r#""vendor":"none""#, Unclear),
        (Json, r#""vendor":"""#, Unclear),
        (Json, r#""vendor":"\ud800acme""#, Unclear),
        (Json, r#""vendor":1"#, Unclear),
        (Json, r#""vendor":true"#, Unclear),
        (Json, r#""vendor":null"#, Unclear),
        (Json, r#""vendor":["rival"]"#, Unclear),
        (Json, r#""vendor":{"$":"rival"}"#, Unclear),
        (Json, r#""vendor":{"@nil":"true"}"#, Unclear),
        (Json, r#""affiliate":"acme""#, Unclear),
        (Json, r#""vendor":"rival","affiliate":"acme""#, Foreign),
        // Repeated, in any case.
        (Json, r#""vendor":"acme","vendor":"acme""#, Unclear),
        (Json, r#""vendor":"acme","vendor":"rival""#, Unclear),
        (Json, r#""vendor":"rival","vend\u006fr":"other""#, Foreign),
        (Json, r#""vendor":"rival","vendor":null"#, Unclear),
        (Json, r#""vendor":"rival","Vendor":"other""#, Foreign),
        (Json, r#""vendor":"rival","VENDOR":"acme""#, Unclear),
        (Json, r#""vendor":"acme","Vendor":"acme""#, Unclear),
        (Json, r#""Vendor":"acme""#, Unclear),
        (Json, r#""Vendor":"rival""#, Unclear),
        // Some readers know prefixes and signs in JSON too, and leave them out.
        (Json, r#""ns:vendor":"acme","vendor":"rival""#, Unclear),
        (Json, r#""@vendor":"acme","vendor":"rival""#, Unclear),
        (Json, r#""ven_dor":"acme","vendor":"rival""#, Unclear),
        (Json, r#""vendor\u0000":"rival","vendor":"acme""#, Unclear),
        (Json, r#"" Vendor ":"other","vendor":"rival""#, Foreign),
        (Json, r#""vendor:x":"acme","vendor":"rival""#, Foreign),
        (Xml, "<vendor>acme</vendor>", Mine),
        (Xml, "<vendor>&#97;c<![CDATA[m]]>e</vendor>", Mine),
        (Xml, "<vendor xmlns='u' xmlns:a='b'>acme</vendor>", Mine),
        (Xml, "<!-- c --><vendor>acme</vendor>", Mine),
        (Xml, "<vendor>rival</vendor>", Foreign),
        (Xml, "<vendor> acme</vendor>", Unclear),
        (Xml, "<vendor>a&amp;b</vendor>", Unclear),
        (Xml, "<vendor>acme<!-- c --></vendor>", Unclear),
        (Xml, "<vendor>rival<!-- c --></vendor>", Unclear),
        (Xml, "<vendor>rival<b/></vendor>", Unclear),
        (Xml, "<vendor>rival<b>acme</b></vendor>", Unclear),
        (Xml, "<vendor a='b'>acme</vendor>", Unclear),
        (Xml, "<vendor a='b'>rival</vendor>", Unclear),
        (Xml, "<vendor xsi:nil='true'/>", Unclear),
        (Xml, "<vendor></vendor>", Unclear),
        (Xml, "<vendor/>", Unclear),
        (Xml, "<affiliate>acme</affiliate>", Unclear),
        (Xml, "<vendor>rival</vendor><affiliate>acme</affiliate>", Foreign),
        (Xml, "<vendor>acme</vendor><vendor>acme</vendor>", Unclear),
        (Xml, "<vendor>rival</vendor><vendor>other</vendor>", Foreign),
        (Xml, "<vendor>rival</vendor><vendor/>", Unclear),
        (Xml, "<vendor>rival</vendor><Vendor>other</Vendor>", Foreign),
        (Xml, "<vendor>rival</vendor><n:vendor>acme</n:vendor>", Unclear),
        (Xml, "<vendor>acme</vendor><n:VENDOR>acme</n:VENDOR>", Unclear),
        (Xml, "<n:vendor>rival</n:vendor>", Unclear),
        (Xml, "<vendor>rival</vendor><ven-dor>acme</ven-dor>", Unclear),
    ] {
        let role = if media == Json { r#""role":"VENDOR","# } else { "<role>VENDOR</role>" };
        let body = order(media, &format!("{role}{inner}"));
        assert_eq!(only_row(media, &orders(), None, &body).standing(&mine), expected, "{body}");
    }
}

#[test]
fn look_alikes_beyond_ascii_are_look_alikes() {
    let rows = rows("", Some(OwnerField::Field("nickName".to_owned())));
    for name in ["NICKNAME", "nic\u{212a}name", "n\u{131}ckName"] {
        let body = format!(r#"{{"nickName":"rival","{name}":"acme"}}"#);
        assert_eq!(only_row(Json, &rows, None, &body).standing(&mine), Unclear, "{name}");
    }
    let body = "{\"nickName\":\"rival\",\"n\u{ef}ckName\":\"acme\"}";
    assert_eq!(only_row(Json, &rows, None, body).standing(&mine), Foreign);
}

#[test]
fn the_role_says_which_field_names_the_owner() {
    let both = |vendor: &str, affiliate: &str, media| match media {
        Json => format!(r#""vendor":"{vendor}","affiliate":"{affiliate}""#),
        _ => format!("<vendor>{vendor}</vendor><affiliate>{affiliate}</affiliate>"),
    };
    for (json, xml, vendor, affiliate, expected, party) in [
        (r#""role":"VENDOR""#, "<role>VENDOR</role>", "acme", "rival", Mine, Some(Party::Vendor)),
        (r#""role":"VENDOR""#, "<role>VENDOR</role>", "rival", "acme", Foreign, Some(Party::Vendor)),
        (r#""role":"AFFILIATE""#, "<role>AFFILIATE</role>", "rival", "acme", Mine, Some(Party::Affiliate)),
        (r#""role":"AFFILIATE""#, "<role>AFFILIATE</role>", "acme", "rival", Foreign, Some(Party::Affiliate)),
        (r#""role":"vendor""#, "<role>vendor</role>", "acme", "rival", Unclear, None),
        (r#""role":" VENDOR""#, "<role> VENDOR</role>", "acme", "rival", Unclear, None),
        (r#""role":"JV_TRADITIONAL""#, "<role>JV_TRADITIONAL</role>", "rival", "rival", Unclear, None),
        (r#""role":{"@nil":"true"}"#, "<role xsi:nil='true'/>", "rival", "rival", Unclear, None),
        (r#""role":null"#, "<role/>", "rival", "rival", Unclear, None),
        (r#""x":"VENDOR""#, "<x>VENDOR</x>", "rival", "rival", Unclear, None),
        (r#""Role":"VENDOR""#, "<Role>VENDOR</Role>", "rival", "rival", Unclear, None),
        (r#""role":"VENDOR","role":"VENDOR""#, "<role>VENDOR</role><role>VENDOR</role>", "acme", "acme", Unclear, None),
        (
            r#""role":"VENDOR","role":"AFFILIATE""#,
            "<role>VENDOR</role><role>AFFILIATE</role>",
            "rival",
            "other",
            Foreign,
            None,
        ),
        (
            r#""role":"VENDOR","role":"AFFILIATE""#,
            "<role>VENDOR</role><role>AFFILIATE</role>",
            "rival",
            "acme",
            Unclear,
            None,
        ),
        (
            r#""role":"VENDOR","ROLE":"JV_UPSELL""#,
            "<role>VENDOR</role><ROLE>JV_UPSELL</ROLE>",
            "rival",
            "other",
            Unclear,
            None,
        ),
    ] {
        for (media, role) in [(Json, json), (Xml, xml)] {
            let separator = if media == Json { "," } else { "" };
            let body = order(media, &format!("{}{separator}{role}", both(vendor, affiliate, media)));
            let row = only_row(media, &orders(), None, &body);
            assert_eq!((row.standing(&mine), row.party()), (expected, party), "{body}");
            let owner = party.map(|party| if party == Party::Vendor { vendor } else { affiliate });
            assert_eq!(row.certain_owner(), owner, "{body}");
        }
    }
}

#[test]
fn the_role_of_the_request_decides_where_rows_have_none() {
    let rows = rows("orderData", Some(by_role()));
    let body = r#"{"orderData":{"vendor":"acme","affiliate":"rival","role":"AFFILIATE"}}"#;
    for (party, expected) in [(Some(Party::Vendor), Mine), (Some(Party::Affiliate), Foreign), (None, Unclear)] {
        let row = only_row(Json, &rows, party, body);
        assert_eq!((row.standing(&mine), row.party()), (expected, party));
    }
}

#[test]
fn a_row_without_an_owner_is_nobodys_and_has_its_receipt() {
    let rows = Rows { receipt: Some("receipt".to_owned()), ..rows("ticketData", None) };
    for (body, receipt) in [
        (r#"{"ticketData":{"receipt":"ABCD1234"}}"#, Some("ABCD1234")),
        (r#"{"ticketData":{"receipt":"ABCD1234","receipt":"ABCD1234"}}"#, None),
        (r#"{"ticketData":{"receipt":["ABCD1234"]}}"#, None),
        (r#"{"ticketData":{}}"#, None),
    ] {
        let row = only_row(Json, &rows, None, body);
        assert_eq!(
            (row.receipt().text(), row.certain_owner(), row.standing(&mine)),
            (receipt, None, Unclear),
            "{body}"
        );
    }
}

#[test]
fn nothing_that_an_answer_says_shows_in_debug() {
    for body in [r#"{"orderData":{"vendor":"acme"}}"#, r#"{"orderData":{"vendor":"acme","vendor":"acme"}}"#] {
        let shown = format!("{:?}", only_row(Json, &orders(), None, body));
        assert!(shown.contains("owner") && !shown.contains("acme"), "{shown}");
    }
}

#[test]
fn readings_are_told_and_whether_there_may_be_others() {
    let many = r#","vendor":"a""#.repeat(20);
    for (inner, texts, complete) in [
        (r#""vendor":"a","vendor":"b""#, vec!["a", "b"], true),
        (r#""vendor":"a","VENDOR":"b""#, vec!["a", "b"], true),
        (r#""VENDOR":"b""#, vec!["b"], false),
        (r#""vendor":"a","vendor":{}"#, vec!["a"], false),
        (r#""vendor":1"#, vec![], false),
        (&format!(r#""vendor":"a"{many}"#), vec!["a"; 16], false),
    ] {
        let body = order(Json, inner);
        let row = only_row(Json, &orders(), None, &body);
        let Field::Unclear(readings) = row.owner_or_vendor() else { panic!("{body}") };
        assert_eq!((readings.texts().collect::<Vec<_>>(), readings.is_complete()), (texts, complete), "{body}");
    }
}

#[test]
fn a_row_in_which_a_reader_could_find_another_is_flawed() {
    for (media, inner, flawed) in [
        (Json, r#""a":1,"b":{"a":1,"c":[{"a":1},{"a":1}]}"#, false),
        (Json, r#""a":1,"a":2"#, true),
        (Json, r#""a":1,"\u0061":2"#, true),
        (Json, r#""b":{"a":1,"x":{},"a":2}"#, true),
        (Json, r#""b":[[{"a":1,"a":2}]]"#, true),
        (Json, r#""b":{"vendor":"acme"}"#, true),
        (Json, r#""b":{"c":{"VENDOR":"acme"}}"#, true),
        (Json, r#""b":{"row":1}"#, true),
        (Json, r#""Row":1"#, true),
        (Json, r#""b":{"data":1,"seller":2,"vendors":3}"#, false),
        (Json, r#""b":{"ns:vendor":2}"#, true),
        (Json, r#""b":{"@vendor":3}"#, true),
        (Json, r#""deal":{"@vendor":"rival"}"#, true),
        (Json, r#""deal":{"vendor":"rival"}"#, false),
        (Json, r#""deal":[{"vendor":"rival"},{"vendor":"rival"}]"#, false),
        (Json, r#""deal":{"Vendor":"rival"}"#, true),
        (Json, r#""Deal":{"vendor":"rival"}"#, true),
        (Json, r#""deal":{"deal":{"vendor":"rival"}}"#, true),
        (Json, r#""x":{"deal":{"vendor":"rival"}}"#, true),
        (Xml, "<a/><a/><b><c/><c/></b><!-- c -->text", false),
        (Xml, "<b><vendor>acme</vendor></b>", true),
        (Xml, "<b><c><VENDOR/></c></b>", true),
        (Xml, "<b><n:vendor>acme</n:vendor></b>", true),
        (Xml, "<b><row/></b>", true),
        (Xml, "<row/>", true),
        (Xml, "<b data='' seller='' vendors=''/>", false),
        (Xml, "<b xmlns:vendor='u' xsi:type='row'/>", false),
        (Xml, "<b vendor='acme'/>", true),
        (Xml, "<b><c n:row=''/></b>", true),
        (Xml, "<deal vendor='rival'/>", true),
        (Xml, "<deal><vendor>rival</vendor></deal><deal><vendor>rival</vendor></deal>", false),
        (Xml, "<deal><Vendor>rival</Vendor></deal>", true),
        (Xml, "<n:deal><vendor>rival</vendor></n:deal>", true),
        (Xml, "<x><deal><vendor>rival</vendor></deal></x>", true),
    ] {
        for (owner, clear) in [("acme", if flawed { Unclear } else { Mine }), ("rival", Foreign)] {
            let body = match media {
                Json => format!(r#"{{"data":{{"row":{{"vendor":"{owner}",{inner}}}}}}}"#),
                _ => format!("<r><data><row><vendor>{owner}</vendor>{inner}</row></data></r>"),
            };
            let row = only_row(media, &nested(), None, &body);
            assert_eq!((row.is_flawed(), row.standing(&mine)), (flawed, clear), "{body}");
        }
    }
}

#[test]
fn very_many_keys_are_told_apart_and_one_that_stands_twice_is_found() {
    let mut body = String::from(r#"{"orderData":{"role":"VENDOR","vendor":"acme""#);
    for key in 0..100_000 {
        body.push_str(&format!(",\"{key:x}\":1"));
    }
    for (last, flawed) in [(r#","last":1}}"#, false), (r#","\u0037fff":1}}"#, true)] {
        let body = body.clone() + last;
        assert_eq!(only_row(Json, &orders(), None, &body).is_flawed(), flawed);
    }
}

const A: &str = r#"{"role":"VENDOR","vendor":"acme","n":"1"}"#;
const B: &str = r#"{"vendor":"acme", "role":"VENDOR", "n":[{}] }"#;
const R: &str = r#"{"role":"VENDOR","vendor":"rival"}"#;
const S: &str = r#"{"role":"AFFILIATE","vendor":"acme","affiliate":"other","x":1,"x":2}"#;

/// Puts the rows above in the place of their letters.
fn with_rows(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            'A' => out.push_str(A),
            'B' => out.push_str(B),
            'R' => out.push_str(R),
            'S' => out.push_str(S),
            other => out.push(other),
        }
    }
    out
}

#[test]
fn the_list_takes_the_shape_of_the_rows_that_stay() {
    for (before, after) in [
        // Nothing goes: nothing changes.
        ("", ""),
        ("null", "null"),
        (" null\n", " null\n"),
        ("{}", "{}"),
        ("{ }", "{ }"),
        ("{'o':null}", "{'o':null}"),
        ("{'o':[]}", "{'o':[]}"),
        ("{'o':[ ]}", "{'o':[ ]}"),
        ("{'o':A}", "{'o':A}"),
        ("{'o':[A]}", "{'o':[A]}"),
        ("{'o':[A,B]}", "{'o':[A,B]}"),
        // Several stay.
        ("{'o':[A,R,B]}", "{'o':[A,B]}"),
        ("{'o':[R,A,B]}", "{'o':[A,B]}"),
        ("{'o':[A,B,R]}", "{'o':[A,B]}"),
        ("{'o':[R,S,A,R,S,B,R,S]}", "{'o':[A,B]}"),
        ("{'o':[\n  A,\n  R,\n  B\n]}\n", "{'o':[\n  A,\n  B\n]}\n"),
        ("{'o':[ R , A ,\tB , S ] }", "{'o':[ A ,\tB ] }"),
        // One stays.
        ("{'o':[A,R]}", "{'o':A}"),
        ("{'o':[R,A]}", "{'o':A}"),
        ("{'o':[R,S,A,S,R]}", "{'o':A}"),
        ("{ 'o' : [ R ,\n B\t, R ] } ", "{ 'o' : \n B\t } "),
        // None stays.
        ("{'o':R}", "null"),
        ("{'o':[R]}", "null"),
        ("{'o':[R,S]}", "null"),
        (" { 'o' : [ R , S ] } \n", " null \n"),
    ] {
        let [before, after] = [before, after].map(|text| with_rows(&text.replace("'o'", r#""orderData""#)));
        assert_filtered(&orders(), Totals::Keep, &[(Json, &before, Ok(&after))]);
    }
}

#[test]
fn elements_go_with_the_white_space_before_them() {
    let rows = |text: &str| {
        text.replace("[A]", "<orderData><role>VENDOR</role><vendor>acme</vendor></orderData>")
            .replace("[B]", "<orderData id='1' ><vendor>acme</vendor >\n<role>VENDOR</role></orderData >")
            .replace("[R]", "<orderData><role>VENDOR</role><vendor>rival</vendor></orderData>")
            .replace("[S]", "<orderData x='y'><!-- c --><vendor>other</vendor><role>VENDOR</role>\n</orderData>")
    };
    for (before, after) in [
        ("", ""),
        ("<l/>", "<l/>"),
        ("<l></l>", "<l></l>"),
        ("<l> </l>", "<l> </l>"),
        ("<l><orderData/></l>", "<l><orderData/></l>"),
        ("<l>[A]</l>", "<l>[A]</l>"),
        ("<l>[A][R][B]</l>", "<l>[A][B]</l>"),
        ("<l>[R][S][A][S]</l>", "<l>[A]</l>"),
        ("<l>\n [A]\n [R]\n [B]\n</l>\n", "<l>\n [A]\n [B]\n</l>\n"),
        ("<l>\n [R]\n [S]\n [B]\n [R]\n</l>", "<l>\n [B]\n</l>"),
        ("<l>[R]</l>", "<l/>"),
        ("<l a:b='c' />", "unreadable"),
        ("<?xml version='1.0'?>\n<l xmlns='u' >\n[R]\n</l >\n", "<?xml version='1.0'?>\n<l xmlns='u' />\n"),
        (
            "\u{feff}<l xmlns:xsi='u' xsi:schemaLocation='v'>[S][R]</l>",
            "\u{feff}<l xmlns:xsi='u' xsi:schemaLocation='v'/>",
        ),
        ("\u{feff}<l>[S][A]</l>", "\u{feff}<l>[A]</l>"),
    ] {
        let (before, after) = (rows(before), rows(after));
        let expected = if after == "unreadable" { Err(Unreadable) } else { Ok(&*after) };
        assert_filtered(&orders(), Totals::Keep, &[(Xml, &before, expected)]);
    }
}

fn assert_totals(media: Media, [before, kept, dropped]: [String; 3]) {
    assert_filtered(&nested(), Totals::Keep, &[(media, &before, Ok(&kept))]);
    assert_filtered(&nested(), Totals::Drop, &[(media, &before, Ok(&dropped))]);
}

#[test]
fn totals_stay_or_go_and_the_innermost_container_is_nothing_when_nothing_is_left_in_it() {
    let rows = |text: &str| {
        text.replace('\'', "\"").replace("[A]", r#"{"vendor":"acme"}"#).replace("[R]", r#"{"vendor":"rival"}"#)
    };
    for (before, kept, dropped) in [
        ("{'data':{'row':[A]},'count':'2'}", "{'data':{'row':[A]},'count':'2'}", "{'data':{'row':[A]}}"),
        ("{'count':2,'data':{'row':[A]}}", "{'count':2,'data':{'row':[A]}}", "{'data':{'row':[A]}}"),
        ("{'sum':{'x':[1]} , 'count':2, 'data':null}", "same", "{ 'data':null}"),
        ("{'data':{'row':[R]},'count':'2'}", "{'data':null,'count':'2'}", "{'data':null}"),
        ("{'data':{'row':[[R],[R]],'sum':'2'}}", "{'data':{'sum':'2'}}", "{'data':null}"),
        ("{'data':{'sum':'2', 'row':[R]}}", "{'data':{'sum':'2'}}", "{'data':null}"),
        (
            "{'data':{'sum':'2', 'row':[[R],[A],[R]], 'count':3}}",
            "{'data':{'sum':'2', 'row':[A], 'count':3}}",
            "{'data':{ 'row':[A]}}",
        ),
        ("{'count':'2','data':{'count':3}}", "same", "{'data':null}"),
        ("{'count':'2','sum':'3'}", "same", "null"),
        ("{'data':{'row':null,'sum':1}}", "same", "{'data':{'row':null}}"),
    ] {
        assert_totals(Json, [before, if kept == "same" { before } else { kept }, dropped].map(rows));
    }
    let rows = |text: &str| {
        text.replace("[A]", "<row><vendor>acme</vendor></row>").replace("[R]", "<row><vendor>rival</vendor></row>")
    };
    for (before, kept, dropped) in [
        ("<r><data>[A]</data><count>2</count></r>", "same", "<r><data>[A]</data></r>"),
        ("<r> <count>2</count> <data>[R]</data></r>", "<r> <count>2</count> <data/></r>", "<r> <data/></r>"),
        ("<r><data>[R]<sum>2</sum>[R]<sum/></data></r>", "<r><data><sum>2</sum><sum/></data></r>", "<r><data/></r>"),
        (
            "<r><data>[R] <sum>2</sum> [A]</data></r>",
            "<r><data> <sum>2</sum> [A]</data></r>",
            "<r><data> [A]</data></r>",
        ),
        ("<r>\n<count>1</count>\n</r>", "same", "<r/>"),
        ("<r><data/><count>1</count></r>", "same", "<r><data/></r>"),
    ] {
        assert_totals(Xml, [before, if kept == "same" { before } else { kept }, dropped].map(rows));
    }
    // A total of a list without totals beside it drops the list, too.
    let beside = Rows { totals: vec!["count".to_owned()], ..rows_at_root() };
    assert_filtered(
        &beside,
        Totals::Keep,
        &[
            (Json, r#"{"row":{"vendor":"rival"},"count":1}"#, Ok(r#"{"count":1}"#)),
            (Json, r#"{"count":1 , "row":[{"vendor":"rival"}]}"#, Ok(r#"{"count":1 }"#)),
        ],
    );
}

fn rows_at_root() -> Rows {
    rows("row", Some(OwnerField::Field("vendor".to_owned())))
}

#[test]
fn an_answer_that_is_the_row_stays_or_is_nothing() {
    assert_filtered(
        &single(),
        Totals::Keep,
        &[
            (Json, "", Ok("")),
            (Json, "null", Ok("null")),
            (Json, " {} ", Ok(" {} ")),
            (Json, r#"{"vendor":"acme"}"#, Ok(r#"{"vendor":"acme"}"#)),
            (Json, " {\"vendor\":\"rival\"}\n", Ok(" null\n")),
            (Json, r#"[{"vendor":"acme"}]"#, Err(Unreadable)),
            (Json, r#""acme""#, Err(Unreadable)),
            (Json, "12", Err(Unreadable)),
            (Json, r#"{"@sku":"1"}"#, Err(Refused)),
            (Xml, "", Ok("")),
            (Xml, "<p xmlns='u'/>", Ok("<p xmlns='u'/>")),
            (Xml, "<p> </p>", Ok("<p> </p>")),
            (Xml, "<p sku='1'><vendor>acme</vendor></p>", Ok("<p sku='1'><vendor>acme</vendor></p>")),
            (Xml, "<p sku='1' >\n<vendor>rival</vendor></p >\n", Ok("<p/>\n")),
            (Xml, "<p>acme</p>", Err(Unreadable)),
            (Xml, "<p><!-- acme --></p>", Err(Unreadable)),
            (Xml, "<p sku='1'/>", Err(Refused)),
            (Xml, "<p xsi:nil='true'/>", Err(Refused)),
            (Xml, "<!-- c --><p><vendor>acme</vendor></p>", Err(Unreadable)),
        ],
    );
}

#[test]
fn what_is_not_built_as_the_catalogue_says_is_unreadable() {
    for body in [
        "12",
        r#""orderData""#,
        "true",
        "[]",
        r#"[{"data":{"row":[]}}]"#,
        r#"{"data":"x"}"#,
        r#"{"data":""}"#,
        r#"{"data":[]}"#,
        r#"{"data":[{"row":[]}]}"#,
        r#"{"data":{"@nil":"true"}}"#,
        r#"{"data":{"row":"x"}}"#,
        r#"{"data":{"row":1}}"#,
        r#"{"data":{"row":[null]}}"#,
        r#"{"data":{"row":[{"vendor":"acme"},null]}}"#,
        r#"{"data":{"row":["acme"]}}"#,
        r#"{"data":{"row":[[{"vendor":"acme"}]]}}"#,
        r#"{"data":{"row":[],"row":[]}}"#,
        r#"{"data":null,"d\u0061ta":null}"#,
        r#"{"data":{},"count":1,"count":1}"#,
        r#"{"data":{"rows":[]}}"#,
        r#"{"data":{"Row":[]}}"#,
        r#"{"Data":{"row":[]}}"#,
        r#"{"data":{},"Count":1}"#,
        r#"{"data":{},"other":null}"#,
        r#"{"row":[]}"#,
        r#"{"data":{},"count":{"row":1}}"#,
        r#"{"data":{},"count":[{"x":{"Vendor":1}}]}"#,
        r#"{"data":{},"count":{"x":1,"x":1}}"#,
        r#"{"data":{},"count":{"deal":{"vendor":"acme"}}}"#,
    ] {
        assert_filtered(&nested(), Totals::Keep, &[(Json, body, Err(Unreadable))]);
        assert_filtered(&nested(), Totals::Drop, &[(Json, body, Err(Unreadable))]);
    }
    for inner in [
        "x",
        "&#32;",
        "<!-- c -->",
        "<![CDATA[]]>",
        "<data>x</data>",
        "<data>&amp;</data>",
        "<data><!-- c --></data>",
        "<data><![CDATA[ ]]></data>",
        "<data a='b'/>",
        "<data xsi:nil='true'/>",
        "<data xml:lang='en'/>",
        "<data/><data/>",
        "<data><rows/></data>",
        "<data><Row/></data>",
        "<data><n:row/></data>",
        "<Data/>",
        "<n:data/>",
        "<data/><other/>",
        "<row/>",
        "<data><row>acme</row></data>",
        "<data><row>&amp;</row></data>",
        "<data><row><![CDATA[acme]]></row></data>",
        "<data><row><!-- c --></row></data>",
        "<data><row/><row/></data>",
        "<data><row><vendor>acme</vendor></row><row/></data>",
        "<count><row/></count>",
        "<count><x><n:Vendor/></x></count>",
        "<count><deal><vendor>acme</vendor></deal></count>",
        "<data><other/><count/></data>",
    ] {
        let body = format!("<r>{inner}</r>");
        assert_filtered(&nested(), Totals::Keep, &[(Xml, &body, Err(Unreadable))]);
        assert_filtered(&nested(), Totals::Drop, &[(Xml, &body, Err(Unreadable))]);
    }
    for body in ["<r a='b'/>", "<r><data/></r><!-- c -->", "<!-- c --><r/>", "\u{feff}\u{feff}<r/>"] {
        assert_filtered(&nested(), Totals::Keep, &[(Xml, body, Err(Unreadable))]);
    }
    // Between the root and what is beside the rows, totals are unknown.
    let deep = Rows { at: "a.b.row".to_owned(), ..nested() };
    assert_filtered(&deep, Totals::Keep, &[(Json, r#"{"a":{"b":null,"count":1}}"#, Err(Unreadable))]);
    assert_filtered(&deep, Totals::Drop, &[(Json, r#"{"a":{"b":{"count":1}},"count":1}"#, Ok(r#"{"a":{"b":null}}"#))]);
}

#[test]
fn what_is_no_answer_is_unreadable() {
    let deep = format!(r#"{{"data":{{"row":{{"vendor":"acme","x":{}{}}}}}}}"#, "[".repeat(65), "]".repeat(65));
    let deep_xml = format!("<r><data><row>{}{}</row></data></r>", "<a>".repeat(65), "</a>".repeat(65));
    for (media, body) in [
        (Json, " "),
        (Json, "nul"),
        (Json, "{"),
        (Json, r#"{"data""#),
        (Json, r#"{"data":}"#),
        (Json, r#"{"data":null,}"#),
        (Json, r#"{"data":null}x"#),
        (Json, r"{data:null}"),
        (Json, r#"{"data":{"row":[{"vendor":"acme"}}}"#),
        (Json, r#"{"data":{"row":[{"vendor":"acme"},]}}"#),
        (Json, r#"{"data":{"row":{"a":01}}}"#),
        (Json, r#"{"data":{"row":{"a":1.}}}"#),
        (Json, r#"{"data":{"row":{"a":1e}}}"#),
        (Json, r#"{"data":{"row":{"a":-}}}"#),
        (Json, r#"{"data":{"row":{"a":nil}}}"#),
        (Json, r#"{"data":{"row":{"a":"\x"}}}"#),
        (Json, r#"{"data":{"row":{"a":"\u12g4"}}}"#),
        (Json, "{\"data\":{\"row\":{\"a\":\"\n\"}}}"),
        (Json, "\u{feff}null"),
        (Json, &deep),
        (Xml, " "),
        (Xml, "x"),
        (Xml, "<r>"),
        (Xml, "<r></x>"),
        (Xml, "<r><data><row></data></r>"),
        (Xml, "<r><data><row><vendor>&x;</vendor></row></data></r>"),
        (Xml, "<!DOCTYPE r><r/>"),
        (Xml, "<r><data><row><?p?></row></data></r>"),
        (Xml, "<r/><r/>"),
        (Xml, "x<r/>"),
        (Xml, "<r/>x"),
        (Xml, "<?xml version='1.0'?><?xml version='1.0'?><r/>"),
        (Xml, &deep_xml),
        (Media::Text, "null"),
    ] {
        let rows = nested();
        let reader = Reader::new(&rows, None, Totals::Keep);
        let result = read(media, body, &reader, |_| Verdict::Keep).map(|edit| edit.kept());
        assert_eq!(result, Err(Unreadable), "{body}");
        survey(media, body, &reader, |_| {});
    }
}

#[test]
fn a_row_that_is_refused_ends_the_reading() {
    let mut judged = 0;
    let body = with_rows(r#"{"orderData":[A,B,A]}"#);
    let verdict = |_: &Row<'_>| {
        judged += 1;
        if judged == 2 { Verdict::Refuse } else { Verdict::Drop }
    };
    let result = read(Json, &body, &Reader::new(&orders(), None, Totals::Keep), verdict);
    assert_eq!((result.map(|edit| edit.kept()), judged), (Err(Refused), 2));
}

#[test]
fn a_body_that_was_not_read_is_not_edited() {
    let body = with_rows(r#"{"orderData":[A,R]}"#);
    let rows = orders();
    let edit = read(Json, &body, &Reader::new(&rows, None, Totals::Keep), |_| Verdict::Drop).unwrap();
    assert_eq!((edit.kept(), edit.dropped()), (0, 2));
    let mut other = BytesMut::from("other");
    edit.apply(&mut other);
    assert!(other.is_empty());
}

#[test]
fn a_survey_sees_every_row_however_the_answer_is_built() {
    for (media, body, expected) in [
        (Json, "", vec![]),
        (Json, "null", vec![]),
        (Json, r#"{"data":{"row":{"vendor":"a"}}}"#, vec!["a"]),
        (Json, r#"[{"x":1,"data":[[{"y":{},"row":[{"vendor":"a"},[{"vendor":"b"}]]}]]}]"#, vec!["a", "b"]),
        (
            Json,
            r#"{"data":{"row":{"vendor":"a"},"row":{"vendor":"b"}},"data":{"row":{"vendor":"c"}}}"#,
            vec!["a", "b", "c"],
        ),
        (
            Json,
            r#"{"other":{"row":{"vendor":"a"}},"row":{"vendor":"b"},"data":{"data":{"row":{"vendor":"c"}}}}"#,
            vec![],
        ),
        (Json, r#"{"data":{"row":[{"vendor":"a"},1,null,"x",{"vendor":"b","deal":{"vendor":"c"}}]}}"#, vec!["a", "b"]),
        (Json, r#"{"data":{"row":[{"vendor":"a"},{"vendor":"b"}"#, vec!["a", "b"]),
        (Json, r#"{"data":{"row":[{"vendor":"a"},{"vendor":"b""#, vec!["a"]),
        (Json, r#"{"data":{"row":{"vendor":["a"],"x":{"vendor":"b"}}}}"#, vec![]),
        (Json, r#"{"count":[{},[]],"data":{"row":[[],{},{"vendor":"a"}]}}"#, vec!["a"]),
        (Xml, "<r>text<data><!-- c --><row><vendor>a</vendor></row></data></r>", vec!["a"]),
        (
            Xml,
            "<r><x/><data><row><vendor>a</vendor></row><row/></data><data><row><vendor>b</vendor></row></data></r>",
            vec!["a", "b"],
        ),
        (Xml, "<r><data/><data><row><vendor>a</vendor></row></data></r>", vec!["a"]),
        (Xml, "<r><row><vendor>a</vendor></row><x><data><row><vendor>b</vendor></row></data></x></r>", vec![]),
        (Xml, "<r><data><row><vendor>a</vendor><row><vendor>b</vendor></row></row>", vec!["a"]),
    ] {
        let mut seen = Vec::new();
        let rows = nested();
        survey(media, body, &Reader::new(&rows, None, Totals::Keep), |row| {
            seen.extend(row.certain_owner().map(str::to_owned));
        });
        assert_eq!(seen, expected, "{body}");
    }
    let mut seen = Vec::new();
    let rows = single();
    survey(Json, r#"[{"vendor":"a"},[{"vendor":"b"}]]"#, &Reader::new(&rows, None, Totals::Keep), |row| {
        seen.extend(row.certain_owner().map(str::to_owned));
    });
    assert_eq!(seen, ["a", "b"]);
}

/// An answer as one endpoint's `rows` describe it, with these owners, or these receipts.
fn described(media: Media, rows: &Rows, owners: &[&str]) -> String {
    let row = |owner: &&str| {
        let (owner, mut fields) = (*owner, vec![("id", "1")]);
        match &rows.owner {
            Some(OwnerField::Field(field)) => fields.push((field, owner)),
            Some(OwnerField::ByRole { vendor, affiliate }) => {
                fields.extend([(&**vendor, "zeta"), (&**affiliate, owner)]);
            }
            None => {}
        }
        fields.extend(rows.role.as_deref().map(|role| (role, "AFFILIATE")));
        fields.extend(rows.receipt.as_deref().map(|receipt| (receipt, owner)));
        let others = rows.counterparty.iter().map(|path| (&**path, "zeta"));
        let written = fields.into_iter().chain(others.take(1)).map(|(path, value)| match media {
            Json => {
                let value =
                    path.rsplit('.').fold(format!("\"{value}\""), |inner, name| format!("{{\"{name}\":{inner}}}"));
                value[1..value.len() - 1].to_owned()
            }
            _ => path.rsplit('.').fold(value.to_owned(), |inner, name| format!("<{name}>{inner}</{name}>")),
        });
        written.collect::<Vec<_>>()
    };
    let totals = rows.totals.iter();
    if media == Json {
        let list: Vec<String> = owners.iter().map(|owner| format!("{{{}}}", row(owner).join(","))).collect();
        let list = if let [only] = &*list { only.clone() } else { format!("[{}]", list.join(",")) };
        let path = rows.at.rsplit('.').filter(|name| !name.is_empty());
        let whole = path.fold(list, |inner, name| format!("{{\"{name}\":{inner}}}"));
        totals.fold(whole, |whole, total| format!("{{\"{total}\":\"7\",{}", &whole[1..]))
    } else if let Some(name) = rows.at.rsplit('.').next().filter(|name| !name.is_empty()) {
        let list: Vec<String> =
            owners.iter().map(|owner| format!("<{name}>{}</{name}>", row(owner).concat())).collect();
        let path = rows.at.rsplit('.').skip(1);
        let whole = path.fold(list.concat(), |inner, name| format!("<{name}>{inner}</{name}>"));
        let totals: Vec<String> = totals.map(|total| format!("<{total}>7</{total}>")).collect();
        format!("<any>{}{whole}</any>", totals.concat())
    } else {
        format!("<any>{}</any>", owners.iter().flat_map(row).collect::<String>())
    }
}

#[test]
fn the_rows_of_every_endpoint_can_be_read() {
    let mut read_rows = 0;
    for endpoint in built_in_endpoints().unwrap() {
        let Some(rows) = &endpoint.rows else { continue };
        for owners in [&["acme"][..], &["rival"], &["acme", "rival"], &["acme", "rival", "Acme"]] {
            if rows.at.is_empty() && owners.len() > 1 {
                continue;
            }
            for media in [Json, Xml] {
                let body = described(media, rows, owners);
                let mut seen = Vec::new();
                let edit = read(media, &body, &Reader::new(rows, Some(Party::Affiliate), Totals::Drop), |row| {
                    let has_owner = rows.owner.is_some();
                    let named = if has_owner { row.certain_owner() } else { row.receipt().text() };
                    let named = named.unwrap_or("nobody").to_owned();
                    let standing = row.standing(&mine);
                    let expected = if mine(&named) { Mine } else { Foreign };
                    assert_eq!(standing, if has_owner { expected } else { Unclear }, "{} {body}", endpoint.name);
                    assert!(!row.is_flawed(), "{} {body}", endpoint.name);
                    seen.push(named.clone());
                    if named == "rival" { Verdict::Drop } else { Verdict::Keep }
                });
                let edit = edit.unwrap_or_else(|error| panic!("{} {body}: {error}", endpoint.name));
                // Images name nobody at all.
                let named = rows.owner.is_some() || rows.receipt.is_some();
                assert_eq!(seen, if named { owners.to_vec() } else { vec!["nobody"; owners.len()] }, "{body}");
                let kept: Vec<&str> = owners.iter().copied().filter(|owner| !named || *owner != "rival").collect();
                assert_eq!((edit.kept(), edit.dropped()), (kept.len(), owners.len() - kept.len()), "{body}");
                let mut edited = BytesMut::from(&*body);
                edit.apply(&mut edited);
                let without_totals = Rows { totals: Vec::new(), ..rows.clone() };
                let expected = match (&*kept, &*rows.at, media) {
                    ([], "", Json) => "null".to_owned(),
                    ([], "", _) => "<any/>".to_owned(),
                    ([], at, Json) => {
                        at.rsplit('.').skip(1).fold("null".to_owned(), |inner, name| format!("{{\"{name}\":{inner}}}"))
                    }
                    ([], at, _) => match at.rsplit('.').nth(1) {
                        Some(name) => format!("<any><{name}/></any>"),
                        None => "<any/>".to_owned(),
                    },
                    (kept, ..) => described(media, &without_totals, kept),
                };
                assert_eq!(edited, expected, "{} {body}", endpoint.name);
                read_rows += 1;
            }
        }
    }
    assert_eq!(read_rows, 30 * 8 + 2 * 4, "endpoints with rows, by four answers, in two types");
}
