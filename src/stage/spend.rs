//! What a change counts towards the caps, and how much money a refund is about.
//!
//! It is counted durably before the first byte of the change goes out. Where it is certain that nothing was done, it is
//! given back; where nobody knows, it stays counted.

use crate::domain::call::Call;
use crate::domain::caps::{Cap, CapKind, Effects};
use crate::domain::endpoint::{Changes, Endpoint, Owner, Segment};
use crate::domain::matrix::CallerId;
use crate::domain::nickname::NicknameSet;
use crate::ledger::{CapCounter, CapKey, Charge, Exceeded, Moment, Reservation};
use crate::rejection::Rejection;
use crate::snapshot::Snapshot;
use crate::trail::Trail;

use super::remember::failed;

/// What stands before the names of nicknames where caps are counted.
const NICKNAME: &str = "nickname:";

/// What was counted for one change. It is given back when this is dropped, unless it is kept.
#[derive(Debug, Default)]
pub(super) struct Counted(Option<Reservation>);

impl Counted {
    /// Leaves it counted.
    pub(super) fn keep(&mut self) {
        self.0 = None;
    }

    /// Gives it back. Nobody waits until that is written: what is asked for later is counted later.
    pub(super) fn give_back(&mut self) {
        if let Some(reservation) = self.0.take() {
            drop(reservation.give_back());
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// What a change is about that counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) caller: CallerId,
    /// Who sold what it is about, or all who may have.
    pub(super) nicknames: &'a NicknameSet,
    pub(super) effects: Effects,
}

impl<'a> Change<'a> {
    /// Of a call; none if it changes nothing.
    pub(super) fn of(
        snapshot: &'a Snapshot,
        caller: CallerId,
        nicknames: &'a NicknameSet,
        endpoint: &Endpoint,
        call: &Call,
    ) -> Option<Self> {
        let effects = call.effects(endpoint);
        (endpoint.changes != Changes::Nothing).then_some(Self { snapshot, caller, nicknames, effects })
    }

    /// Whether it has to be known how much is refunded.
    pub(super) fn needs_amount(&self) -> bool {
        self.caps().any(|(_, cap)| cap.kind == CapKind::RefundedCents)
    }

    /// What it counts towards, as far as that is known before anything is asked.
    pub(super) fn known_charges(&self) -> Vec<Charge> {
        // Of several nicknames one is meant, or more.
        let several = self.nicknames.only().is_none();
        let caps = self
            .caps()
            .filter(|(scope, cap)| cap.kind != CapKind::RefundedCents && !(several && scope.starts_with(NICKNAME)));
        caps.map(|(scope, cap)| Charge { cap: CapKey::new(cap.kind, scope), amount: 1, limit: cap.limit }).collect()
    }

    /// What it counts towards. `cents` is how much is refunded, if that is known.
    ///
    /// # Errors
    /// When it has to be known, and is not.
    pub(super) fn charges(&self, cents: Option<u64>) -> Result<Vec<Charge>, Rejection> {
        let charge = |(scope, cap): (String, Cap)| {
            let amount = match cap.kind {
                CapKind::RefundedCents => cents.ok_or(Rejection::RefundAmountUnknown)?,
                CapKind::Refunds | CapKind::Cancellations | CapKind::Changes => 1,
            };
            Ok(Charge { cap: CapKey::new(cap.kind, scope), amount, limit: cap.limit })
        };
        self.caps().map(charge).collect()
    }

    /// The caps that it counts towards, each with its scope.
    fn caps(&self) -> impl Iterator<Item = (String, Cap)> {
        let Self { snapshot, caller, nicknames, effects } = *self;
        snapshot.policy.caps.counted(caller, nicknames, effects).map(move |(whose, cap)| {
            let scope = match whose {
                Some(nickname) => format!("{NICKNAME}{}", snapshot.policy.nicknames.name(nickname)),
                // Its id, so that another name or text of the key frees nothing.
                None => format!("key:{}", snapshot.keys.of(caller).map_or("", |key| key.id.as_str())),
            };
            (scope, cap)
        })
    }
}

/// Refuses what would exceed a cap as it is now.
///
/// # Errors
/// When it would, or nobody knows.
pub(super) async fn check(counter: &CapCounter, charges: &[Charge], trail: &Trail) -> Result<(), Rejection> {
    if charges.is_empty() {
        return Ok(());
    }
    let checked = counter.check(charges, Moment::now()).await;
    checked.map_err(|error| failed(&error.into(), trail))?.map_err(|exceeded| reached(exceeded, charges))
}

/// Counts a change that is about to be sent.
///
/// # Errors
/// When it would exceed a cap, or cannot be counted. Then nothing may be sent.
pub(super) async fn count(counter: &CapCounter, charges: &[Charge], trail: &Trail) -> Result<Counted, Rejection> {
    if charges.is_empty() {
        return Ok(Counted::default());
    }
    let reserved = counter.reserve(charges, Moment::now()).await;
    let reserved = reserved.map_err(|error| failed(&error.into(), trail))?;
    reserved.map(|reservation| Counted(Some(reservation))).map_err(|exceeded| reached(exceeded, charges))
}

fn reached(Exceeded { which, retry_after }: Exceeded, charges: &[Charge]) -> Rejection {
    let limit = charges.iter().find(|charge| charge.cap == which).map_or(0, |charge| charge.limit);
    let nickname = which.scope().strip_prefix(NICKNAME).map(str::to_owned);
    Rejection::CapReached { cap: Cap { kind: which.kind(), limit }, nickname, retry_after }
}

/// Which refund ClickBank is asked the amount of, in the words of `tickets/refundAmounts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refund<'a> {
    pub(super) kind: &'a str,
    pub(super) amount: &'a str,
    pub(super) sku: Option<&'a str>,
}

/// The whole of what a receipt is about, which no refund on it can exceed.
const WHOLE: Refund<'static> = Refund { kind: "FULL", amount: "0", sku: None };

impl<'a> Refund<'a> {
    /// What a call refunds; none where ClickBank would not tell the amount.
    pub(super) fn of(endpoint: &Endpoint, call: &'a Call) -> Option<Self> {
        // Only a ticket's refund is one of the receipt that is known. One that goes with another change is a part of a later
        // payment.
        if !matches!(endpoint.path.segments().first(), Some(Segment::Literal(service)) if service == "tickets") {
            return None;
        }
        let given = |name| endpoint.parameter(name).and_then(|(position, _)| call.value_at(position));
        match endpoint.owner {
            Owner::Ticket(_) => Some(WHOLE),
            Owner::Receipt(_) => Some(Refund {
                kind: given("refundType").unwrap_or(WHOLE.kind),
                amount: given("refundAmount").unwrap_or(WHOLE.amount),
                sku: given("sku"),
            }),
            _ => None,
        }
    }
}

/// The amount in US dollars that an answer of `tickets/refundAmounts` tells, in cents, rounded up; none if it tells none.
pub(super) fn cents_in(body: &[u8]) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let amounts = value.get("partialRefundData").unwrap_or(&value);
    let text = match amounts.get("usdAmount")? {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (cents, rest) = fraction.split_at_checked(2).unwrap_or((fraction, ""));
    let written = if cents.is_empty() { whole.to_owned() } else { format!("{whole}.{cents}") };
    let exact = CapKind::RefundedCents.parse_limit(&written)?;
    Some(exact + u64::from(rest.bytes().any(|byte| byte != b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_to_the_cent_and_never_as_less() {
        for (body, cents) in [
            (r#"{"usdAmount": "20.00", "customerAmount": "18.00"}"#, Some(2_000)),
            (r#"{"usdAmount": 20}"#, Some(2_000)),
            (r#"{"usdAmount": 20.1}"#, Some(2_010)),
            (r#"{"usdAmount": 19.999}"#, Some(2_000)),
            (r#"{"usdAmount": "0.0001"}"#, Some(1)),
            (r#"{"partialRefundData": {"usdAmount": "7.50"}}"#, Some(750)),
            (r#"{"usdAmount": "-5.00"}"#, None),
            (r#"{"usdAmount": 1e30}"#, None),
            (r#"{"usdAmount": "5.-1"}"#, None),
            (r#"{"usdAmount": {"@nil": "true"}}"#, None),
            (r#"{"customerAmount": "18.00"}"#, None),
            ("20.00", None),
            ("", None),
        ] {
            assert_eq!(cents_in(body.as_bytes()), cents, "{body}");
        }
    }
}
