//! Values for parameters: of what the caller sees, of what it does not, and of what does not exist.

use clickbank_gateway::simulator::world::{AccountKind, Order, Records, TransactionKind, ticket_id};
use jiff::ToSpan as _;

use super::alike::takes_part;
use super::random::Random;
use super::records::SKUS;
use super::scene::{LATER_SISTER, NOBODY, Names, SISTER, STRANGERS, Scene, TODAY, Table};

/// What a caller's requests are made of.
pub(super) struct Values {
    /// The caller's nicknames, each once for every permission, and the others'.
    own: Vec<&'static str>,
    others: Vec<&'static str>,
    own_orders: Vec<Order>,
    foreign_orders: Vec<Order>,
    /// Those of the caller's on receipts with sales of several sellers.
    mixed_orders: Vec<Order>,
    /// Some of all, which come up again and again.
    again: Vec<Order>,
    /// Receipts that upsells were added to, and those that tickets are about.
    parents: Vec<String>,
    ticketed: Vec<String>,
    own_tickets: Vec<u32>,
    foreign_tickets: Vec<u32>,
}

impl Values {
    /// Of two worlds that are alike for a caller.
    pub(super) fn of(scene: &Scene, grants: &Table, other: &Records, random: &mut Random) -> Self {
        let own: Names = scene.anywhere(grants).into_iter().filter(|name| scene.find(name).is_some()).collect();
        let all = scene.declared.iter().map(|(name, _)| *name).chain(STRANGERS.map(|(name, _): (_, AccountKind)| name));
        let others = all.chain([SISTER, LATER_SISTER, NOBODY]).filter(|name| !own.contains(name)).collect();
        let seen = scene.anywhere(grants);
        let (mut own_orders, mut foreign_orders) = (Vec::new(), Vec::new());
        for order in scene.records.orders.iter().chain(&other.orders) {
            let place = if takes_part(order, &seen) { &mut own_orders } else { &mut foreign_orders };
            place.push(order.clone());
        }
        let is_mixed =
            |order: &&Order| scene.records.orders_of(&order.receipt).any(|other| other.seller != order.seller);
        let mixed_orders: Vec<Order> = own_orders.iter().filter(is_mixed).cloned().collect();
        let receipts = scene.records.tickets.iter().map(|ticket| ticket.receipt.clone());
        let mut again = Vec::new();
        for orders in [&own_orders, &mixed_orders, &foreign_orders] {
            again.extend(random.any(orders).cloned());
        }
        let (mut own_tickets, mut foreign_tickets) = (Vec::new(), Vec::new());
        for ticket in scene.records.tickets.iter().chain(&other.tickets) {
            let is_own = own_orders.iter().any(|order| order.receipt == ticket.receipt);
            if is_own { own_tickets.push(ticket.id) } else { foreign_tickets.push(ticket.id) }
        }
        Self {
            own: own.into_iter().collect(),
            others,
            parents: own_orders.iter().filter_map(|order| order.upsell_of.clone()).collect(),
            ticketed: receipts.filter(|receipt| own_orders.iter().any(|order| order.receipt == *receipt)).collect(),
            own_orders,
            foreign_orders,
            mixed_orders,
            again,
            own_tickets,
            foreign_tickets,
        }
    }

    /// Mostly one of the caller's.
    pub(super) fn nickname(&self, random: &mut Random) -> String {
        let names = if random.percent(78) && !self.own.is_empty() { &self.own } else { &self.others };
        let name = *random.pick(names);
        if random.percent(8) { name.to_uppercase() } else { name.to_owned() }
    }

    /// A filter by a party of the sale.
    pub(super) fn party(&self, random: &mut Random) -> String {
        match random.below(10) {
            0 => "%".to_owned(),
            1 => format!("{}%", &self.nickname(random)[..4]),
            2 => (*random.pick(&["none", "%q", "", "%%"])).to_owned(),
            3 | 4 => (*random.pick(&self.others)).to_owned(),
            _ => self.nickname(random),
        }
    }

