//! The demo world: two primary accounts that deal with each other, grown from a seed.
//!
//! `acmeco` has the sellers `acme` and `zenith`, the affiliate `acmeaff`, and `orbit`, which is both. The strangers
//! `rivalco` (seller) and `otheraff` (affiliate) belong to `rivalgrp`. Every seller has a few dozen orders of the last
//! two months, the first ones of yesterday and today, sold by own affiliates, foreign ones, or nobody; with upsells,
//! rebills, refunds, chargebacks, joint ventures, and receipts that hold rows of two sellers.

use jiff::ToSpan;
use jiff::civil::Date;

use super::order::{JointVentureKind, Line, Order, TransactionKind};
use super::product::{Contract, Image, Product, RecurringPrice};
use super::subscription::Subscription;
use super::ticket::{ShipNotice, Ticket, TicketKind};
use super::{Account, AccountKind, Records, WorldSpec};
use crate::simulator::keys::{KeySpec, Nicknames, Permission, Reach};
use crate::simulator::money::Cents;
use crate::simulator::nickname::Nickname;
use crate::simulator::random::Random;

/// The primary account that the demo is about.
const PRIMARY: &str = "acmeco";
/// The primary account of the strangers.
const STRANGERS: &str = "rivalgrp";
/// Sellers, each with the partner that shares in some of its sales.
const SELLERS: [(&str, &str); 4] = [("acme", "zenith"), ("zenith", "rivalco"), ("orbit", "acme"), ("rivalco", "acme")];
const AFFILIATES: [Option<&str>; 6] = [None, None, Some("acmeaff"), Some("acmeaff"), Some("otheraff"), Some("orbit")];
const ORDERS_PER_SELLER: u32 = 36;

impl WorldSpec {
    /// The demo world of `seed`, in which the current day is `today`.
    #[must_use]
    pub fn demo(seed: u64, today: Date) -> Self {
        let mut records = Records { accounts: accounts(), ..Records::default() };
        for (seller, partner) in SELLERS {
            let mut garden = Garden { seed: seed.to_string(), today, seller, partner, records: &mut records };
            garden.grow_catalogue();
            for place in 0..ORDERS_PER_SELLER {
                garden.grow_order(place);
            }
        }
        Self { records, keys: keys() }
    }
}

fn accounts() -> Vec<Account> {
    let account = |nickname, primary, kind| Account::new(nickname, primary, kind);
    vec![
        Account { partial_refunds: true, ..account("acme", PRIMARY, AccountKind::Seller) },
        account("zenith", PRIMARY, AccountKind::Seller),
        account("acmeaff", PRIMARY, AccountKind::Affiliate),
        account("orbit", PRIMARY, AccountKind::Both),
        account("rivalco", STRANGERS, AccountKind::Seller),
        account("otheraff", STRANGERS, AccountKind::Affiliate),
    ]
}

fn keys() -> Vec<KeySpec> {
    let everything = |nicknames: &Nicknames| Reach::every_permission(nicknames);
    let only = |name: &str, nickname: &str| KeySpec::new(name, PRIMARY, everything(&Nicknames::only([nickname])));
    let reads = |nicknames: Nicknames| Reach::nothing().with(Permission::OrdersRead, nicknames);
    vec![
        only("acme", "acme"),
        only("acmeaff", "acmeaff"),
        only("zenith", "zenith"),
        only("orbit", "orbit"),
        KeySpec::new("acme-both", PRIMARY, everything(&Nicknames::only(["acme", "acmeaff"]))),
        KeySpec::new("acme-read", PRIMARY, reads(Nicknames::only(["acme"]))),
        KeySpec::new("all", PRIMARY, everything(&Nicknames::All)),
        KeySpec::new("all-read", PRIMARY, reads(Nicknames::All)),
        only("sleeping", "acme").inactive(),
        KeySpec::new("rival", STRANGERS, everything(&Nicknames::All)),
    ]
}

/// What one seller's part of the world grows in.
struct Garden<'a> {
    seed: String,
    today: Date,
    seller: &'static str,
    partner: &'static str,
    records: &'a mut Records,
}

