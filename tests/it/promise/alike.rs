//! The second world: alike for a caller, another one for whoever sees more.
//!
//! What the ideal key sees stays, and so does everything on receipts of which it sees a row. Changed are whole families of
//! receipts, products and images that it sees nothing of, and accounts that nobody but a wider key knows.

use clickbank_gateway::simulator::Cents;
use clickbank_gateway::simulator::world::{Account, AccountKind, Order, Records, TransactionKind, base_of};

use super::random::{Random, token};
use super::records::{Garden, People, planted};
use super::scene::{LATER_SISTER, Names, STRANGERS, Scene, TODAY, Table};

/// Whether one of `names` takes part in a sale.
pub(super) fn takes_part(order: &Order, names: &Names) -> bool {
    let is_one = |name: &clickbank_gateway::simulator::Nickname| names.contains(name.as_str());
    is_one(&order.seller)
        || order.affiliate.as_ref().is_some_and(is_one)
        || order.joint_ventures.iter().any(|venture| is_one(&venture.partner))
}

/// Receipts, without the numbers of rebills, of which these names see a row.
pub(super) fn seen_families(records: &Records, names: &Names) -> Vec<String> {
    let seen = records.orders.iter().filter(|order| takes_part(order, names));
    let mut families: Vec<String> = seen.map(|order| order.base_receipt().to_owned()).collect();
    families.dedup();
    families
}

/// The records of a world that is alike for a caller with these grants.
pub(super) fn alike(scene: &Scene, grants: &Table, random: &mut Random) -> Records {
    let seen = scene.anywhere(grants);
    let families = seen_families(&scene.records, &seen);
    let is_seen = |receipt: &str| families.iter().any(|family| family == base_of(receipt));
    let mut records = scene.records.clone();

    let mut hidden: Vec<String> = records.orders.iter().map(|order| order.base_receipt().to_owned()).collect();
    hidden.retain(|receipt| !is_seen(receipt));
    hidden.sort();
    hidden.dedup();
    for family in hidden {
        match random.below(5) {
            0 | 1 => remove(&mut records, &family),
            2 => {}
            _ => change(&mut records, &family, &seen, random),
        }
    }
    records.products.retain(|product| seen.contains(product.site.as_str()) || product.sku != "idle-1");
    records.images.retain(|image| seen.contains(image.site.as_str()) || random.percent(50));
    for product in &mut records.products {
        // Its category and description show in figures of those who sell it, nothing else of it does.
        if !seen.contains(product.site.as_str()) && random.percent(50) {
            product.title = format!("Title {}", token('p', &[product.site.as_str(), &product.sku, "changed"]));
            product.price = Cents(1);
        }
    }
    for account in &mut records.accounts {
        if !seen.contains(account.nickname.as_str()) && random.percent(50) {
            account.partial_refunds = !account.partial_refunds;
        }
    }
    let mut people: People = scene.sisters().chain(STRANGERS).filter(|(name, _)| !seen.contains(name)).collect();
    // Whoever holds All Accounts sees a new sister.
    if !seen.contains(LATER_SISTER) && random.percent(50) {
        let account = Account::new(LATER_SISTER, records.accounts[0].primary.clone().as_str(), AccountKind::Both);
        records.accounts.push(account);
        people.push((LATER_SISTER, AccountKind::Both));
    }
    grow_more(scene, people, &families, records, random)
}

/// Adds families of others, some of them upsells of what the caller sees, in any place.
fn grow_more(scene: &Scene, people: People, parents: &[String], records: Records, random: &mut Random) -> Records {
    let mut garden =
        Garden { seed: scene.seed, salt: "alike", people, random: random.clone(), records: Records::default() };
    for place in 0..random.below(8) {
        garden.grow_family(place, parents);
    }
    let mut records = records;
    let mut insert = |place: usize| random.below(place + 1);
    for order in garden.records.orders {
        records.orders.insert(insert(records.orders.len()), order);
    }
    for ticket in garden.records.tickets {
        records.tickets.insert(insert(records.tickets.len()), ticket);
    }
    for notice in garden.records.ship_notices {
        records.ship_notices.insert(insert(records.ship_notices.len()), notice);
    }
    records
}

fn remove(records: &mut Records, family: &str) {
    records.orders.retain(|order| order.base_receipt() != family);
    records.tickets.retain(|ticket| base_of(&ticket.receipt) != family);
    records.ship_notices.retain(|notice| base_of(&notice.receipt) != family);
}

/// Other customers, amounts, dates and parties, tickets and notices that come and go.
fn change(records: &mut Records, family: &str, seen: &Names, random: &mut Random) {
    let stranger = *random.pick(&["rivalq", "otherz", "nomadx"]);
    let mut of_family = random.clone();
    for order in records.orders.iter_mut().filter(|order| order.base_receipt() == family) {
        // Parties stay the same through a family.
        let mut random = of_family.clone();
        let mut changed = order.clone();
        if random.percent(30) {
            changed.affiliate = Some(stranger.into());
        }
        if random.percent(30) {
            changed.joint_ventures.clear();
        }
        if random.percent(40) {
            changed = changed.then(TransactionKind::Refund, TODAY, Cents(-100));
        }
        if random.percent(30) {
            changed.subscription = changed.subscription.map(|subscription| subscription.cancelled(TODAY));
        }
        for transaction in &mut changed.transactions {
            transaction.amount = transaction.amount + Cents(7);
        }
        assert!(!takes_part(&changed, seen), "a change has shown somebody's sale to the caller");
        *order = planted(changed, "changed");
    }
    let keep_tickets = of_family.percent(50);
    records.tickets.retain(|ticket| base_of(&ticket.receipt) != family || keep_tickets);
    for ticket in records.tickets.iter_mut().filter(|ticket| base_of(&ticket.receipt) == family) {
        *ticket = ticket.clone().closed(TODAY);
        ticket.reason = Some(token('t', &[&ticket.receipt, "changed"]));
    }
    let keep_notices = of_family.percent(50);
    records.ship_notices.retain(|notice| base_of(&notice.receipt) != family || keep_notices);
    *random = of_family;
}