    pub(super) fn order(&self, random: &mut Random) -> Option<&Order> {
        let (one, other) = (&self.own_orders, &self.foreign_orders);
        match random.below(10) {
            0..3 => return random.any(&self.again),
            3..6 if !self.mixed_orders.is_empty() => return random.any(&self.mixed_orders),
            _ => {}
        }
        let orders = if random.percent(62) && !one.is_empty() { one } else { other };
        random.any(orders).or_else(|| one.first())
    }

    pub(super) fn receipt(&self, random: &mut Random) -> String {
        let Some(order) = self.order(random) else { return "NONE0000".to_owned() };
        let receipt = order.receipt.clone();
        match random.below(20) {
            0 => "NONE0000".to_owned(),
            1 => receipt.to_lowercase(),
            2 => format!("{}-B002", order.base_receipt()),
            3 => format!("{}-B9999", order.base_receipt()),
            4 => order.base_receipt().to_owned(),
            5 => receipt.chars().rev().collect(),
            _ => receipt,
        }
    }

    /// Mostly one that upsells were added to.
    pub(super) fn parent(&self, random: &mut Random) -> String {
        let parent = if random.percent(70) { random.any(&self.parents).cloned() } else { None };
        parent.unwrap_or_else(|| self.receipt(random))
    }

    /// Mostly one that a ticket is about.
    pub(super) fn ticketed(&self, random: &mut Random) -> String {
        let ticketed = if random.percent(60) { random.any(&self.ticketed).cloned() } else { None };
        ticketed.unwrap_or_else(|| self.receipt_filter(random))
    }

    /// Exactly one, or a beginning of several.
    pub(super) fn receipt_filter(&self, random: &mut Random) -> String {
        let receipt = self.receipt(random);
        match random.below(8) {
            0 => format!("{}%", &receipt[..4]),
            1 => format!("{}%", &receipt[..7]),
            2 => receipt[..3].to_owned(),
            _ => receipt,
        }
    }

    pub(super) fn ticket(&self, random: &mut Random) -> String {
        let (one, other) = (&self.own_tickets, &self.foreign_tickets);
        let tickets = if random.percent(65) && !one.is_empty() { one } else { other };
        let mut id = random.any(tickets).copied().unwrap_or(123_456_789);
        if random.percent(40)
            && let Some(order) = random.any(&self.mixed_orders)
        {
            id = ticket_id(&order.receipt, 1 + u32::try_from(random.below(3)).unwrap());
        }
        match random.below(12) {
            0 => (id + 1).to_string(),
            1 => "4711".to_owned(),
            _ => id.to_string(),
        }
    }

    pub(super) fn sku(random: &mut Random) -> String {
        if random.percent(8) { "none-1".to_owned() } else { (*random.pick(&SKUS)).to_owned() }
    }

    /// A field of somebody's customer, made of the word planted there; or a pattern.
    pub(super) fn customer(&self, random: &mut Random, field: fn(&str) -> String) -> String {
        let Some(order) = self.order(random) else { return "%".to_owned() };
        match random.below(5) {
            0 => format!("{}%", &order.customer.postal_code[..4]),
            1 => "zq%".to_owned(),
            _ => field(&order.customer.postal_code),
        }
    }

    pub(super) fn tid(&self, random: &mut Random) -> String {
        let order = self.order(random);
        order.and_then(|order| order.tracking_id.clone()).unwrap_or_else(|| "none".to_owned())
    }

    pub(super) fn amount(&self, random: &mut Random) -> String {
        let order = self.order(random);
        let sale = order.and_then(|order| order.transactions.iter().find(|row| row.kind == TransactionKind::Sale));
        sale.map_or_else(|| "1.00".to_owned(), |sale| sale.amount.to_string())
    }

    /// Two dates, the first before the second.
    pub(super) fn dates(random: &mut Random) -> [String; 2] {
        let (before, after) = *random.pick(&[(1, 0), (6, 0), (60, 0), (3, 2), (0, 60), (90, 300)]);
        let day = |days: i64| TODAY.saturating_add(days.days()).to_string();
        [day(-before), day(after)]
    }
}
