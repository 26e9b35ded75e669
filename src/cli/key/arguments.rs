//! What the arguments of `key` commands say: grants, ends and notes.

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::config;
use crate::domain::caps::{Cap, CapKind};
use crate::domain::nickname::{NicknameKind, Nicknames};
use crate::domain::permission::Permission;
use crate::domain::secret::{has_secret, without_secrets};
use crate::keys::store::GrantedTo;
use crate::keys::{KeyName, Note};

use super::super::find;

const FORM: &str = "write PERMISSION=NICKNAME,NICKNAME or PERMISSION=all, such as orders_read=acme";

/// When a key ends.
#[derive(Debug, Args)]
pub(super) struct Expiry {
    /// From when on it counts no more: a date (midnight UTC) or a date-time such as 2027-11-22T13:00:00Z
    #[arg(long, value_name = "WHEN", conflicts_with = "expires_in")]
    expires: Option<String>,
    /// For how long it counts, such as 90d or 24h
    #[arg(long, value_name = "DURATION")]
    expires_in: Option<String>,
}

impl Expiry {
    pub(super) const fn is_given(&self) -> bool {
        self.expires.is_some() || self.expires_in.is_some()
    }

    /// The end that is asked for, to the second.
    pub(super) fn read(&self, now: Timestamp) -> anyhow::Result<Option<Timestamp>> {
        let expires = match (&self.expires, &self.expires_in) {
            (Some(text), _) => {
                let midnight = |date: Date| date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
                let parsed = text.parse::<Timestamp>().ok().or_else(|| text.parse::<Date>().ok().and_then(midnight));
                parsed.with_context(|| {
                    format!("`{}` is no date; write 2027-11-22 or 2027-11-22T13:00:00Z", text.escape_debug())
                })?
            }
            (None, Some(text)) => later(now, text).context("the key would expire too far in the future")??,
            (None, None) => return Ok(None),
        };
        anyhow::ensure!(expires > now, "the key would have expired already; give a time in the future");
        Ok(Some(to_second(expires)))
    }
}

/// The time that is so much later; none when there is no such time.
pub(super) fn later(now: Timestamp, duration: &str) -> Option<anyhow::Result<Timestamp>> {
    let Some(parsed) = config::parse_duration(duration) else {
        let text = duration.escape_debug();
        return Some(Err(anyhow::anyhow!(
            "`{text}` is no duration; write a whole number and a unit, such as 90d or 24h"
        )));
    };
    now.checked_add(parsed).ok().map(Ok)
}

/// As the key file holds it.
pub(super) fn to_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// A new name.
pub(super) fn name<'a>(text: &'a str, undone: &str) -> anyhow::Result<KeyName<'a>> {
    KeyName::parse(text).with_context(|| format!("`{}` was not {undone}", without_secrets(text).escape_debug()))
}

/// A note.
pub(super) fn note(text: &str) -> anyhow::Result<Note<'_>> {
    Note::parse(text).map_err(|error| {
        anyhow::anyhow!("the note {error}; write one line, at most {} characters, and no key", Note::MAX_LENGTH)
    })
}

/// Reads `--grant` arguments.
pub(super) fn grants(arguments: &[String]) -> anyhow::Result<Vec<(Permission, GrantedTo)>> {
    let mut grants: Vec<(Permission, GrantedTo)> = Vec::new();
    for argument in arguments {
        let (permission, nicknames) =
            argument.split_once('=').with_context(|| format!("`{}` is no grant; {FORM}", argument.escape_debug()))?;
        let permission = find::permission(permission)?;
        anyhow::ensure!(
            grants.iter().all(|(other, _)| *other != permission),
            "{permission} is granted twice; name all its nicknames in one --grant"
        );
        grants.push((permission, granted_to(argument, nicknames)?));
    }
    Ok(grants)
}

/// Reads `--cap` arguments, in the order in which caps are shown.
pub(super) fn caps(arguments: &[String]) -> anyhow::Result<Vec<Cap>> {
    let mut caps: Vec<Cap> = Vec::new();
    for argument in arguments {
        let (kind, limit) = argument.split_once('=').with_context(|| {
            let argument = without_secrets(argument);
            format!("`{}` is no cap; write CAP=LIMIT, such as refunds_per_hour=10", argument.escape_debug())
        })?;
        let kind = find::cap(kind)?;
        anyhow::ensure!(caps.iter().all(|cap| cap.kind != kind), "{kind} is given twice; give one limit");
        let limit = kind.parse_limit(limit).with_context(|| match kind {
            CapKind::RefundedCents => {
                format!("`{}` is no amount of US dollars; write it such as 500 or 499.50", shown(limit))
            }
            _ => format!("`{}` is no number of times; write a whole number such as 10", shown(limit)),
        })?;
        caps.push(Cap { kind, limit });
    }
    caps.sort_unstable();
    Ok(caps)
}

/// Reads `--no-cap` arguments.
pub(super) fn lifted(arguments: &[String], caps: &[Cap]) -> anyhow::Result<Vec<CapKind>> {
    let mut lifted = Vec::new();
    for argument in arguments {
        let kind = find::cap(argument)?;
        anyhow::ensure!(!lifted.contains(&kind), "{kind} is lifted twice; say it once");
        anyhow::ensure!(
            caps.iter().all(|cap| cap.kind != kind),
            "{kind} is set and lifted at once; say one of the two"
        );
        lifted.push(kind);
    }
    Ok(lifted)
}

