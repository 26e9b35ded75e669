//! Figures of an account along a dimension.
//!
//! Hops and impressions are made up from the sales, since nothing else is known of them. Guesses: `VENDOR_ONLY` counts
//! the rows of the account, and `AFFILIATE_ONLY`, which "excludes the selected account", those of them that other
//! accounts brought; without `orderBy` rows come in the order of the dimension's values.

use std::collections::BTreeMap;

use super::super::call::{Call, Days};
use super::super::rows::Row;
use super::{account, rows_of};
use crate::simulator::money::Cents;
use crate::simulator::nickname::Nickname;
use crate::simulator::wire::{Answer, Element, Party, Refusal};
use crate::simulator::world::TransactionKind;

/// `GET /analytics/{role}/{dimension}` and `…/summary`
pub(in super::super) fn dimension(
    call: &Call<'_>,
    party: Party,
    dimension: &str,
    summary: bool,
) -> Result<Answer, Refusal> {
    let account = account(call)?;
    let others_only = match call.query.given("summaryType") {
        _ if !summary => false,
        Some("VENDOR_ONLY") => false,
        Some("AFFILIATE_ONLY") => true,
        _ => return Err(Refusal::BadParameter("summaryType is not valid")),
    };
    if !is_offered(dimension, party) {
        return Err(Refusal::BadParameter("the dimension is not valid for the role"));
    }
    let days = Days {
        first: call.date("startDate").unwrap_or_else(|| call.days_ago(1)),
        last: call.date("endDate").unwrap_or_else(|| call.today()),
    };
    let only_value = call.query.given("dimensionFilter");

    let mut groups: BTreeMap<String, Figures> = BTreeMap::new();
    let mut total = Figures::default();
    for row in rows_of(call, account, party) {
        let brought_by_others = row.order.affiliate.as_ref().is_some_and(|affiliate| affiliate != account);
        if !days.contain(row.transaction.time.date()) || (others_only && !brought_by_others) {
            continue;
        }
        let value = value_of(call, dimension, &row);
        if only_value.is_none_or(|wanted| wanted == value) {
            groups.entry(value).or_default().add(&row);
            total.add(&row);
        }
    }
    let mut groups: Vec<(String, Figures)> = groups.into_iter().collect();
    if let Some(column) = call.query.given("orderBy") {
        sort(&mut groups, column, call.query.given("sortAscending") == Some("true"));
    }
    let columns = columns(call);
    let page = call.page(groups);
    let rows = page.rows.iter().map(|(value, figures)| write(account, dimension, value, figures, &columns));
    let result = Element::parent(
        "analyticsResult",
        vec![Element::parent("rows", rows.collect()), Element::parent("totals", total.write("total", &columns))],
    );
    Ok(call.wrapped(&page, &result))
}

/// Each role has one dimension that the other lacks.
fn is_offered(dimension: &str, party: Party) -> bool {
    match dimension {
        "PRODUCT_SKU" => party == Party::Vendor,
        "VENDOR_PRODUCT_SKU" => party == Party::Affiliate,
        _ => true,
    }
}

/// The value of the dimension that a row counts under.
fn value_of(call: &Call<'_>, dimension: &str, row: &Row<'_>) -> String {
    let order = row.order;
    let item = order.lines.first().map(|line| line.item_no.clone());
    let item = item.unwrap_or_default();
    match dimension {
        "AFFILIATE" => order.affiliate.as_ref().map_or_else(|| "none".to_owned(), Nickname::to_string),
        "CUSTOMER_CURRENCY" => order.currency.clone(),
        "CUSTOMER_COUNTRY" => order.customer.country.clone(),
        "CUSTOMER_PROVINCE" => order.customer.state.clone(),
        "CUSTOMER_LANGUAGE" => order.customer.language.clone(),
        // Tracking ids come back in lower case, as the Analytics API article admits.
        "TRACKING_ID" => order.tracking_id.as_deref().unwrap_or_default().to_lowercase(),
        "VENDOR" => order.seller.to_string(),
        "VENDOR_CATEGORY" => call
            .records()
            .product(&order.seller, &item)
            .and_then(|product| product.categories.first().cloned())
            .unwrap_or_default(),
        "VENDOR_PRODUCT_SKU" => format!("{}-{item}", order.seller),
        _ => item,
    }
}

