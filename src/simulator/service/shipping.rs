//! Shipping, in three generations, and ship notices.
//!
//! Only orders with something to send show, and only to their seller. `receipt` makes every other filter ignored, and a
//! range of dates outweighs `days`, as the Shipping API article says. `/shipping3` needs a separate grant at
//! ClickBank; here every key with *Orders Read* has it. Guesses: absent `status` means all, an order counts as shipped
//! once it has a ship notice, and a legacy row with several items tells what is said of one for all of them.

use super::call::{Call, Days, day, moment};
use super::order_fields::vendor_variables;
use crate::simulator::keys::Permission;
use crate::simulator::money::Cents;
use crate::simulator::nickname::NicknameSet;
use crate::simulator::wire::{Answer, Element, Refusal, ShippingApi};
use crate::simulator::world::{Customer, Line, Order, ShipNotice, TicketKind, TransactionKind};

/// `GET /shipping*/list`
pub(super) fn list(call: &Call<'_>, api: ShippingApi) -> Result<Answer, Refusal> {
    let orders = found(call)?;
    Ok(call.list("orderShipDataList", call.page(orders), |order| write(call, order, api)))
}

/// `GET /shipping*/count`
pub(super) fn count(call: &Call<'_>) -> Result<Answer, Refusal> {
    Ok(call.bare_count(found(call)?.len()))
}

/// `GET /shipping*/shipnotice/{receipt}`
pub(super) fn notices(call: &Call<'_>, receipt: &str) -> Result<Answer, Refusal> {
    let reach = call.reach(Permission::OrdersRead)?;
    let records = call.records();
    if !records.orders_of(receipt).any(|order| reach.contains(&order.seller)) {
        return Err(Refusal::NotAccessible);
    }
    let mut notices: Vec<&ShipNotice> = records
        .ship_notices
        .iter()
        .filter(|notice| notice.receipt == receipt)
        .filter(|notice| !records.owners_of_notice(reach, notice).is_empty())
        .collect();
    notices.sort_by_key(|notice| {
        (notice.date, &notice.item_no, &notice.tracking, &notice.carrier, &notice.comments, &notice.seller)
    });
    Ok(call.list("shippingNoticeDataList", Call::whole(notices), |notice| write_notice(call, reach, notice)))
}

/// The answer to a new ship notice: the notice.
pub(super) fn added(call: &Call<'_>, notice: &ShipNotice) -> Result<Answer, Refusal> {
    let reach = call.reach(Permission::OrdersWrite)?;
    Ok(call.object(&write_notice(call, reach, notice)))
}

/// The orders in reach that the parameters ask for, the latest first.
fn found<'a>(call: &Call<'a>) -> Result<Vec<&'a Order>, Refusal> {
    let reach = call.reach(Permission::OrdersRead)?;
    let in_reach = call.records().orders.iter().filter(|order| order.is_shippable() && reach.contains(&order.seller));
    let mut orders: Vec<&Order> = if let Some(receipt) = call.query.given("receipt") {
        in_reach.filter(|order| order.receipt == receipt).collect()
    } else {
        let days = call
            .days("startDate", "endDate")
            .unwrap_or_else(|| Days { first: call.days_ago(days_parameter(call)), last: call.today() });
        in_reach
            .filter(|order| order.placed().is_some_and(|placed| days.contain(placed.date())))
            .filter(|order| takes_status(call, order))
            .collect()
    };
    orders.sort_by(|one, two| {
        let key = |order: &Order| (order.placed(), order.receipt.clone(), order.seller.clone());
        key(two).cmp(&key(one))
    });
    Ok(orders)
}

fn days_parameter(call: &Call<'_>) -> i64 {
    const DEFAULT: i64 = 30;
    const MOST: i64 = 36_500;
    let days = call.query.given("days").and_then(|days| days.parse().ok());
    days.unwrap_or(DEFAULT).clamp(0, MOST)
}

fn takes_status(call: &Call<'_>, order: &Order) -> bool {
    match call.query.given("status") {
        Some("shipped") => is_shipped(call, order),
        Some("notshipped") => !is_shipped(call, order),
        _ => true,
    }
}

/// Whether an item of the order has a ship notice.
fn is_shipped(call: &Call<'_>, order: &Order) -> bool {
    order.lines.iter().any(|line| is_sent(call, order, &line.item_no))
}

/// Whether item `item_no` of the order has a ship notice.
pub(super) fn is_sent(call: &Call<'_>, order: &Order, item_no: &str) -> bool {
    call.records().ship_notices.iter().any(|notice| {
        notice.receipt == order.receipt
            && notice.item_no == item_no
            && notice.seller.as_ref().is_none_or(|seller| *seller == order.seller)
    })
}

