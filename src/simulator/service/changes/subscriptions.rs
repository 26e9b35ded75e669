//! Subscriptions: when and what is billed next.
//!
//! The sale that began a subscription is found by its own receipt or by that of any later payment. `sku` is the item
//! that was bought, also after a change of product.
//!
//! Guesses: only an active subscription can be paused, moved, extended or changed; a reinstated one is billed when it
//! would have been, or tomorrow when that is past; a change of product keeps the item in the rows of past payments,
//! bills as many payments as the new product has, and leaves the affiliate out unless `carryAffiliate=true`; the pro
//! rata refund is the part of the last payment that the days left until the next one stand for.

use jiff::civil::Date;

use super::super::call::Call;
use super::{Change, Done, date, own, text, truth};
use crate::simulator::keys::Permission;
use crate::simulator::money::Cents;
use crate::simulator::nickname::NicknameSet;
use crate::simulator::wire::Refusal;
use crate::simulator::world::{Order, ProductChange, SoldItem, Subscription, SubscriptionStatus};

/// Days within which a cancelled subscription can be reinstated, and to which one can be paused.
const DAYS: i64 = 60;
const MOST_PERIODS: u32 = 1000;

/// `POST /orders*/{receipt}/reinstate`
pub(super) fn reinstate(call: &Call<'_>, receipt: &str) -> Result<Change, Refusal> {
    let (item, subscription) = found(call, receipt)?;
    let cancelled = subscription.cancelled.filter(|_| subscription.status == SubscriptionStatus::Cancelled);
    let cancelled = cancelled.ok_or(Refusal::NotPossible("The subscription is not canceled"))?;
    if cancelled < call.days_ago(DAYS) {
        return Err(Refusal::NotPossible("The subscription was canceled more than 60 days ago"));
    }
    let due = subscription.after(subscription.started, subscription.processed);
    let next_payment = due.max(call.days_ago(-1));
    let receipt = receipt.to_owned();
    Ok(Box::new(move |world| {
        world.reinstate(&item, &receipt, next_payment);
        Done::Silently
    }))
}

/// `POST /orders*/{receipt}/pause`
pub(super) fn pause(call: &Call<'_>, receipt: &str) -> Result<Change, Refusal> {
    call.reach(Permission::SubscriptionModification)?;
    let restart = date(call, "restartDate", "restartDate is required, as yyyy-mm-dd")?;
    let restart = future(call, restart)?;
    if restart > call.days_ago(-DAYS) {
        return Err(Refusal::BadParameter("restartDate is more than 60 days ahead"));
    }
    let (item, subscription) = found(call, receipt)?;
    if restart < next_payment(subscription)? {
        return Err(Refusal::BadParameter("restartDate is before the next payment"));
    }
    let receipt = receipt.to_owned();
    Ok(Box::new(move |world| {
        world.pause(&item, &receipt, restart);
        Done::Silently
    }))
}

/// `POST /orders2/{receipt}/changeDate`
pub(super) fn change_date(call: &Call<'_>, receipt: &str) -> Result<Change, Refusal> {
    call.reach(Permission::SubscriptionModification)?;
    let next = future(call, date(call, "changeDate", "changeDate is required, as yyyy-mm-dd")?)?;
    let (item, subscription) = found(call, receipt)?;
    next_payment(subscription)?;
    let receipt = receipt.to_owned();
    Ok(Box::new(move |world| {
        world.change_date(&item, &receipt, next);
        Done::Silently
    }))
}

/// `POST /orders*/{receipt}/extend`
pub(super) fn extend(call: &Call<'_>, receipt: &str) -> Result<Change, Refusal> {
    call.reach(Permission::SubscriptionModification)?;
    let periods = text(call, "numPeriods", "numPeriods is required")?.parse().ok();
    let periods = periods.filter(|periods| (1..=MOST_PERIODS).contains(periods));
    let periods = periods.ok_or(Refusal::BadParameter("numPeriods is not valid"))?;
    let (item, subscription) = found(call, receipt)?;
    next_payment(subscription)?;
    let receipt = receipt.to_owned();
    Ok(Box::new(move |world| {
        world.extend(&item, &receipt, periods);
        Done::Silently
    }))
}

