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

/// What is known to be wrong with the specification.
pub(super) const KNOWN_ERRORS: [&str; 12] = [
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
];

/// Why an exception is made.
#[derive(Clone, Copy)]
pub(super) enum Because {
    /// One of the [`KNOWN_ERRORS`], counted from 1.
    Known(usize),
    /// ClickBank's XML schema of a service says so.
    Schema(&'static str),
    /// One of ClickBank's help pages or articles says so.
    Says(&'static str),
}

impl Because {
    fn reason(self) -> &'static str {
        match self {
            Self::Known(number) => KNOWN_ERRORS[number - 1],
            Self::Schema(reason) | Self::Says(reason) => reason,
        }
    }
}

use Because::{Known, Says, Schema as By};

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
    pub(super) because: Because,
}

const fn except(on: &'static str, at: &'static str, what: What, because: Because) -> Exception {
    Exception { on, at, what, because }
}

const LEGACY_ORDERS: &str = " /orders/";
const LEGACY_SHIPPING: &str = " /shipping/";

pub(super) const EXCEPTIONS: &[Exception] = &[
    except("", "security", Differs(Described), Known(1)),
    except("/{dimension}", "operation", Differs(Obsolete), Known(2)),
    except("GET /images/list", "header Page", Differs(Displaced), Known(3)),
    except("PUT /tickets/{id}", "answer", Instead("TicketData"), Known(4)),
    // Legacy orders: one item in the row itself, where the newer generation has a list of them.
    except(LEGACY_ORDERS, "OrderData.transactionTime", Named("date"), Known(5)),
    except(LEGACY_ORDERS, "OrderData.trackingId", Named("promo"), Known(5)),
    except(LEGACY_ORDERS, "OrderData.paytmentMethod", Named("pmtType"), Known(5)),
    except(LEGACY_ORDERS, "OrderData.transactionType", Named("txnType"), Known(5)),
    except(LEGACY_ORDERS, "OrderData.totalOrderAmount", Named("amount"), Known(5)),
    except(LEGACY_ORDERS, "OrderData.vendor", Named("site"), Known(5)),
    except(LEGACY_ORDERS, "OrderData.affiliate", Named("affi"), Known(5)),
    except(LEGACY_ORDERS, "OrderData.postalCode", Named("zip"), Known(5)),
    except(LEGACY_ORDERS, "OrderData.fullName", Named("customerDisplayName"), Known(5)),
    except(LEGACY_ORDERS, "OrderData.item", Differs(Unlisted), Known(5)),
    except(LEGACY_ORDERS, "OrderData.title", Differs(Unlisted), Known(5)),
    except(LEGACY_ORDERS, "OrderData.recurring", Differs(Unlisted), Known(5)),
    except(LEGACY_ORDERS, "OrderData.physical", Differs(Unlisted), Known(5)),
    except(LEGACY_ORDERS, "OrderData.accountAmount", Differs(Unlisted), Known(5)),
    except(LEGACY_ORDERS, "OrderData.rebillAmount", Differs(Unlisted), Known(5)),
    except(LEGACY_ORDERS, "OrderData.processedPayments", Differs(Unlisted), Known(5)),
    except(LEGACY_ORDERS, "OrderData.futurePayments", Differs(Unlisted), Known(5)),
    except(LEGACY_ORDERS, "OrderData.nextPaymentDate", Differs(Unlisted), Known(5)),
    except(LEGACY_ORDERS, "OrderData.status", Differs(Unlisted), Known(5)),
    except(LEGACY_ORDERS, "OrderData.refundsBlocked", Differs(Unlisted), Known(5)),
    except("GET /shipping2/list", "ShippingList.orderShipData2", Named("orderShipData"), Known(5)),
    except(LEGACY_SHIPPING, "ShippingList.orderShipData2", Named("orderShipData"), Known(5)),
    except(LEGACY_SHIPPING, "OrderShipData.firstName", Named("firstname"), Known(5)),
    except(LEGACY_SHIPPING, "OrderShipData.lastName", Named("lastname"), Known(5)),
    except(LEGACY_SHIPPING, "OrderShipData.fullName", Named("displayName"), Known(5)),
    except(LEGACY_SHIPPING, "OrderShipData.address1", Named("addr1"), Known(5)),
    except(LEGACY_SHIPPING, "OrderShipData.address2", Named("addr2"), Known(5)),
    except(LEGACY_SHIPPING, "OrderShipData.postalCode", Named("zip"), Known(5)),
    except(LEGACY_SHIPPING, "OrderShipData.transactionTime", Named("orderDate"), Known(5)),
    except(LEGACY_SHIPPING, "OrderShipData.vendor", Named("site"), Known(5)),
    except(LEGACY_SHIPPING, "OrderShipData.isRefundPending", Differs(Unlisted), Known(5)),
    except(LEGACY_SHIPPING, "OrderShipData.hasBeenRefunded", Differs(Unlisted), Known(5)),
    except(LEGACY_SHIPPING, "OrderShipData.hasBeenChargebacked", Differs(Unlisted), Known(5)),
    except(LEGACY_SHIPPING, "OrderShipData.productNo", Differs(Unlisted), Known(5)),
    except(LEGACY_SHIPPING, "OrderShipData.orderDetails", Differs(Unlisted), Known(5)),
    except("/{dimension}", "query dimensionFilter", Differs(NotAmong), Known(6)),
    except("PUT /products/{sku}", "query categories", Differs(Repeated), Known(7)),
    except("GET /quickstats/count", "answer", Instead("AccountList"), Known(8)),
    except("/tickets/", "TicketData.ticketId", Named("ticketid"), Known(9)),
    except("chema", "operation", Differs(Missing), Known(10)),
    except(" /orders2/", "OrderData.commonTrackingParameters", Differs(Unlisted), Known(10)),
    except(" /orders2/", "OrderData.affiliateTrackingParameters", Differs(Unlisted), Known(10)),
    except("", "answer to Bearer", Differs(Status(401)), Known(10)),
    except("/tickets/{id}", "answer", Differs(Status(400)), Known(10)),
    except("/orders", "query address1", Differs(Required), Known(11)),
    except("/orders", "query city", Differs(Required), Known(11)),
    except("/orders", "query countryCode", Differs(Required), Known(11)),
    except("/orders", "query restartDate", Differs(Required), Known(11)),
    except("/orders", "query numPeriods", Differs(Required), Known(11)),
    except("/orders", "query changeDate", Differs(Required), Known(11)),
    except("/orders", "query oldSku", Differs(Required), Known(11)),
    except("/orders", "query newSku", Differs(Required), Known(11)),
    except("/products/", "query site", Differs(Required), Known(11)),
    except("/images/", "query site", Differs(Required), Known(11)),
    except("PUT /products/", "query currency", Differs(Required), Known(11)),
    except("PUT /products/", "query price", Differs(Required), Known(11)),
    except("PUT /products/", "query language", Differs(Required), Known(11)),
    except("PUT /products/", "query title", Differs(Required), Known(11)),
    except("/shipnotice/", "query date", Differs(Required), Known(11)),
    except("/shipnotice/", "query carrier", Differs(Required), Known(11)),
    except("POST /tickets/", "query type", Differs(Required), Known(11)),
    except("POST /tickets/", "query reason", Differs(Required), Known(11)),
    except("POST /tickets/", "query refundType", Differs(Required), Known(11)),
    except("PUT /tickets/", "query type", Differs(Required), Known(11)),
    except("PUT /tickets/", "query comment", Differs(Required), Known(11)),
    except("/refundAmounts/", "query refundType", Differs(Required), Known(11)),
    except("/refundAmounts/", "query refundAmount", Differs(Required), Known(11)),
    except("POST /tickets/", "query refundAmount", Differs(Required), Known(11)),
    except("", "answer without a key", Differs(Media), Known(12)),
    // Beyond the known errors.
    except("", "", Differs(Unmatched), By("all: xs:dateTime, and the rows are in Pacific time")),
    except("GET /products/", "Product.categories", Inside, By("products: categories holds category, many times")),
    except("GET /products/", "Product.isPartOfOrderBump", Differs(NotA(Kind::Integer)), By("products: xs:boolean")),
    except(
        "/subscription/details",
        "SubscriptionDetailsRowData.returnAmount",
        Differs(Unlisted),
        Says("Subscription reporting API updates, 13 December 2022"),
    ),
    except(
        "/subscription/details",
        "SubscriptionDetailsRowData.returnCount",
        Differs(Unlisted),
        Says("Subscription reporting API updates, 13 December 2022"),
    ),
    except("PUT /products/{sku}", "answer", Differs(Body), Says("the help page of products: the answer is the SKU")),
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
            format!("{} {}, because {}", exception.on, exception.at, exception.because.reason())
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
