//! Whose an order is, and which of an answer's rows a caller gets: design §4's rules on what ClickBank's answers show.
//!
//! Everything here works on what [`super::rows`] has read. It knows no endpoint and no credential by name.

use super::endpoint::Party;
use super::nickname::{NicknameId, NicknameSet, Nicknames, Scope};
use super::rows::{Row, Standing, Verdict};

/// Who sold what has a receipt, as one credential sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sellers {
    /// The sellers that it shows.
    sellers: NicknameSet,
    /// Sales that it shows from the side of their affiliates: seller and affiliate, none where they are not declared.
    brought: Vec<[Option<NicknameId>; 2]>,
}

impl Sellers {
    /// Takes in a row of the order with this receipt. Says whether it can be told whose it is.
    ///
    /// Only the seller owns a sale: that its affiliate is one of ours gives no right to act on it.
    pub fn add(&mut self, receipt: &str, row: &Row<'_>, nicknames: &Nicknames) -> bool {
        if row.is_flawed() || row.receipt().text() != Some(receipt) {
            return false;
        }
        let of = |field: Option<&str>| field.and_then(|text| nicknames.find(text));
        match (row.party(), row.certain_owner()) {
            (Some(Party::Vendor), owner) => of(owner).is_some_and(|seller| {
                self.sellers.insert(seller);
                true
            }),
            (Some(Party::Affiliate), Some(owner)) => {
                self.brought.push([of(row.owner_or_vendor().text()), of(Some(owner))]);
                true
            }
            _ => false,
        }
    }

    /// Whether it is an order of `allowed` alone: somebody of them sold it, and nobody else.
    #[must_use]
    pub fn are_within(&self, allowed: &NicknameSet) -> bool {
        !self.sellers.is_empty() && self.sellers.is_subset(allowed)
    }

    /// Those that are declared.
    #[must_use]
    pub const fn nicknames(&self) -> &NicknameSet {
        &self.sellers
    }

    /// Whether the credential sees no sale under this receipt that a key of `allowed` would not. An answer about the
    /// receipt as a whole depends on all sales that are seen.
    #[must_use]
    pub fn show_no_others(&self, allowed: &NicknameSet) -> bool {
        let is_seen = |party: &Option<NicknameId>| party.is_some_and(|id| allowed.contains(id));
        self.brought.iter().all(|parties| parties.iter().any(is_seen))
    }
}

/// The names of a scope, as they stand in answers.
#[derive(Clone, Copy, Debug)]
pub struct Names<'n> {
    nicknames: &'n Nicknames,
    scope: Scope,
}

impl<'n> Names<'n> {
    /// The names of this scope.
    #[must_use]
    pub const fn new(nicknames: &'n Nicknames, scope: Scope) -> Self {
        Self { nicknames, scope }
    }

    /// Whether a declared nickname of the scope is called so.
    #[must_use]
    pub fn declare(&self, name: &str) -> bool {
        self.nicknames.find(name).is_some_and(|id| self.scope.declared().contains(id))
    }

    /// Whether this row certainly belongs to nobody in the scope, to which *All Accounts* also counts whom nobody
    /// declared.
    #[must_use]
    pub fn exclude(&self, row: &Row<'_>) -> bool {
        !self.scope.is_all() && row.certain_owner().is_some_and(|owner| is_nickname(owner) && !self.declare(owner))
    }
}

fn is_nickname(text: &str) -> bool {
    super::nickname::Nickname::check(text).is_ok()
}

/// What is done with the rows of a list, of which `mine` are let through. A row that could be anybody's is not passed
/// over in silence: then nothing of the answer is released.
#[must_use]
pub fn row_of_list(row: &Row<'_>, mine: &Names<'_>) -> Verdict {
    match row.standing(&|name| mine.declare(name)) {
        Standing::Mine => Verdict::Keep,
        Standing::Foreign => Verdict::Drop,
        Standing::Unclear => Verdict::Refuse,
    }
}

/// What is done with the rows of one object, of which `mine` are let through, behind a credential that reaches `seen`.
/// `beside_mine` is whether one of `mine` stands under the same receipt: what has a receipt of its own, such as an upsell,
/// must not decide about what is shown of others.
///
/// What ClickBank shows of a sale can depend on who else is in reach. So that what stays is what a key of `mine` would
/// see, nothing is released where a sale shows as its seller's whose affiliate is one of `mine`, or as an affiliate's of
/// `mine` whose seller is another one in reach.
#[must_use]
pub fn row_of_object(row: &Row<'_>, mine: &Names<'_>, seen: &Names<'_>, beside_mine: bool) -> Verdict {
    let is = |names: &Names<'_>, field: Option<&str>| field.is_some_and(|name| names.declare(name));
    match (row_of_list(row, mine), row.party()) {
        (Verdict::Drop, Some(Party::Vendor)) if is(mine, row.affiliate().text()) => Verdict::Refuse,
        (Verdict::Keep, Some(Party::Affiliate)) => {
            let seller = row.owner_or_vendor().text();
            if is(seen, seller) && !is(mine, seller) { Verdict::Refuse } else { Verdict::Keep }
        }
        (Verdict::Refuse, _) if !beside_mine => Verdict::Drop,
        (verdict, _) => verdict,
    }
}
