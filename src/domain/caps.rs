//! Caps: how much may be changed in any hour, with one key or on one nickname. Who may change it at all is the matrix's
//! matter; a cap only bounds what a mistake, or a thief, costs.

use std::collections::HashMap;
use std::fmt;

use super::matrix::CallerId;
use super::nickname::{NicknameId, NicknameSet};

/// What a cap limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CapKind {
    /// Refunds, by their number.
    Refunds,
    /// Refunds, by their sum in cents of US dollars.
    RefundedCents,
    /// Cancellations, by their number.
    Cancellations,
    /// Changes of any kind, by their number.
    Changes,
}

impl CapKind {
    /// How many there are.
    pub const COUNT: usize = 4;

    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; Self::COUNT] = [Self::Refunds, Self::RefundedCents, Self::Cancellations, Self::Changes];

    /// The most that a cap may be, in [`Cap`]'s unit: more is none.
    pub const MOST: u64 = 100_000_000_000;

    /// The name used in our files and commands.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refunds => "refunds_per_hour",
            Self::RefundedCents => "refunded_usd_per_hour",
            Self::Cancellations => "cancellations_per_hour",
            Self::Changes => "changes_per_hour",
        }
    }

    /// Reads the name used in our files and commands.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Reads a limit as it is written: a whole number, or dollars with at most two decimals.
    #[must_use]
    pub fn parse_limit(self, text: &str) -> Option<u64> {
        let (whole, fraction) = match (self, text.split_once('.')) {
            (Self::RefundedCents, Some((whole, fraction))) => (whole, fraction),
            (_, Some(_)) => return None,
            (_, None) => (text, ""),
        };
        let cents: u64 = match fraction.as_bytes() {
            [] if whole.len() == text.len() => 0,
            [tens] => digit(*tens)?.checked_mul(10)?,
            [tens, ones] => digit(*tens)?.checked_mul(10)?.checked_add(digit(*ones)?)?,
            _ => return None,
        };
        let digits = !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit());
        let whole: u64 = whole.parse().ok().filter(|_| digits)?;
        let limit = if self == Self::RefundedCents { whole.checked_mul(100)?.checked_add(cents)? } else { whole };
        Some(limit).filter(|limit| *limit <= Self::MOST)
    }
}

fn digit(byte: u8) -> Option<u64> {
    byte.is_ascii_digit().then(|| u64::from(byte - b'0'))
}

impl fmt::Display for CapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One cap: what is limited, and to how much in any hour, as a number or in cents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cap {
    /// What is limited.
    pub kind: CapKind,
    /// To how much.
    pub limit: u64,
}

impl Cap {
    /// The limit as it is written in our files and commands.
    #[must_use]
    pub fn limit_text(self) -> String {
        match self.kind {
            CapKind::RefundedCents => dollars(self.limit),
            _ => self.limit.to_string(),
        }
    }
}

impl fmt::Display for Cap {
    /// As a phrase, such as "at most 10 refunds an hour".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = |one: &'static str, many: &'static str| if self.limit == 1 { one } else { many };
        match self.kind {
            CapKind::Refunds => write!(f, "at most {} {} an hour", self.limit, what("refund", "refunds")),
            CapKind::RefundedCents => write!(f, "at most ${} of refunds an hour", dollars(self.limit)),
            CapKind::Cancellations => {
                write!(f, "at most {} {} an hour", self.limit, what("cancellation", "cancellations"))
            }
            CapKind::Changes => write!(f, "at most {} {} an hour", self.limit, what("change", "changes")),
        }
    }
}

