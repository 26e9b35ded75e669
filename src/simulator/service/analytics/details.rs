//! Subscriptions of an account, one by one.
//!
//! Since 13 December 2022 refund and chargeback figures are constant 0, `returnAmount` and `returnCount` took their
//! place, and `txnType` and `paymentMethod` are empty, as the article on subscription reporting says. Customer fields
//! are filled for sellers only. Guess: a `details` path without its required parameters is answered with 400.

use std::cmp::Ordering;

use super::super::call::{Call, Days, day, moment};
use super::super::rows::Row;
use super::{account, rows_of};
use crate::simulator::money::Cents;
use crate::simulator::random::hash;
use crate::simulator::wire::{Answer, Element, Party, Refusal, Selection};
use crate::simulator::world::{Customer, Order, Subscription, SubscriptionStatus, TransactionKind};

/// `GET /analytics/{role}/subscription/details…`
pub(in super::super) fn details(call: &Call<'_>, party: Party, selection: Selection) -> Result<Answer, Refusal> {
    let account = account(call)?;
    let filter = Filter::read(call, selection)?;
    let mut written: Vec<Element> = Vec::new();
    for row in rows_of(call, account, party) {
        if row.transaction.kind != TransactionKind::Sale {
            continue;
        }
        let Some(subscription) = &row.order.subscription else {
            continue;
        };
        let is_theirs = party == Party::Vendor || subscription.carries_affiliate;
        if is_theirs && filter.takes(subscription) {
            written.push(write(call, &row, subscription, party));
        }
    }
    if let Some(field) = call.query.given("orderBy").and_then(field_of) {
        let descending = call.query.given("sortDirection") == Some("DESC");
        written.sort_by(|one, two| {
            let order = compare(one.child_text(field), two.child_text(field));
            if descending { order.reverse() } else { order }
        });
    }
    Ok(call.object(&Element::parent(
        "subscriptionDetailResult",
        vec![Element::text("totalCount", written.len()), Element::parent("data", written)],
    )))
}

/// Which subscriptions are asked for.
enum Filter {
    All,
    Ending(Days),
    Cancelled(Days),
    Started(Days),
    NextPayment(Days),
    Status(String),
}

impl Filter {
    fn read(call: &Call<'_>, selection: Selection) -> Result<Self, Refusal> {
        let range = || {
            let days = call.days("startDate", "endDate");
            days.ok_or(Refusal::BadParameter("startDate and endDate are required"))
        };
        let today = call.today();
        Ok(match selection {
            Selection::All => Self::All,
            Selection::CompletingWithin { days } => Self::Ending(Days { first: today, last: call.days_ago(-days) }),
            Selection::CancelledWithin { days } => Self::Cancelled(Days { first: call.days_ago(days), last: today }),
            Selection::StartDate => Self::Started(range()?),
            Selection::CancelDate => Self::Cancelled(range()?),
            Selection::NextPaymentDate => Self::NextPayment(range()?),
            Selection::Status => {
                let status = call.query.given("status");
                let status = status.ok_or(Refusal::BadParameter("status is required"))?;
                Self::Status(status.to_ascii_uppercase())
            }
        })
    }

    fn takes(&self, subscription: &Subscription) -> bool {
        let within = |days: &Days, date| days.contain(date);
        match self {
            Self::All => true,
            Self::Ending(days) => subscription.status == SubscriptionStatus::Active && within(days, subscription.ends),
            Self::Cancelled(days) => subscription.cancelled.is_some_and(|date| within(days, date)),
            Self::Started(days) => within(days, subscription.started),
            Self::NextPayment(days) => subscription.next_payment.is_some_and(|date| within(days, date)),
            Self::Status(status) => subscription.status.code() == status,
        }
    }
}