/// Whether a refund of the item was asked for and not done yet.
fn is_refund_pending(call: &Call<'_>, order: &Order, line: &Line) -> bool {
    let seller = NicknameSet::from([order.seller.clone()]);
    call.records().tickets.iter().any(|ticket| {
        ticket.kind == TicketKind::Refund
            && !ticket.is_closed()
            && (ticket.receipt.as_str(), &ticket.item_no) == (order.receipt.as_str(), &line.item_no)
            && !call.records().owners_of_ticket(&seller, ticket).is_empty()
    })
}

fn write(call: &Call<'_>, order: &Order, api: ShippingApi) -> Element {
    match api {
        ShippingApi::Legacy => Element::parent("orderShipData", legacy(call, order)),
        ShippingApi::Second => Element::parent("orderShipData", newer(call, order, false)),
        ShippingApi::Third => Element::parent("orderShipData2", newer(call, order, true)),
    }
}

fn newer(call: &Call<'_>, order: &Order, with_phone: bool) -> Vec<Element> {
    let buyer = &order.customer;
    let mut fields = vec![
        Element::text("receipt", &order.receipt),
        Element::text("firstName", &buyer.first_name),
        Element::text("lastName", &buyer.last_name),
        Element::text("email", &buyer.email),
    ];
    if with_phone {
        fields.push(Element::text("phoneNumber", &buyer.phone));
    }
    fields.extend([
        Element::text("address1", &buyer.address1),
        Element::optional("address2", buyer.address2.as_ref()),
        Element::text("city", &buyer.city),
        Element::text("state", &buyer.state),
        Element::text("country", &buyer.country),
        Element::text("postalCode", &buyer.postal_code),
        Element::optional("transactionTime", order.placed().map(moment)),
        Element::text("isTestTransaction", order.test),
        Element::text("fullName", buyer.full_name()),
        Element::text("vendor", &order.seller),
        vendor_variables(order),
    ]);
    let shippable = order.lines.iter().filter(|line| line.shippable);
    fields.extend(shippable.map(|line| line_item(call, order, line)));
    fields
}

fn legacy(call: &Call<'_>, order: &Order) -> Vec<Element> {
    let buyer = &order.customer;
    let lines: Vec<&Line> = order.lines.iter().filter(|line| line.shippable).collect();
    let details: Vec<String> = lines.iter().map(|line| format!("{} x {}", line.quantity, line.item_no)).collect();
    vec![
        Element::text("receipt", &order.receipt),
        Element::text("firstname", &buyer.first_name),
        Element::text("lastname", &buyer.last_name),
        Element::text("email", &buyer.email),
        Element::text("addr1", &buyer.address1),
        Element::optional("addr2", buyer.address2.as_ref()),
        Element::text("city", &buyer.city),
        Element::text("state", &buyer.state),
        Element::text("country", &buyer.country),
        Element::text("zip", &buyer.postal_code),
        Element::optional("orderDate", order.placed().map(moment)),
        Element::text("isRefundPending", lines.iter().any(|line| is_refund_pending(call, order, line))),
        Element::text("hasBeenRefunded", lines.iter().all(|line| has_been_refunded(order, line))),
        Element::text("hasBeenChargebacked", order.has(TransactionKind::Chargeback)),
        Element::text("isTestTransaction", order.test),
        Element::text("displayName", buyer.full_name()),
        Element::optional("productNo", lines.first().map(|line| &line.item_no)),
        Element::text("orderDetails", details.join("; ")),
        Element::text("site", &order.seller),
    ]
}

fn has_been_refunded(order: &Order, line: &Line) -> bool {
    order.has(TransactionKind::Refund) && order.refundable_for(line) == Cents::default()
}

fn line_item(call: &Call<'_>, order: &Order, line: &Line) -> Element {
    Element::parent(
        "lineItemShipData",
        vec![
            Element::text("itemNo", &line.item_no),
            Element::text("productTitle", &line.title),
            Element::text("customerAmount", line.total()),
            Element::text("accountAmount", line.total().percent(50)),
            Element::text("quantity", line.quantity),
            Element::text("shippingMethod", "STANDARD"),
            Element::text("isRefundPending", is_refund_pending(call, order, line)),
            Element::text("hasBeenRefunded", has_been_refunded(order, line)),
            Element::text("hasBeenChargebacked", order.has(TransactionKind::Chargeback)),
        ],
    )
}

fn write_notice(call: &Call<'_>, reach: &NicknameSet, notice: &ShipNotice) -> Element {
    let owners = call.records().owners_of_notice(reach, notice);
    let customer = call.records().customer_of(&owners, &notice.receipt, &notice.item_no);
    Element::parent(
        "shippingNoticeData",
        vec![
            Element::text("shipDate", day(notice.date)),
            Element::text("carrier", &notice.carrier),
            Element::optional("trackingId", notice.tracking.as_ref()),
            Element::optional("shippedTo", customer.map(Customer::full_name)),
            Element::optional("comments", notice.comments.as_ref()),
            Element::text("receipt", &notice.receipt),
            Element::text("itemNo", &notice.item_no),
        ],
    )
}
