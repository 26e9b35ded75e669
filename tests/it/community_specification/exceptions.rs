//! Where the simulator follows what is known of ClickBank, and not the specification. An exception that nothing needs any
//! more fails the test.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::Value;

use super::judge::Difference::{
    self, Body, Described, Displaced, Media, Missing, NotA, NotAmong, Obsolete, Repeated, Required, Status, Unlisted,
    Unmatched,
};
use super::judge::Found;
use super::specification::{Kind, Operation, Schema};

/// How the specification differs from what is known, as `docs/simulator.md` lists it. The first twelve are known errors;
/// in the others ClickBank's own schemas and pages are followed, or a guess.
pub(super) const REASONS: [&str; 17] = [
    "the security scheme describes the pair of developer and clerk key only",
    "dimensions of analytics are called obsolete, and work",
    "images have the page as a query parameter; it is a header",
    "a changed ticket answers with the schema of ship notices",
    "legacy orders and shipping have the schemas of the newer generations, and shipping2 the wrapper of shipping3",
    "dimensionFilter is typed as the name of a dimension; it is a value",
    "categories may be repeated",
    "the count of quickstats is typed as a number; it is a list of accounts",
    "ticketId is ticketid on the wire",
    "schemas, newer fields, 400 and 401 are missing",
    "parameters that have to be there are not called required",
    "errors are typed as JSON or XML; they are text",
    "dates have to end in Z; ClickBank's schemas allow any offset, and rows are in Pacific time",
    "categories are a list of objects; in ClickBank's schema of products they are one object with a list in it",
    "isPartOfOrderBump is a number; in ClickBank's schema of products it is a truth value",
    "returnAmount and returnCount are missing; the article on subscription reporting of 13 December 2022 names them",
    "the answer to a PUT of a product has no body; the help page of products says that it is the SKU",
];

