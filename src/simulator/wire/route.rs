//! Which resource a path names, and what a method does with it.
//!
//! Paths are compared case-sensitively, literals before templates, as JSR-311 says: `/orders2/LIST` asks for the order
//! with the receipt `LIST`. `HEAD` and `OPTIONS` are answered for everything that can be read. The older prefix
//! `/rest/1.2` still works; ClickBank promised that once, and whether it holds is a guess.

use http::Method;

use super::accept::{Format, Produces};
use super::target::decode_segment;

/// A resource of the API, with the values in its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// The HTML description of a service.
    DocRoot(String),
    /// An XML schema.
    Schema(String),
    /// The request and security context.
    Debug,
    AnalyticsStatus,
    SubscriptionDetails(Party, Selection),
    SubscriptionTrends(Party),
    Dimension {
        party: Party,
        dimension: String,
        summary: bool,
    },
    ImageList,
    ProductList,
    Product(String),
    QuickstatList,
    QuickstatCount,
    QuickstatAccounts,
    OrderList(OrderApi),
    OrderCount(OrderApi),
    Order(OrderApi, String),
    OrderUpsells(OrderApi, String),
    /// A change of the order with this receipt.
    OrderChange(String, OrderChange),
    ShippingList(ShippingApi),
    ShippingCount,
    ShipNotices(ShippingApi, String),
    TicketList,
    TicketCount,
    /// A ticket, or for `POST` a receipt.
    Ticket(String),
    TicketReturned(String),
    RefundAmounts(String),
}

/// The two generations of orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderApi {
    /// `/orders`, with `site` and `affi`.
    Legacy,
    /// `/orders2`, with `vendor` and `affiliate`.
    Second,
}

/// The changes of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderChange {
    Reinstate,
    Pause,
    Extend,
    /// In the newer generation only.
    Date,
    Product,
    Address,
}

/// The three generations of shipping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShippingApi {
    /// `/shipping`, with `site`.
    Legacy,
    /// `/shipping2`, with `vendor`.
    Second,
    /// `/shipping3`, with telephone numbers.
    Third,
}

/// The side of a sale that analytics looks from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    Vendor,
    Affiliate,
}

impl Party {
    /// Upper and lower case were both seen working.
    fn read(segment: &str) -> Option<Self> {
        match decode_segment(segment).to_ascii_uppercase().as_str() {
            "VENDOR" => Some(Self::Vendor),
            "AFFILIATE" => Some(Self::Affiliate),
            _ => None,
        }
    }
}

/// Which subscriptions a `details` path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    All,
    CompletingWithin { days: i64 },
    CancelledWithin { days: i64 },
    StartDate,
    CancelDate,
    NextPaymentDate,
    Status,
}

/// The dimensions of analytics.
const DIMENSIONS: [&str; 10] = [
    "AFFILIATE",
    "CUSTOMER_CURRENCY",
    "CUSTOMER_COUNTRY",
    "CUSTOMER_PROVINCE",
    "CUSTOMER_LANGUAGE",
    "PRODUCT_SKU",
    "TRACKING_ID",
    "VENDOR",
    "VENDOR_CATEGORY",
    "VENDOR_PRODUCT_SKU",
];

const XML: Produces = Produces::OneOf(&[Format::Xml]);
const TREE: Produces = Produces::OneOf(&[Format::Xml, Format::Json]);
const TREE_OR_CSV: Produces = Produces::OneOf(&[Format::Xml, Format::Json, Format::Csv]);

/// What a method does with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Reads it.
    Read(Produces),
    /// Says whether an order is active: the documented `HEAD`.
    OrderStatus,
    /// Creates or replaces a product.
    PutProduct,
    /// Removes a product.
    DeleteProduct,
    /// Another change, whose answer takes one of these representations.
    Change(Produces),
    /// Lists the methods.
    Options,
}

impl Route {
    /// The resource that a path of these segments names.
    pub(crate) fn find(segments: &[&str]) -> Option<Self> {
        let ["rest", "1.3" | "1.2", service, rest @ ..] = segments else {
            return None;
        };
        match *service {
            "debug" if rest.is_empty() => Some(Self::Debug),
            "analytics" => analytics(rest),
            "images" => images(rest),
            "products" => products(rest),
            "quickstats" => quickstats(rest),
            "orders" => orders(OrderApi::Legacy, "orders", rest),
            "orders2" => orders(OrderApi::Second, "orders2", rest),
            "shipping" => shipping(ShippingApi::Legacy, "shipping", rest),
            "shipping2" => shipping(ShippingApi::Second, "shipping2", rest),
            "shipping3" => shipping(ShippingApi::Third, "shipping3", rest),
            "tickets" => tickets(rest),
            _ => None,
        }
    }

