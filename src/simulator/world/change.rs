//! Changes: what each does to the world, and the list of those that were done.
//!
//! A change comes here when it was found allowed and possible; each function leaves everything that it does not name
//! as it was. What happens now happens on [`Settings::today`](crate::simulator::Settings), for there is no clock.

use jiff::civil::Date;

use super::order::{Order, TransactionKind};
use super::product::{Product, RecurringPrice};
use super::subscription::{Subscription, SubscriptionStatus};
use super::ticket::{RefundType, ShipNotice, Ticket, TicketKind, TicketSource, TicketStatus, seller_ticket_id};
use super::{Customer, World};
use crate::simulator::money::Cents;
use crate::simulator::nickname::{Nickname, NicknameSet};

/// A change that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// What was done.
    pub kind: ChangeKind,
    /// The receipt that the call was about, or the SKU for a change of a product.
    pub about: String,
    /// The ticket that was opened or changed, if one was.
    pub ticket: Option<u32>,
    /// Whose data was changed. A call that changes data of several sellers is executed once for each.
    pub seller: Nickname,
    /// What the customer got back by it.
    pub refunded: Cents,
}

/// The kinds of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// `POST /tickets/{receipt}`
    OpenTicket(TicketKind),
    /// `PUT /tickets/{id}` without an action.
    CommentTicket,
    /// `PUT /tickets/{id}?action=close`
    CloseTicket,
    /// `PUT /tickets/{id}?action=reopen`
    ReopenTicket,
    /// `PUT /tickets/{id}?action=change`, with the new kind.
    ChangeTicket(TicketKind),
    /// `POST /tickets/{id}/returned`
    AcceptReturn,
    /// `POST /orders*/{receipt}/reinstate`
    Reinstate,
    /// `POST /orders*/{receipt}/pause`
    Pause,
    /// `POST /orders*/{receipt}/extend`
    Extend,
    /// `POST /orders2/{receipt}/changeDate`
    ChangeDate,
    /// `POST /orders*/{receipt}/changeProduct`
    ChangeProduct,
    /// `POST /orders*/{receipt}/changeAddress`
    ChangeAddress,
    /// `POST /shipping*/shipnotice/{receipt}`
    AddShipNotice,
    /// `PUT /products/{sku}`
    PutProduct,
    /// `DELETE /products/{sku}`
    DeleteProduct,
}

/// One item of one seller's under one receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SoldItem {
    pub(crate) receipt: String,
    pub(crate) seller: Nickname,
    pub(crate) item_no: String,
}

impl SoldItem {
    /// The item `item_no` of `order`.
    pub(crate) fn of(order: &Order, item_no: &str) -> Self {
        Self { receipt: order.receipt.clone(), seller: order.seller.clone(), item_no: item_no.to_owned() }
    }

    fn is_in(&self, order: &Order) -> bool {
        order.receipt == self.receipt && order.seller == self.seller && order.has_item(&self.item_no)
    }
}

/// What a ticket brings about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settlement {
    /// What goes back for the ticket's item.
    pub(crate) refund: Option<(RefundType, Cents)>,
    /// The subscription that ends, by the sale that began it.
    pub(crate) cancels: Option<SoldItem>,
}

impl Settlement {
    fn is_nothing(&self) -> bool {
        self.refund.is_none() && self.cancels.is_none()
    }

    fn refunded(&self) -> Cents {
        self.refund.map(|(_, amount)| amount).unwrap_or_default()
    }
}

/// A ticket to be opened by a seller.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) item: SoldItem,
    pub(crate) kind: TicketKind,
    pub(crate) reason: String,
    pub(crate) comment: Option<String>,
    pub(crate) settlement: Settlement,
}

/// A subscription that goes on with another product.
#[derive(Clone, Debug)]
pub(crate) struct ProductChange {
    pub(crate) sku: String,
    pub(crate) price: RecurringPrice,
    pub(crate) next_payment: Date,
    pub(crate) carries_affiliate: bool,
    /// What goes back of the last payment, and the item of that payment.
    pub(crate) refund: Option<(SoldItem, Cents)>,
}

