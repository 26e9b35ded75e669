//! Calls of every operation, with every parameter that it has.
//!
//! One call a line: the key's name, the method, and the target. In `{name=value}`, the value stands for that part of the
//! path; `$name` is something that the world has, and is asked for in [`place`]. Order counts: what is changed here is
//! read there.

use clickbank_gateway::simulator::World;
use clickbank_gateway::simulator::world::{Order, Ticket, TicketKind, product_id};
use percent_encoding::percent_decode_str;

use super::specification::BASE;

/// All of them; each has to succeed.
const CALLS: &str = "
acme GET /analytics/status
acme GET /analytics/{role=VENDOR}/subscription/details?account=acme&orderBy=RECEIPT&sortDirection=ASC
acmeaff GET /analytics/{role=AFFILIATE}/subscription/details?account=acmeaff
acme GET /analytics/{role=VENDOR}/subscription/details/cancelthirty?account=acme&orderBy=STATUS&sortDirection=DESC
acme GET /analytics/{role=VENDOR}/subscription/details/cancelsixty?account=acme&orderBy=STATUS&sortDirection=DESC
acme GET /analytics/{role=VENDOR}/subscription/details/startdate?account=acme&orderBy=STATUS&sortDirection=DESC&$ALL
acme GET /analytics/{role=VENDOR}/subscription/details/canceldate?account=acme&orderBy=STATUS&sortDirection=DESC&$ALL
acme GET /analytics/{role=VENDOR}/subscription/details/nextpmtdate?account=acme&orderBy=STATUS&sortDirection=DESC&startDate=2026-09-01&endDate=2027-02-01
acme GET /analytics/{role=VENDOR}/subscription/details/status?account=acme&orderBy=STATUS&sortDirection=DESC&status=ACTIVE
acme GET /analytics/{role=VENDOR}/subscription/trends?account=acme&groupBy=DATE&productId=$club_id&$ALL
acme GET /analytics/{role=VENDOR}/{dimension=AFFILIATE}?account=acme&$ALL
acme GET /analytics/{role=VENDOR}/{dimension=AFFILIATE}?account=acme&$ALL&dimensionFilter=acmeaff&select=HOP_COUNT&select=SALE_COUNT&orderBy=SALE_COUNT&sortAscending=true
acme GET /analytics/{role=VENDOR}/{dimension=CUSTOMER_COUNTRY}/summary?account=acme&summaryType=VENDOR_ONLY&$ALL
acme GET /analytics/{role=VENDOR}/{dimension=CUSTOMER_COUNTRY}/summary?account=acme&summaryType=AFFILIATE_ONLY&$ALL&dimensionFilter=US&select=HOP_COUNT&select=SALE_COUNT&orderBy=SALE_COUNT&sortAscending=false
acme GET /debug
acme GET /images/list?site=acme&approvedOnly=false
acme GET /images/list?site=acme&type=BANNER&approvedOnly=true

acme PUT /products/{sku=club-2}?site=acme&currency=USD&price=29.00&language=EN&title=Club&digital=false&physical=false&digitalRecurring=true&physicalRecurring=true&categories=EBOOK&categories=VIDEO&skipConfirmationPage=true&thankYouPage=https://acme.example.net/t&mobileThankYouPage=https://acme.example.net/m&rebillPrice=19.00&rebillCommission=25.00&trialPeriod=7&frequency=WEEKLY&duration=2&shippingProfile=Light&purchaseCommission=50.00&description=News&image=$image&pitchPage=https://acme.example.net/p&mobilePitchPage=https://acme.example.net/q&saleRefundDaysLimit=30&rebillRefundDaysLimit=20&deliveryMethod=POST&deliverySpeed=FAST&preRebillNotificationOverride=true&preRebillNotificationLeadTime=3
acme PUT /products/{sku=club-1}?site=acme&currency=USD&price=19.00&language=EN&title=Club&digitalRecurring=true&categories=VIDEO&description=News
acme GET /products/{sku=club-2}?site=acme
acme GET /products/list?site=acme
acme GET /products/list?site=acme&type=RECURRING
acme GET /analytics/{role=VENDOR}/subscription/trends?account=acme&$ALL

acme GET /orders/count?$ALL&type=SALE&vendor=acme&affiliate=acmeaff&lastName=%25&email=%25net&tid=mail1&role=VENDOR
acme GET /orders/list?$ALL
acmeaff GET /orders/list?$ALL
all GET /orders/list?$ALL
acme GET /orders/list?$ALL&type=SALE&vendor=acme&affiliate=acmeaff&lastName=%25&item=guide-1&email=%25net&tid=mail1&role=VENDOR&postalCode=%25&amount=37.00
acme HEAD /orders/{receipt=$club}?sku=club-1
acme GET /orders/{receipt=$guide}?sku=guide-1
acme GET /orders/{receipt=$upsold}/upsells
acme POST /orders/{receipt=$club}/pause?restartDate=2026-12-30&sku=club-1
acme POST /orders/{receipt=$club}/extend?numPeriods=2&sku=club-1
acme POST /orders/{receipt=$club}/changeProduct?oldSku=club-1&newSku=club-2&carryAffiliate=true&applyProratedRefund=true&nextRebillDate=2026-12-01
acme POST /orders/{receipt=$left}/reinstate?sku=club-1
acme POST /orders/{receipt=$guide}/changeAddress?firstName=Ada&lastName=Bell&address1=Elm&address2=Flat&city=Boise&county=Ada&province=ID&countryCode=US&postalCode=83701

