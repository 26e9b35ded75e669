//! Changes of orders, tickets and shipping.
//!
//! Each is read wholly before anything is done: who asks, what for, and whether that can be. A refused change changes
//! nothing. Only the seller may make one, and on a receipt with rows of several sellers it concerns those of the key
//! alone. All arguments travel in the query string; the body is ignored.
//!
//! Guesses, here and below: a parameter that is missing or cannot be used is 400, and what the state of an order does
//! not allow is 403, the only error that ClickBank lists; a receipt on which the key has several items needs the
//! parameter that names one.

mod address;
mod own;
mod shipping;
mod subscriptions;
mod tickets;

use http::Method;
use jiff::civil::Date;

use super::call::Call;
use crate::simulator::wire::{Answer, OrderChange, Refusal, Route};
use crate::simulator::world::{ShipNotice, World};

/// A change that was found possible.
pub(super) type Change = Box<dyn FnOnce(&mut World) -> Done>;

/// What came of a change.
pub(super) enum Done {
    /// Nothing to tell.
    Silently,
    /// A ticket, of this id.
    Ticket(u32),
    /// A ship notice.
    ShipNotice(ShipNotice),
}

/// The change that a call of `method` asks for.
pub(super) fn read(call: &Call<'_>, route: &Route, method: &Method) -> Result<Change, Refusal> {
    match route {
        Route::OrderChange(receipt, OrderChange::Reinstate) => subscriptions::reinstate(call, receipt),
        Route::OrderChange(receipt, OrderChange::Pause) => subscriptions::pause(call, receipt),
        Route::OrderChange(receipt, OrderChange::Extend) => subscriptions::extend(call, receipt),
        Route::OrderChange(receipt, OrderChange::Date) => subscriptions::change_date(call, receipt),
        Route::OrderChange(receipt, OrderChange::Product) => subscriptions::change_product(call, receipt),
        Route::OrderChange(receipt, OrderChange::Address) => address::change(call, receipt),
        Route::ShipNotices(api, receipt) => shipping::add_notice(call, *api, receipt),
        // A number is a ticket for PUT, and a receipt for POST.
        Route::Ticket(id) if *method == Method::PUT => tickets::update(call, id),
        Route::Ticket(receipt) => tickets::open(call, receipt),
        Route::TicketReturned(id) => tickets::accept_return(call, id),
        _ => Err(Refusal::NotFound),
    }
}

/// The answer to a change that was done.
pub(super) fn report(call: &Call<'_>, done: &Done) -> Result<Answer, Refusal> {
    match done {
        Done::Silently => Ok(Answer::no_content()),
        Done::Ticket(id) => super::tickets::one(call, *id),
        Done::ShipNotice(notice) => super::shipping::added(call, notice),
    }
}

/// The date in `parameter`, which has to be there.
fn date(call: &Call<'_>, parameter: &str, missing: &'static str) -> Result<Date, Refusal> {
    call.date(parameter).ok_or(Refusal::BadParameter(missing))
}

/// The text in `parameter`, which has to be there.
fn text<'a>(call: &Call<'a>, parameter: &str, missing: &'static str) -> Result<&'a str, Refusal> {
    call.query.given(parameter).ok_or(Refusal::BadParameter(missing))
}

/// The truth value in `parameter`, if it is given. As in Java, everything but `true` is false.
fn truth(call: &Call<'_>, parameter: &str) -> Option<bool> {
    call.query.given(parameter).map(|value| value.eq_ignore_ascii_case("true"))
}
