//! Tickets and refund amounts.
//!
//! A ticket names a receipt and no nickname; it shows to the seller of that receipt's item. A receipt in the filter
//! covers its rebills, and takes `%` after four characters, as the Tickets API article says. `ticketid` is spelt so on
//! the wire. Guesses: 400 for filters that the article forbids, and 404 for an id that is no number; without `sku` the
//! refund amounts are those of all items; the reason of a ticket that the seller opened is its description.

use std::cmp::Reverse;

use super::call::{Call, Days, moment};
use crate::simulator::keys::Permission;
use crate::simulator::money::Cents;
use crate::simulator::nickname::NicknameSet;
use crate::simulator::pattern::matches;
use crate::simulator::wire::{Answer, Element, Refusal};
use crate::simulator::world::{Order, RefundType, Ticket, TicketComment, base_of};

/// `GET /tickets/list`
pub(super) fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let ranges = [
        range(call, "createDateFrom", "createDateTo")?,
        range(call, "updateDateFrom", "updateDateTo")?,
        range(call, "closeDateFrom", "closeDateTo")?,
    ];
    let mut tickets = found(call)?;
    tickets.retain(|ticket| {
        let dates = [Some(ticket.opened), Some(ticket.updated), ticket.closed];
        ranges
            .iter()
            .zip(dates)
            .all(|(range, date)| range.is_none_or(|days| date.is_some_and(|date| days.contain(date.date()))))
    });
    let reach = call.reach(Permission::OrdersRead)?;
    Ok(call.list("ticketList", call.page(tickets), |ticket| write(call, reach, "ticketData", ticket)))
}

/// `GET /tickets/count`, which knows no dates.
pub(super) fn count(call: &Call<'_>) -> Result<Answer, Refusal> {
    Ok(call.bare_count(found(call)?.len()))
}

/// `GET /tickets/{id}`
pub(super) fn get(call: &Call<'_>, id: &str) -> Result<Answer, Refusal> {
    let id: u32 = id.parse().map_err(|_| Refusal::NotFound)?;
    one(call, id)
}

/// The ticket `id`: also the answer to a change of it.
pub(super) fn one(call: &Call<'_>, id: u32) -> Result<Answer, Refusal> {
    let reach = call.reach(Permission::OrdersRead)?;
    let ticket = call
        .records()
        .tickets
        .iter()
        .filter(|ticket| ticket.id == id)
        .find(|ticket| is_in_reach(call, reach, ticket))
        .ok_or(Refusal::NotAccessible)?;
    Ok(call.object(&write(call, reach, "ticketData", ticket)))
}

/// `GET /tickets/refundAmounts/{receipt}`
///
/// Accounts are in US dollars and so are all products here, so the three amounts are one.
pub(super) fn refund_amounts(call: &Call<'_>, receipt: &str) -> Result<Answer, Refusal> {
    let reach = call.reach(Permission::OrdersRead)?;
    let sku = call.query.given("sku");
    let orders: Vec<&Order> = call
        .records()
        .orders_of(receipt)
        .filter(|order| reach.contains(&order.seller))
        .filter(|order| sku.is_none_or(|sku| order.has_item(sku)))
        .collect();
    let Some(first) = orders.first() else {
        return Err(Refusal::NotAccessible);
    };
    let left: Cents = match sku {
        None => orders.iter().map(|order| order.refundable()).sum(),
        Some(sku) => {
            let lines = orders.iter().flat_map(|order| order.lines.iter().map(move |line| (order, line)));
            lines.filter(|(_, line)| line.item_no == sku).map(|(order, line)| order.refundable_for(line)).sum()
        }
    };
    let kind = call.query.given("refundType").and_then(RefundType::read);
    let kind = kind.ok_or(Refusal::BadParameter("refundType is not valid"))?;
    let amount = refund_of(call, kind, left, &orders)?;
    Ok(call.object(&Element::parent(
        "partialRefundData",
        vec![
            Element::text("usdAmount", amount),
            Element::text("customerAmount", amount),
            Element::text("customerCurrency", &first.currency),
            Element::text("productAmount", amount),
            Element::text("productCurrency", "USD"),
        ],
    )))
}

/// What a refund of this kind gives back of what is `left` of `orders`; `refundAmount` says which part.
pub(super) fn refund_of(call: &Call<'_>, kind: RefundType, left: Cents, orders: &[&Order]) -> Result<Cents, Refusal> {
    if kind == RefundType::Full {
        return Ok(left);
    }
    let asked = call.query.given("refundAmount").and_then(Cents::parse);
    let asked = asked.ok_or(Refusal::BadParameter("refundAmount is not a number"))?;
    let amount = if kind == RefundType::PartialPercent {
        if !(Cents(100)..=Cents(8000)).contains(&asked) {
            return Err(Refusal::BadParameter("refundAmount must be 1 to 80"));
        }
        left.part(asked, Cents(10_000))
    } else {
        if !(Cents(1)..=left).contains(&asked) {
            return Err(Refusal::BadParameter("refundAmount is not a part of what was paid"));
        }
        asked
    };
    let is_enabled = |order: &&Order| {
        let account = call.records().account(&order.seller);
        account.is_some_and(|account| account.partial_refunds)
    };
    if orders.iter().all(is_enabled) { Ok(amount) } else { Err(Refusal::NoPartialRefunds) }
}