impl Garden<'_> {
    fn grow_catalogue(&mut self) {
        let created = self.days_ago(400);
        let guide = Product::new(self.seller, "guide-1", created);
        let mut book = Product::new(self.seller, "book-1", created);
        book.digital = false;
        book.physical = true;
        book.title = format!("Book & Poster by {}", self.seller);
        let mut club = Product::new(self.seller, "club-1", created);
        club.categories = vec!["MEMBER_SITE".to_owned(), "VIDEO".to_owned()];
        club.recurring = Some(RecurringPrice::monthly(Cents(1900)));
        club.contracts = vec![Contract {
            owner: Nickname::new(self.seller),
            partner: Nickname::new(self.partner),
            status: "ACTIVE".to_owned(),
        }];
        self.records.products.extend([guide, book, club]);

        let cover = Image::new(self.seller, &format!("{} cover", self.seller));
        let banner = Image { kind: "BANNER".to_owned(), ..Image::new(self.seller, &format!("{} banner", self.seller)) };
        let draft = Image { approved: false, ..Image::new(self.seller, &format!("{} draft", self.seller)) };
        self.records.images.extend([cover, banner, draft]);
    }

    /// Grows order number `place`, and what goes with it.
    fn grow_order(&mut self, place: u32) {
        let mut random = self.random("order", place);
        let receipt = random.letters_and_digits(8);
        // The first dozen, one of each kind, is of today and yesterday, the range that lists cover by default.
        let age = if place < 12 { i64::from(place % 2) } else { i64::from(random.below(60)) };
        let date = self.days_ago(age);
        let mut order = Order::sale(&receipt, self.seller, date);
        if let Some(affiliate) = random.pick(&AFFILIATES) {
            order = order.through(affiliate);
            order.tracking_id = Some(format!("Mail{}", random.below(5)));
        }
        if random.below(3) == 0 {
            order.vendor_variables = vec![("coupon".to_owned(), format!("C{place}<&>"))];
        }
        if random.below(4) == 0 {
            order.vendor_variables.push(("page".to_owned(), "a".to_owned()));
        }
        self.grow_kind(place % 12, place / 12, order, date);
    }

    fn grow_kind(&mut self, kind: u32, round: u32, order: Order, date: Date) {
        let records = &mut *self.records;
        let receipt = order.receipt.clone();
        match kind {
            0 => records.orders.push(order),
            1 => records.orders.push(order.of(vec![Line::physical("book-1", Cents(2450))])),
            2 => grow_subscription(records, order, date, self.today),
            3 => {
                let upsell_receipt = self.random("upsell", 0).letters_and_digits(2);
                let upsell_receipt = format!("{upsell_receipt}{}", receipt.get(2..).unwrap_or(""));
                let upsell = order.clone().of(vec![Line::digital("extra-1", Cents(1700)).as_upsell()]);
                let upsell = Order { receipt: upsell_receipt, ..upsell };
                self.records.orders.push(upsell.upsell_of(&receipt));
                self.records.orders.push(order);
            }
            4 => {
                let ticket = Ticket::open(&receipt, 1, "guide-1", TicketKind::Refund, date).refunding(order.total());
                records.tickets.push(ticket.closed(date));
                records.orders.push(order.refunded(date));
            }
            5 => {
                let kind = match round {
                    0 => JointVentureKind::Traditional,
                    1 => JointVentureKind::Unnamed,
                    _ => JointVentureKind::Upsell,
                };
                records.orders.push(order.shared_with(self.partner, kind));
            }
            6 => {
                // A mixed receipt: the partner sold something in the same breath, and shares it.
                let lines = vec![Line::physical("addon-1", Cents(990)).as_upsell()];
                let partners = Order::sale(&receipt, self.partner, date)
                    .of(lines)
                    .upsell_of(&receipt)
                    .shared_with(self.seller, JointVentureKind::Upsell);
                let ticket = Ticket::open(&receipt, 1, "addon-1", TicketKind::TechSupport, date);
                records.tickets.push(ticket);
                records.orders.extend([order, partners]);
            }
            7 => {
                let total = order.total();
                records.orders.push(order.then(TransactionKind::Chargeback, date, -total));
            }
            8 => records.orders.push(Order { test: true, ..order }),
            9 => {
                let notice = ShipNotice::new(&receipt, "book-1", date);
                records.ship_notices.push(notice);
                // Held until the book is back: what `returned` is for.
                let ticket = Ticket::open(&receipt, 1, "book-1", TicketKind::Refund, date).refunding(Cents(2450));
                records.tickets.push(ticket);
                records
                    .orders
                    .push(order.of(vec![Line::physical("book-1", Cents(2450)), Line::digital("guide-1", Cents(3700))]));
            }
            10 => {
                let subscription = Subscription::monthly("club-1", date, 1).cancelled(date);
                let ticket = Ticket::open(&receipt, 1, "club-1", TicketKind::Cancel, date);
                records.tickets.push(ticket.closed(date));
                records.orders.push(
                    order.of(vec![Line::recurring("club-1", Cents(1900))]).subscribing(subscription).then(
                        TransactionKind::CancelRebill,
                        date,
                        Cents::default(),
                    ),
                );
            }
            _ => {
                let first = Ticket::open(&receipt, 1, "guide-1", TicketKind::TechSupport, date);
                let second = Ticket::open(&receipt, 2, "guide-1", TicketKind::Refund, date);
                records.tickets.extend([first.closed(date), second]);
                records.orders.push(order.then(TransactionKind::Refund, date, -Cents(1000)));
            }
        }
    }

    fn days_ago(&self, days: i64) -> Date {
        self.today.saturating_sub(days.days())
    }

    fn random(&self, what: &str, place: u32) -> Random {
        Random::from_names(&[&self.seed, self.seller, what, &place.to_string()])
    }
}