/// A customer's new address. The names stay when none are given; the rest is replaced whole.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) address1: String,
    pub(crate) address2: Option<String>,
    pub(crate) city: String,
    pub(crate) province: String,
    pub(crate) country: String,
    pub(crate) postal_code: String,
}

impl Address {
    fn write_to(&self, customer: &mut Customer) {
        if let Some(name) = &self.first_name {
            customer.first_name.clone_from(name);
        }
        if let Some(name) = &self.last_name {
            customer.last_name.clone_from(name);
        }
        customer.address1.clone_from(&self.address1);
        customer.address2.clone_from(&self.address2);
        customer.city.clone_from(&self.city);
        customer.state.clone_from(&self.province);
        customer.country.clone_from(&self.country);
        customer.postal_code.clone_from(&self.postal_code);
    }
}

impl World {
    /// Every change that was done through the API, in order. Refused ones are not among them.
    #[must_use]
    pub fn executed(&self) -> &[Executed] {
        &self.executed
    }

    /// Puts `product` in the place of the one with its site and SKU, or beside the others.
    ///
    /// What a `PUT` cannot say (contracts, the day it was made) stays as it was.
    pub(crate) fn put_product(&mut self, mut product: Product) {
        self.done(ChangeKind::PutProduct, &product.sku, None, &product.site, Cents::default());
        let same = |other: &&mut Product| other.site == product.site && other.sku == product.sku;
        if let Some(existing) = self.records.products.iter_mut().find(same) {
            product.contracts = std::mem::take(&mut existing.contracts);
            product.created = existing.created;
            *existing = product;
        } else {
            self.records.products.push(product);
        }
    }

    /// Removes the product `sku` of `site`.
    pub(crate) fn delete_product(&mut self, site: &Nickname, sku: &str) {
        self.done(ChangeKind::DeleteProduct, sku, None, site, Cents::default());
        self.records.products.retain(|product| product.site != *site || product.sku != sku);
    }

    /// Opens a ticket, with what it brings about; gives its id. It is closed at once if that settles it.
    pub(crate) fn open_ticket(&mut self, opening: Opening) -> u32 {
        let Opening { item, kind, reason, comment, settlement } = opening;
        let today = self.settings.today;
        let is_another =
            |ticket: &&Ticket| ticket.receipt == item.receipt && ticket.seller.as_ref() == Some(&item.seller);
        let others = self.records.tickets.iter().filter(is_another).filter(|ticket| ticket.item_no == item.item_no);
        let id = seller_ticket_id(&item.receipt, &item.seller, &item.item_no, others.count() + 1);
        let text = comment.unwrap_or_else(|| reason.clone());
        let mut ticket = Ticket {
            id,
            seller: Some(item.seller.clone()),
            reason: Some(reason),
            source: TicketSource::Api,
            comments: Vec::new(),
            ..Ticket::open(&item.receipt, 1, &item.item_no, kind, today)
        };
        ticket.remark("OPENED", &text, today);
        ticket.opened = ticket.updated;
        note_refund(&mut ticket, &settlement);
        if !settlement.is_nothing() {
            ticket.close("CLOSED", "Settled", today);
        }
        self.records.tickets.push(ticket);
        self.settle(&item, &settlement);
        self.done(ChangeKind::OpenTicket(kind), &item.receipt, Some(id), &item.seller, settlement.refunded());
        id
    }

    /// Adds a comment to the ticket `id` about `item`.
    pub(crate) fn comment_ticket(&mut self, id: u32, item: &SoldItem, text: &str) {
        let today = self.settings.today;
        if let Some(ticket) = self.ticket_mut(id, item) {
            ticket.remark("COMMENTED", text, today);
            self.done(ChangeKind::CommentTicket, &item.receipt, Some(id), &item.seller, Cents::default());
        }
    }

