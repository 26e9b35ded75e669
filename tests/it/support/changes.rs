//! Changes that ClickBank makes when it is asked to: any of the catalogue's, each about something of its own.

use std::sync::atomic::{AtomicUsize, Ordering};

use clickbank_gateway::simulator::world::{
    Account, AccountKind, Line, Order, Product, Records, RecurringPrice, Subscription, Ticket, TicketKind, ticket_id,
};
use clickbank_gateway::simulator::{
    Cents, KeySpec, Nicknames, Reach, Received, Settings, Simulator, SimulatorConfig, World, WorldSpec,
};
use jiff::civil::{Date, date};

use super::setup::{Setup, everything_on};
use crate::facts::{FACTS, Fact, Place};

const TODAY: Date = date(2026, 11, 20);
const PRIMARY: &str = "acmeco";

/// Who sells what is changed, each with a caller and a credential of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seller {
    /// Behind a credential that reaches nobody else.
    Confined,
    /// Behind one that reaches others, too.
    Wide,
}

impl Seller {
    /// The nickname. Its caller has the same name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Confined => "acme",
            Self::Wide => "zenith",
        }
    }
}

/// What a caller asks to be answered in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Xml,
}

/// One change.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) endpoint: &'static str,
    pub(crate) method: &'static str,
    /// The path, without the query.
    pub(crate) path: String,
    query: String,
    pub(crate) seller: Seller,
    pub(crate) format: Format,
    /// The receipt or SKU that nothing else is about.
    pub(crate) about: String,
    /// What the caller calls its request. No other request of this process is called so.
    pub(crate) id: String,
    /// Whether ClickBank is asked first whose it is.
    pub(crate) is_looked_up: bool,
}

/// The endpoints that change something.
pub(crate) fn changing() -> impl Iterator<Item = &'static Fact> {
    FACTS.iter().filter(|fact| fact.mutates)
}

impl Change {
    /// One that was never made before.
    pub(crate) fn new(fact: &'static Fact, seller: Seller, format: Format) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let receipt = format!("C{number:07}");
        let of_product = fact.owner_source == "request";
        let about = if of_product { format!("sku-{number}") } else { receipt.clone() };
        let path = fact.params_in(Place::Path).fold(fact.path.clone(), |path, param| {
            let value = match param.name.as_str() {
                "receipt" => receipt.clone(),
                "id" => ticket_id(&receipt, 1).to_string(),
                "sku" => about.clone(),
                other => panic!("no value for {other} in the path of {}", fact.id),
            };
            path.replace(&format!("{{{}}}", param.name), &value)
        });
        let given = |name: &str| match fact.id.as_str() {
            "tickets.update" => name == "comment",
            "tickets.create" => name == "refundType",
            _ => matches!(name, "applyProratedRefund" | "digital"),
        };
        let query: Vec<String> = fact
            .params_in(Place::Query)
            .filter(|param| param.has_to_be_said() || given(&param.name))
            .map(|param| format!("{}={}", param.name, value(&param.name, seller)))
            .collect();
        Self {
            endpoint: &fact.id,
            method: &fact.method,
            path,
            query: query.join("&"),
            seller,
            format,
            about,
            id: format!("change-{number}"),
            // ClickBank itself confines a credential; of what moves money its word alone is not taken for it.
            is_looked_up: !of_product && (seller == Seller::Wide || fact.moves_money),
        }
    }

    /// The same endpoint, asked for something else of what it can do.
    pub(crate) fn asking(mut self, query: &str) -> Self {
        query.clone_into(&mut self.query);
        self
    }

    /// Another change of the same thing.
    pub(crate) fn beside(&self, query: &str) -> Self {
        Self { id: format!("{}-beside", self.id), ..self.clone() }.asking(query)
    }

    /// The request of a caller with this key.
    pub(crate) fn request(&self, key: &str) -> String {
        self.request_with(key, "")
    }

    /// The same with more lines in its head.
    pub(crate) fn request_with(&self, key: &str, lines: &str) -> String {
        let Self { method, path, query, id, .. } = self;
        let accept = match self.format {
            Format::Json => "application/json",
            Format::Xml => "application/xml",
        };
        format!(
            "{method} {path}?{query} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {key}\r\nAccept: {accept}\r\n\
             X-Request-Id: {id}\r\n{lines}\r\n"
        )
    }

    /// The path of the last question that is asked before it is sent.
    pub(crate) fn look_up(&self) -> String {
        format!("/rest/1.3/orders2/{}", self.about)
    }

