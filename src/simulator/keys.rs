//! The simulator's API keys and their reach.
//!
//! A key of ClickBank's API Management belongs to a primary account and carries, for each of the five permissions,
//! the nicknames it may be used for, or *All Accounts*. The simulator's keys do the same; nothing else decides
//! what a key sees. Their secrets are a function of seed and name, so that a test can know them in advance.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::nickname::{Nickname, NicknameSet};
use super::random::Random;

/// One of the five boxes of API Management.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// *Analytics API*.
    Analytics,
    /// *Products API*, which also gives images.
    Products,
    /// *Orders/Tickets API Read*, which also gives quickstats, shipping and ship notices.
    OrdersRead,
    /// *Orders/Tickets API Read/Write*; includes [`Permission::OrdersRead`].
    OrdersWrite,
    /// *Subscription Modification API*.
    SubscriptionModification,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 5] =
        [Self::Analytics, Self::Products, Self::OrdersRead, Self::OrdersWrite, Self::SubscriptionModification];

    /// The name of the permission in configuration files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Analytics => "analytics",
            Self::Products => "products",
            Self::OrdersRead => "orders_read",
            Self::OrdersWrite => "orders_write",
            Self::SubscriptionModification => "subscription_modification",
        }
    }
}

/// The nicknames that one permission of a key covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nicknames {
    /// *All Accounts*: every nickname of the primary account.
    All,
    /// These nicknames. Those of other primary accounts are left out, as ClickBank would not offer them.
    Only(NicknameSet),
}

impl Nicknames {
    /// The nicknames written in `nicknames`.
    #[must_use]
    pub fn only<'a>(nicknames: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Only(nicknames.into_iter().map(Nickname::new).collect())
    }
}

/// What a key reaches: permission → nicknames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach(BTreeMap<Permission, Nicknames>);

impl Reach {
    /// A reach of nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }

    /// All five permissions for the same nicknames.
    #[must_use]
    pub fn every_permission(nicknames: &Nicknames) -> Self {
        Permission::ALL.into_iter().fold(Self::nothing(), |reach, permission| reach.with(permission, nicknames.clone()))
    }

    /// The same reach, with `nicknames` for `permission` in place of what was there.
    #[must_use]
    pub fn with(mut self, permission: Permission, nicknames: Nicknames) -> Self {
        self.0.insert(permission, nicknames);
        self
    }

    /// The nicknames given for `permission` itself, if any.
    #[must_use]
    pub fn get(&self, permission: Permission) -> Option<&Nicknames> {
        self.0.get(&permission)
    }

    /// The nicknames that count for `permission` among `offered`, the nicknames of the primary account.
    fn resolve(&self, permission: Permission, offered: &NicknameSet) -> NicknameSet {
        let given = |permission| match self.get(permission) {
            None => NicknameSet::new(),
            Some(Nicknames::All) => offered.clone(),
            Some(Nicknames::Only(named)) => offered.intersection(named).cloned().collect(),
        };
        let mut nicknames = given(permission);
        if permission == Permission::OrdersRead {
            nicknames.extend(given(Permission::OrdersWrite));
        }
        nicknames
    }
}

/// A key to be made.
#[derive(Clone, Debug)]
pub struct KeySpec {
    /// Its name in API Management.
    pub name: String,
    /// The primary account it belongs to.
    pub primary: String,
    /// Whether it works. ClickBank keeps inactive keys.
    pub active: bool,
    /// What it reaches.
    pub reach: Reach,
}

impl KeySpec {
    /// An active key of `primary`.
    #[must_use]
    pub fn new(name: &str, primary: &str, reach: Reach) -> Self {
        Self { name: name.to_owned(), primary: primary.to_owned(), active: true, reach }
    }

    /// The same key, switched off.
    #[must_use]
    pub fn inactive(mut self) -> Self {
        self.active = false;
        self
    }
}

