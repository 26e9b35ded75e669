//! The fields of an order row, in both generations.
//!
//! `orders2` follows ClickBank's schema, its misspelt `paytmentMethod` included, with the tracking parameters that
//! client authors saw since 2024. The legacy rows follow ClickBank's schema, too, which has no list of items: what is
//! said of an item is said of the first one that the row is about, a guess.

use super::call::{day, moment};
use super::rows::{Role, Row};
use crate::simulator::money::Cents;
use crate::simulator::wire::{Element, OrderApi};
use crate::simulator::world::{Customer, Line, Order, Subscription, TransactionKind};

/// The row as an `orderData` element.
pub(super) fn write(row: &Row<'_>, api: OrderApi) -> Element {
    let fields = match api {
        OrderApi::Second => second(row),
        OrderApi::Legacy => legacy(row),
    };
    Element::parent("orderData", fields)
}

fn second(row: &Row<'_>) -> Vec<Element> {
    let order = row.order;
    let customer = |name, get: fn(&Customer) -> String| customer_field(row, name, get);
    let mut fields = vec![
        Element::text("transactionTime", moment(row.transaction.time)),
        Element::text("receipt", &order.receipt),
        Element::optional("trackingId", order.tracking_id.as_ref()),
        Element::text("paytmentMethod", &order.payment_method),
        Element::text("transactionType", row.kind()),
        Element::text("totalOrderAmount", row.transaction.amount),
        Element::text("totalShippingAmount", Cents::default()),
        Element::text("totalTaxAmount", Cents::default()),
        Element::text("vendor", &order.seller),
        Element::optional("affiliate", order.affiliate.as_ref()),
        customer("country", |buyer| buyer.country.clone()),
        customer("state", |buyer| buyer.state.clone()),
        customer("lastName", |buyer| buyer.last_name.clone()),
        customer("firstName", |buyer| buyer.first_name.clone()),
        Element::text("currency", &order.currency),
        Element::text("declinedConsent", false),
        customer("email", |buyer| buyer.email.clone()),
        customer("postalCode", |buyer| buyer.postal_code.clone()),
    ];
    fields.extend(contact_info(row));
    fields.extend([
        Element::optional("role", row.role.code()),
        customer("fullName", Customer::full_name),
        Element::text("customerRefundableState", refundable_state(order)),
        vendor_variables_for(row),
    ]);
    fields.extend(row.lines().map(|line| line_item(row, line)));
    fields.push(common_tracking(row));
    if let Some(tracking_id) = order.tracking_id.as_ref().filter(|_| row.role == Role::Affiliate) {
        fields.push(Element::parent(
            "affiliateTrackingParameters",
            vec![Element::text("extclid", format!("ext-{}", order.receipt)), Element::text("affSub1", tracking_id)],
        ));
    }
    fields
}

fn legacy(row: &Row<'_>) -> Vec<Element> {
    let order = row.order;
    let customer = |name, get: fn(&Customer) -> String| customer_field(row, name, get);
    let line = row.lines().next();
    let payments = line.map(|line| Payments::of(row, line)).unwrap_or_default();
    let mut fields = vec![
        Element::text("date", moment(row.transaction.time)),
        Element::text("receipt", &order.receipt),
        Element::optional("promo", order.tracking_id.as_ref()),
        Element::text("pmtType", &order.payment_method),
        Element::text("txnType", row.kind()),
        Element::optional("item", line.map(|line| &line.item_no)),
        Element::text("amount", row.transaction.amount),
        Element::text("site", &order.seller),
        Element::optional("affi", order.affiliate.as_ref()),
        customer("country", |buyer| buyer.country.clone()),
        customer("state", |buyer| buyer.state.clone()),
        customer("lastName", |buyer| buyer.last_name.clone()),
        customer("firstName", |buyer| buyer.first_name.clone()),
        Element::text("currency", &order.currency),
        customer("email", |buyer| buyer.email.clone()),
        customer("zip", |buyer| buyer.postal_code.clone()),
    ];
    fields.extend(contact_info(row));
    fields.push(Element::text("refundsBlocked", false));
    fields.extend(payments.write());
    fields.extend([
        Element::text("accountAmount", row.share()),
        Element::optional("role", row.role.code()),
        customer("customerDisplayName", Customer::full_name),
        Element::optional("title", line.map(|line| &line.title)),
        Element::text("recurring", line.is_some_and(|line| line.recurring)),
        Element::text("physical", line.is_some_and(|line| line.shippable)),
        Element::text("customerRefundableState", refundable_state(order)),
    ]);
    fields
}

