//! Looks up what the arguments name, and says what may have been meant where there is none.

use crate::config::did_you_mean;
use crate::domain::caps::CapKind;
use crate::domain::credential::{CredentialId, Credentials};
use crate::domain::endpoint::Endpoint;
use crate::domain::matrix::CallerId;
use crate::domain::nickname::{NicknameId, Nicknames};
use crate::domain::permission::Permission;
use crate::domain::secret::{has_secret, without_secrets};
use crate::keys::{Key, Keys};

use crate::domain::catalogue::Catalogue;

/// The key with this name or id.
pub(super) fn key<'a>(keys: &'a Keys, name: &str) -> anyhow::Result<(CallerId, Key<'a>)> {
    anyhow::ensure!(
        !has_secret(name),
        "that is a key itself, and is not repeated here; name it by its name or id, which `clickbank-gateway key list` \
         shows, and replace it if this command line is recorded anywhere"
    );
    let names = keys.iter().map(|(_, key)| key.name.as_str());
    keys.find(name).ok_or_else(|| nothing("key", name, names, "`clickbank-gateway key list` lists them"))
}

/// The nickname of this name.
pub(super) fn nickname(nicknames: &Nicknames, name: &str) -> anyhow::Result<NicknameId> {
    let names: Vec<&str> = nicknames.iter().map(|(_, nickname, _)| nickname.as_str()).collect();
    let found = nicknames.find(name);
    found.ok_or_else(|| nothing("nickname", name, names, "[nicknames] in the configuration declares them"))
}

/// The credential of this name.
pub(super) fn credential(credentials: &Credentials, name: &str) -> anyhow::Result<CredentialId> {
    let names: Vec<&str> = credentials.iter().map(|(_, name, _)| name).collect();
    let found = credentials.iter().find(|(_, other, _)| *other == name).map(|(id, ..)| id);
    found.ok_or_else(|| nothing("credential", name, names, "[credentials] in the configuration declares them"))
}

/// The permission of this name.
pub(super) fn permission(name: &str) -> anyhow::Result<Permission> {
    let names = Permission::ALL.map(Permission::as_str);
    let there_are = format!("there are {}", names.join(", "));
    Permission::parse(name).ok_or_else(|| nothing("permission", name, names, &there_are))
}

/// The cap of this name.
pub(super) fn cap(name: &str) -> anyhow::Result<CapKind> {
    let names = CapKind::ALL.map(CapKind::as_str);
    let there_are = format!("there are {}", names.join(", "));
    CapKind::parse(name).ok_or_else(|| nothing("cap", name, names, &there_are))
}

/// The endpoint of this name.
pub(super) fn endpoint<'a>(catalogue: &'a Catalogue, name: &str) -> anyhow::Result<&'a Endpoint> {
    let names = catalogue.iter().map(|(_, endpoint)| endpoint.name.as_str());
    let found = catalogue.named(name).map(|(_, endpoint)| endpoint);
    found.ok_or_else(|| nothing("endpoint", name, names, "`clickbank-gateway endpoints` lists them all"))
}

fn nothing<'a>(kind: &str, name: &str, names: impl IntoIterator<Item = &'a str>, otherwise: &str) -> anyhow::Error {
    let mend =
        did_you_mean(name, names).map_or_else(|| otherwise.to_owned(), |meant| format!("did you mean `{meant}`?"));
    anyhow::anyhow!("there is no {kind} `{}`; {mend}", without_secrets(name).escape_debug())
}
