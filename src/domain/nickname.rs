//! Account nicknames, sets of them, and scopes ("these nicknames" or "All Accounts").

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;

use thiserror::Error;

/// A ClickBank account nickname, folded to lower case.
///
/// ClickBank's nicknames are letters and digits and unique without regard to case (support article 220376307). Their
/// length is not checked against today's 5 to 10, so that older and future ones work.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Nickname(Box<str>);

/// Why a text is not a nickname.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NicknameError {
    /// Empty, or longer than [`Nickname::MAX_LENGTH`].
    #[error("a nickname has 1 to {} characters", Nickname::MAX_LENGTH)]
    Length,
    /// Something other than ASCII letters and digits.
    #[error("a nickname has letters and digits only")]
    Character,
    /// `none` means "no affiliate" in ClickBank's order filters.
    #[error("`none` cannot be a nickname: in ClickBank's order filters it means \"no affiliate\"")]
    Reserved,
}

impl Nickname {
    /// The most characters that a nickname may have.
    pub const MAX_LENGTH: usize = 32;

    /// Reads a nickname in any case.
    ///
    /// # Errors
    /// When the text has another length or other characters than a nickname can have.
    pub fn parse(text: &str) -> Result<Self, NicknameError> {
        Self::check(text)?;
        Ok(Self(text.to_ascii_lowercase().into_boxed_str()))
    }

    /// Whether a text is a nickname, in any case.
    ///
    /// # Errors
    /// As [`Nickname::parse`].
    pub fn check(text: &str) -> Result<(), NicknameError> {
        if text.is_empty() || text.len() > Self::MAX_LENGTH {
            return Err(NicknameError::Length);
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(NicknameError::Character);
        }
        if text.eq_ignore_ascii_case("none") {
            return Err(NicknameError::Reserved);
        }
        Ok(())
    }

    /// The nickname, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Nickname {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Nickname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an account does at ClickBank. Products belong to sellers only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NicknameKind {
    /// Sells its own products.
    Seller,
    /// Promotes the products of others.
    Affiliate,
    /// Does both.
    Both,
}

impl NicknameKind {
    /// The names used in our files.
    pub const NAMES: [&'static str; 3] = ["seller", "affiliate", "both"];

    /// Reads the name used in our files.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "seller" => Some(Self::Seller),
            "affiliate" => Some(Self::Affiliate),
            "both" => Some(Self::Both),
            _ => None,
        }
    }

    /// The name used in our files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seller => "seller",
            Self::Affiliate => "affiliate",
            Self::Both => "both",
        }
    }

    /// Whether such an account can have products.
    #[must_use]
    pub const fn sells(self) -> bool {
        matches!(self, Self::Seller | Self::Both)
    }
}

/// A declared nickname, as a number below [`Nicknames::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NicknameId(u16);

/// The nicknames that the configuration declares, in its order.
#[derive(Clone, Debug, Default)]
pub struct Nicknames {
    declared: Vec<(Nickname, NicknameKind)>,
    by_name: HashMap<Nickname, NicknameId>,
}

impl Nicknames {
    /// The most nicknames that can be declared.
    pub const MAX: usize = WORDS * 64;

    /// Declares a nickname. `None` when it is declared already or [`Nicknames::MAX`] is reached.
    pub fn declare(&mut self, nickname: Nickname, kind: NicknameKind) -> Option<NicknameId> {
        if self.declared.len() >= Self::MAX || self.by_name.contains_key(&nickname) {
            return None;
        }
        let id = NicknameId(u16::try_from(self.declared.len()).ok()?);
        self.by_name.insert(nickname.clone(), id);
        self.declared.push((nickname, kind));
        Some(id)
    }

