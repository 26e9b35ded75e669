//! Tests of the whole world through its door, [`World::answer`], on a small world made by hand.

mod addresses;
mod analytics;
mod answers;
mod catalogue;
mod chance;
mod filters;
mod products;
mod refused_changes;
mod requests;
mod scope;
mod ship_notices;
mod subscriptions;
mod tickets;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use http::Method;
use jiff::civil::{Date, date};

use crate::simulator::config::Settings;
use crate::simulator::keys::{KeySpec, Nicknames, Permission, Reach};
use crate::simulator::money::Cents;
use crate::simulator::wire::{Answer, Request};
use crate::simulator::world::{
    Account, AccountKind, Executed, Image, JointVentureKind, Line, Order, Product, Records, RecurringPrice, ShipNotice,
    Subscription, Ticket, TicketKind, World, WorldSpec,
};

const TODAY: Date = date(2026, 11, 20);
const JSON: &str = "application/json";
const XML: &str = "application/xml";

/// A world whose receipts begin with the letters of their seller (`MIXD0001` has rows of `acme` and of `rivalco`).
fn spec() -> WorldSpec {
    let account = |nickname, primary, kind| Account::new(nickname, primary, kind);
    let book = || vec![Line::physical("book-1", Cents(2000))];
    let club = || vec![Line::recurring("club-1", Cents(1900))];
    let subscription = Order::sale("SUBS0001", "acme", TODAY)
        .of(club())
        .through("otheraff")
        .subscribing(Subscription::monthly("club-1", TODAY, 2));
    let ended = Order::sale("SUBS0002", "zenith", TODAY)
        .of(club())
        .subscribing(Subscription::monthly("club-1", TODAY, 1).cancelled(TODAY));
    let orders = vec![
        Order::sale("ACME0001", "acme", TODAY).of(book()),
        Order::sale("ACME0002", "acme", TODAY).of(book()).through("acmeaff"),
        Order::sale("ACME0003", "acme", TODAY).through("otheraff").refunded(TODAY),
        Order::sale("ACME0004", "acme", TODAY).upsell_of("ACME0003"),
        Order::sale("ZENI0001", "zenith", TODAY).through("acmeaff").shared_with("acme", JointVentureKind::Traditional),
        Order::sale("RIVA0001", "rivalco", TODAY).of(book()).through("acmeaff"),
        Order::sale("MIXD0001", "acme", TODAY),
        Order::sale("MIXD0001", "rivalco", TODAY).of(vec![Line::physical("addon-1", Cents(500)).as_upsell()]),
        subscription.rebill(2, TODAY),
        subscription,
        ended,
    ];
    let ticket = |receipt, item| Ticket::open(receipt, 1, item, TicketKind::Refund, TODAY);
    WorldSpec {
        records: Records {
            accounts: vec![
                Account { partial_refunds: true, ..account("acme", "acmeco", AccountKind::Seller) },
                account("acmeaff", "acmeco", AccountKind::Affiliate),
                account("zenith", "acmeco", AccountKind::Seller),
                account("rivalco", "rivalgrp", AccountKind::Seller),
                account("otheraff", "rivalgrp", AccountKind::Affiliate),
            ],
            orders,
            tickets: vec![
                ticket("ACME0001", "book-1"),
                ticket("RIVA0001", "book-1"),
                ticket("MIXD0001", "addon-1"),
                ticket("SUBS0001-B002", "club-1"),
                ticket("SUBS0002", "club-1").closed(TODAY),
            ],
            ship_notices: vec![
                ShipNotice::new("ACME0001", "book-1", TODAY),
                ShipNotice::new("RIVA0001", "book-1", TODAY),
                ShipNotice::new("MIXD0001", "addon-1", TODAY),
            ],
            products: vec![
                Product::new("acme", "guide-1", TODAY),
                Product::new("acme", "book-1", TODAY),
                Product::new("rivalco", "guide-1", TODAY),
            ],
            images: vec![Image::new("acme", "acme cover"), Image::new("rivalco", "rivalco cover")],
        },
        keys: keys(),
    }
}

/// The same world, with subscriptions of today that can become `vip-1`: `CLUB0001`, and `CLUB0002`, which is cancelled.
fn spec_with_clubs() -> WorldSpec {
    let mut spec = spec();
    let club = |receipt, subscription| {
        let lines = vec![Line::recurring("club-1", Cents(1900))];
        Order::sale(receipt, "acme", TODAY).of(lines).through("otheraff").subscribing(subscription)
    };
    let monthly = || Subscription::monthly("club-1", TODAY, 1);
    spec.records.orders.extend([club("CLUB0001", monthly()), club("CLUB0002", monthly().cancelled(TODAY))]);
    let subscription =
        |site, sku| Product { recurring: Some(RecurringPrice::monthly(Cents(4900))), ..Product::new(site, sku, TODAY) };
    spec.records.products.extend([subscription("acme", "vip-1"), subscription("rivalco", "vip-2")]);
    spec
}