fn dollars(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// The caps of one key or nickname.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Caps([Option<u64>; CapKind::COUNT]);

impl Caps {
    /// These, and one more in place of any of its kind.
    #[must_use]
    pub fn with(mut self, cap: Cap) -> Self {
        if let Some(place) = self.0.get_mut(cap.kind as usize) {
            *place = Some(cap.limit);
        }
        self
    }

    /// The limit of a kind, if there is one.
    #[must_use]
    pub fn limit(&self, kind: CapKind) -> Option<u64> {
        self.0.get(kind as usize).copied().flatten()
    }

    /// Those there are.
    pub fn iter(&self) -> impl Iterator<Item = Cap> + '_ {
        CapKind::ALL.into_iter().filter_map(|kind| Some(Cap { kind, limit: self.limit(kind)? }))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl FromIterator<Cap> for Caps {
    fn from_iter<I: IntoIterator<Item = Cap>>(caps: I) -> Self {
        caps.into_iter().fold(Self::default(), Self::with)
    }
}

/// Which caps a change counts towards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// It gives money back, or may lead to it.
    pub refunds: bool,
    /// It ends a subscription.
    pub cancels: bool,
}

impl Effects {
    /// Whether a change with these effects counts towards a cap of this kind.
    #[must_use]
    pub const fn count_towards(self, kind: CapKind) -> bool {
        match kind {
            CapKind::Refunds | CapKind::RefundedCents => self.refunds,
            CapKind::Cancellations => self.cancels,
            CapKind::Changes => true,
        }
    }
}

/// All caps of a configuration.
#[derive(Clone, Debug, Default)]
pub struct CapTable {
    keys: HashMap<CallerId, Caps>,
    nicknames: HashMap<NicknameId, Caps>,
}

impl CapTable {
    /// Sets the caps of a caller's key.
    pub fn set_key(&mut self, caller: CallerId, caps: Caps) {
        if !caps.is_empty() {
            self.keys.insert(caller, caps);
        }
    }

    /// Sets the caps of a nickname.
    pub fn set_nickname(&mut self, nickname: NicknameId, caps: Caps) {
        if !caps.is_empty() {
            self.nicknames.insert(nickname, caps);
        }
    }

    /// The caps of a caller's key.
    #[must_use]
    pub fn of_key(&self, caller: CallerId) -> Caps {
        self.keys.get(&caller).copied().unwrap_or_default()
    }

    /// The caps of a nickname.
    #[must_use]
    pub fn of_nickname(&self, nickname: NicknameId) -> Caps {
        self.nicknames.get(&nickname).copied().unwrap_or_default()
    }

    /// Those that a change with these effects counts towards, which the caller makes on these nicknames: of its key, and of
    /// each nickname.
    pub fn counted(
        &self,
        caller: CallerId,
        nicknames: &NicknameSet,
        effects: Effects,
    ) -> impl Iterator<Item = (Option<NicknameId>, Cap)> {
        let of_key = self.of_key(caller);
        let of_nicknames = nicknames.iter().map(|nickname| (Some(nickname), self.of_nickname(nickname)));
        let all = std::iter::once((None, of_key)).chain(of_nicknames);
        let caps = all.flat_map(|(whose, caps)| CapKind::ALL.map(|kind| (whose, kind, caps.limit(kind))));
        caps.filter(move |(_, kind, _)| effects.count_towards(*kind))
            .filter_map(|(whose, kind, limit)| Some((whose, Cap { kind, limit: limit? })))
    }

    /// Whether it has to be known whose order a change is about, for it to be counted as it should: several nicknames could
    /// be meant, and one of them is capped; or how much is refunded has to be asked.
    #[must_use]
    pub fn need_owner(&self, caller: CallerId, nicknames: &NicknameSet, effects: Effects) -> bool {
        if self.keys.is_empty() && self.nicknames.is_empty() {
            return false;
        }
        let several = nicknames.only().is_none();
        self.counted(caller, nicknames, effects)
            .any(|(whose, cap)| cap.kind == CapKind::RefundedCents || (several && whose.is_some()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::credential::ScopeByPermission;
    use super::super::nickname::{Nickname, NicknameKind, Nicknames};
    use super::*;

    #[test]
    fn limits_are_read_as_they_are_written_and_nothing_else_is() {
        for (kind, text, limit) in [
            (CapKind::Refunds, "0", Some(0)),
            (CapKind::Refunds, "10", Some(10)),
            (CapKind::Refunds, "10.5", None),
            (CapKind::Refunds, "-1", None),
            (CapKind::Refunds, "+1", None),
            (CapKind::Refunds, "", None),
            (CapKind::Refunds, "100000000001", None),
            (CapKind::RefundedCents, "500", Some(50_000)),
            (CapKind::RefundedCents, "500.5", Some(50_050)),
            (CapKind::RefundedCents, "500.05", Some(50_005)),
            (CapKind::RefundedCents, "0.01", Some(1)),
            (CapKind::RefundedCents, "500.", None),
            (CapKind::RefundedCents, ".5", None),
            (CapKind::RefundedCents, "5.005", None),
            (CapKind::RefundedCents, "5.a", None),
            (CapKind::RefundedCents, "$5", None),
            (CapKind::RefundedCents, "999999999999999999999", None),
        ] {
            assert_eq!(kind.parse_limit(text), limit, "{kind} {text}");
            if let Some(limit) = limit {
                let written = Cap { kind, limit }.limit_text();
                assert_eq!(kind.parse_limit(&written), Some(limit), "{written}");
            }
        }
    }

    #[test]
    fn a_cap_is_told_in_words() {
        let told = CapKind::ALL.map(|kind| [1, 250].map(|limit| Cap { kind, limit }.to_string()));
        assert_eq!(
            told.concat(),
            [
                "at most 1 refund an hour",
                "at most 250 refunds an hour",
                "at most $0.01 of refunds an hour",
                "at most $2.50 of refunds an hour",
                "at most 1 cancellation an hour",
                "at most 250 cancellations an hour",
                "at most 1 change an hour",
                "at most 250 changes an hour",
            ]
        );
        for (position, kind) in CapKind::ALL.into_iter().enumerate() {
            assert_eq!((kind as usize, CapKind::parse(kind.as_str())), (position, Some(kind)));
        }
    }

    #[test]
    fn a_change_counts_for_its_key_and_each_nickname_towards_what_it_does() {
        let mut nicknames = Nicknames::default();
        let mut declare = |name| nicknames.declare(Nickname::parse(name).unwrap(), NicknameKind::Seller).unwrap();
        let [acme, zenith] = ["acme", "zenith"].map(&mut declare);
        let caller = super::super::matrix::Matrix::new([ScopeByPermission::default()]).callers().next().unwrap();
        let caps = |pairs: &[(CapKind, u64)]| pairs.iter().map(|&(kind, limit)| Cap { kind, limit }).collect::<Caps>();
        let mut table = CapTable::default();
        let (plain, refund) = (Effects::default(), Effects { refunds: true, cancels: false });
        let both: NicknameSet = [acme, zenith].into_iter().collect();
        assert!(!table.need_owner(caller, &both, refund));
        table.set_key(caller, caps(&[(CapKind::Refunds, 3), (CapKind::Changes, 9)]));
        assert!(!table.need_owner(caller, &both, refund));
        table.set_nickname(zenith, caps(&[(CapKind::Refunds, 1), (CapKind::Cancellations, 0)]));
        let counted = |nicknames: &NicknameSet, effects| {
            let counted = table.counted(caller, nicknames, effects);
            counted.map(|(whose, cap)| (whose, cap.kind, cap.limit)).collect::<Vec<_>>()
        };
        assert_eq!(
            counted(&both, refund),
            [(None, CapKind::Refunds, 3), (None, CapKind::Changes, 9), (Some(zenith), CapKind::Refunds, 1)]
        );
        assert_eq!(counted(&both, plain), [(None, CapKind::Changes, 9)]);
        let only = |nickname| [nickname].into_iter().collect::<NicknameSet>();
        assert_eq!(counted(&only(acme), refund).len(), 2);
        assert!(table.need_owner(caller, &both, refund) && !table.need_owner(caller, &both, plain));
        assert!(!table.need_owner(caller, &only(zenith), refund), "there is only one whose it could be");
        table.set_nickname(acme, caps(&[(CapKind::RefundedCents, 1)]));
        assert!(table.need_owner(caller, &only(acme), refund) && !table.need_owner(caller, &only(acme), plain));
    }
}
