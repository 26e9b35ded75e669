//! Caps as they are written: `refunds_per_hour = 10`, in the table of a key or a nickname.

use crate::domain::caps::{Cap, CapKind, CapTable, Caps};

use super::form::{Entry, shown};
use super::policy::Declared;

/// Reads a table of caps.
pub(super) fn read(entry: &Entry<'_>) -> Option<Caps> {
    let mut form = entry.form()?;
    let entries = CapKind::ALL.map(|kind| (kind, form.take(kind.as_str())));
    let mut caps = Some(Caps::default());
    if !form.finish() && form.is_empty() {
        entry.warning("has no cap, so it means nothing", "write one, such as `refunds_per_hour = 10`, or remove it");
    }
    for (kind, entry) in entries {
        let Some(entry) = entry else { continue };
        // Reading goes on after a mistake.
        caps = match (caps, read_limit(&entry, kind)) {
            (Some(caps), Some(limit)) => Some(caps.with(Cap { kind, limit })),
            _ => None,
        };
    }
    caps
}

fn read_limit(entry: &Entry<'_>, kind: CapKind) -> Option<u64> {
    if kind != CapKind::RefundedCents {
        return entry.integer(0..=CapKind::MOST);
    }
    let Some(text) = entry.if_text() else {
        entry.error(
            "is not an amount in double quotes",
            "write US dollars with at most two decimals, such as \"500\" or \"499.50\"",
        );
        return None;
    };
    let limit = kind.parse_limit(text);
    if limit.is_none() {
        entry.error(
            format!("`{}` is not an amount of US dollars", shown(text)),
            "write it without a sign and with at most two decimals, such as \"500\" or \"499.50\"",
        );
    }
    limit
}

/// Reads `[caps.NICKNAME]`.
pub(super) fn read_of_nicknames(entry: Option<&Entry<'_>>, declared: &Declared, table: &mut CapTable) {
    let Some(mut form) = entry.and_then(Entry::form) else { return };
    for (name, entry) in form.rest() {
        if CapKind::parse(name).is_some() {
            entry.error(
                "stands where a nickname belongs",
                format!("name whose cap it is, as in `[caps.acme]`, and put {name} below it"),
            );
            continue;
        }
        let caps = read(&entry);
        match declared.nicknames.find(name) {
            Some(id) if !table.of_nickname(id).is_empty() => {
                entry.error("is capped a second time; case does not matter in nicknames", "remove one of the two");
            }
            Some(id) => table.set_nickname(id, caps.unwrap_or_default()),
            None => declared.report_undeclared(&entry, name),
        }
    }
}
