//! The services of the API: from world and request to answer, without sockets.
//!
//! One file per service. Each reads what the key may see and nothing else, so that a key of ClickBank's is modelled by
//! its reach alone. The order of checks is a guess: path, method, key, representation, permission, parameters, data.

mod analytics;
mod call;
mod changes;
mod debug;
mod documents;
mod images;
mod order_fields;
mod orders;
mod products;
mod quickstats;
mod rows;
mod shipping;
mod tickets;

use http::Method;

use call::Call;

use super::keys::SimulatorKey;
use super::wire::{Action, Answer, Format, Refusal, Request, Route, Target};
use super::world::World;

/// ClickBank's answer to `request`.
pub(super) fn answer(world: &mut World, request: &Request) -> Answer {
    let answer = try_answer(world, request).unwrap_or_else(Answer::from);
    if request.method == Method::HEAD { answer.without_body() } else { answer }
}

fn try_answer(world: &mut World, request: &Request) -> Result<Answer, Refusal> {
    let target = Target::read(&request.target);
    let route = Route::find(&target.segments()).ok_or(Refusal::NotFound)?;
    let action = route.action(&request.method).ok_or(Refusal::MethodNotAllowed(route.allow()))?;
    match action {
        Action::Options => Ok(Answer::options(route.allow())),
        Action::Read(produces) => {
            let choose = || produces.choose(request).ok_or(Refusal::NotAcceptable);
            if let Some(document) = documents::find(&route) {
                return Ok(document.answer(choose()?));
            }
            let key = authenticate(world, request)?;
            let format = choose()?;
            read(&route, &Call::new(world, key, request, &target, format))
        }
        Action::OrderStatus => {
            let key = authenticate(world, request)?;
            let call = Call::new(world, key, request, &target, Format::Text);
            match &route {
                Route::Order(_, receipt) => orders::status(&call, receipt),
                _ => Err(Refusal::NotFound),
            }
        }
        Action::PutProduct => {
            let key = authenticate(world, request)?;
            let call = Call::new(world, key, request, &target, Format::Text);
            let product = products::read_put(&call, &route)?;
            let sku = product.sku.clone();
            world.put_product(product);
            Ok(Answer::body(http::StatusCode::OK, Format::Text, sku))
        }
        Action::DeleteProduct => {
            let key = authenticate(world, request)?;
            let call = Call::new(world, key, request, &target, Format::Text);
            let (site, sku) = products::read_delete(&call, &route)?;
            world.delete_product(&site, &sku);
            Ok(Answer::no_content())
        }
        Action::Change(produces) => {
            let key = authenticate(world, request)?;
            let format = produces.choose(request).ok_or(Refusal::NotAcceptable)?;
            let change = changes::read(&Call::new(world, key, request, &target, format), &route, &request.method)?;
            let done = change(world);
            let key = authenticate(world, request)?;
            changes::report(&Call::new(world, key, request, &target, format), &done)
        }
    }
}

/// The key that `request` carries, as `<key>` or `<anything>:<key>`.
///
/// 401 for `Bearer` and `Basic` was observed; 403 for the rest is what ClickBank documents.
fn authenticate<'a>(world: &'a World, request: &Request) -> Result<&'a SimulatorKey, Refusal> {
    let value = request.header("authorization").ok_or(Refusal::NoAccess)?;
    let scheme = value.split(' ').next().unwrap_or_default();
    if scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("basic") {
        return Err(Refusal::InvalidKey);
    }
    let text = value.rsplit_once(':').map_or(value, |(_, key)| key).trim();
    world.keys().iter().find(|key| key.secret().expose() == text).filter(|key| key.is_active()).ok_or(Refusal::NoAccess)
}

fn read(route: &Route, call: &Call<'_>) -> Result<Answer, Refusal> {
    match route {
        Route::Debug => Ok(debug::answer(call)),
        Route::AnalyticsStatus => analytics::status(call),
        Route::SubscriptionDetails(party, selection) => analytics::details(call, *party, *selection),
        Route::SubscriptionTrends(party) => analytics::trends(call, *party),
        Route::Dimension { party, dimension, summary } => analytics::dimension(call, *party, dimension, *summary),
        Route::ImageList => images::list(call),
        Route::ProductList => products::list(call),
        Route::Product(sku) => products::get(call, sku),
        Route::QuickstatList => quickstats::list(call),
        Route::QuickstatCount => quickstats::count(call),
        Route::QuickstatAccounts => quickstats::accounts(call),
        Route::OrderList(api) => orders::list(call, *api),
        Route::OrderCount(api) => orders::count(call, *api),
        Route::Order(api, receipt) => orders::get(call, *api, receipt),
        Route::OrderUpsells(api, receipt) => orders::upsells(call, *api, receipt),
        Route::ShippingList(api) => shipping::list(call, *api),
        Route::ShippingCount => shipping::count(call),
        Route::ShipNotices(_, receipt) => shipping::notices(call, receipt),
        Route::TicketList => tickets::list(call),
        Route::TicketCount => tickets::count(call),
        Route::Ticket(id) => tickets::get(call, id),
        Route::RefundAmounts(receipt) => tickets::refund_amounts(call, receipt),
        // Documents are answered before a key is asked for, and these cannot be read.
        Route::DocRoot(_) | Route::Schema(_) | Route::OrderChange(..) | Route::TicketReturned(_) => {
            Err(Refusal::NotFound)
        }
    }
}

#[cfg(test)]
mod tests;