/// A subscription that began two months before `date`, whose third payment is of `date`.
fn grow_subscription(records: &mut Records, order: Order, date: Date, today: Date) {
    let started = date.saturating_sub(2.months());
    let first = Order { receipt: order.receipt.clone(), ..Order::sale(&order.receipt, order.seller.as_str(), started) };
    let first = Order {
        affiliate: order.affiliate,
        tracking_id: order.tracking_id,
        vendor_variables: order.vendor_variables,
        ..first
    }
    .of(vec![Line::recurring("club-1", Cents(1900))])
    .subscribing(Subscription::monthly("club-1", started, 3));
    let second = first.rebill(2, started.saturating_add(1.month()));
    let third = first.rebill(3, date);
    records.tickets.push(Ticket::open(&third.receipt, 1, "club-1", TicketKind::Cancel, date.min(today)));
    records.orders.extend([first, second, third]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::world::base_of;
    use jiff::civil::date;

    const TODAY: Date = date(2026, 11, 20);

    fn orders() -> Vec<Order> {
        WorldSpec::demo(1, TODAY).records.orders
    }

    #[test]
    fn every_seller_has_sales_of_today_and_yesterday_and_of_long_ago() {
        let orders = orders();
        for (seller, _) in SELLERS {
            let days: Vec<Date> = orders
                .iter()
                .filter(|order| order.seller == seller.into())
                .filter_map(|order| Some(order.placed()?.date()))
                .collect();
            assert!(days.len() >= 36, "{seller}");
            assert!(days.contains(&TODAY) && days.contains(&date(2026, 11, 19)));
            assert!(days.iter().any(|day| *day < date(2026, 10, 20)));
            assert!(days.iter().all(|day| *day <= TODAY), "{seller}");
        }
    }

    #[test]
    fn there_is_something_of_everything() {
        let orders = orders();
        let any = |what: fn(&Order) -> bool| orders.iter().any(what);
        assert!(any(|order| order.affiliate == Some("acmeaff".into())));
        assert!(any(|order| order.affiliate == Some("otheraff".into())));
        assert!(any(|order| order.affiliate.is_none()));
        assert!(any(|order| order.upsell_of.is_some()));
        assert!(any(|order| order.receipt.ends_with("-B003")));
        assert!(any(|order| order.has(TransactionKind::Refund)));
        assert!(any(|order| order.has(TransactionKind::Chargeback)));
        for kind in [JointVentureKind::Traditional, JointVentureKind::Upsell, JointVentureKind::Unnamed] {
            let is_shared = |order: &Order| order.joint_ventures.iter().any(|venture| venture.kind == kind);
            assert!(orders.iter().any(is_shared), "{kind:?}");
        }
        assert!(any(Order::is_shippable));
        assert!(any(|order| order.test));
        let is_mixed =
            |order: &Order| orders.iter().any(|other| other.receipt == order.receipt && other.seller != order.seller);
        assert!(orders.iter().any(is_mixed));
    }

    #[test]
    fn what_belongs_to_a_receipt_has_one() {
        let records = WorldSpec::demo(1, TODAY).records;
        let is_known = |receipt: &str| records.orders_of(receipt).next().is_some();
        assert!(records.tickets.iter().all(|ticket| is_known(&ticket.receipt)));
        let mut notices = records.ship_notices.iter();
        assert!(notices.all(|notice| is_known(&notice.receipt)));
        let mut orders = records.orders.iter();
        assert!(orders.all(|order| is_known(base_of(&order.receipt))));
        let mut ids: Vec<u32> = records.tickets.iter().map(|ticket| ticket.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), records.tickets.len());
    }
}