    /// Looks a nickname up. `text` may be in any case; what is no nickname is found nowhere.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<NicknameId> {
        Nickname::check(text).ok()?;
        let mut folded = [0; Nickname::MAX_LENGTH];
        let folded = folded.get_mut(..text.len())?;
        folded.copy_from_slice(text.as_bytes());
        folded.make_ascii_lowercase();
        self.by_name.get(std::str::from_utf8(folded).ok()?).copied()
    }

    /// The nickname with this number. Numbers come from [`Nicknames::declare`] of this very table.
    #[must_use]
    pub fn name(&self, id: NicknameId) -> &str {
        self.declared.get(usize::from(id.0)).map_or("", |(nickname, _)| nickname.as_str())
    }

    /// What kind of account it is.
    #[must_use]
    pub fn kind(&self, id: NicknameId) -> Option<NicknameKind> {
        self.declared.get(usize::from(id.0)).map(|(_, kind)| *kind)
    }

    /// All declared nicknames, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (NicknameId, &Nickname, NicknameKind)> {
        (0_u16..).zip(&self.declared).map(|(number, (nickname, kind))| (NicknameId(number), nickname, *kind))
    }

    /// How many are declared.
    #[must_use]
    pub fn len(&self) -> usize {
        self.declared.len()
    }

    /// Whether none is declared.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.declared.is_empty()
    }

    /// The names of a set, in the order of the file.
    #[must_use]
    pub fn names(&self, set: &NicknameSet) -> Vec<&str> {
        set.iter().map(|id| self.name(id)).collect()
    }
}

const WORDS: usize = 16;

/// A set of declared nicknames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NicknameSet([u64; WORDS]);

impl NicknameSet {
    /// The set of one nickname.
    #[must_use]
    pub fn single(id: NicknameId) -> Self {
        let mut set = Self::default();
        set.insert(id);
        set
    }

    /// Adds a nickname.
    pub fn insert(&mut self, id: NicknameId) {
        if let Some(word) = self.0.get_mut(usize::from(id.0) / 64) {
            *word |= 1 << (id.0 % 64);
        }
    }

    /// Whether the nickname is in the set.
    #[must_use]
    pub fn contains(&self, id: NicknameId) -> bool {
        self.0.get(usize::from(id.0) / 64).is_some_and(|word| word & (1 << (id.0 % 64)) != 0)
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// How many nicknames are in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether every nickname of this set is in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(mine, theirs)| mine & !theirs == 0)
    }

    /// The nicknames that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.combine(other, |mine, theirs| mine & theirs)
    }

    /// The nicknames that are in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.combine(other, |mine, theirs| mine | theirs)
    }

    /// The nicknames that are in this set and not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.combine(other, |mine, theirs| mine & !theirs)
    }

    fn combine(&self, other: &Self, operation: impl Fn(u64, u64) -> u64) -> Self {
        let mut combined = *self;
        for (mine, theirs) in combined.0.iter_mut().zip(&other.0) {
            *mine = operation(*mine, *theirs);
        }
        combined
    }

    /// The nicknames, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = NicknameId> {
        (0_u16..).step_by(64).zip(self.0).flat_map(|(base, word)| {
            // Each step clears the lowest bit that is set.
            let words = std::iter::successors(Some(word), |word| Some(word & word.wrapping_sub(1)));
            let bits = words.take_while(|word| *word != 0).map(u64::trailing_zeros);
            bits.filter_map(move |bit| u16::try_from(bit).ok().map(|bit| NicknameId(base + bit)))
        })
    }

    /// The only nickname of the set, if it has exactly one.
    #[must_use]
    pub fn only(&self) -> Option<NicknameId> {
        if self.len() == 1 { self.iter().next() } else { None }
    }
}

impl FromIterator<NicknameId> for NicknameSet {
    fn from_iter<I: IntoIterator<Item = NicknameId>>(ids: I) -> Self {
        let mut set = Self::default();
        ids.into_iter().for_each(|id| set.insert(id));
        set
    }
}

/// The nicknames of a grant or of a credential's reach.
///
/// ClickBank's *All Accounts* (`"all"` in our files) may include nicknames that the configuration does not declare, so
/// it is more than the set of all declared ones: a scope that says "all" is within another only if that one says it too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scope {
    all: bool,
    declared: NicknameSet,
}

impl Scope {
    /// Exactly these nicknames.
    #[must_use]
    pub const fn only(declared: NicknameSet) -> Self {
        Self { all: false, declared }
    }

