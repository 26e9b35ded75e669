//! One row, as far as it says whose it is.

use std::borrow::Cow;
use std::fmt;
use std::mem;

use crate::domain::endpoint::Party;
use crate::domain::nickname::Nickname;

/// How many readings of a field are told apart. More make it open what it says.
const MAX_READINGS: usize = 16;

/// A field of a row, as every reader would read it.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Field<'a> {
    /// Not there, under no name that could be taken for its.
    #[default]
    Missing,
    /// There once, and a text, as it is meant: with escapes and references resolved, and not trimmed.
    Text(Cow<'a, str>),
    /// There, but two readers may see two things.
    Unclear(Readings<'a>),
}

/// What readers may see in a field.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Readings<'a> {
    texts: Vec<Cow<'a, str>>,
    /// Something has exactly the field's name.
    named: bool,
    /// Something else than one of the texts can be read.
    open: bool,
}

impl Readings<'_> {
    /// The texts that are known.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(AsRef::as_ref)
    }

    /// Whether every reader sees one of the texts. Another may see nothing, a value that is no text, or another text.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.named && !self.open
    }
}

// What an answer says is a customer's or a caller's, and shows nowhere.

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("Missing"),
            Self::Text(_) => f.write_str("Text(..)"),
            Self::Unclear(readings) => f.debug_tuple("Unclear").field(readings).finish(),
        }
    }
}

impl fmt::Debug for Readings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} texts{}", self.texts.len(), if self.is_complete() { "" } else { " at least" })
    }
}

impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [owner_or_vendor, affiliate, role, receipt] = &self.fields;
        f.debug_struct("Row")
            .field("owner_or_vendor", owner_or_vendor)
            .field("affiliate", affiliate)
            .field("role", role)
            .field("receipt", receipt)
            .field("party", &self.party())
            .field("flawed", &self.flawed)
            .finish()
    }
}

impl<'a> Field<'a> {
    /// The text, if it is clear.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Missing | Self::Unclear(_) => None,
        }
    }

    /// Takes in another member of the field's name, or of one like it. `None` is a value that is no plain text.
    fn add(&mut self, exact: bool, text: Option<Cow<'a, str>>) {
        let mut readings = match (mem::take(self), text) {
            (Self::Missing, Some(text)) if exact => {
                *self = Self::Text(text);
                return;
            }
            (Self::Missing, text) => Readings { open: text.is_none(), texts: text.into_iter().collect(), named: false },
            (Self::Text(first), text) => Readings {
                open: text.is_none(),
                texts: [Some(first), text].into_iter().flatten().collect(),
                named: true,
            },
            (Self::Unclear(mut readings), text) => {
                match text {
                    Some(text) if readings.texts.len() < MAX_READINGS => readings.texts.push(text),
                    _ => readings.open = true,
                }
                readings
            }
        };
        readings.named |= exact;
        *self = Self::Unclear(readings);
    }

    /// Whether it is such a text for every reader.
    fn always(&self, holds: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Missing => false,
            Self::Text(text) => holds(text),
            Self::Unclear(readings) => readings.is_complete() && readings.texts().all(holds),
        }
    }
}

/// Whose a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// One of ours, for every reader.
    Mine,
    /// Somebody else's, for every reader.
    Foreign,
    /// It cannot be said.
    Unclear,
}

/// What says who owns a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deciding {
    /// Nothing that is known.
    Nothing,
    /// One field.
    Field,
    /// One of two fields, by the role in the row.
    Role,
    /// One of two fields, by the role in the request.
    Party(Party),
}

/// Which fields a member of a row could be taken for, as bits in the order of [`Row`]'s.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hits {
    pub(super) exact: u8,
    pub(super) alike: u8,
}

impl Hits {
    pub(super) const fn any(self) -> bool {
        self.exact | self.alike != 0
    }
}

/// A row of an answer, as far as it says whose it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Row<'a> {
    /// Owner or vendor, affiliate, role, receipt.
    fields: [Field<'a>; 4],
    deciding: Deciding,
    flawed: bool,
}

impl<'a> Row<'a> {
    pub(super) const fn new(deciding: Deciding) -> Self {
        let fields = [Field::Missing, Field::Missing, Field::Missing, Field::Missing];
        Self { fields, deciding, flawed: false }
    }

    pub(super) const fn flaw(&mut self) {
        self.flawed = true;
    }

    /// Takes in a member. `None` is a value that is no plain text.
    pub(super) fn add(&mut self, hits: Hits, text: Option<&Cow<'a, str>>) {
        for (field, bit) in self.fields.iter_mut().zip([1, 2, 4, 8]) {
            if (hits.exact | hits.alike) & bit != 0 {
                field.add(hits.exact & bit != 0, text.cloned());
            }
        }
    }

    /// The owner, where one field names it; the seller, where it depends on the role.
    #[must_use]
    pub const fn owner_or_vendor(&self) -> &Field<'a> {
        let [owner, ..] = &self.fields;
        owner
    }

    /// The affiliate, where the owner depends on the role.
    #[must_use]
    pub const fn affiliate(&self) -> &Field<'a> {
        let [_, affiliate, ..] = &self.fields;
        affiliate
    }

    /// The role.
    #[must_use]
    pub const fn role(&self) -> &Field<'a> {
        let [_, _, role, _] = &self.fields;
        role
    }

    /// The receipt by which the owner can be looked up.
    #[must_use]
    pub const fn receipt(&self) -> &Field<'a> {
        let [.., receipt] = &self.fields;
        receipt
    }

    /// The role that says which field names the owner, if there is one and it is clear.
    #[must_use]
    pub fn party(&self) -> Option<Party> {
        match self.deciding {
            Deciding::Party(party) => Some(party),
            Deciding::Role => self.role().text().and_then(Party::parse),
            Deciding::Nothing | Deciding::Field => None,
        }
    }

    /// The owner, where every reader who reads the deciding fields sees this one.
    #[must_use]
    pub fn certain_owner(&self) -> Option<&str> {
        let field = match self.deciding {
            Deciding::Nothing => return None,
            Deciding::Field => self.owner_or_vendor(),
            Deciding::Role | Deciding::Party(_) => self.field_of(self.party()?),
        };
        field.text()
    }

    /// Whether a reader could find another row or owner in it: a key stands twice in one object, or below its own
    /// members something has the name of an owner or of a row, and is not known to be another party.
    #[must_use]
    pub const fn is_flawed(&self) -> bool {
        self.flawed
    }

    /// Whose it is. `mine` is asked about texts as they stand.
    #[must_use]
    pub fn standing(&self, mine: &dyn Fn(&str) -> bool) -> Standing {
        if !self.flawed && self.certain_owner().is_some_and(mine) {
            return Standing::Mine;
        }
        let foreign = |text: &str| Nickname::check(text).is_ok() && !mine(text);
        let always_foreign = match self.deciding {
            Deciding::Nothing => false,
            Deciding::Field => self.owner_or_vendor().always(foreign),
            Deciding::Party(party) => self.field_of(party).always(foreign),
            Deciding::Role => {
                self.role().always(|role| Party::parse(role).is_some_and(|party| self.field_of(party).always(foreign)))
            }
        };
        if always_foreign { Standing::Foreign } else { Standing::Unclear }
    }

    const fn field_of(&self, party: Party) -> &Field<'a> {
        match party {
            Party::Vendor => self.owner_or_vendor(),
            Party::Affiliate => self.affiliate(),
        }
    }
}
