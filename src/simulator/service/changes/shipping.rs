//! Ship notices: every call adds one, however often it is repeated.
//!
//! Guesses: `fillOrder` adds a notice for each other physical item that has none yet, on the receipt and on the
//! receipts that are upsells of it, of the same seller; the answer is the notice of the item that was named. The
//! legacy service does not know `fillOrder` and ignores it.

use jiff::civil::Date;

use super::super::call::Call;
use super::{Change, Done, date, own, text, truth};
use crate::simulator::keys::Permission;
use crate::simulator::wire::{Refusal, ShippingApi};
use crate::simulator::world::{Order, ShipNotice};

/// `POST /shipping*/shipnotice/{receipt}`
pub(super) fn add_notice(call: &Call<'_>, api: ShippingApi, receipt: &str) -> Result<Change, Refusal> {
    let reach = call.reach(Permission::OrdersWrite)?;
    let date = date(call, "date", "date is required, as yyyy-mm-dd")?;
    let carrier = text(call, "carrier", "carrier is required")?;
    let fills = api != ShippingApi::Legacy && truth(call, "fillOrder") == Some(true);
    if date > call.today() {
        return Err(Refusal::BadParameter("date is in the future"));
    }

    let item = call.query.given("item");
    let mut physical = Vec::new();
    for order in own::orders(call, reach, receipt)? {
        let lines = order.lines.iter().filter(|line| line.shippable);
        let lines = lines.filter(|line| item.is_none_or(|item| line.item_no == item));
        physical.extend(lines.map(|line| (order, &line.item_no)));
    }
    let (order, item_no) = match physical.as_slice() {
        [only] => *only,
        [] => return Err(Refusal::BadParameter("the receipt has no such physical item")),
        _ => return Err(Refusal::BadParameter("the receipt has several physical items: item must name one of them")),
    };
    if order.placed().is_some_and(|placed| date < placed.date()) {
        return Err(Refusal::BadParameter("date is before the purchase"));
    }

    let notice = |order: &Order, item_no: &str| ShipNotice {
        receipt: order.receipt.clone(),
        item_no: item_no.to_owned(),
        seller: Some(order.seller.clone()),
        date,
        carrier: carrier.to_owned(),
        tracking: call.query.given("tracking").map(str::to_owned),
        comments: call.query.given("comments").map(str::to_owned),
    };
    let named = notice(order, item_no);
    let mut notices = vec![named.clone()];
    if fills {
        let rest = unsent(call, order, date)
            .into_iter()
            .filter(|sent| (sent.0.receipt.as_str(), sent.1) != (receipt, item_no));
        notices.extend(rest.map(|(order, item_no)| notice(order, item_no)));
    }
    let (receipt, seller) = (receipt.to_owned(), order.seller.clone());
    Ok(Box::new(move |world| {
        world.add_ship_notices(&receipt, &seller, notices);
        Done::ShipNotice(named)
    }))
}

/// The physical items without a notice that were bought with `order` until `date`.
fn unsent<'a>(call: &Call<'a>, order: &Order, date: Date) -> Vec<(&'a Order, &'a str)> {
    let is_with_it = |other: &&Order| {
        other.seller == order.seller
            && (other.receipt == order.receipt || other.upsell_of.as_ref() == Some(&order.receipt))
            && other.placed().is_none_or(|placed| placed.date() <= date)
    };
    let mut items = Vec::new();
    for other in call.records().orders.iter().filter(is_with_it) {
        let lines = other.lines.iter().filter(|line| line.shippable);
        let unsent = lines.filter(|line| !super::super::shipping::is_sent(call, other, &line.item_no));
        items.extend(unsent.map(|line| (other, line.item_no.as_str())));
    }
    items
}