    /// *All Accounts*; `declared` are those that the configuration knows of.
    #[must_use]
    pub const fn all(declared: NicknameSet) -> Self {
        Self { all: true, declared }
    }

    /// Whether it says *All Accounts*.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        self.all
    }

    /// The declared nicknames in it.
    #[must_use]
    pub const fn declared(&self) -> &NicknameSet {
        &self.declared
    }

    /// Whether there is nothing in it. *All Accounts* counts as empty when no declared nickname is in it: a call could
    /// not be about any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.declared.is_empty()
    }

    /// Whether nothing is in this scope that is not in `other`.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        (!self.all || other.all) && self.declared.is_subset(&other.declared)
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self { all: self.all && other.all, declared: self.declared.intersection(&other.declared) }
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self { all: self.all || other.all, declared: self.declared.union(&other.declared) }
    }

    /// What is in this one and not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self { all: self.all && !other.all, declared: self.declared.difference(&other.declared) }
    }

    /// Orders scopes from narrow to wide: fewest declared nicknames first, *All Accounts* last.
    #[must_use]
    pub fn breadth(&self) -> (bool, usize) {
        (self.all, self.declared.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declare(names: &[&str]) -> Nicknames {
        let mut nicknames = Nicknames::default();
        for name in names {
            nicknames.declare(Nickname::parse(name).unwrap(), NicknameKind::Seller).unwrap();
        }
        nicknames
    }

    #[test]
    fn nicknames_are_folded_once_and_found_in_any_case() {
        let nicknames = declare(&["Acme", "zenith"]);
        assert_eq!(nicknames.find("ACME"), nicknames.find("acme"));
        assert_eq!(nicknames.name(nicknames.find("aCmE").unwrap()), "acme");
        assert_eq!(nicknames.find("acme "), None);
        assert_eq!(nicknames.find("acme%"), None);
    }

    #[test]
    fn what_cannot_be_a_nickname_is_refused_with_the_reason() {
        for (text, error) in [
            ("", NicknameError::Length),
            (&*"a".repeat(33), NicknameError::Length),
            ("ac-me", NicknameError::Character),
            ("acm\u{e9}", NicknameError::Character),
            ("%", NicknameError::Character),
            ("None", NicknameError::Reserved),
        ] {
            assert_eq!(Nickname::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn no_more_nicknames_are_declared_than_a_set_can_hold() {
        let names: Vec<String> = (0..Nicknames::MAX).map(|number| format!("n{number}")).collect();
        let mut nicknames = declare(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(nicknames.declare(Nickname::parse("onemore").unwrap(), NicknameKind::Both), None);
        let all: NicknameSet = nicknames.iter().map(|(id, ..)| id).collect();
        assert_eq!(all.len(), Nicknames::MAX);
        assert_eq!(all.iter().count(), Nicknames::MAX);
    }

    #[test]
    fn all_accounts_is_within_nothing_but_all_accounts() {
        let nicknames = declare(&["acme", "zenith"]);
        let both: NicknameSet = nicknames.iter().map(|(id, ..)| id).collect();
        let acme = NicknameSet::single(nicknames.find("acme").unwrap());
        assert!(!Scope::all(both).is_within(&Scope::only(both)));
        assert!(Scope::only(both).is_within(&Scope::all(both)));
        assert!(Scope::only(acme).is_within(&Scope::only(both)));
        assert!(!Scope::only(both).is_within(&Scope::only(acme)));
        assert_eq!(Scope::all(both).intersection(&Scope::only(acme)), Scope::only(acme));
        assert!(Scope::only(both).breadth() < Scope::all(acme).breadth());
    }

    #[test]
    fn the_only_member_is_told_only_when_there_is_one() {
        let nicknames = declare(&["acme", "zenith"]);
        let acme = nicknames.find("acme").unwrap();
        assert_eq!(NicknameSet::single(acme).only(), Some(acme));
        assert_eq!(nicknames.iter().map(|(id, ..)| id).collect::<NicknameSet>().only(), None);
        assert_eq!(NicknameSet::default().only(), None);
    }
}
