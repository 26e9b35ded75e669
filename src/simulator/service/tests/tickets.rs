//! Tickets that sellers open and change, and what comes of them.

use super::*;
use crate::simulator::world::ticket_id;

const REFUND: &str = "type=rfnd&reason=ticket.type.refund.7";
const CANCEL: &str = "type=cncl&reason=ticket.type.cancel.7";

fn ticket_path(receipt: &str) -> String {
    format!("/tickets/{}", ticket_id(receipt, 1))
}

#[test]
fn a_full_refund_pays_back_at_once_and_only_once() {
    let mut world = world();
    let path = format!("/tickets/ACME0001?{REFUND}&refundType=FULL&comment=Sorry+%26+bye");
    let ticket = value(&post(&mut world, "acme", &path));
    for (field, expected) in [
        ("receipt", "ACME0001"),
        ("status", "CLOSED"),
        ("type", "REFUND"),
        ("refundType", "FULL"),
        ("refundAmount", "20.00"),
        ("productItemNo", "book-1"),
        ("source", "API"),
        ("description", "ticket.type.refund.7"),
        ("email", "buyer.acme0001@example.net"),
    ] {
        assert_eq!(ticket[field], expected, "{field}");
    }
    assert_eq!(ticket["comments"][0]["comment"], "Sorry & bye");
    assert_eq!(ticket["comments"][0]["commentRole"], "VENDOR");
    let id = ticket["ticketid"].as_str().unwrap().to_owned();
    assert_eq!(json(&mut world, "acme", &format!("/tickets/{id}")), ticket);
    assert_eq!(order_rows(&mut world, "acme", "ACME0001"), ["RFND -20.00 book-1", "SALE 20.00 book-1"]);
    assert_eq!(send(&mut world, "acme", Method::HEAD, "/orders2/ACME0001", "").status, 403);
    let shipped = json(&mut world, "acme", "/shipping2/list?receipt=ACME0001");
    assert_eq!(shipped["orderShipData"]["lineItemShipData"]["hasBeenRefunded"], "true");

    let again = post(&mut world, "acme", &path);
    assert_eq!(told(&again), (403, "The sale has already been refunded".to_owned()));
    assert_eq!(again.content_type, Some("text/plain"));
    assert_eq!(executed(&world), ["OpenTicket(Refund) ACME0001 acme 20.00"]);
    assert_eq!(world.executed()[0].ticket.unwrap().to_string(), id);
}

#[test]
fn an_answer_is_xml_unless_json_is_asked_for() {
    let path = format!("/tickets/ACME0001?{REFUND}&refundType=FULL");
    let answer = send(&mut world(), "acme", Method::POST, &path, "");
    assert_eq!(answer.content_type, Some("application/xml"));
    assert!(answer.text().contains("<ticketData ") && answer.text().contains("<receipt>ACME0001</receipt>"));
    let mut world = world();
    let answer = send(&mut world, "acme", Method::POST, &path, "text/html");
    assert_eq!(answer.status, 406);
    assert!(world.executed().is_empty());
}

#[test]
fn parts_add_up_until_nothing_is_left() {
    let mut world = world();
    for (part, expected) in [
        ("refundType=PARTIAL_PERCENT&refundAmount=50.00", Some("10.00")),
        ("refundType=PARTIAL_PERCENT&refundAmount=50", Some("5.00")),
        ("refundType=PARTIAL_AMOUNT&refundAmount=5.01", None),
        ("refundType=PARTIAL_AMOUNT&refundAmount=4.5", Some("4.50")),
        ("refundType=FULL", Some("0.50")),
        ("refundType=FULL", None),
        ("refundType=PARTIAL_PERCENT&refundAmount=10", None),
    ] {
        let amounts = get(&mut world, "acme", &format!("/tickets/refundAmounts/ACME0001?{part}"), JSON);
        let answer = post(&mut world, "acme", &format!("/tickets/ACME0001?{REFUND}&{part}"));
        assert_eq!(answer.status.is_success(), expected.is_some(), "{part}: {}", answer.text());
        if let Some(expected) = expected {
            assert_eq!(value(&answer)["refundAmount"], expected, "{part}");
            assert_eq!(value(&amounts)["customerAmount"], expected, "{part}");
        }
    }
    let refunded: Vec<String> = world.executed().iter().map(|done| done.refunded.to_string()).collect();
    assert_eq!(refunded, ["10.00", "5.00", "4.50", "0.50"]);
    let not_enabled = format!("/tickets/ZENI0001?{REFUND}&refundType=PARTIAL_AMOUNT&refundAmount=1");
    let answer = post(&mut world, "zenith", &not_enabled);
    assert_eq!(told(&answer), (403, "The vendor is not enabled for partial refunds".to_owned()));
}