fn shown(text: &str) -> String {
    without_secrets(text).escape_debug().to_string()
}

/// Reads `--revoke` arguments: a whole permission, or some nicknames of it.
pub(super) fn revocations(arguments: &[String]) -> anyhow::Result<Vec<(Permission, Option<GrantedTo>)>> {
    let mut revocations: Vec<(Permission, Option<GrantedTo>)> = Vec::new();
    for argument in arguments {
        let (permission, nicknames) = match argument.split_once('=') {
            Some((permission, nicknames)) => (permission, Some(nicknames)),
            None => (argument.as_str(), None),
        };
        let permission = find::permission(permission)?;
        anyhow::ensure!(
            revocations.iter().all(|(other, _)| *other != permission),
            "{permission} is revoked twice; name all its nicknames in one --revoke"
        );
        revocations.push((permission, nicknames.map(|nicknames| granted_to(argument, nicknames)).transpose()?));
    }
    Ok(revocations)
}

fn granted_to(argument: &str, nicknames: &str) -> anyhow::Result<GrantedTo> {
    if nicknames == "all" {
        return Ok(GrantedTo::All);
    }
    // In lower case it would not be recognised any more.
    anyhow::ensure!(!has_secret(nicknames), "a key stands where a nickname belongs; {FORM}");
    let names: Vec<String> = nicknames.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
    let empty = names.iter().any(String::is_empty);
    anyhow::ensure!(!empty, "`{}` names no nickname; {FORM}", argument.escape_debug());
    Ok(GrantedTo::Nicknames(names))
}

/// Says what the whole file's check would say too, but about the arguments and not about lines that nobody has written.
pub(super) fn check_grants(grants: &[(Permission, GrantedTo)], nicknames: &Nicknames) -> anyhow::Result<()> {
    for (permission, granted_to) in grants {
        let GrantedTo::Nicknames(names) = granted_to else { continue };
        for (position, name) in names.iter().enumerate() {
            anyhow::ensure!(name != "all", "`all` stands alone: for All Accounts, write {permission}=all");
            let id = find::nickname(nicknames, name)?;
            anyhow::ensure!(
                *permission != Permission::Products || nicknames.kind(id).is_some_and(NicknameKind::sells),
                "`{name}` is an affiliate, and {permission} is for sellers only"
            );
            anyhow::ensure!(
                !names.iter().take(position).any(|other| other == name),
                "{permission} names `{name}` twice"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(arguments: &[&str]) -> Vec<String> {
        arguments.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn grants_are_read_as_they_are_written_and_slips_are_told() {
        assert_eq!(
            grants(&words(&["analytics=all", "orders_read=Acme, acmeaff"])).unwrap(),
            [
                (Permission::Analytics, GrantedTo::All),
                (Permission::OrdersRead, GrantedTo::Nicknames(vec!["acme".into(), "acmeaff".into()])),
            ]
        );
        for wrong in [
            &["analytics"][..],
            &["analytics="],
            &["analytics=a,,b"],
            &["orders=acme"],
            &["analytics=a", "analytics=b"],
        ] {
            assert!(grants(&words(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn caps_are_read_in_their_order_and_slips_are_told() {
        let read =
            caps(&words(&["changes_per_hour=100", "refunded_usd_per_hour=499.5", "refunds_per_hour=0"])).unwrap();
        let texts: Vec<String> = read.iter().map(|cap| format!("{}={}", cap.kind, cap.limit_text())).collect();
        assert_eq!(texts, ["refunds_per_hour=0", "refunded_usd_per_hour=499.50", "changes_per_hour=100"]);
        for wrong in [
            &["refunds_per_hour"][..],
            &["refunds_per_hour="],
            &["refunds_per_hour=-1"],
            &["refunds_per_hour=ten"],
            &["refunds=10"],
            &["refunds_per_hour=1", "refunds_per_hour=2"],
        ] {
            assert!(caps(&words(wrong)).is_err(), "{wrong:?}");
        }
        assert_eq!(lifted(&words(&["changes_per_hour"]), &[]).unwrap(), [CapKind::Changes]);
        for wrong in [&["changes"][..], &["changes_per_hour=1"], &["refunds_per_hour"], &["changes_per_hour"; 2]] {
            assert!(lifted(&words(wrong), &read[..1]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_revocation_is_of_a_permission_or_of_nicknames() {
        assert_eq!(
            revocations(&words(&["analytics", "orders_read=Acme", "products=all"])).unwrap(),
            [
                (Permission::Analytics, None),
                (Permission::OrdersRead, Some(GrantedTo::Nicknames(vec!["acme".into()]))),
                (Permission::Products, Some(GrantedTo::All)),
            ]
        );
        for wrong in [&["analytics="][..], &["orders"], &["analytics", "analytics=a"]] {
            assert!(revocations(&words(wrong)).is_err(), "{wrong:?}");
        }
    }
}
