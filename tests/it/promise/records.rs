//! What ClickBank keeps in a scene: sales of everybody's through everybody, in families of receipts that belong together.
//!
//! Every customer, sale, ticket, ship notice, product and image has a word of its own in what answers show of it, so that
//! one that should not show can be recognised wherever it does.

use clickbank_gateway::simulator::Cents;
use clickbank_gateway::simulator::world::{
    AccountKind, Contract, Customer, Image, JointVentureKind, Line, Order, Product, Records, RecurringPrice,
    ShipNotice, Subscription, Ticket, TicketKind, TransactionKind,
};
use jiff::ToSpan as _;
use jiff::civil::Date;

use super::random::{Random, token};
use super::scene::{STRANGERS, TODAY};

pub(super) type People = Vec<(&'static str, AccountKind)>;

/// What sellers sell. The last one has never been bought.
pub(super) const SKUS: [&str; 5] = ["guide-1", "book-1", "club-1", "extra-1", "idle-1"];

/// Where records grow.
pub(super) struct Garden {
    pub(super) seed: u64,
    /// Tells what grows here from what grew elsewhere under the same receipts.
    pub(super) salt: &'static str,
    /// Who takes part.
    pub(super) people: People,
    pub(super) random: Random,
    pub(super) records: Records,
}

impl Garden {
    fn sellers(&self) -> Vec<&'static str> {
        let sells = |kind: AccountKind| kind != AccountKind::Affiliate;
        self.people.iter().filter(|(_, kind)| sells(*kind)).map(|(name, _)| *name).collect()
    }

    fn somebody(&mut self, percent: usize, but: &str) -> Option<&'static str> {
        let others: Vec<&'static str> = self.people.iter().map(|(name, _)| *name).filter(|name| *name != but).collect();
        if self.random.percent(percent) { self.random.any(&others).copied() } else { None }
    }

    /// Products and images of everybody who sells.
    pub(super) fn grow_catalogue(&mut self) {
        for seller in self.sellers() {
            for sku in SKUS {
                if sku == "extra-1" && self.random.percent(50) {
                    continue;
                }
                let product = self.product(seller, sku);
                self.records.products.push(product);
            }
            for place in 0..self.random.below(5) {
                let title = format!("Image {}", token('p', &[seller, "image", &place.to_string(), self.salt]));
                let mut image = Image::new(seller, &title);
                image.approved = self.random.percent(70);
                if self.random.percent(30) {
                    "BANNER".clone_into(&mut image.kind);
                }
                self.records.images.push(image);
            }
        }
    }

    fn product(&mut self, seller: &'static str, sku: &str) -> Product {
        let word = token('p', &[seller, sku, self.salt]);
        let mut product = Product::new(seller, sku, TODAY.saturating_sub(300.days()));
        product.title = format!("Title {word}");
        product.thank_you_page = Some(format!("https://{word}.example.net/thanks"));
        product.mobile_thank_you_page = Some(format!("https://{word}.example.net/m"));
        product.pitch_page = Some(format!("https://{word}.example.net/"));
        product.mobile_pitch_page = None;
        product.price = self.amount();
        if sku == "idle-1" {
            // To change a subscription to.
            product.recurring = Some(RecurringPrice::monthly(Cents(900)));
        }
        if sku == "club-1" {
            product.recurring = Some(RecurringPrice::monthly(Cents(1900)));
            product.categories = vec!["MEMBER_SITE".to_owned()];
        }
        if let Some(partner) = self.somebody(50, seller) {
            product.contracts =
                vec![Contract { owner: seller.into(), partner: partner.into(), status: "ACTIVE".to_owned() }];
        }
        product
    }

    fn amount(&mut self) -> Cents {
        Cents(1_000 + i64::try_from(self.random.below(900_000)).unwrap())
    }

    fn date(&mut self) -> Date {
        // Lists cover yesterday and today where no dates are given.
        let age = if self.random.percent(80) { self.random.below(2) } else { self.random.below(60) };
        TODAY.saturating_sub(i64::try_from(age).unwrap().days())
    }

    /// Family number `place`: a sale, and whatever goes with it. It may be an upsell of one of `parents`.
    pub(super) fn grow_family(&mut self, place: usize, parents: &[String]) {
        let receipt = token('r', &[&self.seed.to_string(), &place.to_string(), self.salt]).to_uppercase();
        let sellers = self.sellers();
        let Some(seller) = self.random.any(&sellers).copied() else { return };
        let date = self.date();
        let order = self.sale(&receipt, seller, date);
        match self.random.below(14) {
            0 | 1 => self.plant(order),
            2 => {
                let order = order.of(vec![self.line("book-1", Line::physical)]);
                let sent = self.random.percent(60).then(|| self.notice(&receipt, "book-1", date));
                self.records.ship_notices.extend(sent);
                self.plant(order);
            }
            3 | 4 => self.grow_subscription(order, date),
            5 => {
                // An upsell, of this seller or another, with a receipt of its own or under its parent's.
                let other = if self.random.percent(60) { seller } else { *self.random.pick(&sellers) };
                let own_receipt = self.random.percent(60);
                let upsell_receipt = token('r', &[&receipt, "upsell", self.salt]).to_uppercase();
                let upsell = self.sale(if own_receipt { &upsell_receipt } else { &receipt }, other, date);
                let upsell = upsell.of(vec![self.line("extra-1", Line::digital).as_upsell()]).upsell_of(&receipt);
                self.plant(order);
                self.plant(upsell);
            }
            6 => {
                self.ticket(&receipt, 1, "guide-1", TicketKind::Refund, Some(date));
                self.plant(order.refunded(date));
            }
            7 => {
                let total = order.total();
                self.plant(order.then(TransactionKind::Chargeback, date, -total));
            }
            8 if !parents.is_empty() => {
                let parent = self.random.pick(parents).clone();
                self.plant(order.upsell_of(&parent));
            }
            8 => self.plant(Order { test: true, ..order }),
            9 | 10 => {
                self.ticket(&receipt, 1, "guide-1", TicketKind::TechSupport, None);
                self.ticket(&receipt, 2, "guide-1", TicketKind::Refund, Some(date));
                self.plant(order);
            }
            _ => self.grow_mixed(order, &sellers, date),
        }
    }

    /// A receipt with sales of two sellers, who may have to do with each other's.
    fn grow_mixed(&mut self, order: Order, sellers: &[&'static str], date: Date) {
        let receipt = order.receipt.clone();
        let strangers: Vec<&'static str> = sellers.iter().copied().filter(|name| is_stranger(name)).collect();
        let other = if self.random.percent(40) { self.random.any(&strangers) } else { None };
        let other = other.copied().unwrap_or(*self.random.pick(sellers));
        let first = match self.random.below(5) {
            0 | 1 => order.refunded(date),
            2 => order.of(vec![self.line("book-1", Line::physical)]),
            _ => order,
        };
        let mut second = self.sale(&receipt, other, date);
        if self.random.percent(35) {
            second.affiliate = Some(first.seller.clone());
        }
        if self.random.percent(40) {
            second.joint_ventures.clear();
        }
        let item = *self.random.pick(&["extra-1", "book-1"]);
        let make = if item == "book-1" { Line::physical } else { Line::digital };
        let second = second.of(vec![self.line(item, make)]);
        for (nth, about) in [(1, "guide-1"), (2, item), (3, "none-1")] {
            if self.random.percent(if nth == 3 { 15 } else { 70 }) {
                let kind = *self.random.pick(&[TicketKind::TechSupport, TicketKind::Refund]);
                self.ticket(&receipt, nth, about, kind, None);
            }
        }
        if self.random.percent(70) {
            let notice = self.notice(&receipt, item, date);
            self.records.ship_notices.push(notice);
        }
        let is_same = first.seller == second.seller;
        self.plant(first);
        if !is_same {
            self.plant(second);
        }
    }

    fn sale(&mut self, receipt: &str, seller: &'static str, date: Date) -> Order {
        let mut order = Order::sale(receipt, seller, date).of(vec![self.line("guide-1", Line::digital)]);
        if let Some(affiliate) = self.somebody(60, seller) {
            order = order.through(affiliate);
        }
        if let Some(partner) = self.somebody(25, seller) {
            let kinds = [JointVentureKind::Traditional, JointVentureKind::Upsell, JointVentureKind::Unnamed];
            order = order.shared_with(partner, *self.random.pick(&kinds));
        }
        order
    }

    fn line(&mut self, item_no: &str, make: fn(&str, Cents) -> Line) -> Line {
        make(item_no, self.amount())
    }

    /// A subscription; its later payments have the seller of the first.
    fn grow_subscription(&mut self, order: Order, date: Date) {
        let started = date.saturating_sub(2.months());
        let receipt = order.receipt.clone();
        let first = Order { transactions: Order::sale(&receipt, "x", started).transactions, ..order };
        let mut subscription = Subscription::monthly("club-1", started, 3);
        if self.random.percent(30) {
            subscription = subscription.cancelled(date);
        }
        let first = first.of(vec![self.line("club-1", Line::recurring)]).subscribing(subscription);
        let second = first.rebill(2, started.saturating_add(1.month()));
        let mut third = first.rebill(3, date);
        if self.random.percent(30) {
            third = third.then(TransactionKind::Refund, date, Cents(-500));
        }
        self.ticket(&third.receipt, 1, "club-1", TicketKind::Cancel, self.random.clone().percent(50).then_some(date));
        for order in [first, second, third] {
            self.plant(order);
        }
    }

    fn ticket(&mut self, receipt: &str, nth: u32, item_no: &str, kind: TicketKind, closed: Option<Date>) {
        let word = token('t', &[receipt, &nth.to_string(), self.salt]);
        let mut ticket = Ticket::open(receipt, nth, item_no, kind, TODAY.saturating_sub(1.days()));
        ticket.comments[0].text = format!("Please help {word}");
        ticket.reason = Some(format!("ticket.type.{word}"));
        if kind == TicketKind::Refund {
            ticket = ticket.refunding(self.amount());
        }
        if let Some(date) = closed.filter(|_| self.random.percent(70)) {
            ticket = ticket.closed(date);
        }
        self.records.tickets.push(ticket);
    }

    fn notice(&mut self, receipt: &str, item_no: &str, date: Date) -> ShipNotice {
        let mut notice = ShipNotice::new(receipt, item_no, date);
        let word = token('n', &[receipt, item_no, self.salt]);
        notice.tracking = Some(word.clone());
        notice.comments = self.random.percent(50).then(|| format!("By the door {word}"));
        notice
    }

    /// Plants what can be recognised in an order. One seller has one customer under a receipt and its rebills.
    pub(super) fn plant(&mut self, order: Order) {
        self.records.orders.push(planted(order, self.salt));
    }
}