    /// What `method` does with it.
    pub(crate) fn action(&self, method: &Method) -> Option<Action> {
        match (self, method.as_str()) {
            (_, "OPTIONS") => Some(Action::Options),
            (Self::Order(..), "HEAD") => Some(Action::OrderStatus),
            (Self::OrderChange(..) | Self::TicketReturned(_) | Self::ShipNotices(..) | Self::Ticket(_), "POST")
            | (Self::Ticket(_), "PUT") => Some(Action::Change(TREE)),
            (Self::Product(_), "PUT") => Some(Action::PutProduct),
            (Self::Product(_), "DELETE") => Some(Action::DeleteProduct),
            (Self::OrderChange(..) | Self::TicketReturned(_), _) => None,
            (_, "GET" | "HEAD") => Some(Action::Read(self.produces())),
            _ => None,
        }
    }

    /// The value of `Allow`.
    pub(crate) fn allow(&self) -> &'static str {
        match self {
            Self::OrderChange(..) | Self::TicketReturned(_) => "POST, OPTIONS",
            Self::Product(_) => "GET, HEAD, PUT, DELETE, OPTIONS",
            Self::Ticket(_) => "GET, HEAD, POST, PUT, OPTIONS",
            Self::ShipNotices(..) => "GET, HEAD, POST, OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        }
    }

    fn produces(&self) -> Produces {
        match self {
            Self::DocRoot(_) => Produces::OneOf(&[Format::Html]),
            Self::Schema(_) => XML,
            Self::AnalyticsStatus
            | Self::OrderList(OrderApi::Legacy)
            | Self::Order(OrderApi::Legacy, _)
            | Self::OrderUpsells(OrderApi::Legacy, _) => TREE_OR_CSV,
            Self::OrderCount(_) | Self::Debug => Produces::TextWhateverIsAsked,
            _ => TREE,
        }
    }
}

fn analytics(rest: &[&str]) -> Option<Route> {
    Some(match *rest {
        [] => Route::DocRoot("analytics".to_owned()),
        ["status"] => Route::AnalyticsStatus,
        [
            "schema",
            name @ ("AnalyticsResult"
            | "AnalyticsStatus"
            | "SubscriptionDetailResult"
            | "SubscriptionDetailResultRow"
            | "SubscriptionTrendsData"),
        ] => Route::Schema(name.to_owned()),
        [party, "subscription", "trends"] => Route::SubscriptionTrends(Party::read(party)?),
        [party, "subscription", "details", ref rest @ ..] => {
            Route::SubscriptionDetails(Party::read(party)?, selection(rest)?)
        }
        [party, dimension] => {
            Route::Dimension { party: Party::read(party)?, dimension: dimension_name(dimension)?, summary: false }
        }
        [party, dimension, "summary"] => {
            Route::Dimension { party: Party::read(party)?, dimension: dimension_name(dimension)?, summary: true }
        }
        _ => return None,
    })
}

fn selection(rest: &[&str]) -> Option<Selection> {
    Some(match *rest {
        [] => Selection::All,
        ["compthirty"] => Selection::CompletingWithin { days: 30 },
        ["compsixty"] => Selection::CompletingWithin { days: 60 },
        ["cancelthirty"] => Selection::CancelledWithin { days: 30 },
        ["cancelsixty"] => Selection::CancelledWithin { days: 60 },
        ["startdate"] => Selection::StartDate,
        ["canceldate"] => Selection::CancelDate,
        ["nextpmtdate"] => Selection::NextPaymentDate,
        ["status"] => Selection::Status,
        _ => return None,
    })
}

fn dimension_name(segment: &str) -> Option<String> {
    let name = decode_segment(segment).to_ascii_uppercase();
    DIMENSIONS.contains(&name.as_str()).then_some(name)
}

fn images(rest: &[&str]) -> Option<Route> {
    match *rest {
        [] => Some(Route::DocRoot("images".to_owned())),
        ["list"] => Some(Route::ImageList),
        ["schema"] => Some(Route::Schema("images".to_owned())),
        _ => None,
    }
}

fn products(rest: &[&str]) -> Option<Route> {
    match *rest {
        [] => Some(Route::DocRoot("products".to_owned())),
        ["list"] => Some(Route::ProductList),
        ["schema"] => Some(Route::Schema("products".to_owned())),
        [sku] => Some(Route::Product(decode_segment(sku))),
        _ => None,
    }
}

fn quickstats(rest: &[&str]) -> Option<Route> {
    match *rest {
        [] => Some(Route::DocRoot("quickstats".to_owned())),
        ["list"] => Some(Route::QuickstatList),
        ["count"] => Some(Route::QuickstatCount),
        ["accounts"] => Some(Route::QuickstatAccounts),
        ["schema"] => Some(Route::Schema("quickstats".to_owned())),
        _ => None,
    }
}

