//! Whose rows an answer holds, and an answer without some of them.
//!
//! ClickBank's JSON is a mechanical image of its XML: the name of a list's elements is a key, one element is an object,
//! several are an array, and nothing at all is `null` or no body. [`Reader`] knows from the catalogue where the rows of
//! an endpoint stand and which of their fields say whose they are; [`read`] has each row judged and knows afterwards
//! what to cut; [`survey`] only looks at the rows.
//!
//! Bodies come here after [`answer::judge`](super::answer::judge) found them whole and well-formed. What a body says is
//! read as all readers would: where two readers could differ, nobody is taken to own the row. Who may see a row is not
//! known here.

mod edit;
mod json;
mod name;
mod row;
mod xml;

use thiserror::Error;

pub use self::edit::Edit;
pub use self::row::{Field, Readings, Row, Standing};

use self::name::{Known, Name};
use self::row::{Deciding, Hits};
use super::answer::Media;
use super::endpoint::{OwnerField, Party, Rows};

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Keep,
    /// It is cut out.
    Drop,
    /// The whole answer is refused.
    Refuse,
}

/// What becomes of the members that count over the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Totals {
    /// They stay.
    Keep,
    /// They are cut out.
    Drop,
}

/// Why an answer was not read to its end.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ReadError {
    /// It is not built as the rows of its endpoint are known to be, so there could be rows that nobody looked at.
    #[error("the answer is not built as the catalogue says")]
    Unreadable,
    /// A row was refused.
    #[error("a row of the answer was refused")]
    Refused,
}

/// Where rows stand in an answer, and which of their fields say whose they are.
#[derive(Clone, Debug)]
pub struct Reader<'r> {
    /// Names on the way from the root to a row; none where the root is the row.
    path: Vec<&'r str>,
    /// The last of them.
    row_name: Option<Known<'r>>,
    /// Of the fields that are read, in the order of [`Row`]'s.
    fields: [Option<Known<'r>>; 4],
    deciding: Deciding,
    counterparty: &'r [String],
    totals: &'r [String],
    drop_totals: bool,
}

impl<'r> Reader<'r> {
    /// A reader of such rows. `party` is the role that the request names, which decides where rows have none.
    #[must_use]
    pub fn new(rows: &'r Rows, party: Option<Party>, totals: Totals) -> Self {
        let (owner, affiliate, deciding) = match (&rows.owner, &rows.role, party) {
            (None, ..) => (None, None, Deciding::Nothing),
            (Some(OwnerField::Field(owner)), ..) => (Some(owner), None, Deciding::Field),
            (Some(OwnerField::ByRole { vendor, affiliate }), role, party) => {
                let deciding = match (role, party) {
                    (Some(_), _) => Deciding::Role,
                    (None, Some(party)) => Deciding::Party(party),
                    (None, None) => Deciding::Nothing,
                };
                (Some(vendor), Some(affiliate), deciding)
            }
        };
        let path: Vec<&str> = if rows.at.is_empty() { Vec::new() } else { rows.at.split('.').collect() };
        let fields = [owner, affiliate, rows.role.as_ref(), rows.receipt.as_ref()];
        Self {
            row_name: path.last().copied().map(Known::new),
            path,
            fields: fields.map(|field| field.map(|name| Known::new(name))),
            deciding,
            counterparty: &rows.counterparty,
            totals: &rows.totals,
            drop_totals: totals == Totals::Drop,
        }
    }

    fn row<'a>(&self) -> Row<'a> {
        Row::new(self.deciding)
    }

    /// Which fields a member of a row could be taken for.
    fn hits(&self, name: &Name<'_>) -> Hits {
        let mut hits = Hits::default();
        for (field, bit) in self.fields.iter().zip([1, 2, 4, 8]) {
            let Some(field) = field else { continue };
            if name.is(field) {
                hits.exact |= bit;
            } else if name.looks_like(field) {
                hits.alike |= bit;
            }
        }
        hits
    }

    /// Whether something of this name could be taken for a row.
    fn is_like_a_row(&self, name: &Name<'_>) -> bool {
        self.row_name.as_ref().is_some_and(|row| name.looks_like(row))
    }

    /// Whether something of this name, below the members of a row, could be taken for a row or an owner.
    fn is_like_a_row_or_owner(&self, name: &Name<'_>) -> bool {
        let [owner, affiliate, _, receipt] = &self.fields;
        // Where no field names an owner, the receipt is all that tells whose it is.
        let receipt = if owner.is_none() { receipt } else { &None };
        let mut owners = [owner, affiliate, receipt].into_iter().flatten();
        self.is_like_a_row(name) || owners.any(|owner| name.looks_like(owner))
    }

    /// Whether the names lead from a row to a field that names another party.
    fn is_counterparty<'n>(&self, names: &(impl Iterator<Item = &'n str> + Clone)) -> bool {
        self.counterparty.iter().any(|path| path.split('.').eq(names.clone()))
    }

    /// The position of the total that may stand on this level of the path.
    fn total(&self, level: usize, name: &str) -> Option<usize> {
        let beside_rows = level + 1 == self.path.len();
        let total = self.totals.iter().position(|total| total == name);
        total.filter(|_| level == 0 || beside_rows)
    }
}

/// Has each row judged, in the order of the answer, and tells what to cut so that what is dropped is gone.
///
/// Besides rows and the totals of the catalogue nothing may stand at the root or on the way to the rows. No body,
/// `null`, `{}` and a root without anything in it are no rows.
///
/// # Errors
/// When the answer is built differently, or `judge` refuses a row.
pub fn read<'a>(
    media: Media,
    body: &'a str,
    reader: &Reader<'_>,
    judge: impl FnMut(&Row<'a>) -> Verdict,
) -> Result<Edit, ReadError> {
    // Positions are kept in 32 bits.
    if u32::try_from(body.len()).is_err() {
        return Err(ReadError::Unreadable);
    }
    match media {
        Media::Json => json::read(body, reader, judge),
        Media::Xml => xml::read(body, reader, judge),
        Media::Text => Err(ReadError::Unreadable),
    }
}

/// Looks at every row that somebody could find where the rows stand, in an answer built however it may be.
///
/// Arrays are looked through on every level, repeated members are all followed and unknown ones left out. It ends where
/// the answer stops being well-formed.
pub fn survey<'a>(media: Media, body: &'a str, reader: &Reader<'_>, visit: impl FnMut(&Row<'a>)) {
    if u32::try_from(body.len()).is_err() {
        return;
    }
    // That the answer ended early changes nothing of what was seen.
    let _ended_early = match media {
        Media::Json => json::survey(body, reader, visit).is_err(),
        Media::Xml => xml::survey(body, reader, visit).is_err(),
        Media::Text => false,
    };
}

/// A row, or what could be one, that is not built as it has to be.
#[derive(Clone, Copy, Debug)]
struct Unreadable;

impl From<Unreadable> for ReadError {
    fn from(_: Unreadable) -> Self {
        Self::Unreadable
    }
}

#[cfg(test)]
mod tests;