/// The text of a simulator key, as it goes into `Authorization`. Its `Debug` shows nothing of it.
#[derive(Clone, Debug)]
pub struct KeySecret(SecretString);

impl KeySecret {
    /// The secret of the key `name` in a world of this seed: `API-` and 36 upper-case letters and digits, the form
    /// seen in public code since 2023.
    fn derive(seed: u64, name: &str) -> Self {
        let mut random = Random::from_names(&["key", &seed.to_string(), name]);
        let text = format!("API-{}", random.letters_and_digits(36));
        Self(SecretString::from(text))
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// A key of the simulator.
#[derive(Clone, Debug)]
pub struct SimulatorKey {
    spec: KeySpec,
    secret: KeySecret,
    resolved: BTreeMap<Permission, NicknameSet>,
}

impl SimulatorKey {
    /// Makes the key that `spec` asks for. `offered` are the nicknames of its primary account.
    pub(crate) fn make(spec: KeySpec, seed: u64, offered: &NicknameSet) -> Self {
        Self {
            secret: KeySecret::derive(seed, &spec.name),
            resolved: Permission::ALL
                .into_iter()
                .map(|permission| (permission, spec.reach.resolve(permission, offered)))
                .collect(),
            spec,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The primary account it belongs to.
    #[must_use]
    pub fn primary(&self) -> &str {
        &self.spec.primary
    }

    /// Its text.
    #[must_use]
    pub fn secret(&self) -> &KeySecret {
        &self.secret
    }

    /// Whether it works.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.spec.active
    }

    /// What it reaches, as it was given.
    #[must_use]
    pub fn reach(&self) -> &Reach {
        &self.spec.reach
    }

    /// The nicknames that it may be used for with `permission`; none when it lacks the permission.
    #[must_use]
    pub fn nicknames(&self, permission: Permission) -> &NicknameSet {
        static NONE: NicknameSet = NicknameSet::new();
        self.resolved.get(&permission).unwrap_or(&NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered() -> NicknameSet {
        ["acme", "zenith"].into_iter().map(Nickname::new).collect()
    }

    fn names(key: &SimulatorKey, permission: Permission) -> Vec<&str> {
        let nicknames = key.nicknames(permission);
        nicknames.iter().map(Nickname::as_str).collect()
    }

    #[test]
    fn write_includes_read_and_nothing_else() {
        let reach = Reach::nothing()
            .with(Permission::OrdersRead, Nicknames::only(["acme"]))
            .with(Permission::OrdersWrite, Nicknames::only(["zenith"]));
        let key = SimulatorKey::make(KeySpec::new("k", "p", reach), 1, &offered());
        assert_eq!(names(&key, Permission::OrdersRead), ["acme", "zenith"]);
        assert_eq!(names(&key, Permission::OrdersWrite), ["zenith"]);
        assert!(key.nicknames(Permission::Products).is_empty());
    }

    #[test]
    fn all_accounts_ends_at_the_primary_account() {
        let reach = Reach::every_permission(&Nicknames::All);
        let key = SimulatorKey::make(KeySpec::new("k", "p", reach), 1, &offered());
        assert_eq!(names(&key, Permission::Analytics), ["acme", "zenith"]);

        let reach = Reach::every_permission(&Nicknames::only(["acme", "rivalco"]));
        let key = SimulatorKey::make(KeySpec::new("k", "p", reach), 1, &offered());
        assert_eq!(names(&key, Permission::Analytics), ["acme"]);
    }

    #[test]
    fn a_secret_has_the_usual_form_and_does_not_show_in_debug() {
        let secret = KeySecret::derive(7, "acme");
        assert_eq!(secret.expose().len(), 40);
        assert!(secret.expose().starts_with("API-"));
        assert!(!format!("{secret:?}").contains(secret.expose()));
        assert_ne!(secret.expose(), KeySecret::derive(8, "acme").expose());
    }
}