    /// Whether ClickBank says something to it when it is done. Of some it says by its status alone that they are.
    pub(crate) fn is_told_in_words(&self) -> bool {
        self.path.contains("/shipnotice/")
            || matches!(self.endpoint, "products.put" | "tickets.create" | "tickets.update")
    }

    /// Puts into the world what it takes for the change to be possible.
    pub(crate) fn plant(&self, records: &mut Records) {
        let Self { about, endpoint, query, .. } = self;
        let seller = self.seller.name();
        if endpoint.starts_with("products.") {
            if *endpoint == "products.delete" {
                records.products.push(Product::new(seller, about, TODAY));
            }
            return;
        }
        let order = Order::sale(about, seller, TODAY);
        let service = endpoint.split('.').next_back().unwrap_or_default();
        records.orders.push(match service {
            "reinstate" | "pause" | "extend" | "changeProduct" | "changeDate" => {
                let subscription = Subscription::monthly("club-1", TODAY, 1);
                let subscription = if service == "reinstate" { subscription.cancelled(TODAY) } else { subscription };
                order.of(vec![Line::recurring("club-1", Cents(1900))]).subscribing(subscription)
            }
            "create" if query.contains("type=cncl") => {
                let subscription = Subscription::monthly("club-1", TODAY, 1);
                order.of(vec![Line::recurring("club-1", Cents(1900))]).subscribing(subscription)
            }
            _ => order.of(vec![Line::physical("book-1", Cents(2000))]),
        });
        if matches!(*endpoint, "tickets.update" | "tickets.returned") {
            let ticket = Ticket::open(about, 1, "book-1", TicketKind::Refund, TODAY);
            records.tickets.push(if query.contains("action=reopen") { ticket.closed(TODAY) } else { ticket });
        }
    }

    /// How often it was made.
    pub(crate) fn times_executed(&self, world: &World) -> usize {
        world.executed().iter().filter(|executed| executed.about == self.about).count()
    }

    /// Whether it is what came to ClickBank.
    pub(crate) fn is(&self, received: &Received) -> bool {
        received.method == self.method && received.target.split('?').next() == Some(&self.path)
    }
}

fn value(name: &str, seller: Seller) -> &'static str {
    match name {
        "site" => seller.name(),
        "restartDate" | "changeDate" => "2026-12-25",
        "date" => "2026-11-20",
        "numPeriods" => "1",
        "oldSku" => "club-1",
        "newSku" => "vip-1",
        "applyProratedRefund" | "digital" => "true",
        "address1" => "1%20Elm%20Street",
        "city" => "Boise",
        "countryCode" => "US",
        "carrier" => "UPS",
        "type" => "rfnd",
        "reason" => "ticket.type.refund.7",
        "refundType" => "FULL",
        "comment" => "some%20words",
        "currency" => "USD",
        "price" => "12.50",
        "language" => "EN",
        "title" => "Title",
        other => panic!("no value for {other}"),
    }
}

/// A simulator in whose world all of these changes are possible.
pub(crate) async fn simulator_for(changes: &[&Change]) -> Simulator {
    let mut records = Records::default();
    for (nickname, sells) in [("acme", true), ("zenith", true), ("orbit", false)] {
        let kind = if sells { AccountKind::Seller } else { AccountKind::Both };
        records.accounts.push(Account::new(nickname, PRIMARY, kind));
        let recurring = Some(RecurringPrice::monthly(Cents(4900)));
        records.products.push(Product { recurring, ..Product::new(nickname, "vip-1", TODAY) });
    }
    for change in changes {
        change.plant(&mut records);
    }
    let key = |name, nicknames| KeySpec::new(name, PRIMARY, Reach::every_permission(&nicknames));
    let keys = vec![key("acme", Nicknames::only(["acme"])), key("wide", Nicknames::only(["zenith", "orbit"]))];
    let config = SimulatorConfig::new(Settings::new(1, TODAY), WorldSpec { records, keys });
    Simulator::start(SimulatorConfig { received_kept: usize::MAX, ..config }).await.unwrap()
}

/// Both sellers' callers, behind their credentials.
pub(crate) fn setup() -> Setup {
    Setup::new()
        .credential("acme", &everything_on("[\"acme\"]"))
        .credential("wide", &everything_on("[\"zenith\", \"orbit\"]"))
        .caller("acme", &everything_on("[\"acme\"]"))
        .caller("zenith", &everything_on("[\"zenith\"]"))
}

/// The ClickBank key of a credential.
pub(crate) fn secret_of(simulator: &Simulator, name: &str) -> String {
    let key = simulator.keys().iter().find(|key| key.name() == name);
    key.unwrap_or_else(|| panic!("the simulator has no key {name}")).secret().expose().to_owned()
}
