//! How bytes arrive makes no difference, nor does what came before on the same connection.

use super::table::{COUNT, Got, Stage, Way, get, get_as, text, with, without_key, xml};

const PRODUCT: &str = "/rest/1.3/products/guide-1?site=acme";

#[tokio::test]
async fn a_key_counts_for_the_request_that_brings_it_and_for_no_other() {
    let stage = Stage::start(Way::Tcp).await;
    let mut connection = stage.connect().await;
    let nickname = (403, Some("nickname-not-granted"));
    for (caller, target, outcome) in [
        (Some("app"), PRODUCT, (200, None)),
        (None, PRODUCT, (401, Some("key-refused"))),
        (Some("shop"), PRODUCT, nickname),
        (Some("shop"), "/rest/1.3/products/guide-1?site=zenith", (200, None)),
        (Some("app"), "/rest/1.3/products/guide-1?site=zenith", nickname),
        (Some("inactive"), PRODUCT, (401, Some("key-refused"))),
        (Some("nothing"), PRODUCT, (403, Some("permission-missing"))),
        (None, "/rest/1.3/products/schema", (401, Some("key-refused"))),
        (Some("app"), PRODUCT, (200, None)),
    ] {
        let before = stage.scene.received().len();
        let request = caller.map_or_else(|| without_key("").replace(COUNT, target), |caller| get_as(caller, target));
        connection.send(stage.bytes(&request)).await;
        assert_eq!(connection.answer().await.outcome(), outcome, "{caller:?} {target}");
        assert_eq!(stage.arrived(before).len(), usize::from(outcome.0 == 200), "{caller:?} {target}");
    }
    assert_eq!(stage.scene.received().len(), 3);
}

/// Requests that pass and that do not, with what comes of each.
fn samples() -> Vec<(String, Got, Vec<String>)> {
    let malformed = (400, Some("malformed-request"));
    vec![
        (get(PRODUCT), (200, None), vec![xml(PRODUCT)]),
        (with("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n", (200, None), vec![text(COUNT)]),
        (format!("\r\n{}", with("Cookie: a\r\n")), (200, None), vec![text(COUNT)]),
        (get(&format!("{COUNT}?tid=%00")), malformed, vec![]),
        (with("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n", malformed, vec![]),
        (with("X: y\r\n z\r\n"), malformed, vec![]),
        (without_key(""), (401, Some("key-refused")), vec![]),
    ]
}

#[tokio::test]
async fn a_request_can_arrive_in_two_pieces_of_any_size() {
    let stage = Stage::start(Way::Tcp).await;
    for (request, outcome, arrives) in samples() {
        let bytes = stage.bytes(&request);
        let arrives: Vec<String> = arrives.iter().map(|head| stage.fill(head)).collect();
        for at in 1..bytes.len() {
            let before = stage.scene.received().len();
            let mut connection = stage.connect().await;
            connection.send(&bytes[..at]).await;
            tokio::task::yield_now().await;
            connection.send(&bytes[at..]).await;
            assert_eq!(connection.answer().await.outcome(), outcome, "{at} of {request}");
            assert_eq!(stage.arrived(before), arrives, "{at} of {request}");
        }
    }
}

#[tokio::test]
async fn a_request_can_arrive_byte_by_byte() {
    for way in [Way::Tcp, Way::Tls] {
        let stage = Stage::start(way).await;
        for (request, outcome, arrives) in samples() {
            let arrives: Vec<String> = arrives.iter().map(|head| stage.fill(head)).collect();
            let before = stage.scene.received().len();
            let mut connection = stage.connect().await;
            for byte in stage.bytes(&request) {
                connection.send([byte]).await;
                tokio::task::yield_now().await;
            }
            assert_eq!(connection.answer().await.outcome(), outcome, "{request} over {way:?}");
            assert_eq!(stage.arrived(before), arrives, "{request} over {way:?}");
        }
    }
}

#[tokio::test]
async fn requests_that_are_sent_at_once_can_be_cut_anywhere() {
    let stage = Stage::start(Way::Tcp).await;
    let (good, other) = (get(COUNT), get(PRODUCT));
    let bytes = stage.bytes(&(good + &get("/rest/1.3/nothing") + &other + "\0\r\n" + &other));
    let arrives = [text(COUNT), xml(PRODUCT)].map(|head| stage.fill(&head));
    for size in [1, 2, 3, 7, 50, 100, 1_000] {
        let before = stage.scene.received().len();
        let mut connection = stage.connect().await;
        for piece in bytes.chunks(size) {
            connection.send(piece).await;
            tokio::task::yield_now().await;
        }
        for outcome in [(200, None), (404, Some("unknown-endpoint")), (200, None), (400, Some("malformed-request"))] {
            assert_eq!(connection.answer().await.outcome(), outcome, "in pieces of {size}");
        }
        connection.expect_close("what is behind a message in doubt").await;
        assert_eq!(stage.arrived(before), arrives, "in pieces of {size}");
    }
}

#[tokio::test]
async fn one_that_breaks_off_anywhere_is_no_request() {
    let stage = Stage::start(Way::Tcp).await;
    let bytes = stage.bytes(&with("Content-Length: 0\r\n").replace(COUNT, PRODUCT).replace("GET", "PUT"));
    for kept in 0..bytes.len() {
        let mut connection = stage.connect().await;
        connection.send(&bytes[..kept]).await;
        connection.end().await;
        assert_eq!(connection.next_answer().await, None, "{kept} bytes of it");
    }
    assert_eq!(stage.scene.received(), []);
}

#[tokio::test]
async fn whoever_sends_no_more_is_taken_to_have_gone_and_causes_nothing_twice() {
    let stage = Stage::start(Way::Tcp).await;
    let change = with("").replace(COUNT, "/rest/1.3/products/none-1?site=acme").replace("GET", "DELETE");
    for request in [get(COUNT), change] {
        for _ in 0..10 {
            let before = stage.scene.received().len();
            let mut connection = stage.connect().await;
            connection.send(stage.bytes(&request)).await;
            connection.end().await;
            connection.expect_close("a connection of one who sends no more").await;
            // Whether it had been sent by then is a race, which is no harm: there is nobody to be told.
            assert!(stage.arrived(before).len() <= 1, "{request}");
        }
    }
}

#[tokio::test]
async fn a_body_that_does_not_end_is_given_up_and_nothing_arrives() {
    let stage = Stage::start(Way::Tcp).await;
    for begun in ["", "0", "0\r\n", "1;x=\"", "000000000000000"] {
        let mut connection = stage.connect().await;
        connection.send(stage.bytes(&(with("Transfer-Encoding: chunked\r\n") + begun))).await;
        // Whoever cannot be identified is not waited for, and has its answer at once.
        let mut stranger = stage.connect().await;
        stranger.send(without_key("Transfer-Encoding: chunked\r\n") + begun).await;
        assert_eq!(stranger.answer().await.outcome(), (401, Some("key-refused")), "{begun:?}");
        stranger.expect_close(begun).await;
        if begun.len() > 10 {
            assert_eq!(connection.answer().await.outcome(), (400, Some("malformed-request")), "{begun:?}");
            connection.expect_close(begun).await;
        }
    }
    assert!(stage.scene.received().is_empty());
}
