//! Tickets: opened, changed, and settled. Some move money at once.
//!
//! As the Tickets API article says: `rfnd` refunds the receipt and, of a subscription, ends the payments to come;
//! `cncl` ends them, and refunds a one-time product; a part can be refunded where the seller is enabled for that.
//!
//! Guesses: what a ticket settles closes it; `retainSubscription=true` lets payments go on; a part is one of what is
//! left, and a full refund gives all that is left; there is no last day for a refund; a change to `rfnd` or `cncl`
//! settles at once, like a new ticket; closed tickets can be commented on and reopened, nothing else;
//! `returned` tells an unknown ticket (400) from a foreign one (403).

use super::super::call::Call;
use super::super::tickets::refund_of;
use super::{Change, Done, own, text, truth};
use crate::simulator::keys::Permission;
use crate::simulator::money::Cents;
use crate::simulator::wire::Refusal;
use crate::simulator::world::{Line, Opening, Order, RefundType, Settlement, SoldItem, Ticket, TicketKind};

const ALREADY_CANCELED: Refusal = Refusal::NotPossible("Subscription already canceled");
const ALREADY_REFUNDED: Refusal = Refusal::NotPossible("The sale has already been refunded");

/// `POST /tickets/{receipt}`
pub(super) fn open(call: &Call<'_>, receipt: &str) -> Result<Change, Refusal> {
    let reach = call.reach(Permission::OrdersWrite)?;
    let kind = kind(call)?;
    let reason = text(call, "reason", "reason is required")?;
    if !is_reason(kind, reason) {
        return Err(Refusal::BadParameter("reason is not one for the type"));
    }
    let part = match kind {
        TicketKind::Refund => {
            let part = text(call, "refundType", "refundType is required")?;
            RefundType::read(part).ok_or(Refusal::BadParameter("refundType is not valid"))?
        }
        TicketKind::Cancel | TicketKind::TechSupport => RefundType::Full,
    };
    let (order, line) = own::line(call, reach, receipt, call.query.given("sku"))?;
    let retains = truth(call, "retainSubscription") == Some(true);
    let opening = Opening {
        item: SoldItem::of(order, &line.item_no),
        kind,
        reason: reason.to_owned(),
        comment: call.query.given("comment").map(str::to_owned),
        settlement: settlement(call, kind, part, retains, order, line)?,
    };
    Ok(Box::new(move |world| Done::Ticket(world.open_ticket(opening))))
}

/// `PUT /tickets/{id}`
pub(super) fn update(call: &Call<'_>, id: &str) -> Result<Change, Refusal> {
    let id: u32 = id.parse().map_err(|_| Refusal::NotFound)?;
    call.reach(Permission::OrdersWrite)?;
    let comment = call.query.given("comment");
    let text = comment.unwrap_or_default().to_owned();
    match call.query.given("action") {
        None => {
            comment.ok_or(Refusal::BadParameter("comment is required"))?;
            let (_, item) = own_ticket(call, id)?.ok_or(Refusal::NotAccessible)?;
            Ok(Box::new(move |world| {
                world.comment_ticket(id, &item, &text);
                Done::Ticket(id)
            }))
        }
        Some("close") => {
            let (_, item) = open_ticket(call, id)?;
            Ok(Box::new(move |world| {
                world.close_ticket(id, &item, &text);
                Done::Ticket(id)
            }))
        }
        Some("reopen") => {
            comment.ok_or(Refusal::BadParameter("comment is required to reopen a ticket"))?;
            let (ticket, item) = own_ticket(call, id)?.ok_or(Refusal::NotAccessible)?;
            if !ticket.is_closed() {
                return Err(Refusal::BadParameter("The ticket is not closed"));
            }
            Ok(Box::new(move |world| {
                world.reopen_ticket(id, &item, &text);
                Done::Ticket(id)
            }))
        }
        Some("change") => {
            let kind = kind(call)?;
            let (_, item) = open_ticket(call, id)?;
            let settlement = match kind {
                TicketKind::TechSupport => Settlement::default(),
                TicketKind::Refund | TicketKind::Cancel => {
                    let (order, line) = line_of(call, &item)?;
                    settlement(call, kind, RefundType::Full, false, order, line)?
                }
            };
            Ok(Box::new(move |world| {
                world.change_ticket(id, &item, kind, &text, &settlement);
                Done::Ticket(id)
            }))
        }
        Some(_) => Err(Refusal::BadParameter("action is not valid")),
    }
}