    /// Closes the ticket: what it asked for is not done.
    pub(crate) fn close_ticket(&mut self, id: u32, item: &SoldItem, text: &str) {
        let today = self.settings.today;
        if let Some(ticket) = self.ticket_mut(id, item) {
            ticket.close("CLOSED", text, today);
            self.done(ChangeKind::CloseTicket, &item.receipt, Some(id), &item.seller, Cents::default());
        }
    }

    /// Opens a closed ticket again.
    pub(crate) fn reopen_ticket(&mut self, id: u32, item: &SoldItem, text: &str) {
        let today = self.settings.today;
        if let Some(ticket) = self.ticket_mut(id, item) {
            ticket.remark("REOPENED", text, today);
            ticket.status = TicketStatus::Reopened;
            ticket.closed = None;
            self.done(ChangeKind::ReopenTicket, &item.receipt, Some(id), &item.seller, Cents::default());
        }
    }

    /// Turns the ticket into one of `kind`, with what that brings about. It is closed if that settles it.
    pub(crate) fn change_ticket(
        &mut self,
        id: u32,
        item: &SoldItem,
        kind: TicketKind,
        text: &str,
        settlement: &Settlement,
    ) {
        let today = self.settings.today;
        if let Some(ticket) = self.ticket_mut(id, item) {
            ticket.kind = kind;
            ticket.remark("CHANGED", text, today);
            note_refund(ticket, settlement);
            if !settlement.is_nothing() {
                ticket.close("CLOSED", "Settled", today);
            }
            self.settle(item, settlement);
            self.done(ChangeKind::ChangeTicket(kind), &item.receipt, Some(id), &item.seller, settlement.refunded());
        }
    }

    /// Does what the ticket was held for until the item came back, and closes it.
    pub(crate) fn accept_return(&mut self, id: u32, item: &SoldItem, settlement: &Settlement) {
        let today = self.settings.today;
        if let Some(ticket) = self.ticket_mut(id, item) {
            ticket.close("REFUND_ACKED", "Returned", today);
            note_refund(ticket, settlement);
            self.settle(item, settlement);
            self.done(ChangeKind::AcceptReturn, &item.receipt, Some(id), &item.seller, settlement.refunded());
        }
    }

    /// Lets a cancelled subscription go on, with its next payment on `next_payment`. `item` is that of the sale that
    /// began it, here and below; `receipt` is the one that was named.
    pub(crate) fn reinstate(&mut self, item: &SoldItem, receipt: &str, next_payment: Date) {
        if let Some(subscription) = self.subscription_mut(item) {
            subscription.status = SubscriptionStatus::Active;
            subscription.cancelled = None;
            subscription.bill_next_on(next_payment);
            self.done(ChangeKind::Reinstate, receipt, None, &item.seller, Cents::default());
        }
    }

    /// Bills nothing before `restart`.
    pub(crate) fn pause(&mut self, item: &SoldItem, receipt: &str, restart: Date) {
        if let Some(subscription) = self.subscription_mut(item) {
            subscription.bill_next_on(restart);
            self.done(ChangeKind::Pause, receipt, None, &item.seller, Cents::default());
        }
    }

    /// Moves the next payment to `date`.
    pub(crate) fn change_date(&mut self, item: &SoldItem, receipt: &str, date: Date) {
        if let Some(subscription) = self.subscription_mut(item) {
            subscription.bill_next_on(date);
            self.done(ChangeKind::ChangeDate, receipt, None, &item.seller, Cents::default());
        }
    }

    /// Adds `periods` payments.
    pub(crate) fn extend(&mut self, item: &SoldItem, receipt: &str, periods: u32) {
        if let Some(subscription) = self.subscription_mut(item) {
            subscription.payments = subscription.payments.saturating_add(periods);
            subscription.ends = subscription.after(subscription.ends, periods);
            self.done(ChangeKind::Extend, receipt, None, &item.seller, Cents::default());
        }
    }