acme GET /orders2/count?$ALL&type=SALE&vendor=acme&affiliate=acmeaff&lastName=%25&item=guide-1&email=%25net&tid=mail1&postalCode=%25&role=VENDOR
acme GET /orders2/list?$ALL
acmeaff GET /orders2/list?$ALL
all GET /orders2/list?$ALL
acme GET /orders2/list?$ALL&type=SALE&vendor=acme&affiliate=acmeaff&lastName=%25&item=guide-1&email=%25net&tid=mail1&role=VENDOR&postalCode=%25&amount=37.00
acme GET /orders2/list?startDate=2020-01-01&endDate=2020-01-02
acme HEAD /orders2/{receipt=$club}?sku=club-1
acme GET /orders2/{receipt=$guide}?sku=guide-1
acme GET /orders2/{receipt=$upsold}/upsells
acme POST /orders2/{receipt=$other_club}/pause?restartDate=2026-12-30&sku=club-1
acme POST /orders2/{receipt=$other_club}/extend?numPeriods=2&sku=club-1
acme POST /orders2/{receipt=$other_club}/changeDate?changeDate=2026-12-31&sku=club-1
acme POST /orders2/{receipt=$other_club}/changeProduct?oldSku=club-1&newSku=club-2&carryAffiliate=false&applyProratedRefund=false&nextRebillDate=2026-12-01
acme POST /orders2/{receipt=$other_left}/reinstate?sku=club-1
acme GET /analytics/{role=VENDOR}/subscription/details/compthirty?account=acme&orderBy=STATUS&sortDirection=DESC
acme GET /analytics/{role=VENDOR}/subscription/details/compsixty?account=acme&orderBy=STATUS&sortDirection=DESC
acme POST /orders2/{receipt=$guide}/changeAddress?firstName=Ada&lastName=Bell&address1=Elm&address2=Flat&city=Boise&county=Ada&province=ID&countryCode=US&postalCode=83701

acme GET /quickstats/accounts
acme GET /quickstats/list?account=acme&$ALL
acme GET /quickstats/count?account=acme&$ALL

acme POST /shipping/shipnotice/{receipt=$book}?date=2026-11-20&carrier=UPS&tracking=1Z&comments=Porch&item=book-1
acme POST /shipping2/shipnotice/{receipt=$book}?date=2026-11-20&carrier=UPS&tracking=1Z&comments=Porch&item=book-1&fillOrder=true
acme POST /shipping3/shipnotice/{receipt=$book}?date=2026-11-20&carrier=UPS&tracking=1Z&comments=Porch&item=book-1&fillOrder=false
acme GET /shipping/shipnotice/{receipt=$book}
acme GET /shipping2/shipnotice/{receipt=$book}
acme GET /shipping3/shipnotice/{receipt=$book}
acme GET /shipping/count?status=notshipped&days=60&$ALL&receipt=$book
acme GET /shipping2/count?status=notshipped&days=60&$ALL&receipt=$book
acme GET /shipping3/count?status=notshipped&days=60&$ALL&receipt=$book
acme GET /shipping/list?status=all&days=60
acme GET /shipping2/list?status=all&days=60
acme GET /shipping3/list?status=all&days=60
acme GET /shipping/list?status=shipped&$ALL&receipt=$book
acme GET /shipping2/list?status=shipped&$ALL&receipt=$book
acme GET /shipping3/list?status=shipped&$ALL&receipt=$book

acme GET /tickets/refundAmounts/{receipt=$guide}?refundType=PARTIAL_PERCENT&refundAmount=10&sku=guide-1
acme POST /tickets/{receipt=$guide}?type=rfnd&reason=ticket.type.refund.7&sku=guide-1&comment=Half&refundType=PARTIAL_AMOUNT&refundAmount=18.50&retainSubscription=true
acme GET /tickets/{id=$question}
acme PUT /tickets/{id=$question}?action=change&type=tech&comment=Why
acme PUT /tickets/{id=$question}?comment=So
acme POST /tickets/{id=$held}/returned
acme GET /tickets/count?type=rfnd&status=closed&receipt=$guide
acme GET /tickets/list
acme GET /tickets/list?type=rfnd&status=closed&receipt=$guide&createDateFrom=2026-11-14&createDateTo=2026-11-20&updateDateFrom=2026-11-14&updateDateTo=2026-11-20&closeDateFrom=2026-11-14&closeDateTo=2026-11-20

acme DELETE /products/{sku=club-2}?site=acme
";

/// These are refused, with 400.
const REFUSED: &str = "
acme POST /tickets/{id=1}/returned
acme PUT /tickets/{id=$question}?action=reopen&comment=Why
";

