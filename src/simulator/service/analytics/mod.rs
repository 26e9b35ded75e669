//! Analytics: figures of one account, which the required parameter `account` names.
//!
//! Everything is computed from the rows of that account on the side that the path names (`VENDOR` or `AFFILIATE`), and
//! from nothing else. Sales of test purchases do not count.

mod details;
mod dimension;
mod trends;

pub(super) use details::details;
pub(super) use dimension::dimension;
pub(super) use trends::trends;

use super::call::{Call, day};
use super::rows::{Role, Row, rows};
use crate::simulator::config::SharedSale;
use crate::simulator::keys::Permission;
use crate::simulator::nickname::{Nickname, NicknameSet};
use crate::simulator::wire::{Answer, Element, Party, Refusal};

/// `GET /analytics/status`: nobody's data.
pub(super) fn status(call: &Call<'_>) -> Result<Answer, Refusal> {
    call.reach(Permission::Analytics)?;
    Ok(call.object(&Element::parent(
        "analyticStatus",
        vec![Element::text("status", "GREEN"), Element::text("lastUpdateTime", day(call.today()))],
    )))
}

/// The account that is asked about.
fn account<'a>(call: &Call<'a>) -> Result<&'a Nickname, Refusal> {
    call.nickname(Permission::Analytics, "account")
}

/// The rows of `account` on this side of its sales, the latest first.
fn rows_of<'a>(call: &Call<'a>, account: &Nickname, party: Party) -> Vec<Row<'a>> {
    let role = match party {
        Party::Vendor => Role::Vendor,
        Party::Affiliate => Role::Affiliate,
    };
    let reach = NicknameSet::from([account.clone()]);
    let orders = call.records().orders.iter().filter(|order| !order.test);
    let mut rows = rows(orders, &reach, SharedSale::BothRows);
    rows.retain(|row| row.role == role);
    rows
}
