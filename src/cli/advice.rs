//! Which ClickBank keys to create, in the words of ClickBank's API Management page.

use serde::Serialize;

use crate::domain::permission::Permission;
use crate::keys::Status;
use crate::snapshot::Snapshot;

/// A ClickBank key that would let ClickBank itself confine some callers.
#[derive(Debug, Serialize)]
pub(super) struct KeyToCreate {
    all_accounts: bool,
    nicknames: Vec<String>,
    permissions: Vec<&'static str>,
    #[serde(rename = "for")]
    callers: Vec<String>,
}

/// The ClickBank keys that the active keys lack.
pub(super) fn keys_to_create(snapshot: &Snapshot) -> Vec<KeyToCreate> {
    let policy = &snapshot.policy;
    let active = snapshot.keys.iter().filter(|(_, key)| key.status == Status::Active).map(|(caller, _)| caller);
    let missing = policy.missing_credentials(active);
    let in_words = missing.iter().map(|missing| KeyToCreate {
        all_accounts: missing.scope.is_all(),
        nicknames: policy.nicknames.names(missing.scope.declared()).into_iter().map(str::to_owned).collect(),
        permissions: missing.permissions.iter().map(Permission::as_str).collect(),
        callers: missing
            .callers
            .iter()
            .filter_map(|caller| snapshot.keys.of(*caller))
            .map(|key| key.name.to_string())
            .collect(),
    });
    in_words.collect()
}

/// The same, for people.
pub(super) fn describe(keys: &[KeyToCreate]) -> String {
    if keys.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "\nFor these there is no ClickBank key of exactly that reach. Some of their calls are refused, or need the \
         nickname named.\nCreate each at ClickBank (Settings > API Management) and declare it under [credentials]:\n",
    );
    for key in keys {
        let nicknames = if key.all_accounts { "All Accounts".to_owned() } else { key.nicknames.join(", ") };
        let boxes = key.permissions.iter().filter_map(|name| Permission::parse(name)).map(Permission::clickbank_name);
        let boxes = boxes.collect::<Vec<_>>().join(", ");
        text.push_str(&format!(
            "\n  nicknames    {nicknames}\n  permissions  {boxes}\n  for          {}\n",
            key.callers.join(", ")
        ));
    }
    text
}