/// What is excepted.
#[derive(Clone, Copy)]
pub(super) enum What {
    /// The thing at `at` differs so. An empty `at` is everything that differs so.
    Differs(Difference),
    /// The property `at` has this name on the wire.
    Named(&'static str),
    /// The property `at`, a list of objects with one member each, is one object with a list in it.
    Inside,
    /// The answer is of this schema, in JSON or XML.
    Instead(&'static str),
}

use What::{Differs, Inside, Instead, Named};

pub(super) struct Exception {
    /// The operations that it is made for: those whose method and path hold this.
    on: &'static str,
    /// The place, as `Schema.property` or otherwise as the test calls it.
    at: &'static str,
    what: What,
    /// Which of the [`REASONS`], counted from 1.
    pub(super) reason: usize,
}

const fn except(on: &'static str, at: &'static str, what: What, reason: usize) -> Exception {
    Exception { on, at, what, reason }
}

const LEGACY_ORDERS: &str = " /orders/";
const LEGACY_SHIPPING: &str = " /shipping/";

pub(super) const EXCEPTIONS: &[Exception] = &[
    except("", "security", Differs(Described), 1),
    except("/{dimension}", "operation", Differs(Obsolete), 2),
    except("GET /images/list", "header Page", Differs(Displaced), 3),
    except("PUT /tickets/{id}", "answer", Instead("TicketData"), 4),
    // Legacy orders: one item in the row itself, where the newer generation has a list of them.
    except(LEGACY_ORDERS, "OrderData.transactionTime", Named("date"), 5),
    except(LEGACY_ORDERS, "OrderData.trackingId", Named("promo"), 5),
    except(LEGACY_ORDERS, "OrderData.paytmentMethod", Named("pmtType"), 5),
    except(LEGACY_ORDERS, "OrderData.transactionType", Named("txnType"), 5),
    except(LEGACY_ORDERS, "OrderData.totalOrderAmount", Named("amount"), 5),
    except(LEGACY_ORDERS, "OrderData.vendor", Named("site"), 5),
    except(LEGACY_ORDERS, "OrderData.affiliate", Named("affi"), 5),
    except(LEGACY_ORDERS, "OrderData.postalCode", Named("zip"), 5),
    except(LEGACY_ORDERS, "OrderData.fullName", Named("customerDisplayName"), 5),
    except(LEGACY_ORDERS, "OrderData.item", Differs(Unlisted), 5),
    except(LEGACY_ORDERS, "OrderData.title", Differs(Unlisted), 5),
    except(LEGACY_ORDERS, "OrderData.recurring", Differs(Unlisted), 5),
    except(LEGACY_ORDERS, "OrderData.physical", Differs(Unlisted), 5),
    except(LEGACY_ORDERS, "OrderData.accountAmount", Differs(Unlisted), 5),
    except(LEGACY_ORDERS, "OrderData.rebillAmount", Differs(Unlisted), 5),
    except(LEGACY_ORDERS, "OrderData.processedPayments", Differs(Unlisted), 5),
    except(LEGACY_ORDERS, "OrderData.futurePayments", Differs(Unlisted), 5),
    except(LEGACY_ORDERS, "OrderData.nextPaymentDate", Differs(Unlisted), 5),
    except(LEGACY_ORDERS, "OrderData.status", Differs(Unlisted), 5),
    except(LEGACY_ORDERS, "OrderData.refundsBlocked", Differs(Unlisted), 5),
    except("GET /shipping2/list", "ShippingList.orderShipData2", Named("orderShipData"), 5),
    except(LEGACY_SHIPPING, "ShippingList.orderShipData2", Named("orderShipData"), 5),
    except(LEGACY_SHIPPING, "OrderShipData.firstName", Named("firstname"), 5),
    except(LEGACY_SHIPPING, "OrderShipData.lastName", Named("lastname"), 5),
    except(LEGACY_SHIPPING, "OrderShipData.fullName", Named("displayName"), 5),
    except(LEGACY_SHIPPING, "OrderShipData.address1", Named("addr1"), 5),
    except(LEGACY_SHIPPING, "OrderShipData.address2", Named("addr2"), 5),
    except(LEGACY_SHIPPING, "OrderShipData.postalCode", Named("zip"), 5),
    except(LEGACY_SHIPPING, "OrderShipData.transactionTime", Named("orderDate"), 5),
    except(LEGACY_SHIPPING, "OrderShipData.vendor", Named("site"), 5),
    except(LEGACY_SHIPPING, "OrderShipData.isRefundPending", Differs(Unlisted), 5),
    except(LEGACY_SHIPPING, "OrderShipData.hasBeenRefunded", Differs(Unlisted), 5),
    except(LEGACY_SHIPPING, "OrderShipData.hasBeenChargebacked", Differs(Unlisted), 5),
    except(LEGACY_SHIPPING, "OrderShipData.productNo", Differs(Unlisted), 5),
    except(LEGACY_SHIPPING, "OrderShipData.orderDetails", Differs(Unlisted), 5),
    except("/{dimension}", "query dimensionFilter", Differs(NotAmong), 6),
    except("PUT /products/{sku}", "query categories", Differs(Repeated), 7),
    except("GET /quickstats/count", "answer", Instead("AccountList"), 8),
    except("/tickets/", "TicketData.ticketId", Named("ticketid"), 9),
    except("chema", "operation", Differs(Missing), 10),
    except(" /orders2/", "OrderData.commonTrackingParameters", Differs(Unlisted), 10),
    except(" /orders2/", "OrderData.affiliateTrackingParameters", Differs(Unlisted), 10),
    except("", "answer to Bearer", Differs(Status(401)), 10),
    except("/tickets/{id}", "answer", Differs(Status(400)), 10),
    except("/orders", "query address1", Differs(Required), 11),
    except("/orders", "query city", Differs(Required), 11),
    except("/orders", "query countryCode", Differs(Required), 11),
    except("/orders", "query restartDate", Differs(Required), 11),
    except("/orders", "query numPeriods", Differs(Required), 11),
    except("/orders", "query changeDate", Differs(Required), 11),
    except("/orders", "query oldSku", Differs(Required), 11),
    except("/orders", "query newSku", Differs(Required), 11),
    except("/products/", "query site", Differs(Required), 11),
    except("/images/", "query site", Differs(Required), 11),
    except("PUT /products/", "query currency", Differs(Required), 11),
    except("PUT /products/", "query price", Differs(Required), 11),
    except("PUT /products/", "query language", Differs(Required), 11),
    except("PUT /products/", "query title", Differs(Required), 11),
    except("/shipnotice/", "query date", Differs(Required), 11),
    except("/shipnotice/", "query carrier", Differs(Required), 11),
    except("POST /tickets/", "query type", Differs(Required), 11),
    except("POST /tickets/", "query reason", Differs(Required), 11),
    except("POST /tickets/", "query refundType", Differs(Required), 11),
    except("PUT /tickets/", "query type", Differs(Required), 11),
    except("PUT /tickets/", "query comment", Differs(Required), 11),
    except("/refundAmounts/", "query refundType", Differs(Required), 11),
    except("/refundAmounts/", "query refundAmount", Differs(Required), 11),
    except("POST /tickets/", "query refundAmount", Differs(Required), 11),
    except("", "answer without a key", Differs(Media), 12),
    except("", "", Differs(Unmatched), 13),
    except("GET /products/", "Product.categories", Inside, 14),
    except("GET /products/", "Product.isPartOfOrderBump", Differs(NotA(Kind::Integer)), 15),
    except("/subscription/details", "SubscriptionDetailsRowData.returnAmount", Differs(Unlisted), 16),
    except("/subscription/details", "SubscriptionDetailsRowData.returnCount", Differs(Unlisted), 16),
    except("PUT /products/{sku}", "answer", Differs(Body), 17),
];

/// Properties that no answer has, and why.
pub(super) const NEVER_SEEN: &[(&str, &str)] = &[
    ("Product.post_purchase_description", "no parameter of PUT sets it"),
    ("RecurringPricing.recurringTitle", "no parameter of PUT sets it"),
    ("RecurringPricing.recurringDescription", "no parameter of PUT sets it"),
    ("TicketData.expirationDate", "there is no clock: no ticket expires"),
    ("TicketData.note", "nobody writes any"),
];

/// The exceptions, and which of them were needed so far.
#[derive(Default)]
pub(super) struct Ledger {
    used: RefCell<BTreeSet<usize>>,
}

impl Ledger {
    /// What is excepted for an operation, by method and path.
    pub(super) fn on(&self, operation: &str) -> Exceptions<'_> {
        Exceptions { ledger: self, operation: operation.to_owned() }
    }

    /// The exceptions that nothing needed.
    pub(super) fn unused(&self) -> Vec<String> {
        let used = self.used.borrow();
        let places = EXCEPTIONS.iter().enumerate().filter(|(place, _)| !used.contains(place));
        let show = |exception: &Exception| {
            format!("{} {}, because {}", exception.on, exception.at, REASONS[exception.reason - 1])
        };
        places.map(|(_, exception)| show(exception)).collect()
    }
}

/// The exceptions for one operation.
pub(super) struct Exceptions<'a> {
    ledger: &'a Ledger,
    operation: String,
}

