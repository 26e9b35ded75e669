//! Subscription figures of an account by product or, with `groupBy=DATE`, by product and day.
//!
//! That absent `groupBy` means by product, and what the averages count, are guesses. `nickname` is the account asked
//! about.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::super::call::Call;
use super::super::rows::Row;
use super::{account, rows_of};
use crate::simulator::money::Cents;
use crate::simulator::nickname::Nickname;
use crate::simulator::wire::{Answer, Element, Party, Refusal};
use crate::simulator::world::{Line, TransactionKind, product_id};

/// `GET /analytics/{role}/subscription/trends`
pub(in super::super) fn trends(call: &Call<'_>, party: Party) -> Result<Answer, Refusal> {
    let account = account(call)?;
    let days = call.days("startDate", "endDate").ok_or(Refusal::BadParameter("startDate and endDate are required"))?;
    let by_date = call.query.given("groupBy") == Some("DATE");
    let products: Vec<&str> = call.query.all("productId").collect();

    let mut groups: BTreeMap<Group, Figures> = BTreeMap::new();
    for row in rows_of(call, account, party) {
        let date = row.transaction.time.date();
        for line in row.lines().filter(|line| line.recurring) {
            let id = product_id(&row.order.seller, &line.item_no).to_string();
            let is_wanted = products.is_empty() || products.contains(&id.as_str());
            if !days.contain(date) || !is_wanted {
                continue;
            }
            let group = Group {
                date: by_date.then_some(date),
                seller: row.order.seller.clone(),
                item_no: line.item_no.clone(),
            };
            let figures = groups.entry(group).or_insert_with(|| Figures::of(line));
            figures.add(&row, row.customer_amount(line));
        }
    }
    let page = call.page(groups.into_iter().collect());
    let written = page.rows.iter().map(|(group, figures)| figures.write(call, account, group));
    let result = Element::parent(
        "subscriptionTrendsData",
        vec![Element::text("totalCount", page.total), Element::parent("data", written.collect())],
    );
    Ok(call.wrapped(&page, &result))
}

/// What one row of the answer is about.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    date: Option<Date>,
    seller: Nickname,
    item_no: String,
}

/// The figures of one product.
struct Figures {
    title: String,
    initial: (u32, Cents),
    recurring: (u32, Cents),
    returned: Cents,
    cancelled: u32,
}

impl Figures {
    fn of(line: &Line) -> Self {
        Self {
            title: line.title.clone(),
            initial: (0, Cents::default()),
            recurring: (0, Cents::default()),
            returned: Cents::default(),
            cancelled: 0,
        }
    }

    fn add(&mut self, row: &Row<'_>, amount: Cents) {
        match row.transaction.kind {
            TransactionKind::Sale => self.initial = (self.initial.0 + 1, self.initial.1 + amount),
            TransactionKind::Bill => {
                self.recurring = (self.recurring.0 + 1, self.recurring.1 + amount);
            }
            TransactionKind::Refund | TransactionKind::Chargeback => {
                self.returned = self.returned - amount;
            }
            TransactionKind::CancelRebill => self.cancelled += 1,
            TransactionKind::Fee => {}
        }
    }

    fn write(&self, call: &Call<'_>, account: &Nickname, group: &Group) -> Element {
        let product = call.records().product(&group.seller, &group.item_no);
        let count = self.initial.0 + self.recurring.0;
        let gross = self.initial.1 + self.recurring.1;
        let average = gross.0.checked_div(i64::from(count)).unwrap_or_default();
        Element::parent(
            "row",
            vec![
                Element::text("avgActiveSubCnt", self.initial.0),
                Element::text("avgSubAge", 0),
                Element::text("avgSubValue", Cents(average)),
                Element::optional("businessDate", group.date),
                Element::text("cancelSubCnt", self.cancelled),
                Element::optional("description", product.and_then(|product| product.description.as_ref())),
                Element::text("duration", 12),
                Element::text("frequency", "MONTHLY"),
                Element::text("grossSales", gross),
                Element::text("initialSaleAmt", self.initial.1),
                Element::text("initialSaleCnt", self.initial.0),
                Element::text("itemNo", &group.item_no),
                Element::text("netSales", gross - self.returned),
                Element::text("nickname", account),
                Element::text("productId", product_id(&group.seller, &group.item_no)),
                Element::text("recurringSaleAmt", self.recurring.1),
                Element::text("recurringSaleCnt", self.recurring.0),
                Element::text("title", &self.title),
                Element::text("totalSalesCnt", count),
                Element::text("trialPeriod", 0),
            ],
        )
    }
}