    /// Bills another product from now on.
    pub(crate) fn change_product(&mut self, item: &SoldItem, receipt: &str, change: ProductChange) {
        let today = self.settings.today;
        if let Some(subscription) = self.subscription_mut(item) {
            subscription.billed_item = change.sku;
            subscription.carries_affiliate = change.carries_affiliate;
            subscription.rebill_amount = change.price.price;
            subscription.frequency = change.price.frequency;
            subscription.payments = subscription.processed.saturating_add(change.price.payments);
            subscription.bill_next_on(change.next_payment);
            let mut refunded = Cents::default();
            if let Some((paid, amount)) = change.refund
                && let Some(order) = self.order_mut(&paid)
            {
                order.record(TransactionKind::Refund, today, -amount, Some(&paid.item_no));
                refunded = amount;
            }
            self.done(ChangeKind::ChangeProduct, receipt, None, &item.seller, refunded);
        }
    }

    /// Gives the customer of `receipt` another address, as far as `sellers` know them.
    pub(crate) fn change_address(&mut self, receipt: &str, sellers: &NicknameSet, address: &Address) {
        for order in &mut self.records.orders {
            if order.receipt == receipt && sellers.contains(&order.seller) {
                address.write_to(&mut order.customer);
            }
        }
        for seller in sellers {
            self.done(ChangeKind::ChangeAddress, receipt, None, seller, Cents::default());
        }
    }

    /// Notes that `seller` sent something of `receipt`; adds to what was noted before.
    pub(crate) fn add_ship_notices(&mut self, receipt: &str, seller: &Nickname, notices: Vec<ShipNotice>) {
        self.records.ship_notices.extend(notices);
        self.done(ChangeKind::AddShipNotice, receipt, None, seller, Cents::default());
    }

    fn settle(&mut self, item: &SoldItem, settlement: &Settlement) {
        let today = self.settings.today;
        if let Some((_, amount)) = settlement.refund
            && let Some(order) = self.order_mut(item)
        {
            order.record(TransactionKind::Refund, today, -amount, Some(&item.item_no));
        }
        if let Some(first) = &settlement.cancels
            && let Some(order) = self.subscribing_order_mut(first)
        {
            order.subscription = order.subscription.take().map(|subscription| subscription.cancelled(today));
            order.record(TransactionKind::CancelRebill, today, Cents::default(), Some(&first.item_no));
        }
    }

    fn order_mut(&mut self, item: &SoldItem) -> Option<&mut Order> {
        self.records.orders.iter_mut().find(|order| item.is_in(order))
    }

    fn subscription_mut(&mut self, item: &SoldItem) -> Option<&mut Subscription> {
        self.subscribing_order_mut(item)?.subscription.as_mut()
    }

    /// The order that began the subscription to `item`.
    fn subscribing_order_mut(&mut self, item: &SoldItem) -> Option<&mut Order> {
        let began_it = |order: &Order| order.subscription.as_ref().is_some_and(|known| known.item_no == item.item_no);
        let is_it = |order: &&mut Order| order.receipt == item.receipt && order.seller == item.seller;
        self.records.orders.iter_mut().filter(is_it).find(|order| began_it(order))
    }

    fn ticket_mut(&mut self, id: u32, item: &SoldItem) -> Option<&mut Ticket> {
        let is_it = |ticket: &&mut Ticket| ticket.id == id && ticket.receipt == item.receipt;
        self.records.tickets.iter_mut().find(is_it)
    }

    fn done(&mut self, kind: ChangeKind, about: &str, ticket: Option<u32>, seller: &Nickname, refunded: Cents) {
        self.executed.push(Executed { kind, about: about.to_owned(), ticket, seller: seller.clone(), refunded });
    }
}

fn note_refund(ticket: &mut Ticket, settlement: &Settlement) {
    if let Some((kind, amount)) = settlement.refund {
        ticket.refund_type = Some(kind);
        ticket.refund_amount = Some(amount);
    }
}
