//! Orders, in both generations.
//!
//! Lists and counts cover every nickname in reach. `vendor` and `affiliate` filter on the parties of the sale, not on
//! the key's own account, as the Orders API article says; `role` filters on the row. Which parameters an endpoint knows
//! differs, and what it does not know it ignores.
//!
//! Guesses: an object shows rows, one by one, wherever the receipt or its parent belongs; customer fields are nil for
//! roles other than `VENDOR`.

use super::call::{Call, Days};
use super::order_fields;
use super::rows::{Row, rows};
use crate::simulator::keys::Permission;
use crate::simulator::money::Cents;
use crate::simulator::pattern::matches;
use crate::simulator::wire::{Answer, OrderApi, Refusal};
use crate::simulator::world::{Order, SubscriptionStatus, TransactionKind};

const ROOT: &str = "orderList";

/// `GET /orders*/list`
pub(super) fn list(call: &Call<'_>, api: OrderApi) -> Result<Answer, Refusal> {
    let filter = Filter::of_list(call);
    let rows = found(call, &filter)?;
    Ok(call.list(ROOT, call.page(rows), |row| order_fields::write(&row, api)))
}

/// `GET /orders*/count`
pub(super) fn count(call: &Call<'_>, api: OrderApi) -> Result<Answer, Refusal> {
    let filter = Filter::of_count(call, api);
    Ok(call.bare_count(found(call, &filter)?.len()))
}

/// `GET /orders*/{receipt}`
pub(super) fn get(call: &Call<'_>, api: OrderApi, receipt: &str) -> Result<Answer, Refusal> {
    let sku = call.query.given("sku");
    let mut rows = visible(call, |order| order.receipt == receipt)?;
    rows.retain(|row| sku.is_none_or(|sku| row.order.has_item(sku)));
    objects(call, api, &rows, Refusal::NotAccessible)
}

/// `GET /orders*/{receipt}/upsells`
pub(super) fn upsells(call: &Call<'_>, api: OrderApi, receipt: &str) -> Result<Answer, Refusal> {
    let rows = visible(call, |order| order.upsell_of.as_deref() == Some(receipt))?;
    objects(call, api, &rows, Refusal::NoUpsells)
}

/// `HEAD /orders*/{receipt}`: 204 when the subscription, or the sale, is active.
///
/// Any role may ask: a guess.
pub(super) fn status(call: &Call<'_>, receipt: &str) -> Result<Answer, Refusal> {
    let sku = call.query.given("sku");
    let rows = visible(call, |order| order.receipt == receipt)?;
    if rows.is_empty() {
        return Err(Refusal::NotAccessible);
    }
    let is_wanted = |order: &Order| {
        sku.is_none_or(|sku| {
            let billed = order.subscription.as_ref().map(|subscription| subscription.billed_item.as_str());
            order.has_item(sku) || billed == Some(sku)
        })
    };
    let active = rows.iter().filter(|row| is_wanted(row.order)).any(|row| is_active(call, row.order));
    if active { Ok(Answer::no_content()) } else { Err(Refusal::NotActive) }
}

/// Whether the subscription that `order` belongs to runs or, without one, the customer still owns what was bought.
fn is_active(call: &Call<'_>, order: &Order) -> bool {
    let subscription = call
        .records()
        .orders_of(order.base_receipt())
        .filter(|first| first.seller == order.seller)
        .find_map(|first| first.subscription.as_ref());
    subscription.map_or_else(
        || !order.has(TransactionKind::Chargeback) && order.refundable() > Cents::default(),
        |subscription| subscription.status == SubscriptionStatus::Active,
    )
}

/// All rows of an object on one page, or the refusal when there are none.
fn objects(call: &Call<'_>, api: OrderApi, rows: &[Row<'_>], none: Refusal) -> Result<Answer, Refusal> {
    if rows.is_empty() {
        return Err(none);
    }
    let written = rows.iter().map(|row| order_fields::write(row, api));
    Ok(call.rows(ROOT, written.collect()))
}

/// The rows in reach of the orders that `wanted` picks.
fn visible<'a>(call: &Call<'a>, wanted: impl Fn(&Order) -> bool) -> Result<Vec<Row<'a>>, Refusal> {
    let reach = call.reach(Permission::OrdersRead)?;
    let orders = call.records().orders.iter().filter(|order| wanted(order));
    Ok(rows(orders, reach, call.world.settings().shared_sale))
}

/// The rows in reach that `filter` lets through.
fn found<'a>(call: &Call<'a>, filter: &Filter<'_>) -> Result<Vec<Row<'a>>, Refusal> {
    let mut rows = visible(call, |order| filter.takes_order(order))?;
    rows.retain(|row| filter.takes_row(row));
    Ok(rows)
}

/// The parameters of list and count.
struct Filter<'a> {
    days: Days,
    kind: Option<&'a str>,
    vendor: Option<&'a str>,
    affiliate: Option<&'a str>,
    last_name: Option<&'a str>,
    email: Option<&'a str>,
    tracking_id: Option<&'a str>,
    role: Option<&'a str>,
    item: Option<&'a str>,
    postal_code: Option<&'a str>,
    amount: Option<&'a str>,
}

impl<'a> Filter<'a> {
    fn of_list(call: &Call<'a>) -> Self {
        Self { amount: call.query.given("amount"), ..Self::of_count(call, OrderApi::Second) }
    }

    /// Counts know fewer parameters, and the legacy one fewer still.
    fn of_count(call: &Call<'a>, api: OrderApi) -> Self {
        let given = |name| call.query.given(name);
        let newer = |name| given(name).filter(|_| api == OrderApi::Second);
        Self {
            days: call.days("startDate", "endDate").unwrap_or(Days { first: call.days_ago(1), last: call.today() }),
            kind: given("type"),
            vendor: given("vendor"),
            affiliate: given("affiliate"),
            last_name: given("lastName"),
            email: given("email"),
            tracking_id: given("tid"),
            role: given("role"),
            item: newer("item"),
            postal_code: newer("postalCode"),
            amount: None,
        }
    }

    fn takes_order(&self, order: &Order) -> bool {
        let like = |pattern: Option<&str>, text: &str| pattern.is_none_or(|pattern| matches(pattern, text));
        like(self.vendor, order.seller.as_str())
            && self.takes_affiliate(order)
            && like(self.last_name, &order.customer.last_name)
            && like(self.email, &order.customer.email)
            && like(self.postal_code, &order.customer.postal_code)
            && self.item.is_none_or(|item| order.has_item(item))
            && self
                .tracking_id
                .is_none_or(|wanted| order.tracking_id.as_deref().is_some_and(|tid| tid.eq_ignore_ascii_case(wanted)))
    }

    /// The word `none` asks for sales without an affiliate.
    fn takes_affiliate(&self, order: &Order) -> bool {
        let Some(pattern) = self.affiliate else {
            return true;
        };
        match &order.affiliate {
            None => pattern.eq_ignore_ascii_case("none"),
            Some(affiliate) => matches(pattern, affiliate.as_str()),
        }
    }

    fn takes_row(&self, row: &Row<'_>) -> bool {
        let same = |wanted: Option<&str>, code: &str| wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(code));
        self.days.contain(row.transaction.time.date())
            && same(self.kind, row.kind())
            && self.role.is_none_or(|wanted| row.role.code().is_some_and(|code| wanted.eq_ignore_ascii_case(code)))
            && self.amount.is_none_or(|amount| Cents::parse(amount) == Some(row.transaction.amount))
    }
}
