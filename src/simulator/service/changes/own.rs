//! What of a receipt belongs to the key: rows of its own sellers. Whoever else stands on the receipt has no part in it.

use super::super::call::Call;
use crate::simulator::nickname::NicknameSet;
use crate::simulator::wire::Refusal;
use crate::simulator::world::{Line, Order, Subscription, base_of};

/// The orders of `receipt` that nicknames in `reach` sold.
pub(super) fn orders<'a>(call: &Call<'a>, reach: &NicknameSet, receipt: &str) -> Result<Vec<&'a Order>, Refusal> {
    let orders: Vec<&Order> = call.records().orders_of(receipt).filter(|order| reach.contains(&order.seller)).collect();
    if orders.is_empty() { Err(Refusal::NotAccessible) } else { Ok(orders) }
}

/// The only line of `receipt` that nicknames in `reach` sold, or the only one of item `sku`.
pub(super) fn line<'a>(
    call: &Call<'a>,
    reach: &NicknameSet,
    receipt: &str,
    sku: Option<&str>,
) -> Result<(&'a Order, &'a Line), Refusal> {
    let mut lines = Vec::new();
    for order in orders(call, reach, receipt)? {
        lines.extend(order.lines.iter().map(|line| (order, line)));
    }
    lines.retain(|(_, line)| sku.is_none_or(|sku| line.item_no == sku));
    only(lines)
}

/// The only subscription that nicknames in `reach` sold under `receipt`, or the only one that began with item `sku`;
/// with the order that began it. The receipt may be that of a later payment.
pub(super) fn subscription<'a>(
    call: &Call<'a>,
    reach: &NicknameSet,
    receipt: &str,
    sku: Option<&str>,
) -> Result<(&'a Order, &'a Subscription), Refusal> {
    let mut subscriptions = subscriptions(call, reach, receipt)?;
    subscriptions.retain(|(_, subscription)| sku.is_none_or(|sku| subscription.item_no == sku));
    only(subscriptions)
}

/// The subscriptions that nicknames in `reach` sold under `receipt`, each with the order that began it.
pub(super) fn subscriptions<'a>(
    call: &Call<'a>,
    reach: &NicknameSet,
    receipt: &str,
) -> Result<Vec<(&'a Order, &'a Subscription)>, Refusal> {
    let own = orders(call, reach, receipt)?;
    let first_receipt = base_of(receipt);
    let is_paid_here = |first: &Order, subscription: &Subscription| {
        receipt == first_receipt
            || own.iter().any(|order| order.seller == first.seller && order.has_item(&subscription.item_no))
    };
    let firsts = call.records().orders_of(first_receipt).filter(|first| reach.contains(&first.seller));
    let begun = firsts.filter_map(|first| Some((first, first.subscription.as_ref()?)));
    Ok(begun.filter(|(first, subscription)| is_paid_here(first, subscription)).collect())
}

/// The subscription that `line` of `order` is a payment of, with the order that began it.
pub(super) fn subscription_to<'a>(
    call: &Call<'a>,
    order: &Order,
    line: &Line,
) -> Option<(&'a Order, &'a Subscription)> {
    let firsts = call.records().orders_of(order.base_receipt()).filter(|first| first.seller == order.seller);
    let mut begun = firsts.filter_map(|first| Some((first, first.subscription.as_ref()?)));
    begun.find(|(_, subscription)| subscription.item_no == line.item_no)
}

/// The only one. Which of several is meant has to be said.
fn only<T>(mut found: Vec<T>) -> Result<T, Refusal> {
    if found.len() > 1 {
        return Err(Refusal::BadParameter("the receipt has several items: sku must name one of them"));
    }
    found.pop().ok_or(Refusal::NotAccessible)
}
