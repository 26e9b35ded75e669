//! What it costs to judge an answer: the search for the credential, and whether it is what it says it is.
//!
//! ```text
//! cargo bench --bench answers
//! ```

#![expect(clippy::expect_used, reason = "a benchmark that fails should fail loudly")]

use clickbank_gateway::domain::answer::{Bare, End, Media, judge};
use clickbank_gateway::domain::secret::CredentialSecret;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};

const SIZES: [usize; 2] = [200_000, 16 << 20];

const JSON: &str = r#"{"transactionTime":"2026-11-22T10:11:12-08:00","receipt":"ABCD1234","trackingId":{"@nil":"true"},"paytmentMethod":"VISA","totalOrderAmount":"47.00","vendor":"ACME","affiliate":"JANE","firstName":"Jane Q","lastName":"O'Neill","email":"jane@example.com","lineItemData":{"itemNo":"1","productTitle":"How to Train a Dragon","recurring":"false","accountAmount":"21.35"}},"#;
const XML: &str = r"<orderData><transactionTime>2026-11-22T10:11:12-08:00</transactionTime><receipt>ABCD1234</receipt><vendor>ACME</vendor><firstName>Jane Q</firstName><lastName>O'Neill</lastName><totalOrderAmount>47.00</totalOrderAmount></orderData>";

fn secret() -> CredentialSecret {
    CredentialSecret::parse("API-7K3PLANTEDQ9X2CLICKBANKKEY8W0123456", Some("DEV-0123456789ABCDEF0123456789ABCDEF0123"))
        .expect("a key")
}

/// Rows of an order list, about as many bytes as asked for.
fn rows(media: Media, row: &str, size: usize) -> String {
    let mut rows = row.repeat(size / row.len());
    if media == Media::Xml {
        return format!("<orderList>{rows}</orderList>");
    }
    rows.pop();
    format!("{{\"orderData\":[{rows}]}}")
}

fn search(bencher: Bencher<'_, '_>, text: &str) {
    let secret = secret();
    bencher.counter(BytesCount::of_str(text)).bench(|| secret.shows_in(black_box(text.as_bytes())));
}

#[divan::bench(args = SIZES)]
fn search_json(bencher: Bencher<'_, '_>, size: usize) {
    search(bencher, &rows(Media::Json, JSON, size));
}

/// Every slash escaped, every other name not ASCII.
#[divan::bench(args = SIZES)]
fn search_json_with_escapes(bencher: Bencher<'_, '_>, size: usize) {
    let row = JSON.replace("Jane Q", "Jos\\u00e9 M&amp;M").replace("How to", "https:\\/\\/acme.example\\/100%25");
    search(bencher, &rows(Media::Json, &row, size));
}

#[divan::bench(args = SIZES)]
fn search_xml(bencher: Bencher<'_, '_>, size: usize) {
    search(bencher, &rows(Media::Xml, XML, size));
}

/// Nothing but escapes of escapes.
#[divan::bench(args = SIZES)]
fn search_hostile(bencher: Bencher<'_, '_>, size: usize) {
    search(bencher, &"%25&amp;\\u005c<!---->".repeat(size / 20));
}

#[divan::bench(args = SIZES)]
fn judge_json(bencher: Bencher<'_, '_>, size: usize) {
    let text = rows(Media::Json, JSON, size);
    let judge = || judge(Media::Json, End::Told, Bare::Count, black_box(text.as_bytes()));
    bencher.counter(BytesCount::of_str(&text)).bench(judge);
}

#[divan::bench(args = SIZES)]
fn judge_xml(bencher: Bencher<'_, '_>, size: usize) {
    let text = rows(Media::Xml, XML, size);
    let judge = || judge(Media::Xml, End::Told, Bare::Count, black_box(text.as_bytes()));
    bencher.counter(BytesCount::of_str(&text)).bench(judge);
}

fn main() {
    assert!(judge(Media::Json, End::Closed, Bare::Count, rows(Media::Json, JSON, 2_000).as_bytes()).is_ok());
    assert!(judge(Media::Xml, End::Closed, Bare::Count, rows(Media::Xml, XML, 2_000).as_bytes()).is_ok());
    divan::main();
}