#[test]
fn a_refund_of_a_subscription_pays_back_the_receipt_and_ends_what_is_to_come() {
    let mut world = world();
    let answer = post(&mut world, "acme", &format!("/tickets/SUBS0001-B002?{REFUND}&refundType=FULL"));
    assert_eq!(value(&answer)["refundAmount"], "19.00");
    assert_eq!(order_rows(&mut world, "acme", "SUBS0001-B002"), ["RFND -19.00 club-1", "BILL 19.00 club-1"]);
    assert_eq!(order_rows(&mut world, "acme", "SUBS0001"), ["CANCEL-REBILL 0.00 club-1", "SALE 19.00 club-1"]);
    let details = json(&mut world, "acme", "/analytics/VENDOR/subscription/details?account=acme");
    assert_eq!(details["data"]["row"]["status"], "CANCELED");
    assert_eq!(details["data"]["row"]["returnAmount"], "19.00");
    for receipt in ["SUBS0001", "SUBS0001-B002"] {
        let status = send(&mut world, "acme", Method::HEAD, &format!("/orders2/{receipt}"), "").status;
        assert_eq!(status, 403, "{receipt}");
    }
    // The first payment is a receipt of its own.
    let first = post(&mut world, "acme", &format!("/tickets/SUBS0001?{REFUND}&refundType=FULL"));
    assert_eq!(value(&first)["refundAmount"], "19.00");
    assert_eq!(executed(&world).len(), 2);
}

#[test]
fn a_refund_can_let_the_subscription_go_on() {
    let mut world = world();
    post(&mut world, "acme", &format!("/tickets/SUBS0001?{REFUND}&refundType=FULL&retainSubscription=true"));
    assert_eq!(order_rows(&mut world, "acme", "SUBS0001"), ["RFND -19.00 club-1", "SALE 19.00 club-1"]);
    assert_eq!(send(&mut world, "acme", Method::HEAD, "/orders/SUBS0001", "").status, 204);
}

#[test]
fn a_cancel_ends_a_subscription_once_and_refunds_nothing_of_it() {
    let mut world = world();
    let path = format!("/tickets/SUBS0001?{CANCEL}");
    let ticket = value(&post(&mut world, "acme", &path));
    assert_eq!((&ticket["type"], &ticket["status"]), (&"CANCEL".into(), &"CLOSED".into()));
    assert_eq!(ticket["refundAmount"]["@nil"], "true");
    assert_eq!(told(&post(&mut world, "acme", &path)), (403, "Subscription already canceled".to_owned()));
    let by_rebill = post(&mut world, "acme", &format!("/tickets/SUBS0001-B002?{CANCEL}"));
    assert_eq!(by_rebill.text(), "Subscription already canceled");
    assert_eq!(executed(&world), ["OpenTicket(Cancel) SUBS0001 acme 0.00"]);
    assert_eq!(order_rows(&mut world, "acme", "SUBS0001"), ["CANCEL-REBILL 0.00 club-1", "SALE 19.00 club-1"]);
    let found = json(&mut world, "acme", "/orders2/list?type=CANCEL-REBILL");
    assert_eq!(found["orderData"]["receipt"], "SUBS0001");
}

#[test]
fn a_cancel_of_a_one_time_product_refunds_it() {
    let mut world = world();
    let ticket = value(&post(&mut world, "acme", &format!("/tickets/MIXD0001?{CANCEL}")));
    assert_eq!((&ticket["type"], &ticket["refundAmount"]), (&"CANCEL".into(), &"37.00".into()));
    assert_eq!(order_rows(&mut world, "acme", "MIXD0001"), ["RFND -37.00 guide-1", "SALE 37.00 guide-1"]);
    assert_eq!(order_rows(&mut world, "rival", "MIXD0001"), ["SALE 5.00 addon-1"]);
}