/// `POST /tickets/{id}/returned`
pub(super) fn accept_return(call: &Call<'_>, id: &str) -> Result<Change, Refusal> {
    let id: u32 = id.parse().map_err(|_| Refusal::NotFound)?;
    call.reach(Permission::OrdersWrite)?;
    if call.records().tickets.iter().all(|ticket| ticket.id != id) {
        return Err(Refusal::BadParameter("The ticket was not found"));
    }
    let (ticket, item) = own_ticket(call, id)?.ok_or(Refusal::NotAccessible)?;
    let (order, line) = line_of(call, &item)?;
    if !line.shippable {
        return Err(Refusal::BadParameter("The ticket is not for a physical purchase"));
    }
    if ticket.kind != TicketKind::Refund || ticket.is_closed() {
        return Err(Refusal::BadParameter("The ticket does not wait for a return"));
    }
    let mut settlement = settlement(call, TicketKind::Refund, RefundType::Full, false, order, line)?;
    if let (Some((_, left)), Some(asked)) = (settlement.refund, ticket.refund_amount) {
        settlement.refund = Some((ticket.refund_type.unwrap_or(RefundType::Full), left.min(asked)));
    }
    Ok(Box::new(move |world| {
        world.accept_return(id, &item, &settlement);
        Done::Silently
    }))
}

fn kind(call: &Call<'_>) -> Result<TicketKind, Refusal> {
    let code = text(call, "type", "type is required")?;
    TicketKind::read(code).ok_or(Refusal::BadParameter("type is not valid"))
}

/// Whether `reason` is one of the codes that ClickBank lists for tickets of `kind`.
fn is_reason(kind: TicketKind, reason: &str) -> bool {
    let (group, codes): (&str, &[&str]) = match kind {
        TicketKind::Cancel => ("cancel", &["1", "2", "3", "4", "5", "6", "7", "not.mobile"]),
        TicketKind::Refund => ("refund", &["1", "2", "3", "4", "5", "6", "7", "8", "returned", "not.mobile"]),
        TicketKind::TechSupport => ("tech_support", &["1", "2", "3", "4", "9", "10"]),
    };
    let code = reason.strip_prefix("ticket.type.").and_then(|rest| rest.strip_prefix(group));
    code.and_then(|rest| rest.strip_prefix('.')).is_some_and(|code| codes.contains(&code))
}

/// The ticket `id`, if it is of a seller in reach, with the item that it is about.
fn own_ticket<'a>(call: &Call<'a>, id: u32) -> Result<Option<(&'a Ticket, SoldItem)>, Refusal> {
    let reach = call.reach(Permission::OrdersWrite)?;
    let mut own = call.records().tickets.iter().filter(|ticket| ticket.id == id).filter_map(|ticket| {
        let seller = call.records().owners_of_ticket(reach, ticket).pop_first()?;
        let item = SoldItem { receipt: ticket.receipt.clone(), seller, item_no: ticket.item_no.clone() };
        Some((ticket, item))
    });
    Ok(own.next())
}

/// The same, of a ticket that is not closed.
fn open_ticket<'a>(call: &Call<'a>, id: u32) -> Result<(&'a Ticket, SoldItem), Refusal> {
    let (ticket, item) = own_ticket(call, id)?.ok_or(Refusal::NotAccessible)?;
    if ticket.is_closed() {
        return Err(Refusal::BadParameter("The ticket is closed"));
    }
    Ok((ticket, item))
}

/// The line that a ticket is about.
fn line_of<'a>(call: &Call<'a>, item: &SoldItem) -> Result<(&'a Order, &'a Line), Refusal> {
    own::line(call, &[item.seller.clone()].into(), &item.receipt, Some(&item.item_no))
}

/// What a ticket of `kind` about `line` brings about.
fn settlement(
    call: &Call<'_>,
    kind: TicketKind,
    part: RefundType,
    retains: bool,
    order: &Order,
    line: &Line,
) -> Result<Settlement, Refusal> {
    let subscription = own::subscription_to(call, order, line);
    let active = subscription.filter(|(_, subscription)| subscription.is_active());
    let cancels = active.map(|(first, subscription)| SoldItem::of(first, &subscription.item_no));
    let refund = || {
        let left = order.refundable_for(line);
        if left == Cents::default() {
            return Err(ALREADY_REFUNDED);
        }
        Ok(Some((part, refund_of(call, part, left, &[order])?)))
    };
    match kind {
        TicketKind::TechSupport => Ok(Settlement::default()),
        TicketKind::Cancel if subscription.is_none() => Ok(Settlement { refund: refund()?, cancels: None }),
        TicketKind::Cancel if cancels.is_none() => Err(ALREADY_CANCELED),
        TicketKind::Cancel => Ok(Settlement { refund: None, cancels }),
        TicketKind::Refund => Ok(Settlement { refund: refund()?, cancels: cancels.filter(|_| !retains) }),
    }
}
