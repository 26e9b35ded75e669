//! Changes that are refused change nothing, and those that are not change nothing of others.

use super::*;
use crate::simulator::random::Random;
use crate::simulator::world::ticket_id;

/// A change of each kind for a receipt and a ticket, with the permissions that it needs.
fn changes(receipt: &str, ticket: u32) -> Vec<(Method, String, &'static [Permission])> {
    use Permission::{OrdersWrite as Write, SubscriptionModification as Modify};
    let post = |path: String, needs: &'static [Permission]| (Method::POST, path, needs);
    let put = |query: &str| (Method::PUT, format!("/tickets/{ticket}?{query}"), &[Write] as &'static [Permission]);
    let mut changes = vec![
        post(format!("/tickets/{receipt}?type=rfnd&reason=ticket.type.refund.1&refundType=FULL"), &[Write]),
        post(format!("/tickets/{receipt}?type=cncl&reason=ticket.type.cancel.1"), &[Write]),
        post(format!("/tickets/{receipt}?type=tech&reason=ticket.type.tech_support.1"), &[Write]),
        put("comment=x"),
        put("action=close"),
        put("action=change&type=rfnd"),
        put("action=change&type=tech"),
        post(format!("/tickets/{ticket}/returned"), &[Write]),
        post(format!("/orders2/{receipt}/changeDate?changeDate=2026-12-31"), &[Modify]),
    ];
    for api in ["orders", "orders2"] {
        changes.extend([
            post(format!("/{api}/{receipt}/pause?restartDate=2026-12-31"), &[Modify]),
            post(format!("/{api}/{receipt}/extend?numPeriods=1"), &[Modify]),
            post(format!("/{api}/{receipt}/reinstate"), &[Modify]),
            post(format!("/{api}/{receipt}/changeProduct?oldSku=club-1&newSku=vip-1"), &[Modify, Write]),
            post(format!("/{api}/{receipt}/changeAddress?address1=a&city=b&countryCode=US"), &[Write]),
        ]);
    }
    for api in ["shipping", "shipping2", "shipping3"] {
        changes.push(post(format!("/{api}/shipnotice/{receipt}?date=2026-11-20&carrier=UPS"), &[Write]));
    }
    changes
}

/// The world of the clubs, in which `rivalco` promotes nothing and `otheraff` the clubs; with a key for each nickname
/// and set of permissions.
fn world_with_keys() -> World {
    let mut spec = spec_with_clubs();
    for missing in Permission::ALL {
        let reach = Permission::ALL.into_iter().filter(|permission| *permission != missing);
        let reach = reach.fold(Reach::nothing(), |reach, permission| reach.with(permission, Nicknames::only(["acme"])));
        spec.keys.push(KeySpec::new(&format!("without {}", missing.name()), "acmeco", reach));
    }
    World::new(settings(), spec)
}

fn state(world: &World) -> String {
    format!("{:?}", world.records())
}

#[test]
fn only_the_seller_changes_anything() {
    let mut world = world_with_keys();
    let before = state(&world);
    let foreign_or_affiliate = [
        // The affiliate of the sale, its joint venture partner, strangers, and what is not.
        ("acmeaff", "ACME0002", ticket_id("ACME0001", 1)),
        ("rival", "CLUB0001", ticket_id("ACME0001", 1)),
        ("rival", "CLUB0002", ticket_id("SUBS0001-B002", 1)),
        ("acme", "ZENI0001", ticket_id("SUBS0002", 1)),
        ("acme", "RIVA0001", ticket_id("RIVA0001", 1)),
        ("acmeaff", "RIVA0001", ticket_id("MIXD0001", 1)),
        ("acme", "SUBS0002", ticket_id("MIXD0001", 1)),
        ("acme", "XXXX0000", ticket_id("RIVA0001", 1)),
        ("sleeping", "CLUB0001", ticket_id("ACME0001", 1)),
        ("nothing", "CLUB0001", ticket_id("ACME0001", 1)),
        ("read", "ACME0001", ticket_id("ACME0001", 1)),
    ];
    for (key, receipt, ticket) in foreign_or_affiliate {
        for (method, path, _) in changes(receipt, ticket) {
            let answer = send(&mut world, key, method, &path, "");
            assert_eq!(answer.status, 403, "{path} with {key}: {}", answer.text());
            assert_eq!(answer.content_type, Some("text/plain"));
        }
    }
    assert_eq!(state(&world), before);
    assert!(world.executed().is_empty());
}

#[test]
fn foreign_and_unknown_receipts_are_refused_alike() {
    let mut world = world_with_keys();
    let foreign = changes("RIVA0001", ticket_id("RIVA0001", 1));
    let unknown = changes("XXXX0000", ticket_id("RIVA0001", 1));
    for ((method, foreign, _), (_, unknown, _)) in foreign.into_iter().zip(unknown) {
        let answer = send(&mut world, "acme", method.clone(), &foreign, JSON);
        assert_eq!(send(&mut world, "acme", method, &unknown, JSON), answer, "{foreign}");
    }
}

#[test]
fn each_change_asks_for_its_permissions() {
    for (receipt, ticket) in [("CLUB0001", ticket_id("ACME0001", 1)), ("ACME0001", ticket_id("ACME0001", 1))] {
        for (method, path, needs) in changes(receipt, ticket) {
            for missing in Permission::ALL {
                let mut world = world_with_keys();
                let before = state(&world);
                let answer = send(&mut world, &format!("without {}", missing.name()), method.clone(), &path, "");
                let refused = answer.text().contains("does not have the permission");
                assert_eq!(refused, needs.contains(&missing), "{path} without {}: {}", missing.name(), answer.text());
                if !answer.status.is_success() {
                    assert_eq!(state(&world), before, "{path}");
                }
                assert_eq!(world.executed().len(), usize::from(answer.status.is_success()), "{path}");
            }
        }
    }
}

#[test]
fn wrong_parameters_change_nothing() {
    let mut world = world_with_keys();
    let before = state(&world);
    let ticket = ticket_id("ACME0001", 1);
    for (method, path) in [
        ("POST", "/tickets/ACME0001"),
        ("POST", "/tickets/ACME0001?type=rfnd"),
        ("POST", "/tickets/ACME0001?type=rfnd&reason=ticket.type.refund.1"),
        ("POST", "/tickets/ACME0001?type=rfnd&reason=ticket.type.refund.1&refundType=full"),
        ("POST", "/tickets/ACME0001?type=rfnd&reason=ticket.type.cancel.1&refundType=FULL"),
        ("POST", "/tickets/ACME0001?type=rfnd&reason=ticket.type.refund.99&refundType=FULL"),
        ("POST", "/tickets/ACME0001?type=RFND&reason=ticket.type.refund.1&refundType=FULL"),
        ("POST", "/tickets/ACME0001?type=rfnd&reason=ticket.type.refund.1&refundType=PARTIAL_PERCENT"),
        (
            "POST",
            "/tickets/ACME0001?type=rfnd&reason=ticket.type.refund.1&refundType=PARTIAL_PERCENT&refundAmount=0.99",
        ),
        (
            "POST",
            "/tickets/ACME0001?type=rfnd&reason=ticket.type.refund.1&refundType=PARTIAL_PERCENT&refundAmount=80.01",
        ),
        (
            "POST",
            "/tickets/ACME0001?type=rfnd&reason=ticket.type.refund.1&refundType=PARTIAL_PERCENT&refundAmount=1.001",
        ),
        (
            "POST",
            "/tickets/ACME0001?type=rfnd&reason=ticket.type.refund.1&refundType=PARTIAL_AMOUNT&refundAmount=20.01",
        ),
        ("POST", "/tickets/ACME0001?type=rfnd&reason=ticket.type.refund.1&refundType=PARTIAL_AMOUNT&refundAmount=-1"),
        ("POST", "/tickets/ACME0001?type=rfnd&reason=ticket.type.refund.1&refundType=PARTIAL_AMOUNT&refundAmount=0"),
        ("PUT", "/tickets/TICKET"),
        ("PUT", "/tickets/TICKET?action=open"),
        ("PUT", "/tickets/TICKET?action=change"),
        ("PUT", "/tickets/TICKET?action=change&type=x"),
        ("PUT", "/tickets/TICKET?action=reopen&comment=x"),
    ] {
        let path = path.replace("TICKET", &ticket.to_string());
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = send(&mut world, "acme", method, &path, JSON);
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        assert_eq!(answer.content_type, Some("text/plain"));
    }
    assert_eq!(state(&world), before);
    assert!(world.executed().is_empty());
}

#[test]
fn no_change_touches_what_is_out_of_reach() {
    let spec = |seed: u64| {
        let mut spec = WorldSpec::demo(seed, TODAY);
        let every = |nicknames: &[&str]| Reach::every_permission(&Nicknames::only(nicknames.iter().copied()));
        spec.keys.push(KeySpec::new("two", "acmeco", every(&["acme", "acmeaff"])));
        spec.keys.push(KeySpec::new("stranger", "rivalgrp", every(&["rivalco"])));
        spec
    };
    let foreign = |world: &World| {
        let is_foreign = |order: &&Order| order.seller != "acme".into();
        let orders: Vec<&Order> = world.records().orders.iter().filter(is_foreign).collect();
        format!("{orders:?}")
    };
    for seed in 0..4 {
        let mut world = World::new(settings(), spec(seed));
        let before = foreign(&world);
        let mut theirs = world.clone();
        let strangers = |world: &mut World| {
            ["/tickets/list", "/shipping3/list", "/orders2/list?role=VENDOR&startDate=2026-01-01&endDate=2026-12-31"]
                .map(|path| get(world, "stranger", path, XML))
        };
        let receipts: Vec<String> = world.records().orders.iter().map(|order| order.receipt.clone()).collect();
        let tickets: Vec<u32> = world.records().tickets.iter().map(|ticket| ticket.id).collect();
        let mut random = Random::from_names(&["changes", &seed.to_string()]);
        let pick = |random: &mut Random, count: usize| random.below(u32::try_from(count).unwrap()) as usize;
        for _ in 0..1500 {
            let receipt = &receipts[pick(&mut random, receipts.len())];
            let ticket = tickets[pick(&mut random, tickets.len())];
            let mut changes = changes(receipt, ticket);
            let (method, mut path, _) = changes.swap_remove(pick(&mut random, changes.len()));
            if random.below(3) == 0 {
                path.push_str(random.pick(&["&sku=guide-1", "&item=book-1", "&sku=club-1", "&vendor=rivalco"]));
            }
            let key = random.pick(&["two", "acme", "acmeaff"]);
            let count = world.executed().len();
            let answer = send(&mut world, key, method, &path, random.pick(&[JSON, XML]));
            let executed = world.executed().len() - count;
            assert_eq!(executed, usize::from(answer.status.is_success()), "{path}: {}", answer.text());
        }
        assert!(world.executed().len() > 50, "only {} changes were done", world.executed().len());
        assert!(world.executed().iter().all(|done| done.seller == "acme".into()));
        assert_eq!(foreign(&world), before);
        // What a stranger sold shows as before. (What it shares in may have been refunded.)
        assert!(strangers(&mut world) == strangers(&mut theirs), "seed {seed}");
        let mut ids: Vec<u32> = world.records().tickets.iter().map(|ticket| ticket.id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }
}