fn write(call: &Call<'_>, row: &Row<'_>, subscription: &Subscription, party: Party) -> Element {
    let order = row.order;
    let customer = |name, get: fn(&Customer) -> String| match party {
        Party::Vendor => Element::text(name, get(&order.customer)),
        Party::Affiliate => Element::nil(name),
    };
    let rebills = rebills(call, order);
    let rebilled: Cents = rebills.iter().map(|rebill| paid(rebill)).sum();
    let returned: Vec<Cents> = [order]
        .into_iter()
        .chain(rebills.iter().copied())
        .flat_map(|order| &order.transactions)
        .filter(|transaction| transaction.amount < Cents::default())
        .map(|transaction| -transaction.amount)
        .collect();
    let first = order.total();
    let future = match subscription.status {
        SubscriptionStatus::Active => subscription.payments.saturating_sub(subscription.processed),
        SubscriptionStatus::Completed | SubscriptionStatus::Cancelled => 0,
    };
    Element::parent(
        "row",
        vec![
            Element::optional("affNickName", order.affiliate.as_ref().filter(|_| subscription.carries_affiliate)),
            Element::text("cancelled", subscription.cancelled.is_some()),
            Element::text("chargebackAmount", 0),
            Element::text("chargebackCount", 0),
            customer("countryCode", |buyer| buyer.country.clone()),
            Element::text("currencyCode", &order.currency),
            customer("customerDisplayName", Customer::full_name),
            customer("customerFirstName", |buyer| buyer.first_name.clone()),
            customer("customerLastName", |buyer| buyer.last_name.clone()),
            Element::text("duration", subscription.payments),
            customer("email", |buyer| buyer.email.clone()),
            Element::text("frequency", &subscription.frequency),
            Element::text("ftxnId", hash(&["ftxn", &order.receipt]) % 1_000_000_000),
            Element::text("futurePaymentsCount", future),
            Element::text("initialSaleAmount", first),
            Element::text("initialSaleCount", 1),
            Element::text("itemNo", &subscription.billed_item),
            Element::optional("nextPaymentDate", subscription.next_payment.map(day)),
            Element::text("paymentMethod", ""),
            Element::text("processedPaymentsCount", subscription.processed),
            customer("province", |buyer| buyer.state.clone()),
            Element::text("pubNickName", &order.seller),
            Element::text("purchaseDate", moment(row.transaction.time)),
            Element::text("rebillSaleAmount", rebilled),
            Element::text("rebillSaleCount", rebills.len()),
            Element::text("receipt", &order.receipt),
            Element::text("refundAmount", 0),
            Element::text("refundCount", 0),
            Element::text("returnAmount", returned.iter().copied().sum::<Cents>()),
            Element::text("returnCount", returned.len()),
            Element::text("status", subscription.status.code()),
            Element::optional("subCancelDate", subscription.cancelled.map(day)),
            Element::text("subEndDate", day(subscription.ends)),
            Element::text("subValue", first + rebilled),
            Element::text("timeStr", row.transaction.time.time()),
            Element::text("trialPeriod", 0),
            Element::text("txnType", ""),
        ],
    )
}

/// The later payments of the subscription that `order` began.
fn rebills<'a>(call: &Call<'a>, order: &Order) -> Vec<&'a Order> {
    call.records()
        .orders
        .iter()
        .filter(|other| other.base_receipt() == order.receipt)
        .filter(|other| other.receipt != order.receipt && other.seller == order.seller)
        .collect()
}

/// What was paid with the first transaction of `order`.
fn paid(order: &Order) -> Cents {
    let first = order.transactions.first();
    first.map(|first| first.amount).unwrap_or_default()
}

/// The field that a value of `orderBy` names.
fn field_of(order_by: &str) -> Option<&'static str> {
    Some(match order_by {
        "RECEIPT" => "receipt",
        "PURCHASE_DATE" => "purchaseDate",
        "SUB_END_DATE" => "subEndDate",
        "SUB_CANCEL_DATE" => "subCancelDate",
        "NEXT_PAYMENT_DATE" => "nextPaymentDate",
        "SUB_VALUE" => "subValue",
        "STATUS" => "status",
        "ITEM_NUMBER" => "itemNo",
        "PROCESSED_PAYMENTS_COUNT" => "processedPaymentsCount",
        "FUTURE_PAYMENTS_COUNT" => "futurePaymentsCount",
        "REFUND_COUNT" => "refundCount",
        "REFUND_AMOUNT" => "refundAmount",
        "CHARGEBACK_COUNT" => "chargebackCount",
        "CHARGEBACK_AMOUNT" => "chargebackAmount",
        "PUB_NICK_NAME" => "pubNickName",
        "AFFILIATE_NICK_NAME" => "affNickName",
        "CUSTOMER_FIRST_NAME" => "customerFirstName",
        "CUSTOMER_LAST_NAME" => "customerLastName",
        "CUSTOMER_DISPLAY_NAME" => "customerDisplayName",
        "CUSTOMER_EMAIL" => "email",
        "DURATION" => "duration",
        "INITIAL_SALE_AMOUNT" => "initialSaleAmount",
        "INITIAL_SALE_COUNT" => "initialSaleCount",
        "REBILL_SALE_AMOUNT" => "rebillSaleAmount",
        "REBILL_SALE_COUNT" => "rebillSaleCount",
        _ => return None,
    })
}

/// Numbers as numbers, everything else as text, nothing first.
fn compare(one: Option<&str>, two: Option<&str>) -> Ordering {
    let number = |text: Option<&str>| text.and_then(Cents::parse);
    match (number(one), number(two)) {
        (Some(one), Some(two)) => one.cmp(&two),
        _ => one.cmp(&two),
    }
}