/// `POST /orders*/{receipt}/changeProduct`, which takes two permissions.
pub(super) fn change_product(call: &Call<'_>, receipt: &str) -> Result<Change, Refusal> {
    let modifies = call.reach(Permission::SubscriptionModification)?;
    let reach: NicknameSet = modifies.intersection(call.reach(Permission::OrdersWrite)?).cloned().collect();
    let old_sku = text(call, "oldSku", "oldSku is required")?;
    let new_sku = text(call, "newSku", "newSku is required")?;
    let next = match call.query.given("nextRebillDate") {
        None => call.days_ago(-1),
        Some(_) => future(call, date(call, "nextRebillDate", "nextRebillDate is not a date")?)?,
    };

    let mut billed = own::subscriptions(call, &reach, receipt)?;
    billed.retain(|(_, subscription)| subscription.billed_item == old_sku);
    let [(first, subscription)] = billed.as_slice() else {
        return Err(Refusal::BadParameter("oldSku is not what the subscription bills"));
    };
    next_payment(subscription)?;
    let product = call.records().product(&first.seller, new_sku).filter(|_| new_sku != old_sku);
    let price = product.and_then(|product| product.recurring.clone());
    let price = price.ok_or(Refusal::BadParameter("newSku is not another subscription product of the vendor"))?;

    let refund =
        if truth(call, "applyProratedRefund").unwrap_or(true) { unused_part(call, first, subscription) } else { None };
    let change = ProductChange {
        sku: new_sku.to_owned(),
        price,
        next_payment: next,
        carries_affiliate: truth(call, "carryAffiliate") == Some(true) && subscription.carries_affiliate,
        refund,
    };
    let (item, receipt) = (SoldItem::of(first, &subscription.item_no), receipt.to_owned());
    Ok(Box::new(move |world| {
        world.change_product(&item, &receipt, change);
        Done::Silently
    }))
}

/// The subscription that `receipt` and the parameter `sku` name, for a key that may modify it.
fn found<'a>(call: &Call<'a>, receipt: &str) -> Result<(SoldItem, &'a Subscription), Refusal> {
    let reach = call.reach(Permission::SubscriptionModification)?;
    let (first, subscription) = own::subscription(call, reach, receipt, call.query.given("sku"))?;
    Ok((SoldItem::of(first, &subscription.item_no), subscription))
}

/// When an active subscription is billed next.
fn next_payment(subscription: &Subscription) -> Result<Date, Refusal> {
    subscription.next_payment.filter(|_| subscription.is_active()).ok_or(Refusal::NotActive)
}

fn future(call: &Call<'_>, date: Date) -> Result<Date, Refusal> {
    if date > call.today() { Ok(date) } else { Err(Refusal::BadParameter("the date is not in the future")) }
}

/// The part of the last payment that the customer has not used yet, and the item of that payment.
fn unused_part(call: &Call<'_>, first: &Order, subscription: &Subscription) -> Option<(SoldItem, Cents)> {
    let payments = call.records().orders.iter().filter(|order| {
        order.seller == first.seller && order.base_receipt() == first.receipt && order.has_item(&subscription.item_no)
    });
    let last = payments.max_by_key(|order| (order.placed(), &order.receipt))?;
    let line = last.lines.iter().find(|line| line.item_no == subscription.item_no)?;
    let (paid_on, due) = (last.placed()?.date(), subscription.next_payment?);
    let days = |from: Date, to: Date| Cents(i64::from((to - from).get_days()).max(0));
    let left = days(call.today(), due).min(days(paid_on, due));
    let paid = last.paid_for(line, last.transactions.first()?);
    let unused = paid.part(left, days(paid_on, due)).min(last.refundable_for(line));
    (unused > Cents::default()).then(|| (SoldItem::of(last, &line.item_no), unused))
}
