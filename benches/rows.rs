//! What it costs to read whose rows an answer holds and to cut some out, beside what it would cost to build the answer
//! as a tree and write it again, and beside a parser that does nothing.
//!
//! ```text
//! cargo bench --bench rows
//! ```
//!
//! `max alloc` is the most memory beyond the answer's own bytes. What it is for the worst answers that could be thought
//! of, of 16 MiB each, stands at the end.

#![expect(clippy::expect_used, reason = "a benchmark that fails should fail loudly")]

use bytes::BytesMut;
use clickbank_gateway::domain::answer::Media;
use clickbank_gateway::domain::endpoint::{OwnerField, Rows};
use clickbank_gateway::domain::rows::{Edit, Reader, Row, Standing, Totals, Verdict, read, survey};
use divan::counter::BytesCount;
use divan::{AllocProfiler, Bencher, black_box};
use quick_xml::events::Event;
use serde_json::Value;

const JSON: &str = r#"{"transactionTime":"2026-11-22T10:11:12-08:00","receipt":"ABCD1234","trackingId":{"@nil":"true"},"paytmentMethod":"VISA","transactionType":"SALE","totalOrderAmount":"47.00","totalShippingAmount":"0.00","totalTaxAmount":"0.00","vendor":"ACME","affiliate":"JANE","country":"US","state":"CA","lastName":"O'Neill","firstName":"Jane Q","currency":"USD","declinedConsent":"false","email":"jane@example.com","postalCode":"90210","customerContactInfo":{"@nil":"true"},"role":"VENDOR","fullName":"Jane Q O'Neill","customerRefundableState":"REFUNDABLE","vendorVariables":{"item":[{"name":"cbf","value":"1"},{"name":"cbskin","value":"2"}]},"lineItemData":{"itemNo":"1","productTitle":"How to Train a Dragon","recurring":"false","shippable":"false","customerAmount":"47.00","accountAmount":"21.35","quantity":"1","lineItemType":"ORIGINAL","rebillAmount":"0.00","processedPayments":"1","futurePayments":"0","nextPaymentDate":{"@nil":"true"},"status":{"@nil":"true"},"role":"VENDOR"}}"#;
const XML: &str = r#"<orderData><transactionTime>2026-11-22T10:11:12-08:00</transactionTime><receipt>ABCD1234</receipt><trackingId xsi:nil="true"/><paytmentMethod>VISA</paytmentMethod><transactionType>SALE</transactionType><totalOrderAmount>47.00</totalOrderAmount><totalShippingAmount>0.00</totalShippingAmount><totalTaxAmount>0.00</totalTaxAmount><vendor>ACME</vendor><affiliate>JANE</affiliate><country>US</country><state>CA</state><lastName>O'Neill</lastName><firstName>Jane Q</firstName><currency>USD</currency><declinedConsent>false</declinedConsent><email>jane@example.com</email><postalCode>90210</postalCode><customerContactInfo xsi:nil="true"/><role>VENDOR</role><fullName>Jane Q O'Neill</fullName><customerRefundableState>REFUNDABLE</customerRefundableState><vendorVariables><item><name>cbf</name><value>1</value></item><item><name>cbskin</name><value>2</value></item></vendorVariables><lineItemData><itemNo>1</itemNo><productTitle>How to Train a Dragon</productTitle><recurring>false</recurring><shippable>false</shippable><customerAmount>47.00</customerAmount><accountAmount>21.35</accountAmount><quantity>1</quantity><lineItemType>ORIGINAL</lineItemType><rebillAmount>0.00</rebillAmount><processedPayments>1</processedPayments><futurePayments>0</futurePayments><nextPaymentDate xsi:nil="true"/><status xsi:nil="true"/><role>VENDOR</role></lineItemData></orderData>"#;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

/// Whose every second row is.
const OWNERS: [&str; 2] = ["ACME", "RIVALCO"];

/// A page of a hundred orders.
fn page(media: Media, foreign: &str) -> String {
    let row = if media == Media::Json { JSON } else { XML };
    let rows: Vec<String> =
        (0..100).map(|place| if place % 2 == 0 { row.to_owned() } else { row.replace("ACME", foreign) }).collect();
    match media {
        Media::Json => format!("{{\"orderData\":[{}]}}", rows.join(",")),
        _ => format!(
            "<?xml version=\"1.0\"?><orderList xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">{}</orderList>",
            rows.concat()
        ),
    }
}

fn orders() -> Rows {
    Rows {
        at: "orderData".to_owned(),
        owner: Some(OwnerField::ByRole { vendor: "vendor".to_owned(), affiliate: "affiliate".to_owned() }),
        role: Some("role".to_owned()),
        receipt: None,
        counterparty: Vec::new(),
        totals: Vec::new(),
    }
}

fn verdict(row: &Row<'_>) -> Verdict {
    match row.standing(&|name| name.eq_ignore_ascii_case("acme")) {
        Standing::Mine => Verdict::Keep,
        Standing::Foreign => Verdict::Drop,
        Standing::Unclear => Verdict::Refuse,
    }
}

fn filter(media: Media, rows: &Rows, body: &str) -> Edit {
    read(media, body, &Reader::new(rows, None, Totals::Keep), verdict).expect("a page of orders")
}

