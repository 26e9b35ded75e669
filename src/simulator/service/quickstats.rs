//! Quickstats: what each account took in, day by day.
//!
//! `account` may be absent: then every nickname of the key's *Orders Read* reach is covered, as the Quickstats API
//! article says. An account outside it is 403. Guesses: one `accountData` per account with a `quickStats` per
//! day that has any; the figures are the account's share of its own rows, as seller, affiliate or joint venture
//! partner, with refunds and chargebacks as positive numbers.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::call::{Call, Days, day};
use super::rows::rows;
use crate::simulator::config::SharedSale;
use crate::simulator::keys::Permission;
use crate::simulator::money::Cents;
use crate::simulator::nickname::{Nickname, NicknameSet};
use crate::simulator::wire::{Answer, Element, Refusal};
use crate::simulator::world::TransactionKind;

const ROOT: &str = "accountList";

/// `GET /quickstats/list`
pub(super) fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let accounts = accounts_asked(call)?;
    let days = days(call);
    Ok(call.list(ROOT, call.page(accounts), |account| {
        let by_day = figures(call, account, days);
        let stats = by_day.iter().map(|(date, figures)| figures.write(Some(*date)));
        write(account, stats.collect())
    }))
}

/// `GET /quickstats/count`: the sum for each account, without a date.
pub(super) fn count(call: &Call<'_>) -> Result<Answer, Refusal> {
    let accounts = accounts_asked(call)?;
    let days = days(call);
    let written = accounts.into_iter().map(|account| {
        let by_day = figures(call, account, days);
        let sum = by_day.into_values().fold(Figures::default(), Figures::plus);
        write(account, vec![sum.write(None)])
    });
    Ok(call.rows(ROOT, written.collect()))
}

/// `GET /quickstats/accounts`: every nickname that the key can read.
pub(super) fn accounts(call: &Call<'_>) -> Result<Answer, Refusal> {
    let reach = call.reach(Permission::OrdersRead)?;
    let written = reach.iter().map(|account| write(account, Vec::new()));
    Ok(call.rows(ROOT, written.collect()))
}

fn accounts_asked<'a>(call: &Call<'a>) -> Result<Vec<&'a Nickname>, Refusal> {
    if call.query.given("account").is_some() {
        return Ok(vec![call.nickname(Permission::OrdersRead, "account")?]);
    }
    Ok(call.reach(Permission::OrdersRead)?.iter().collect())
}

/// The days asked for: each end has its own default.
fn days(call: &Call<'_>) -> Days {
    Days {
        first: call.date("startDate").unwrap_or_else(|| call.days_ago(45)),
        last: call.date("endDate").unwrap_or_else(|| call.today()),
    }
}

fn write(account: &Nickname, stats: Vec<Element>) -> Element {
    let mut fields = vec![Element::text("nickName", account)];
    fields.extend(stats);
    Element::parent("accountData", fields)
}

/// What an account took in.
#[derive(Clone, Copy, Default)]
struct Figures {
    sale: Cents,
    refund: Cents,
    chargeback: Cents,
}

impl Figures {
    fn plus(self, other: Self) -> Self {
        Self {
            sale: self.sale + other.sale,
            refund: self.refund + other.refund,
            chargeback: self.chargeback + other.chargeback,
        }
    }

    fn write(&self, date: Option<Date>) -> Element {
        Element::parent(
            "quickStats",
            vec![
                Element::optional("quickStatDate", date.map(day)),
                Element::text("sale", self.sale),
                Element::text("refund", self.refund),
                Element::text("chargeback", self.chargeback),
            ],
        )
    }
}

/// The figures of `account` for each day that has any.
fn figures(call: &Call<'_>, account: &Nickname, days: Days) -> BTreeMap<Date, Figures> {
    let reach = NicknameSet::from([account.clone()]);
    let mut by_day: BTreeMap<Date, Figures> = BTreeMap::new();
    for row in rows(call.records().orders.iter(), &reach, SharedSale::BothRows) {
        let date = row.transaction.time.date();
        if !days.contain(date) || row.order.test {
            continue;
        }
        let figures = by_day.entry(date).or_default();
        let share = row.share();
        match row.transaction.kind {
            TransactionKind::Sale | TransactionKind::Bill => figures.sale = figures.sale + share,
            TransactionKind::Refund => figures.refund = figures.refund - share,
            TransactionKind::Chargeback => figures.chargeback = figures.chargeback - share,
            TransactionKind::Fee | TransactionKind::CancelRebill => {}
        }
    }
    by_day
}