#[test]
fn a_question_stays_open_and_another_one_is_another_ticket() {
    let mut world = world();
    let path = "/tickets/ACME0002?type=tech&reason=ticket.type.tech_support.2";
    let first = value(&post(&mut world, "acme", path));
    let second = value(&post(&mut world, "acme", path));
    assert_eq!((&first["status"], &first["type"]), (&"OPEN".into(), &"TECH_SUPPORT".into()));
    assert_ne!(first["ticketid"], second["ticketid"]);
    let found = json(&mut world, "acme", "/tickets/list?receipt=ACME0002&type=tech&status=open");
    assert_eq!(found["ticketData"].as_array().unwrap().len(), 2);
    assert_eq!(order_rows(&mut world, "acme", "ACME0002"), ["SALE 20.00 book-1"]);
}

#[test]
fn one_item_of_several_is_named_and_refunded_alone() {
    let mut spec = spec();
    let lines = vec![Line::physical("book-1", Cents(2450)), Line::digital("guide-1", Cents(3700))];
    spec.records.orders.push(Order::sale("ACME0009", "acme", TODAY).of(lines));
    let mut world = World::new(settings(), spec);
    let without = post(&mut world, "acme", &format!("/tickets/ACME0009?{REFUND}&refundType=FULL"));
    assert_eq!(without.status, 400);
    assert!(world.executed().is_empty());
    let path = format!("/tickets/ACME0009?{REFUND}&refundType=FULL&sku=guide-1");
    assert_eq!(value(&post(&mut world, "acme", &path))["refundAmount"], "37.00");
    assert_eq!(post(&mut world, "acme", &path).text(), "The sale has already been refunded");
    assert_eq!(order_rows(&mut world, "acme", "ACME0009"), ["RFND -37.00 guide-1", "SALE 61.50 several"]);
    let book = json(&mut world, "acme", "/tickets/refundAmounts/ACME0009?refundType=FULL&sku=book-1");
    assert_eq!(book["customerAmount"], "24.50");
    let shipped = json(&mut world, "acme", "/shipping/list?receipt=ACME0009");
    assert_eq!(shipped["orderShipData"]["orderDetails"], "1 x book-1");
}

#[test]
fn a_mixed_receipt_is_refunded_on_ones_own_side_even_for_the_same_item() {
    let mut spec = spec();
    spec.records.orders.push(Order::sale("BOTH0001", "rivalco", TODAY));
    spec.records.orders.push(Order::sale("BOTH0001", "acme", TODAY));
    let mut world = World::new(settings(), spec);
    let path = format!("/tickets/BOTH0001?{REFUND}&refundType=FULL");
    let mine = value(&post(&mut world, "acme", &path));
    assert_eq!(order_rows(&mut world, "rival", "BOTH0001"), ["SALE 37.00 guide-1"]);
    assert_eq!(shown(&get(&mut world, "rival", "/tickets/list?receipt=BOTH0001", JSON)), "");
    let theirs = value(&post(&mut world, "rival", &path));
    assert_ne!(mine["ticketid"], theirs["ticketid"]);
    let id = theirs["ticketid"].as_str().unwrap();
    assert_eq!(get(&mut world, "acme", &format!("/tickets/{id}"), JSON).status, 403);
}

#[test]
fn what_others_do_with_a_receipt_does_not_show_in_ticket_ids() {
    let path = "/tickets/MIXD0001?type=tech&reason=ticket.type.tech_support.9";
    let (mut alone, mut after_others) = (world(), world());
    post(&mut after_others, "rival", path);
    post(&mut after_others, "acme", "/tickets/ACME0001?type=tech&reason=ticket.type.tech_support.9");
    assert_eq!(post(&mut after_others, "acme", path), post(&mut alone, "acme", path));
}

