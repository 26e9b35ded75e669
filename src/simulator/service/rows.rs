//! Rows: what a nickname sees of a sale.
//!
//! Each transaction is a row for its seller (role `VENDOR`), for its affiliate (`AFFILIATE`) and for each joint venture
//! partner (`JV_TRADITIONAL`, `JV_UPSELL`, nil). A key sees the rows of the nicknames in its reach and no others. Which
//! one it sees of a sale that it reaches twice is a guess, and a setting.

use crate::simulator::config::SharedSale;
use crate::simulator::money::Cents;
use crate::simulator::nickname::NicknameSet;
use crate::simulator::world::{JointVentureKind, Line, Order, Transaction};

/// The part that a nickname of the key has in a sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Vendor,
    Affiliate,
    JvTraditional,
    JvUpsell,
    JvUnnamed,
}

impl Role {
    /// The code in answers; nil for one kind of joint venture.
    pub(super) fn code(self) -> Option<&'static str> {
        Some(match self {
            Self::Vendor => "VENDOR",
            Self::Affiliate => "AFFILIATE",
            Self::JvTraditional => "JV_TRADITIONAL",
            Self::JvUpsell => "JV_UPSELL",
            Self::JvUnnamed => return None,
        })
    }

    /// The share of a sale, in percent. Real ones depend on contracts and fees.
    fn percent(self, order: &Order) -> i64 {
        match self {
            Self::Vendor if order.affiliate.is_some() => 50,
            Self::Vendor => 90,
            Self::Affiliate => 40,
            Self::JvTraditional | Self::JvUpsell | Self::JvUnnamed => 5,
        }
    }
}

/// A transaction as one role sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) order: &'a Order,
    pub(super) transaction: &'a Transaction,
    pub(super) role: Role,
}

impl<'a> Row<'a> {
    pub(super) fn kind(&self) -> &'static str {
        self.transaction.kind.code(self.order.test)
    }

    /// The lines that the transaction is about.
    pub(super) fn lines(&self) -> impl Iterator<Item = &'a Line> + use<'a> {
        let (order, transaction) = (self.order, self.transaction);
        order.lines.iter().filter(|line| transaction.is_about(line))
    }

    /// What the customer paid for `line` in this transaction.
    pub(super) fn customer_amount(&self, line: &Line) -> Cents {
        self.order.paid_for(line, self.transaction)
    }

    /// What the account gets of `amount`.
    pub(super) fn share_of(&self, amount: Cents) -> Cents {
        amount.percent(self.role.percent(self.order))
    }

    /// What the account gets of the transaction.
    pub(super) fn share(&self) -> Cents {
        self.share_of(self.transaction.amount)
    }
}

/// The rows of `orders` that `reach` sees, the latest first.
pub(super) fn rows<'a>(
    orders: impl Iterator<Item = &'a Order>,
    reach: &NicknameSet,
    shared: SharedSale,
) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    for order in orders {
        let roles = roles(order, reach, shared);
        for transaction in &order.transactions {
            rows.extend(roles.iter().map(|role| Row { order, transaction, role: *role }));
        }
    }
    // What rows say decides their order, never their place in the world, which depends on rows that nobody sees.
    rows.sort_by(|one, two| {
        let key = |row: &Row<'a>| (row.transaction.time, &row.order.receipt, &row.order.seller);
        key(two).cmp(&key(one)).then_with(|| one.kind().cmp(two.kind())).then_with(|| one.role.cmp(&two.role))
    });
    rows
}

/// The roles in which `reach` sees `order`.
fn roles(order: &Order, reach: &NicknameSet, shared: SharedSale) -> Vec<Role> {
    let mut roles = Vec::new();
    if reach.contains(&order.seller) {
        roles.push(Role::Vendor);
    }
    if order.affiliate.as_ref().is_some_and(|affiliate| reach.contains(affiliate)) {
        roles.push(Role::Affiliate);
    }
    for venture in &order.joint_ventures {
        if reach.contains(&venture.partner) {
            roles.push(match venture.kind {
                JointVentureKind::Traditional => Role::JvTraditional,
                JointVentureKind::Upsell => Role::JvUpsell,
                JointVentureKind::Unnamed => Role::JvUnnamed,
            });
        }
    }
    if shared == SharedSale::SellerRow {
        roles.truncate(1);
    }
    roles
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::nickname::Nickname;
    use jiff::civil::date;

    #[test]
    fn a_sale_shows_to_each_party_in_its_role_and_to_nobody_else() {
        let order = Order::sale("AAAA0001", "acme", date(2026, 11, 1))
            .through("acmeaff")
            .shared_with("zenith", JointVentureKind::Upsell);
        for (reach, seller_row, both_rows) in [
            (vec!["acme"], "VENDOR", "VENDOR"),
            (vec!["acmeaff"], "AFFILIATE", "AFFILIATE"),
            (vec!["zenith"], "JV_UPSELL", "JV_UPSELL"),
            (vec!["acme", "acmeaff"], "VENDOR", "VENDOR AFFILIATE"),
            (vec!["acmeaff", "zenith"], "AFFILIATE", "AFFILIATE JV_UPSELL"),
            (vec!["orbit"], "", ""),
        ] {
            let reach: NicknameSet = reach.into_iter().map(Nickname::new).collect();
            let seen = |shared| {
                let rows = rows([&order].into_iter(), &reach, shared);
                let codes: Vec<&str> = rows.iter().filter_map(|row| row.role.code()).collect();
                codes.join(" ")
            };
            assert_eq!(seen(SharedSale::SellerRow), seller_row, "{reach:?}");
            assert_eq!(seen(SharedSale::BothRows), both_rows, "{reach:?}");
        }
    }
}