fn is_stranger(name: &str) -> bool {
    STRANGERS.iter().any(|(other, _)| *other == name)
}

pub(super) fn planted(mut order: Order, salt: &str) -> Order {
    let names = [order.base_receipt().to_owned(), order.seller.as_str().to_owned(), salt.to_owned()];
    let words: Vec<&str> = names.iter().map(String::as_str).collect();
    let (of_customer, of_sale) = (token('c', &words), token('o', &words));
    let mut random = Random::of(&words);
    order.customer = Customer {
        first_name: format!("F{of_customer}"),
        last_name: format!("{of_customer}<&>"),
        email: format!("{of_customer}@example.net"),
        phone: format!("+1{of_customer}"),
        address1: format!("{of_customer} Street"),
        address2: random.percent(50).then(|| format!("Flat {of_customer}")),
        city: format!("C{of_customer}"),
        state: (*random.pick(&["ID", "CO", "NW"])).to_owned(),
        country: (*random.pick(&["US", "CA", "DE"])).to_owned(),
        postal_code: of_customer.clone(),
        language: (*random.pick(&["EN", "DE"])).to_owned(),
    };
    if order.affiliate.is_some() && random.percent(70) {
        order.tracking_id = Some(of_sale.clone());
    }
    order.vendor_variables = match random.below(3) {
        0 => Vec::new(),
        1 => vec![("page".to_owned(), of_customer)],
        _ => vec![("page".to_owned(), of_customer), ("coupon".to_owned(), "C<&>".to_owned())],
    };
    for line in &mut order.lines {
        line.title = format!("Product {of_sale}");
    }
    order
}
