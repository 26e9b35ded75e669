//! The five permissions that ClickBank's API Management page offers per nickname.

use std::fmt;

/// One box of ClickBank's API Management page
/// (support article 360040581831, *How to Create ClickBank API Keys*).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Permission {
    /// *Analytics API*.
    Analytics,
    /// *Products API*, for sellers only. It reads, writes and deletes products.
    Products,
    /// *Orders/Tickets API Read*. Quickstats and shipping come with it.
    OrdersRead,
    /// *Orders/Tickets API Read/Write*. Includes [`Permission::OrdersRead`].
    OrdersWrite,
    /// *Subscription Modification API*.
    SubscriptionModification,
}

impl Permission {
    /// How many permissions there are.
    pub const COUNT: usize = 5;

    /// All permissions, in the order of ClickBank's page.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Analytics, Self::Products, Self::OrdersRead, Self::OrdersWrite, Self::SubscriptionModification];

    /// The name in our files, output and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Analytics => "analytics",
            Self::Products => "products",
            Self::OrdersRead => "orders_read",
            Self::OrdersWrite => "orders_write",
            Self::SubscriptionModification => "subscription_modification",
        }
    }

    /// The words on ClickBank's API Management page.
    #[must_use]
    pub const fn clickbank_name(self) -> &'static str {
        match self {
            Self::Analytics => "Analytics API",
            Self::Products => "Products API",
            Self::OrdersRead => "Orders/Tickets API Read",
            Self::OrdersWrite => "Orders/Tickets API Read/Write",
            Self::SubscriptionModification => "Subscription Modification API",
        }
    }

    /// Reads the name used in our files.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.as_str() == text)
    }

    /// Position in [`Permission::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PermissionSet(u8);

impl PermissionSet {
    /// How many different sets there are.
    pub const COUNT: usize = 1 << Permission::COUNT;

    /// This set and `permission`.
    #[must_use]
    pub const fn with(self, permission: Permission) -> Self {
        Self(self.0 | (1 << permission as u8))
    }

    /// Whether `permission` is in the set.
    #[must_use]
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u8) != 0
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The permissions of the set, in ClickBank's order.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.contains(*permission))
    }

    /// Every set there is; position `i` holds the set with [`PermissionSet::index`] `i`.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..1_u8 << Permission::COUNT).map(Self)
    }

    /// A number below [`PermissionSet::COUNT`] that stands for this set.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl FromIterator<Permission> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        permissions.into_iter().fold(Self::default(), Self::with)
    }
}

impl fmt::Display for PermissionSet {
    /// The names, joined by `, `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, permission) in self.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            f.write_str(permission.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_reads_back_from_its_name() {
        for permission in Permission::ALL {
            assert_eq!(Permission::parse(permission.as_str()), Some(permission));
            assert_eq!(Permission::ALL[permission.index()], permission);
        }
        assert_eq!(Permission::parse("Orders_Read"), None);
    }

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        let set: PermissionSet = [Permission::OrdersWrite, Permission::SubscriptionModification].into_iter().collect();
        assert_eq!(set.to_string(), "orders_write, subscription_modification");
        assert!(!set.contains(Permission::OrdersRead));
        assert!(PermissionSet::default().is_empty());
        assert_eq!(PermissionSet::all().count(), PermissionSet::COUNT);
        assert!(PermissionSet::all().enumerate().all(|(position, set)| set.index() == position));
    }
}
