//! Keys that are about to expire are named in the log before their callers notice.

use jiff::{SignedDuration, Timestamp};

use crate::support::process::Serving;
use crate::support::scene::{demo_simulator, write_for};
use crate::support::setup::{Setup, new_key};

/// The name of a key that is about to expire, and its end.
fn warned(line: &str) -> Option<(String, Timestamp)> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let text = |field: &str| line[field].as_str().map(str::to_owned);
    let about = text("message")?.starts_with("a key is about to expire; `clickbank-gateway key edit ");
    (about && line["level"] == "WARN").then_some((text("key")?, text("expires")?.parse().ok()?))
}

#[tokio::test]
async fn keys_that_are_about_to_expire_are_named_at_the_start_and_after_a_change() {
    let simulator = demo_simulator().await;
    let end =
        |hours| Timestamp::from_second((Timestamp::now() + SignedDuration::from_hours(hours)).as_second()).unwrap();
    let (soon, far) = (end(3 * 24), end(30 * 24));
    let fields = |expires: Timestamp| format!("status = \"active\"\nexpires = {expires}");
    let setup = Setup::acme().caller_with("far", &new_key(), &fields(far), "analytics = [\"acme\"]").caller_with(
        "soon",
        &new_key(),
        &fields(soon),
        "analytics = [\"acme\"]",
    );
    let written = write_for(&setup, &simulator);
    let mut serving = Serving::start(&written.file, &["--log", "json"]).await;
    let first = match serving.process.heard().iter().find_map(|line| warned(line)) {
        Some(first) => first,
        None => serving.process.line("a warning", warned).await,
    };
    assert_eq!(first, ("soon".to_owned(), soon));

    let nearer = end(2);
    written.edit("keys.toml", |text| text.replace(&far.to_string(), &nearer.to_string()));
    assert_eq!(serving.process.line("another warning", warned).await, ("far".to_owned(), nearer));
}
