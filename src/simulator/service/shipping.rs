//! Shipping, in three generations, and ship notices.
//!
//! Only orders with something to send show, and only to their seller. `receipt` makes every other filter ignored, and a
//! range of dates outweighs `days`, as the Shipping API article says. `/shipping3` needs a separate grant at
//! ClickBank; here every key with *Orders Read* has it. Guesses: absent `status` means all, an order counts as shipped
//! once it has a ship notice, and the legacy names that no source gives.

use super::call::{Call, Days, day, moment};
use super::order_fields::vendor_variables;
use crate::simulator::keys::Permission;
use crate::simulator::money::Cents;
use crate::simulator::wire::{Answer, Element, Refusal, ShippingApi};
use crate::simulator::world::{Customer, Line, Order, ShipNotice, TransactionKind};

/// `GET /shipping*/list`
pub(super) fn list(call: &Call<'_>, api: ShippingApi) -> Result<Answer, Refusal> {
    let orders = found(call)?;
    Ok(call.list("orderShipDataList", call.page(orders), |order| write(order, api)))
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
        .filter(|notice| records.is_sold_by(reach, receipt, &notice.item_no))
        .collect();
    notices.sort_by_key(|notice| (notice.date, &notice.item_no, &notice.tracking));
    let written = notices.into_iter().map(|notice| {
        let customer = records.customer_of(reach, receipt, &notice.item_no);
        write_notice(notice, customer.map(Customer::full_name))
    });
    let written = written.collect();
    let page = call.page(written);
    Ok(call.list("shippingNoticeDataList", page, |notice| notice))
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
    call.records().ship_notices.iter().any(|notice| notice.receipt == order.receipt && order.has_item(&notice.item_no))
}

fn write(order: &Order, api: ShippingApi) -> Element {
    match api {
        ShippingApi::Legacy => Element::parent("orderShipData", legacy(order)),
        ShippingApi::Second => Element::parent("orderShipData", newer(order, false)),
        ShippingApi::Third => Element::parent("orderShipData2", newer(order, true)),
    }
}

fn newer(order: &Order, with_phone: bool) -> Vec<Element> {
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
    fields.extend(shippable.map(|line| line_item(order, line)));
    fields
}

fn legacy(order: &Order) -> Vec<Element> {
    let buyer = &order.customer;
    let details: Vec<String> = order
        .lines
        .iter()
        .filter(|line| line.shippable)
        .map(|line| format!("{} x {}", line.quantity, line.item_no))
        .collect();
    vec![
        Element::text("receipt", &order.receipt),
        Element::text("firstname", &buyer.first_name),
        Element::text("lastname", &buyer.last_name),
        Element::text("displayName", buyer.full_name()),
        Element::text("email", &buyer.email),
        Element::text("addr1", &buyer.address1),
        Element::optional("addr2", buyer.address2.as_ref()),
        Element::text("city", &buyer.city),
        Element::text("state", &buyer.state),
        Element::text("country", &buyer.country),
        Element::text("zip", &buyer.postal_code),
        Element::optional("txnTime", order.placed().map(moment)),
        Element::text("site", &order.seller),
        Element::text("orderDetails", details.join("; ")),
    ]
}

fn line_item(order: &Order, line: &Line) -> Element {
    Element::parent(
        "lineItemShipData",
        vec![
            Element::text("itemNo", &line.item_no),
            Element::text("productTitle", &line.title),
            Element::text("customerAmount", line.total()),
            Element::text("accountAmount", line.total().percent(50)),
            Element::text("quantity", line.quantity),
            Element::text("shippingMethod", "STANDARD"),
            Element::text("isRefundPending", false),
            Element::text(
                "hasBeenRefunded",
                order.has(TransactionKind::Refund) && order.refundable() == Cents::default(),
            ),
            Element::text("hasBeenChargebacked", order.has(TransactionKind::Chargeback)),
        ],
    )
}

fn write_notice(notice: &ShipNotice, shipped_to: Option<String>) -> Element {
    Element::parent(
        "shippingNoticeData",
        vec![
            Element::text("shipDate", day(notice.date)),
            Element::text("carrier", &notice.carrier),
            Element::optional("trackingId", notice.tracking.as_ref()),
            Element::optional("shippedTo", shipped_to),
            Element::optional("comments", notice.comments.as_ref()),
            Element::text("receipt", &notice.receipt),
            Element::text("itemNo", &notice.item_no),
        ],
    )
}