/// What `$ALL` stands for: days that hold everything in the world.
const ALL: &str = "startDate=2026-09-01&endDate=2026-11-20";

/// A call of an operation.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) key: &'static str,
    pub(super) method: &'static str,
    /// The template, without what every path begins with.
    pub(super) template: String,
    path: String,
    /// Names and values in order, the latter as they travel.
    pub(super) query: Vec<(String, String)>,
    /// The page asked for, from 1.
    pub(super) page: u32,
    pub(super) is_refused: bool,
}

/// The calls, in a world.
pub(super) fn calls(world: &World) -> Vec<Call> {
    let read = |text: &'static str, is_refused| {
        text.lines().filter(|line| !line.is_empty()).map(move |line| Call::read(line, is_refused, world))
    };
    read(CALLS, false).chain(read(REFUSED, true)).collect()
}

impl Call {
    fn read(line: &'static str, is_refused: bool, world: &World) -> Self {
        let [key, method, target] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("no call: {line}");
        };
        let (parts, query) = target.split_once('?').unwrap_or((target, ""));
        let (mut template, mut path) = (String::new(), String::from(BASE));
        for part in parts.split('/').skip(1) {
            let value = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')?.split_once('='));
            let (name, value) = value.map_or((part.to_owned(), part.to_owned()), |(name, value)| {
                (format!("{{{name}}}"), place(value, world))
            });
            template.push_str(&format!("/{name}"));
            path.push_str(&format!("/{value}"));
        }
        let query = query.replace("$ALL", ALL);
        let query = query.split('&').filter_map(|pair| pair.split_once('='));
        let query = query.map(|(name, value)| (name.to_owned(), place(value, world))).collect();
        Self { key, method, template, path, query, page: 1, is_refused }
    }

    /// Method and template.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.template)
    }

    /// Path and query.
    pub(super) fn target(&self) -> String {
        let pairs: Vec<String> = self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, pairs.join("&")) }
    }

    /// The values of a parameter.
    pub(super) fn values(&self, parameter: &str) -> Vec<String> {
        let values = self.query.iter().filter(|(name, _)| name == parameter);
        values.map(|(_, value)| percent_decode_str(value).decode_utf8().unwrap().into_owned()).collect()
    }

    /// The same call without a parameter.
    pub(super) fn without(&self, parameter: &str) -> Self {
        let mut call = self.clone();
        call.query.retain(|(name, _)| name != parameter);
        call
    }
}

/// What `value` stands for, if it begins with `$`.
fn place(value: &str, world: &World) -> String {
    let Some(name) = value.strip_prefix('$') else {
        return value.to_owned();
    };
    let found = match name {
        "guide" => receipts(world, |order| is_only(order, "guide-1") && order.transactions.len() == 1).next(),
        "book" => receipts(world, |order| is_only(order, "book-1")).next(),
        "upsold" => receipts(world, |order| {
            world.records().orders.iter().any(|other| other.upsell_of.as_ref() == Some(&order.receipt))
        })
        .next(),
        "club" => receipts(world, |order| is_running(order) == Some(true)).next(),
        "other_club" => receipts(world, |order| is_running(order) == Some(true)).nth(1),
        "left" => receipts(world, |order| is_running(order) == Some(false)).next(),
        "other_left" => receipts(world, |order| is_running(order) == Some(false)).nth(1),
        "question" => ticket(world, "guide-1"),
        "held" => ticket(world, "book-1"),
        "image" => {
            let images = &world.records().images;
            images.iter().find(|image| image.site == "acme".into()).map(|image| image.id().to_string())
        }
        "club_id" => Some(product_id(&"acme".into(), "club-1").to_string()),
        _ => None,
    };
    found.unwrap_or_else(|| panic!("the world has no {name}"))
}

/// The receipts of acme's orders, but not those that hold rows of somebody else's.
fn receipts(world: &World, is_wanted: impl Fn(&Order) -> bool) -> impl Iterator<Item = String> {
    let records = world.records();
    let own = records.orders.iter().filter(|order| order.seller == "acme".into() && !order.test);
    let own = own.filter(|order| records.orders_of(&order.receipt).count() == 1);
    own.filter(move |order| is_wanted(order)).map(|order| order.receipt.clone())
}

fn is_only(order: &Order, item: &str) -> bool {
    order.lines.len() == 1 && order.has_item(item)
}

/// Whether the subscription goes on that the order began, if it began one.
fn is_running(order: &Order) -> Option<bool> {
    order.subscription.as_ref().map(|subscription| subscription.cancelled.is_none())
}

/// The id of an open ticket of acme's that asks for the money for `item`.
fn ticket(world: &World, item: &str) -> Option<String> {
    let records = world.records();
    let mut tickets = records.tickets.iter().filter(|ticket| ticket.kind == TicketKind::Refund && !ticket.is_closed());
    let is_wanted = |ticket: &&Ticket| {
        ticket.item_no == item && records.orders_of(&ticket.receipt).all(|order| order.seller == "acme".into())
    };
    tickets.find(is_wanted).map(|ticket| ticket.id.to_string())
}