fn filtering(bencher: Bencher<'_, '_>, media: Media, foreign: &str) {
    let (rows, body) = (orders(), page(media, foreign));
    bencher.counter(BytesCount::of_str(&body)).with_inputs(|| BytesMut::from(&*body)).bench_refs(|bytes| {
        let edit = filter(media, &rows, black_box(&body));
        edit.apply(bytes);
    });
}

#[divan::bench(args = OWNERS)]
fn filter_json(bencher: Bencher<'_, '_>, every_second: &str) {
    filtering(bencher, Media::Json, every_second);
}

#[divan::bench(args = OWNERS)]
fn filter_xml(bencher: Bencher<'_, '_>, every_second: &str) {
    filtering(bencher, Media::Xml, every_second);
}

#[divan::bench(args = [Media::Json, Media::Xml])]
fn look_at_the_rows(bencher: Bencher<'_, '_>, media: Media) {
    let (rows, body) = (orders(), page(media, "RIVALCO"));
    let reader = Reader::new(&rows, None, Totals::Keep);
    bencher.counter(BytesCount::of_str(&body)).bench(|| {
        let mut owners = 0;
        survey(media, black_box(&body), &reader, |row| owners += usize::from(row.certain_owner().is_some()));
        owners
    });
}

/// What the filter saves: a tree, and its text.
#[divan::bench]
fn build_json_and_write_it(bencher: Bencher<'_, '_>) {
    let body = page(Media::Json, "RIVALCO");
    bencher.counter(BytesCount::of_str(&body)).bench(|| {
        let tree: Value = serde_json::from_str(black_box(&body)).expect("JSON");
        serde_json::to_vec(&tree).expect("JSON")
    });
}

/// What XML costs by itself.
#[divan::bench]
fn events_of_xml(bencher: Bencher<'_, '_>) {
    let body = page(Media::Xml, "RIVALCO");
    bencher.counter(BytesCount::of_str(&body)).bench(|| {
        let mut parser = quick_xml::Reader::from_str(black_box(&body));
        let mut events = 0;
        while parser.read_event().expect("XML") != Event::Eof {
            events += 1;
        }
        events
    });
}

/// One object of nothing but keys.
#[divan::bench(args = [1_000_000])]
fn keys_alone(bencher: Bencher<'_, '_>, number: usize) {
    let keys: Vec<String> = (0..number).map(|key| format!("\"{key:x}\":1")).collect();
    let body = format!("{{\"orderData\":{{\"role\":\"VENDOR\",\"vendor\":\"ACME\",{}}}}}", keys.join(","));
    let rows = orders();
    bencher.counter(BytesCount::of_str(&body)).bench(|| filter(Media::Json, &rows, black_box(&body)));
}

/// The largest answer by default, of nothing but the shortest rows, of which every second one goes.
#[divan::bench(args = [Media::Json, Media::Xml])]
fn worst_rows(bencher: Bencher<'_, '_>, media: Media) {
    let (mine, foreign) = match media {
        Media::Json => ("{\"v\":\"a\"},", "{\"v\":\"b\"},"),
        _ => ("<r><v>a</v></r>", "<r><v>b</v></r>"),
    };
    let pairs = (16 << 20) / (mine.len() + foreign.len());
    let rows = [mine, foreign].concat().repeat(pairs);
    let body = match media {
        Media::Json => format!("{{\"r\":[{}]}}", rows.trim_end_matches(',')),
        _ => format!("<l>{rows}</l>"),
    };
    let short = Rows { at: "r".to_owned(), owner: Some(OwnerField::Field("v".to_owned())), role: None, ..orders() };
    let cut = |row: &Row<'_>| match row.standing(&|name| name == "a") {
        Standing::Mine => Verdict::Keep,
        _ => Verdict::Drop,
    };
    bencher.counter(BytesCount::of_str(&body)).with_inputs(|| BytesMut::from(&*body)).bench_refs(|bytes| {
        let edit = read(media, black_box(&body), &Reader::new(&short, None, Totals::Keep), cut).expect("rows");
        assert_eq!((edit.kept(), edit.dropped()), (pairs, pairs));
        edit.apply(bytes);
    });
}

/// The largest answer by default, one object of nothing but the shortest keys.
#[divan::bench]
fn worst_keys(bencher: Bencher<'_, '_>) {
    let mut keys = String::with_capacity(17 << 20);
    for key in 0.. {
        keys.push_str(&format!("\"{key:x}\":1,"));
        if keys.len() >= 16 << 20 {
            break;
        }
    }
    let body = format!("{{\"orderData\":{{{keys}\"role\":\"VENDOR\",\"vendor\":\"ACME\"}}}}");
    let rows = orders();
    bencher.counter(BytesCount::of_str(&body)).bench(|| filter(Media::Json, &rows, black_box(&body)));
}

fn main() {
    for media in [Media::Json, Media::Xml] {
        let edits = OWNERS.map(|foreign| filter(media, &orders(), &page(media, foreign)));
        assert_eq!(edits.map(|edit| (edit.kept(), edit.dropped())), [(100, 0), (50, 50)]);
    }
    divan::main();
}