/// A field of the customer's, for the seller's eyes.
fn customer_field(row: &Row<'_>, name: &'static str, get: impl FnOnce(&Customer) -> String) -> Element {
    if row.role == Role::Vendor { Element::text(name, get(&row.order.customer)) } else { Element::nil(name) }
}

/// Contact fields beyond the usual ones, for the seller's eyes: none, one or several.
fn contact_info(row: &Row<'_>) -> Vec<Element> {
    let contact = |field: &str, value: &str| {
        Element::parent("customerContactInfo", vec![Element::text("field", field), Element::text("value", value)])
    };
    if row.role != Role::Vendor || !row.order.is_shippable() {
        return Vec::new();
    }
    let buyer = &row.order.customer;
    let mut fields = vec![contact("ADDRESS1", &buyer.address1)];
    if let Some(second) = &buyer.address2 {
        fields.push(contact("ADDRESS2", second));
    }
    fields
}

/// One of the codes in ClickBank's schema.
fn refundable_state(order: &Order) -> &'static str {
    if order.refundable() > Cents::default() {
        "REFUNDABLE"
    } else if order.has(TransactionKind::Refund) {
        "ALREADY_REFUNDED"
    } else {
        "UNREFUNDABLE"
    }
}

/// The variables of the seller's page, for the seller's eyes.
fn vendor_variables_for(row: &Row<'_>) -> Element {
    if row.role == Role::Vendor { vendor_variables(row.order) } else { Element::parent("vendorVariables", Vec::new()) }
}

/// The variables of the seller's page, as orders and shipping show them.
pub(super) fn vendor_variables(order: &Order) -> Element {
    let items = order
        .vendor_variables
        .iter()
        .map(|(name, value)| Element::parent("item", vec![Element::text("name", name), Element::text("value", value)]));
    Element::parent("vendorVariables", items.collect())
}

fn line_item(row: &Row<'_>, line: &Line) -> Element {
    let paid = row.customer_amount(line);
    let mut fields = vec![
        Element::text("itemNo", &line.item_no),
        Element::text("productTitle", &line.title),
        Element::text("recurring", line.recurring),
        Element::text("shippable", line.shippable),
        Element::text("customerAmount", paid),
        Element::text("accountAmount", row.share_of(paid)),
        Element::text("quantity", line.quantity),
        Element::text("lineItemType", &line.line_type),
    ];
    fields.extend(Payments::of(row, line).write());
    fields.push(Element::optional("role", row.role.code()));
    Element::parent("lineItemData", fields)
}

/// The payments of the subscription that a line began, if it began one.
#[derive(Default)]
struct Payments<'a>(Option<&'a Subscription>);

impl<'a> Payments<'a> {
    fn of(row: &Row<'a>, line: &Line) -> Self {
        Self(row.order.subscription.as_ref().filter(|subscription| subscription.item_no == line.item_no))
    }

    fn write(&self) -> [Element; 5] {
        let Self(subscription) = self;
        let future = subscription
            .filter(|subscription| subscription.cancelled.is_none())
            .map(|subscription| subscription.payments.saturating_sub(subscription.processed));
        [
            Element::optional("rebillAmount", subscription.map(|known| known.rebill_amount)),
            Element::optional("processedPayments", subscription.map(|known| known.processed)),
            Element::optional("futurePayments", future),
            Element::optional("nextPaymentDate", subscription.and_then(|known| known.next_payment).map(day)),
            Element::optional("status", subscription.map(|known| known.status.code())),
        ]
    }
}

/// What ClickBank noted of the customer's browser, for the seller's eyes.
fn common_tracking(row: &Row<'_>) -> Element {
    let customer = |name, get: fn(&Customer) -> String| customer_field(row, name, get);
    Element::parent(
        "commonTrackingParameters",
        vec![
            customer("useragent", |_| "Mozilla/5.0 (simulated)".to_owned()),
            customer("city", |buyer| buyer.city.clone()),
            customer("region", |buyer| buyer.state.clone()),
        ],
    )
}