fn orders(api: OrderApi, service: &str, rest: &[&str]) -> Option<Route> {
    let change = |receipt, change| Route::OrderChange(decode_segment(receipt), change);
    Some(match *rest {
        [] => Route::DocRoot(service.to_owned()),
        ["list"] => Route::OrderList(api),
        ["count"] => Route::OrderCount(api),
        ["schema"] => Route::Schema(service.to_owned()),
        [receipt] => Route::Order(api, decode_segment(receipt)),
        [receipt, "upsells"] => Route::OrderUpsells(api, decode_segment(receipt)),
        [receipt, "reinstate"] => change(receipt, OrderChange::Reinstate),
        [receipt, "pause"] => change(receipt, OrderChange::Pause),
        [receipt, "extend"] => change(receipt, OrderChange::Extend),
        [receipt, "changeDate"] if api == OrderApi::Second => change(receipt, OrderChange::Date),
        [receipt, "changeProduct"] => change(receipt, OrderChange::Product),
        [receipt, "changeAddress"] => change(receipt, OrderChange::Address),
        _ => return None,
    })
}

fn shipping(api: ShippingApi, service: &str, rest: &[&str]) -> Option<Route> {
    Some(match *rest {
        [] => Route::DocRoot(service.to_owned()),
        ["shipnotice"] => Route::DocRoot(format!("{service}/shipnotice")),
        ["list"] => Route::ShippingList(api),
        ["count"] => Route::ShippingCount,
        ["schema"] => Route::Schema(service.to_owned()),
        ["shipnotice", "schema"] => Route::Schema("shipnotice".to_owned()),
        ["shipnotice", receipt] => Route::ShipNotices(api, decode_segment(receipt)),
        _ => return None,
    })
}

fn tickets(rest: &[&str]) -> Option<Route> {
    Some(match *rest {
        [] => Route::DocRoot("tickets".to_owned()),
        ["list"] => Route::TicketList,
        ["count"] => Route::TicketCount,
        ["schema"] => Route::Schema("tickets".to_owned()),
        ["partialRefundDataSchema"] => Route::Schema("partialRefundData".to_owned()),
        [id] => Route::Ticket(decode_segment(id)),
        ["refundAmounts", receipt] => Route::RefundAmounts(decode_segment(receipt)),
        [id, "returned"] => Route::TicketReturned(decode_segment(id)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &str) -> Option<Route> {
        let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        Route::find(&segments)
    }

    #[test]
    fn literals_win_and_letter_case_counts() {
        for (path, expected) in [
            ("orders2/list", Some(Route::OrderList(OrderApi::Second))),
            ("orders2/LIST", Some(Route::Order(OrderApi::Second, "LIST".to_owned()))),
            ("orders2/%6cist", Some(Route::Order(OrderApi::Second, "list".to_owned()))),
            ("Orders2/list", None),
            ("orders2/ABCD1234/upsells/x", None),
            ("orders/ABCD1234/changeDate", None),
            ("tickets/schema", Some(Route::Schema("tickets".to_owned()))),
            ("tickets/17", Some(Route::Ticket("17".to_owned()))),
            ("analytics/vendor/subscription/details", Some(Route::SubscriptionDetails(Party::Vendor, Selection::All))),
            ("analytics/buyer/subscription/details", None),
            (
                "analytics/AFFILIATE/tracking_id/summary",
                Some(Route::Dimension { party: Party::Affiliate, dimension: "TRACKING_ID".to_owned(), summary: true }),
            ),
            ("analytics/VENDOR/shoe_size", None),
            ("debug", Some(Route::Debug)),
            ("debug/x", None),
            ("%64ebug", None),
        ] {
            assert_eq!(find(&format!("/rest/1.3/{path}")), expected, "{path}");
        }
        assert_eq!(find("/rest/1.2/debug"), Some(Route::Debug));
        assert_eq!(find("/rest/2.0/debug"), None);
        assert_eq!(find("/"), None);
    }

    #[test]
    fn head_is_answered_for_whatever_can_be_read() {
        let list = find("/rest/1.3/tickets/list").unwrap();
        assert_eq!(list.action(&Method::HEAD), Some(Action::Read(TREE)));
        assert_eq!(list.action(&Method::POST), None);
        let order = find("/rest/1.3/orders2/ABCD1234").unwrap();
        assert_eq!(order.action(&Method::HEAD), Some(Action::OrderStatus));
        let change = find("/rest/1.3/orders2/ABCD1234/pause").unwrap();
        assert_eq!(change.action(&Method::GET), None);
        assert!(change.action(&Method::POST).is_some());
    }
}
