//! `GET /debug`: the request and the security context, with the API key in clear text.
//!
//! Client authors observed that the answer repeats the key and lists its roles; the form is a guess. Any active key may
//! ask. This is the path that a component which injects a key must never forward.

use http::StatusCode;

use super::call::Call;
use crate::simulator::keys::Permission;
use crate::simulator::nickname::Nickname;
use crate::simulator::wire::{Answer, Format};

pub(super) fn answer(call: &Call<'_>) -> Answer {
    let mut lines = vec![format!("Request: {} {}", call.request.method, call.request.target), "Headers:".to_owned()];
    for (name, value) in &call.request.headers {
        lines.push(format!("  {name}: {value}"));
    }
    lines.push("Security context:".to_owned());
    lines.push(format!("  API key: {}", call.key.secret().expose()));
    for permission in Permission::ALL {
        let nicknames = call.key.nicknames(permission);
        if !nicknames.is_empty() {
            let names: Vec<&str> = nicknames.iter().map(Nickname::as_str).collect();
            lines.push(format!("  {}: {}", role(permission), names.join(", ")));
        }
    }
    lines.push(String::new());
    Answer::body(StatusCode::OK, Format::Text, lines.join("\n"))
}

/// The role ids of ClickBank's help pages.
fn role(permission: Permission) -> &'static str {
    match permission {
        Permission::Analytics => "api_analytics_client",
        Permission::Products => "api_products_client",
        Permission::OrdersRead => "api_order_read",
        Permission::OrdersWrite => "api_order_write",
        Permission::SubscriptionModification => "api_subscription_modifications",
    }
}
