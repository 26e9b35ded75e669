//! Whose rows an answer holds, thought out a second time: with whole trees, sets and copies, and no regard to speed. It
//! shares no code with the gateway but the catalogue's `Rows`, which are data.

use std::collections::BTreeSet;

use clickbank_gateway::domain::endpoint::{OwnerField, Rows};

pub(crate) mod json;
pub(crate) mod xml;

/// What is asked.
#[derive(Clone, Copy)]
pub(crate) struct Question<'q> {
    pub(crate) rows: &'q Rows,
    /// `VENDOR` or `AFFILIATE`, as the request says.
    pub(crate) party: Option<&'q str>,
    pub(crate) drop_totals: bool,
}

/// One row as it is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) standing: &'static str,
    pub(crate) flawed: bool,
    pub(crate) owner: Option<String>,
    pub(crate) party: Option<String>,
    pub(crate) receipt: Option<String>,
}

/// An answer as it is read: `None` in the place of the text when it is unreadable.
pub(crate) struct Outcome {
    pub(crate) rows: Vec<Seen>,
    pub(crate) text: Option<String>,
}

/// What a field could be taken for, each time that it could: whether the name is exact, and the text if it is one.
type Readings = Vec<(bool, Option<String>)>;

pub(crate) fn is_nickname(text: &str) -> bool {
    (1..=32).contains(&text.chars().count())
        && text.chars().all(|character| character.is_ascii_alphanumeric())
        && text.to_lowercase() != "none"
}

pub(crate) fn is_mine(text: &str) -> bool {
    text.to_lowercase() == "acme"
}

fn clear(readings: &Readings) -> Option<&str> {
    match &readings[..] {
        [(true, Some(text))] => Some(text),
        _ => None,
    }
}

/// Every text that somebody may read, if nobody reads anything else.
fn all_readings(readings: &Readings) -> Option<BTreeSet<&str>> {
    let exact = readings.iter().any(|(exact, _)| *exact);
    if !exact || readings.iter().filter(|(_, text)| text.is_some()).count() > 16 {
        return None;
    }
    readings.iter().map(|(_, text)| text.as_deref()).collect()
}

impl<'q> Question<'q> {
    fn path(self) -> Vec<&'q str> {
        if self.rows.at.is_empty() { Vec::new() } else { self.rows.at.split('.').collect() }
    }

    fn owners(self) -> Vec<&'q str> {
        match &self.rows.owner {
            None => Vec::new(),
            Some(OwnerField::Field(field)) => vec![field],
            Some(OwnerField::ByRole { vendor, affiliate }) => vec![vendor, affiliate],
        }
    }

    /// Whether a total of this name may stand on this level.
    fn is_total(self, level: usize, name: &str) -> bool {
        (level == 0 || level == self.path().len() - 1) && self.rows.totals.iter().any(|total| total == name)
    }

    /// A row with these members of its own, each by its name and its text.
    fn see(self, members: &[(String, Option<String>)], flawed: bool) -> Seen {
        let readings = |field: &str| -> Readings {
            let alike = members.iter().filter(|(name, _)| name == field || bare(name) == bare(field));
            alike.map(|(name, text)| (name == field, text.clone())).collect()
        };
        let foreign = |field: &str| {
            let all = readings(field);
            all_readings(&all).is_some_and(|texts| texts.iter().all(|text| is_nickname(text) && !is_mine(text)))
        };
        // The fields that may name the owner, by the roles that somebody may read.
        let by_role = |role: &str| match (&self.rows.owner, role) {
            (Some(OwnerField::ByRole { vendor, .. }), "VENDOR") => Some(vendor.as_str()),
            (Some(OwnerField::ByRole { affiliate, .. }), "AFFILIATE") => Some(affiliate.as_str()),
            _ => None,
        };
        let role = self.rows.role.as_deref().map(readings);
        let (party, deciding, all): (Option<String>, Option<&str>, Option<Vec<&str>>) = match (&self.rows.owner, &role)
        {
            (None, _) => (None, None, None),
            (Some(OwnerField::Field(field)), _) => (None, Some(field), Some(vec![field])),
            (Some(OwnerField::ByRole { .. }), None) => {
                let field = self.party.and_then(by_role);
                (self.party.map(str::to_owned), field, field.map(|field| vec![field]))
            }
            (Some(OwnerField::ByRole { .. }), Some(role)) => {
                let text = clear(role).filter(|text| by_role(text).is_some());
                let all = all_readings(role).and_then(|roles| roles.into_iter().map(by_role).collect());
                (text.map(str::to_owned), text.and_then(by_role), all)
            }
        };
        let owner = deciding.map(readings).and_then(|readings| clear(&readings).map(str::to_owned));
        let standing = if !flawed && owner.as_deref().is_some_and(is_mine) {
            "mine"
        } else if all.is_some_and(|fields| !fields.is_empty() && fields.into_iter().all(foreign)) {
            "foreign"
        } else {
            "unclear"
        };
        let receipt = self.rows.receipt.as_deref().map(readings);
        let receipt = receipt.and_then(|readings| clear(&readings).map(str::to_owned));
        Seen { standing, flawed, owner, party, receipt }
    }

    /// The names of rows and of what tells whose they are.
    fn of_rows(self) -> Vec<&'q str> {
        let mut names = self.owners();
        if names.is_empty() {
            names.extend(self.rows.receipt.as_deref());
        }
        names.extend(self.path().last());
        names
    }

    /// Whether nobody may stand under this name there, below a row's own members.
    fn is_forbidden(self, path: &[String], in_row: bool) -> bool {
        let Some(name) = path.last() else { return false };
        let known = in_row && self.rows.counterparty.contains(&path.join("."));
        let mut names = self.of_rows();
        // A row's own members are its fields; only a row within a row is out of place.
        if in_row && path.len() == 1 {
            names = self.path().last().copied().into_iter().collect();
        }
        !known && names.iter().any(|forbidden| bare(name) == bare(forbidden))
    }
}

/// What is left of a name when case, by every table that there is, prefix and signs are disregarded.
fn bare(name: &str) -> String {
    let local = name.split(':').next_back().unwrap_or_default();
    local.to_uppercase().to_lowercase().replace(|character: char| !character.is_alphanumeric(), "")
}
