//! The world: everything that ClickBank knows in a simulation, and the door to it.
//!
//! Plain data, no sockets, no clock. [`World::answer`] takes a request and gives ClickBank's answer; changes go
//! through functions of [`World`], one for each, that leave everything else as it was and are listed in
//! [`World::executed`].
//!
//! A world is built by hand (a test lists the orders it wants) or by [`WorldSpec::demo`].

mod change;
mod customer;
mod order;
mod product;
mod seed;
mod subscription;
mod ticket;

pub(crate) use change::{Address, Opening, ProductChange, Settlement, SoldItem};
pub use change::{ChangeKind, Executed};
pub use customer::Customer;
pub use order::{JointVenture, JointVentureKind, Line, Order, Transaction, TransactionKind, base_of};
pub use product::{Contract, Image, Product, RecurringPrice, product_id};
pub use subscription::{Subscription, SubscriptionStatus};
pub use ticket::{
    RefundType, ShipNotice, Ticket, TicketComment, TicketKind, TicketSource, TicketStatus, seller_ticket_id, ticket_id,
};

use super::config::Settings;
use super::keys::{KeySpec, SimulatorKey};
use super::nickname::{Nickname, NicknameSet};
use super::service;
use super::wire::{Answer, Request};

/// What a world is made of.
#[derive(Clone, Debug, Default)]
pub struct WorldSpec {
    /// Accounts, orders and so on.
    pub records: Records,
    /// The keys to be made.
    pub keys: Vec<KeySpec>,
}

/// What ClickBank keeps, in no particular order: answers sort by what the records say, never by their place here.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// The accounts.
    pub accounts: Vec<Account>,
    /// The orders. Several may share a receipt.
    pub orders: Vec<Order>,
    /// The tickets.
    pub tickets: Vec<Ticket>,
    /// The ship notices.
    pub ship_notices: Vec<ShipNotice>,
    /// The products.
    pub products: Vec<Product>,
    /// The images.
    pub images: Vec<Image>,
}

impl Records {
    /// The orders of `receipt`.
    pub fn orders_of<'a>(&'a self, receipt: &str) -> impl Iterator<Item = &'a Order> {
        self.orders.iter().filter(move |order| order.receipt == receipt)
    }

    /// The product `sku` of `site`.
    #[must_use]
    pub fn product(&self, site: &Nickname, sku: &str) -> Option<&Product> {
        self.products.iter().find(|product| product.site == *site && product.sku == sku)
    }

    /// The account `nickname`.
    #[must_use]
    pub fn account(&self, nickname: &Nickname) -> Option<&Account> {
        self.accounts.iter().find(|account| account.nickname == *nickname)
    }

    /// Those of `sellers` to whom `ticket` belongs.
    #[must_use]
    pub fn owners_of_ticket(&self, sellers: &NicknameSet, ticket: &Ticket) -> NicknameSet {
        self.owners(sellers, ticket.seller.as_ref(), &ticket.receipt, &ticket.item_no)
    }

    /// Those of `sellers` to whom `notice` belongs.
    #[must_use]
    pub fn owners_of_notice(&self, sellers: &NicknameSet, notice: &ShipNotice) -> NicknameSet {
        self.owners(sellers, notice.seller.as_ref(), &notice.receipt, &notice.item_no)
    }

    /// Those of `sellers` to whom something belongs that is about item `item_no` of `receipt`: the one that is known to
    /// have made it, else whoever sold the item. An item that no order of the receipt has belongs to every seller of
    /// the receipt.
    fn owners(&self, sellers: &NicknameSet, known: Option<&Nickname>, receipt: &str, item_no: &str) -> NicknameSet {
        let item_is_known = self.orders_of(receipt).any(|order| order.has_item(item_no));
        self.orders_of(receipt)
            .filter(|order| known.is_none_or(|seller| order.seller == *seller))
            .filter(|order| !item_is_known || order.has_item(item_no))
            .filter(|order| sellers.contains(&order.seller))
            .map(|order| order.seller.clone())
            .collect()
    }

    /// The customer of item `item_no` of `receipt`, as one of `sellers` knows them.
    #[must_use]
    pub fn customer_of(&self, sellers: &NicknameSet, receipt: &str, item_no: &str) -> Option<&Customer> {
        self.orders
            .iter()
            .filter(|order| order.receipt == receipt && sellers.contains(&order.seller))
            .min_by_key(|order| (!order.has_item(item_no), &order.seller))
            .map(|order| &order.customer)
    }
}

/// A ClickBank account: one nickname.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its nickname.
    pub nickname: Nickname,
    /// The primary account it is linked to. Accounts with the same one are sisters.
    pub primary: String,
    /// What it does.
    pub kind: AccountKind,
    /// Whether ClickBank enabled partial refunds for it.
    pub partial_refunds: bool,
}

impl Account {
    /// An account of `primary` without partial refunds.
    #[must_use]
    pub fn new(nickname: &str, primary: &str, kind: AccountKind) -> Self {
        Self { nickname: Nickname::new(nickname), primary: primary.to_owned(), kind, partial_refunds: false }
    }
}

/// What an account does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountKind {
    /// Sells products.
    Seller,
    /// Sells other people's products.
    Affiliate,
    /// Does both.
    Both,
}

/// A whole ClickBank.
#[derive(Clone, Debug)]
pub struct World {
    settings: Settings,
    records: Records,
    keys: Vec<SimulatorKey>,
    executed: Vec<Executed>,
}

impl World {
    /// The world that `spec` describes.
    #[must_use]
    pub fn new(settings: Settings, spec: WorldSpec) -> Self {
        let WorldSpec { records, keys } = spec;
        let keys = keys
            .into_iter()
            .map(|key| {
                let offered = nicknames_of(&records, &key.primary);
                SimulatorKey::make(key, settings.seed, &offered)
            })
            .collect();
        Self { settings, records, keys, executed: Vec::new() }
    }

    /// ClickBank's answer to `request`.
    pub fn answer(&mut self, request: &Request) -> Answer {
        service::answer(self, request)
    }

    /// How the world answers.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What ClickBank keeps.
    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// What ClickBank keeps, for a test that changes it behind the API's back. Keys keep the nicknames that existed
    /// when the world was made.
    pub fn records_mut(&mut self) -> &mut Records {
        &mut self.records
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &[SimulatorKey] {
        &self.keys
    }

    /// The key of this name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&SimulatorKey> {
        self.keys.iter().find(|key| key.name() == name)
    }
}

/// The nicknames linked to `primary`.
fn nicknames_of(records: &Records, primary: &str) -> NicknameSet {
    records
        .accounts
        .iter()
        .filter(|account| account.primary == primary)
        .map(|account| account.nickname.clone())
        .collect()
}