#[test]
fn a_ticket_is_commented_closed_and_reopened() {
    let mut world = world();
    let path = ticket_path("ACME0001");
    for _ in 0..2 {
        put(&mut world, "acme", &format!("{path}?comment=Hello"));
    }
    let closed = value(&put(&mut world, "acme", &format!("{path}?action=close&comment=Done")));
    assert_eq!(closed["status"], "CLOSED");
    assert!(closed["closedDate"].is_string());
    assert_eq!(value(&get(&mut world, "acme", "/tickets/list?status=closed", JSON))["ticketData"], closed);
    // Closed means: no refund.
    assert_eq!(order_rows(&mut world, "acme", "ACME0001"), ["SALE 20.00 book-1"]);
    for (query, expected) in [("action=close", 400), ("action=change&type=rfnd", 400), ("action=reopen", 400)] {
        assert_eq!(put(&mut world, "acme", &format!("{path}?{query}")).status, expected, "{query}");
    }
    let reopened = value(&put(&mut world, "acme", &format!("{path}?action=reopen&comment=Not+yet")));
    assert_eq!(reopened["status"], "REOPENED");
    assert_eq!(reopened["closedDate"]["@nil"], "true");
    let actions: Vec<&str> =
        reopened["comments"].as_array().unwrap().iter().map(|said| said["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["OPENED", "COMMENTED", "COMMENTED", "CLOSED", "REOPENED"]);
    let again = put(&mut world, "acme", &format!("{path}?action=reopen&comment=Now"));
    assert_eq!(told(&again), (400, "The ticket is not closed".to_owned()));
    assert_eq!(
        executed(&world),
        [
            "CommentTicket ACME0001 acme 0.00",
            "CommentTicket ACME0001 acme 0.00",
            "CloseTicket ACME0001 acme 0.00",
            "ReopenTicket ACME0001 acme 0.00"
        ]
    );
}

#[test]
fn a_change_of_kind_does_what_a_new_ticket_of_that_kind_does() {
    let mut world = world();
    let tech = value(&put(&mut world, "acme", &format!("{}?action=change&type=tech", ticket_path("SUBS0001-B002"))));
    assert_eq!((&tech["type"], &tech["status"]), (&"TECH_SUPPORT".into(), &"OPEN".into()));
    let part =
        format!("{}?action=change&type=rfnd&refundType=PARTIAL_PERCENT&refundAmount=10", ticket_path("ACME0001"));
    let refund = value(&put(&mut world, "acme", &part));
    assert_eq!((&refund["refundAmount"], &refund["status"]), (&"20.00".into(), &"CLOSED".into()));
    assert_eq!(order_rows(&mut world, "acme", "ACME0001"), ["RFND -20.00 book-1", "SALE 20.00 book-1"]);
    let cancel = put(&mut world, "acme", &format!("{}?action=change&type=cncl", ticket_path("SUBS0001-B002")));
    assert_eq!(value(&cancel)["type"], "CANCEL");
    assert_eq!(send(&mut world, "acme", Method::HEAD, "/orders2/SUBS0001", "").status, 403);
    assert_eq!(
        executed(&world),
        [
            "ChangeTicket(TechSupport) SUBS0001-B002 acme 0.00",
            "ChangeTicket(Refund) ACME0001 acme 20.00",
            "ChangeTicket(Cancel) SUBS0001-B002 acme 0.00"
        ]
    );
}

#[test]
fn a_refund_that_waits_for_the_item_is_done_when_it_is_back() {
    let mut world = world();
    let pending = |world: &mut World| {
        let answer = json(world, "acme", "/shipping3/list?receipt=ACME0001");
        answer["orderShipData2"]["lineItemShipData"]["isRefundPending"].clone()
    };
    assert_eq!(pending(&mut world), "true");
    let path = format!("{}/returned", ticket_path("ACME0001"));
    assert_eq!(told(&post(&mut world, "acme", &path)), (204, String::new()));
    assert_eq!(pending(&mut world), "false");
    assert_eq!(order_rows(&mut world, "acme", "ACME0001"), ["RFND -20.00 book-1", "SALE 20.00 book-1"]);
    assert_eq!(json(&mut world, "acme", &ticket_path("ACME0001"))["status"], "CLOSED");
    for path in [path, "/tickets/1/returned".to_owned(), format!("{}/returned", ticket_path("SUBS0001-B002"))] {
        assert_eq!(post(&mut world, "acme", &path).status, 400, "{path}");
    }
    assert_eq!(executed(&world), ["AcceptReturn ACME0001 acme 20.00"]);
}

#[test]
fn a_held_refund_gives_back_what_was_asked_for_or_what_is_left() {
    for (asked, before, expected) in [(500, "", "5.00"), (1500, "&refundAmount=8", "12.00")] {
        let mut spec = spec();
        spec.records.tickets[0].refund_amount = Some(Cents(asked));
        let mut world = World::new(settings(), spec);
        if !before.is_empty() {
            post(&mut world, "acme", &format!("/tickets/ACME0001?{REFUND}&refundType=PARTIAL_AMOUNT{before}"));
        }
        let answer = post(&mut world, "acme", &format!("{}/returned", ticket_path("ACME0001")));
        assert_eq!(answer.status, 204);
        assert_eq!(world.executed().last().unwrap().refunded.to_string(), expected);
        assert_eq!(json(&mut world, "acme", &ticket_path("ACME0001"))["refundAmount"], expected);
    }
}