fn keys() -> Vec<KeySpec> {
    let every = |nicknames: Nicknames| Reach::every_permission(&nicknames);
    let of_acme = |name, reach| KeySpec::new(name, "acmeco", reach);
    let acme = || Nicknames::only(["acme"]);
    vec![
        of_acme("acme", every(acme())),
        of_acme("acmeaff", every(Nicknames::only(["acmeaff"]))),
        of_acme("zenith", every(Nicknames::only(["zenith"]))),
        of_acme("both", every(Nicknames::only(["acme", "acmeaff"]))),
        of_acme("all", every(Nicknames::All)),
        of_acme("nothing", Reach::nothing()),
        of_acme("read", Reach::nothing().with(Permission::OrdersRead, acme())),
        of_acme("write", Reach::nothing().with(Permission::OrdersWrite, acme())),
        of_acme("sleeping", every(acme())).inactive(),
        KeySpec::new("rival", "rivalgrp", every(Nicknames::All)),
    ]
}

fn settings() -> Settings {
    Settings::new(1, TODAY)
}

fn world() -> World {
    World::new(settings(), spec())
}

/// A world with subscriptions of today.
fn world_with_clubs() -> World {
    World::new(settings(), spec_with_clubs())
}

/// A world with pages of `rows` rows.
fn paged_world(rows: usize) -> World {
    let page_size = NonZeroUsize::new(rows).unwrap();
    World::new(Settings { page_size, ..settings() }, spec())
}

fn secret(world: &World, key: &str) -> String {
    world.key(key).unwrap().secret().expose().to_owned()
}

/// The answer to `method` of `path` below `/rest/1.3`, asked with the key of that name.
fn send(world: &mut World, key: &str, method: Method, path: &str, accept: &str) -> Answer {
    let mut request =
        Request::new(method, &format!("/rest/1.3{path}")).with_header("Authorization", &secret(world, key));
    if !accept.is_empty() {
        request = request.with_header("Accept", accept);
    }
    world.answer(&request)
}

fn post(world: &mut World, key: &str, path: &str) -> Answer {
    send(world, key, Method::POST, path, JSON)
}

fn put(world: &mut World, key: &str, path: &str) -> Answer {
    send(world, key, Method::PUT, path, JSON)
}

fn value(answer: &Answer) -> serde_json::Value {
    assert!(answer.status.is_success(), "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// Status and text, for tables.
fn told(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.text())
}

/// What was executed, each change as `what about-what whose refunded`.
fn executed(world: &World) -> Vec<String> {
    let show = |done: &Executed| format!("{:?} {} {} {}", done.kind, done.about, done.seller, done.refunded);
    world.executed().iter().map(show).collect()
}

/// The rows of `receipt` as `key` sees them: type, amount and item of each, the latest first (of one
/// moment in the order of the types).
fn order_rows(world: &mut World, key: &str, receipt: &str) -> Vec<String> {
    let answer = json(world, key, &format!("/orders2/{receipt}"));
    let rows = &answer["orderData"];
    let rows = rows.as_array().map_or(std::slice::from_ref(rows), Vec::as_slice);
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("several").to_owned();
    let show = |row: &serde_json::Value| {
        let item = text(&row["lineItemData"]["itemNo"]);
        format!("{} {} {item}", text(&row["transactionType"]), text(&row["totalOrderAmount"]))
    };
    rows.iter().map(show).collect()
}

fn get(world: &mut World, key: &str, path: &str, accept: &str) -> Answer {
    send(world, key, Method::GET, path, accept)
}

fn json(world: &mut World, key: &str, path: &str) -> serde_json::Value {
    let answer = get(world, key, path, JSON);
    assert!(answer.status.is_success(), "{path}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// The receipts in an answer, in JSON or XML.
fn receipts(answer: &Answer) -> BTreeSet<String> {
    let text = answer.text();
    let after = |opening: &'static str, closing: char| {
        let values = text.split(opening).skip(1);
        values.filter_map(|rest| rest.split(closing).next()).map(str::to_owned).collect::<Vec<_>>()
    };
    let in_json = after("\"receipt\":\"", '"');
    let in_xml = after("<receipt>", '<');
    in_json.into_iter().chain(in_xml).collect()
}

/// The receipts as one text, for tables.
fn shown(answer: &Answer) -> String {
    receipts(answer).into_iter().collect::<Vec<_>>().join(" ")
}
