//! The customer's address.
//!
//! Guesses: what a call does not give of the address is empty afterwards, the names stay; every order of the receipt
//! that the key sells gets it, physical or not; later payments of a subscription have receipts of their own and keep
//! theirs. `county` shows nowhere.

use super::super::call::Call;
use super::{Change, Done, own, text};
use crate::simulator::keys::Permission;
use crate::simulator::wire::Refusal;
use crate::simulator::world::Address;

/// `POST /orders*/{receipt}/changeAddress`
pub(super) fn change(call: &Call<'_>, receipt: &str) -> Result<Change, Refusal> {
    let reach = call.reach(Permission::OrdersWrite)?;
    let owned = |parameter| call.query.given(parameter).map(str::to_owned);
    let address = Address {
        first_name: owned("firstName"),
        last_name: owned("lastName"),
        address1: text(call, "address1", "address1 is required")?.to_owned(),
        address2: owned("address2"),
        city: text(call, "city", "city is required")?.to_owned(),
        province: owned("province").unwrap_or_default(),
        country: text(call, "countryCode", "countryCode is required")?.to_owned(),
        postal_code: owned("postalCode").unwrap_or_default(),
    };
    let sellers = own::orders(call, reach, receipt)?.into_iter().map(|order| order.seller.clone()).collect();
    let receipt = receipt.to_owned();
    Ok(Box::new(move |world| {
        world.change_address(&receipt, &sellers, &address);
        Done::Silently
    }))
}