fn write(account: &Nickname, dimension: &str, value: &str, figures: &Figures, columns: &[&'static str]) -> Element {
    let mut fields = vec![
        Element::text("dimensionIdentifier", dimension),
        Element::text("dimensionValue", value),
        Element::text("accountNickName", account),
    ];
    fields.extend(figures.write("data", columns));
    Element::parent("row", fields)
}

/// Everything that can be selected, in the order of answers.
const COLUMNS: [&str; 23] = [
    "HOP_COUNT",
    "ORDER_IMPRESSION",
    "ORDER_SUBMISSION",
    "SALE_COUNT",
    "SALE_AMOUNT",
    "REFUND_COUNT",
    "REFUND_AMOUNT",
    "CHARGEBACK_COUNT",
    "CHARGEBACK_AMOUNT",
    "REBILL_COUNT",
    "REBILL_AMOUNT",
    "UPSELL_COUNT",
    "UPSELL_AMOUNT",
    "GROSS_SALE_COUNT",
    "GROSS_SALE_AMOUNT",
    "NET_SALE_COUNT",
    "NET_SALE_AMOUNT",
    "EARNINGS_PER_HOP",
    "HOPS_PER_SALE",
    "HOPS_PER_ORDER_FORM_IMPRESSION",
    "ORDER_FORM_SALE_CONVERSION",
    "REFUND_RATE",
    "CHARGEBACK_RATE",
];

/// The columns that `select` names, repeated or joined by commas; all of them when it names none.
fn columns(call: &Call<'_>) -> Vec<&'static str> {
    let selected: Vec<&str> = call
        .query
        .all("select")
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|value| !value.is_empty())
        .collect();
    COLUMNS.into_iter().filter(|column| selected.is_empty() || selected.contains(column)).collect()
}

fn sort(groups: &mut [(String, Figures)], column: &str, ascending: bool) {
    groups.sort_by(|(one_value, one), (two_value, two)| {
        let order = if column == "DIMENSION_VALUE" {
            one_value.cmp(two_value)
        } else {
            one.hundredths(column).cmp(&two.hundredths(column))
        };
        if ascending { order } else { order.reverse() }
    });
}

/// Whether a column holds whole numbers.
fn is_count(column: &str) -> bool {
    column.ends_with("_COUNT") || matches!(column, "ORDER_IMPRESSION" | "ORDER_SUBMISSION")
}

/// How many, and how much.
#[derive(Clone, Copy, Default)]
struct Sum(i64, Cents);

impl Sum {
    fn add(&mut self, amount: Cents) {
        *self = Self(self.0 + 1, self.1 + amount);
    }
}

/// The figures of some rows.
#[derive(Clone, Copy, Default)]
struct Figures {
    sale: Sum,
    upsell: Sum,
    rebill: Sum,
    refund: Sum,
    chargeback: Sum,
}

impl Figures {
    fn add(&mut self, row: &Row<'_>) {
        let share = row.share();
        match row.transaction.kind {
            TransactionKind::Sale if row.order.upsell_of.is_some() => self.upsell.add(share),
            TransactionKind::Sale => self.sale.add(share),
            TransactionKind::Bill => self.rebill.add(share),
            TransactionKind::Refund => self.refund.add(-share),
            TransactionKind::Chargeback => self.chargeback.add(-share),
            TransactionKind::Fee | TransactionKind::CancelRebill => {}
        }
    }

    fn gross(&self) -> Sum {
        let Self { sale, upsell, rebill, .. } = self;
        Sum(sale.0 + upsell.0 + rebill.0, sale.1 + upsell.1 + rebill.1)
    }

    fn net(&self) -> Sum {
        let gross = self.gross();
        Sum(gross.0 - self.refund.0 - self.chargeback.0, gross.1 - self.refund.1 - self.chargeback.1)
    }

    /// The value of a column in hundredths.
    fn hundredths(&self, column: &str) -> i64 {
        const HOPS_PER_SALE: i64 = 37;
        const IMPRESSIONS_PER_SALE: i64 = 9;
        const SUBMISSIONS_PER_SALE: i64 = 2;
        let ratio = |part: i64, whole: i64| (part * 100).checked_div(whole).unwrap_or_default();
        let sales = self.sale.0;
        let gross = self.gross();
        match column {
            "HOP_COUNT" => sales * HOPS_PER_SALE * 100,
            "ORDER_IMPRESSION" => sales * IMPRESSIONS_PER_SALE * 100,
            "ORDER_SUBMISSION" => sales * SUBMISSIONS_PER_SALE * 100,
            "SALE_COUNT" => sales * 100,
            "SALE_AMOUNT" => self.sale.1.0,
            "REFUND_COUNT" => self.refund.0 * 100,
            "REFUND_AMOUNT" => self.refund.1.0,
            "CHARGEBACK_COUNT" => self.chargeback.0 * 100,
            "CHARGEBACK_AMOUNT" => self.chargeback.1.0,
            "REBILL_COUNT" => self.rebill.0 * 100,
            "REBILL_AMOUNT" => self.rebill.1.0,
            "UPSELL_COUNT" => self.upsell.0 * 100,
            "UPSELL_AMOUNT" => self.upsell.1.0,
            "GROSS_SALE_COUNT" => gross.0 * 100,
            "GROSS_SALE_AMOUNT" => gross.1.0,
            "NET_SALE_COUNT" => self.net().0 * 100,
            "NET_SALE_AMOUNT" => self.net().1.0,
            "EARNINGS_PER_HOP" => ratio(gross.1.0, sales * HOPS_PER_SALE) / 100,
            "HOPS_PER_SALE" => ratio(sales * HOPS_PER_SALE, sales),
            "HOPS_PER_ORDER_FORM_IMPRESSION" => ratio(sales * HOPS_PER_SALE, sales * IMPRESSIONS_PER_SALE),
            "ORDER_FORM_SALE_CONVERSION" => ratio(sales, sales * IMPRESSIONS_PER_SALE),
            "REFUND_RATE" => ratio(self.refund.0, gross.0),
            "CHARGEBACK_RATE" => ratio(self.chargeback.0, gross.0),
            _ => 0,
        }
    }

    /// The columns as elements of this name.
    fn write(&self, name: &'static str, columns: &[&'static str]) -> Vec<Element> {
        let write = |column: &&'static str| {
            let hundredths = self.hundredths(column);
            let value = if is_count(column) {
                Element::text("value", hundredths / 100).attribute("xsi:type", "xs:long")
            } else {
                Element::text("value", Cents(hundredths)).attribute("xsi:type", "xs:decimal")
            };
            Element::parent(name, vec![Element::text("attribute", *column), value])
        };
        columns.iter().map(write).collect()
    }
}
