//! `Arrived` → [`Identified`]: whose key this is.
//!
//! Look-up is by digest. Whatever is presented costs one digest and one look-up, and every refusal looks the same, so
//! neither answer nor time tells which keys exist.

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
        let presented = arrived.authorization().map_or(Err(KeyFault::NotOne), |value| presented_key(value.as_bytes()));
        // Malformed or not, something is digested and looked up.
        let digest = KeyDigest::of(presented.unwrap_or_default());
        let found = arrived.passage.snapshot.keys.identify(&digest, Timestamp::now());
        match presented.and(found) {
            Ok(caller) => {
                arrived.passage.trail.facts().caller = Some(caller);
                Ok(Identified { arrived, caller })
            }
            Err(fault) => {
                arrived.passage.trail.facts().key_fault = Some(fault.as_str());
                Err(Rejection::KeyRefused(fault))
            }
        }
    }
}

/// The key in an `Authorization` value, in the forms that ClickBank's clients send: `<key>`, `Bearer <key>`,
/// `<anything>:<key>`. What stands before the colon was once a developer key, and proves nothing.
///
/// # Errors
/// When it is none of these, or holds more than one key.
fn presented_key(value: &[u8]) -> Result<&[u8], KeyFault> {
    let key = match value.iter().rposition(|byte| *byte == b':') {
        Some(colon) => {
            let (before, after) = value.split_at(colon);
            let visible = before.iter().all(|byte| byte.is_ascii_graphic() && *byte != b',');
            if !visible || holds_key(before) {
                return Err(KeyFault::Malformed);
            }
            after.strip_prefix(b":").unwrap_or(after)
        }
        None => match value.split_at_checked(7) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"Bearer ") => rest,
            _ => value,
        },
    };
    let ours = key.strip_prefix(KEY_PREFIX.as_bytes()).is_some_and(|rest| rest.iter().all(u8::is_ascii_alphanumeric));
    match ours {
        true => Ok(key),
        false if key.starts_with(b"API-") => Err(KeyFault::ClickBankKey),
        false => Err(KeyFault::Malformed),
    }
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
            assert_eq!(presented_key(value.as_bytes()), expected.map(str::as_bytes), "{value}");
        }
    }
}