impl Exceptions<'_> {
    fn find<T>(&self, wanted: impl Fn(&Exception) -> Option<T>) -> Option<T> {
        let mut mine = EXCEPTIONS.iter().enumerate().filter(|(_, exception)| self.operation.contains(exception.on));
        let (place, found) = mine.find_map(|(place, exception)| Some((place, wanted(exception)?)))?;
        self.ledger.used.borrow_mut().insert(place);
        Some(found)
    }

    /// The name that the specification has for the property `name` on the wire.
    pub(super) fn name(&self, schema: Schema, name: &str) -> String {
        let renamed = self.find(|exception| match (exception.what, exception.at.split_once('.')) {
            (Named(wire), Some((of, theirs))) if wire == name && schema.name == Some(of) => Some(theirs.to_owned()),
            _ => None,
        });
        renamed.unwrap_or_else(|| name.to_owned())
    }

    /// The value of a property as a list of objects, where it is an object with a list on the wire.
    pub(super) fn list<'v>(&self, schema: Schema, name: &str, value: &'v Value) -> Cow<'v, Value> {
        let Some((member, Value::Array(values))) = value.as_object().and_then(|object| object.iter().next()) else {
            return Cow::Borrowed(value);
        };
        let place = format!("{}.{name}", schema.name.unwrap_or_default());
        let is_excepted =
            self.find(|exception| matches!(exception.what, Inside if exception.at == place).then_some(()));
        if is_excepted.is_none() {
            return Cow::Borrowed(value);
        }
        Cow::Owned(values.iter().map(|value| serde_json::json!({ member: value })).collect())
    }

    /// The schema that answers follow instead of what is listed.
    pub(super) fn instead(operation: Operation) -> Option<Schema> {
        let name = operation.name();
        EXCEPTIONS.iter().filter(|exception| name.contains(exception.on)).find_map(|exception| match exception.what {
            Instead(schema) => Some(Schema::named(schema)),
            _ => None,
        })
    }

    /// Notes that what is listed would not have done.
    pub(super) fn needs_instead(&self) {
        self.find(|exception| matches!(exception.what, Instead(_)).then_some(()));
    }

    /// What is `found` beyond the exceptions, one line each.
    pub(super) fn left_of(&self, found: Found) -> Vec<String> {
        let is_excepted = |place: &str, difference: Difference| {
            let found = self.find(|exception| match exception.what {
                Differs(other) if other == difference && [place, ""].contains(&exception.at) => Some(()),
                _ => None,
            });
            found.is_some()
        };
        let left = found.into_iter().filter(|(place, difference)| !is_excepted(place, *difference));
        left.map(|(place, difference)| format!("{}: {place}: {difference:?}", self.operation)).collect()
    }
}
