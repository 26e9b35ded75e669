//! `Arrived` → [`Identified`]: whose key this is.
//!
//! Look-up is by digest. Whatever is presented is digested and looked up before anything is concluded, and every refusal
//! looks the same, so neither answer nor time tells which keys exist. `benches/one_time_for_every_bad_key.rs` measures
//! the time.

use jiff::Timestamp;

use crate::domain::matrix::CallerId;
use crate::domain::secret::{KEY_PREFIX, KeyDigest};
use crate::keys::KeyFault;
use crate::rejection::Rejection;

use super::Check;
use super::arrive::Arrived;

/// A request whose caller is known.
pub struct Identified {
    pub(super) arrived: Arrived,
    pub(super) caller: CallerId,
}

/// The stage.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identify;

impl Check for Identify {
    type In = Arrived;
    type Out = Identified;

    fn check(&self, arrived: Arrived) -> Result<Identified, Rejection> {
        let (key, form) = match arrived.authorization() {
            Some(value) => presented_key(value.as_bytes()),
            None => (&[][..], Some(KeyFault::NotOne)),
        };
        let found = arrived.passage.snapshot.keys.identify(&KeyDigest::of(key), Timestamp::now());
        match (KeyFault::first([form, found.err()]), found) {
            (None, Ok(caller)) => {
                arrived.passage.trail.facts().caller = Some(caller);
                Ok(Identified { arrived, caller })
            }
            (Some(fault), _) | (None, Err(fault)) => {
                arrived.passage.trail.facts().key_fault = Some(fault.as_str());
                Err(Rejection::KeyRefused(fault))
            }
        }
    }
}

/// The key in an `Authorization` value, in the forms that ClickBank's clients send: `<key>`, `Bearer <key>`,
/// `<anything>:<key>`. What stands before the colon was once a developer key, and proves nothing.
///
/// A value that is none of these, or holds more than one key, is a fault. Something to look up is returned even then.
fn presented_key(value: &[u8]) -> (&[u8], Option<KeyFault>) {
    let (key, before) = match value.iter().rposition(|byte| *byte == b':') {
        Some(colon) => {
            let (before, after) = value.split_at(colon);
            (after.strip_prefix(b":").unwrap_or(after), before)
        }
        None => match value.split_at_checked(7) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"Bearer ") => (rest, &[][..]),
            _ => (value, &[][..]),
        },
    };
    let visible = before.iter().all(|byte| byte.is_ascii_graphic() && *byte != b',');
    let (prefix, rest) = key.split_at_checked(KEY_PREFIX.len()).unwrap_or_default();
    // To the end in any case: where the first wrong character stands is not to be measured.
    let alphanumeric = rest.iter().fold(true, |all, byte| all & byte.is_ascii_alphanumeric());
    let ours = (prefix == KEY_PREFIX.as_bytes()) & alphanumeric & visible & !holds_key(before);
    let clickbank = visible & key.starts_with(b"API-");
    let form = [clickbank.then_some(KeyFault::ClickBankKey), (!ours).then_some(KeyFault::Malformed)];
    (key, KeyFault::first(form))
}

fn holds_key(bytes: &[u8]) -> bool {
    bytes.windows(KEY_PREFIX.len()).any(|window| window == KEY_PREFIX.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_the_forms_that_clients_send_and_in_no_other() {
        for (value, expected) in [
            ("cbgw_abc", Ok("cbgw_abc")),
            ("Bearer cbgw_abc", Ok("cbgw_abc")),
            ("bearer cbgw_abc", Ok("cbgw_abc")),
            ("DEV-123:cbgw_abc", Ok("cbgw_abc")),
            (":cbgw_abc", Ok("cbgw_abc")),
            ("API-REAL:cbgw_abc", Ok("cbgw_abc")),
            ("a:b:cbgw_abc", Ok("cbgw_abc")),
            ("", Err(KeyFault::Malformed)),
            ("Basic Y2Jnd19hYmM6", Err(KeyFault::Malformed)),
            ("Bearer  cbgw_abc", Err(KeyFault::Malformed)),
            ("Bearer DEV-123:cbgw_abc", Err(KeyFault::Malformed)),
            ("cbgw_abc:", Err(KeyFault::Malformed)),
            ("cbgw_abc:cbgw_def", Err(KeyFault::Malformed)),
            ("x, y:cbgw_abc", Err(KeyFault::Malformed)),
            ("x,y:cbgw_abc", Err(KeyFault::Malformed)),
            ("cbgw_abc, cbgw_def", Err(KeyFault::Malformed)),
            ("cbgw_abc cbgw_def", Err(KeyFault::Malformed)),
            ("CBGW_abc", Err(KeyFault::Malformed)),
            ("API-0123456789", Err(KeyFault::ClickBankKey)),
            ("DEV-1:API-0123456789", Err(KeyFault::ClickBankKey)),
        ] {
            let (key, form) = presented_key(value.as_bytes());
            assert_eq!(form.map_or(Ok(key), Err), expected.map(str::as_bytes), "{value}");
        }
    }
}