/// The tickets in reach that `type`, `status` and `receipt` ask for, the latest first.
fn found<'a>(call: &Call<'a>) -> Result<Vec<&'a Ticket>, Refusal> {
    let reach = call.reach(Permission::OrdersRead)?;
    let same = |wanted: Option<&str>, code: &str| wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(code));
    let receipt = receipt_parameter(call)?;
    let mut tickets: Vec<&Ticket> = call
        .records()
        .tickets
        .iter()
        .filter(|ticket| same(call.query.given("type"), ticket.kind.request_code()))
        .filter(|ticket| same(call.query.given("status"), ticket.status.code()))
        .filter(|ticket| receipt.is_none_or(|wanted| takes_receipt(wanted, &ticket.receipt)))
        .filter(|ticket| is_in_reach(call, reach, ticket))
        .collect();
    tickets.sort_by_key(|ticket| Reverse((ticket.opened, ticket.id)));
    Ok(tickets)
}

/// The filter `receipt`, which has four characters before a wildcard.
fn receipt_parameter<'a>(call: &Call<'a>) -> Result<Option<&'a str>, Refusal> {
    let Some(receipt) = call.query.given("receipt") else {
        return Ok(None);
    };
    let before_wildcard = receipt.split('%').next().unwrap_or_default();
    if before_wildcard.chars().count() < 4 {
        return Err(Refusal::BadParameter("receipt must begin with at least 4 characters"));
    }
    Ok(Some(receipt))
}

fn takes_receipt(wanted: &str, receipt: &str) -> bool {
    matches(wanted, receipt) || matches(wanted, base_of(receipt))
}

/// Two dates that count together and lie at most seven days apart.
fn range(call: &Call<'_>, from: &str, to: &str) -> Result<Option<Days>, Refusal> {
    let Some(days) = call.days(from, to) else {
        return Ok(None);
    };
    let apart = (days.last - days.first).get_days();
    if apart > 7 {
        return Err(Refusal::BadParameter("the dates are more than 7 days apart"));
    }
    Ok(Some(days))
}

fn is_in_reach(call: &Call<'_>, reach: &NicknameSet, ticket: &Ticket) -> bool {
    !call.records().owners_of_ticket(reach, ticket).is_empty()
}

fn write(call: &Call<'_>, reach: &NicknameSet, name: &'static str, ticket: &Ticket) -> Element {
    let owners = call.records().owners_of_ticket(reach, ticket);
    let customer = call.records().customer_of(&owners, &ticket.receipt, &ticket.item_no);
    let description = ticket.reason.clone().unwrap_or_else(|| format!("Ticket about {}", ticket.receipt));
    let mut fields = vec![
        Element::text("ticketid", ticket.id),
        Element::text("receipt", &ticket.receipt),
        Element::text("status", ticket.status.code()),
        Element::text("type", ticket.kind.code()),
    ];
    fields.extend(ticket.comments.iter().enumerate().map(comment));
    fields.extend([
        Element::text("openedDate", moment(ticket.opened)),
        Element::optional("closedDate", ticket.closed.map(moment)),
        Element::text("description", description),
        Element::optional("refundType", ticket.refund_type.map(RefundType::code)),
        Element::optional("refundAmount", ticket.refund_amount),
        Element::optional("customerFirstName", customer.map(|buyer| &buyer.first_name)),
        Element::optional("customerLastName", customer.map(|buyer| &buyer.last_name)),
        Element::optional("email", customer.map(|buyer| &buyer.email)),
        Element::optional("emailAtOrderTime", customer.map(|buyer| &buyer.email)),
        Element::nil("expirationDate"),
        Element::text("locale", "en_US"),
        Element::nil("note"),
        Element::text("productItemNo", &ticket.item_no),
        Element::text("updateTime", moment(ticket.updated)),
        Element::text("source", ticket.source.code()),
    ]);
    Element::parent(name, fields)
}

fn comment((place, comment): (usize, &TicketComment)) -> Element {
    Element::parent(
        "comments",
        vec![
            Element::text("commentId", place + 1),
            Element::text("date", moment(comment.date)),
            Element::text("comment", &comment.text),
            Element::text("action", &comment.action),
            Element::text("commentRole", &comment.by),
        ],
    )
}
