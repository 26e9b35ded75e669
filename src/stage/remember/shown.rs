//! What ClickBank shows of what a change is about, and how it is asked for.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::call::Call;
use crate::domain::endpoint::{Changes, Endpoint, Owner, Segment};

/// What ClickBank shows of what a change is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Evidence {
    /// The tickets about a receipt.
    Tickets(Vec<Ticket>),
    /// Something that is other once the change was made. What is kept of it is a digest.
    State(String),
}

/// A ticket, as ClickBank shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ticket {
    pub(crate) id: String,
    /// What it asks for.
    #[serde(skip)]
    pub(crate) kind: String,
    /// Whether it was opened through the API. Customers open tickets, too.
    #[serde(skip)]
    pub(crate) is_of_api: bool,
}

impl Ticket {
    /// The tickets in a list of them in JSON; none where one of them cannot be read.
    pub(crate) fn all_in(body: &[u8]) -> Option<Vec<Self>> {
        let value: Value = serde_json::from_slice(body).ok()?;
        let tickets = value.get(ROWS).unwrap_or(&value);
        let one = std::slice::from_ref(tickets);
        let tickets = tickets.as_array().map_or(if tickets.is_object() { one } else { &[] }, Vec::as_slice);
        let read = |ticket| {
            let (id, kind) = field(ticket, ID).zip(field(ticket, "type"))?;
            Some(Self { id, kind, is_of_api: field(ticket, "source").as_deref() == Some("API") })
        };
        tickets.iter().map(read).collect()
    }

    /// The id of the ticket that an answer in JSON or XML shows, if it is one ticket.
    pub(super) fn id_in(body: &[u8]) -> Option<String> {
        if let Ok(value) = serde_json::from_slice::<Value>(body) {
            return field(value.get(ROWS).unwrap_or(&value), ID);
        }
        let mut ids = std::str::from_utf8(body).ok()?.split("<ticketid>").skip(1);
        let id = ids.next()?.split('<').next()?.trim().to_owned();
        ids.next().is_none().then_some(id)
    }
}

/// Where tickets stand in an answer in JSON that holds more than one, and the field with the id of each.
const ROWS: &str = "ticketData";
const ID: &str = "ticketid";

fn field(ticket: &Value, name: &str) -> Option<String> {
    match ticket.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// How evidence is come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Showing {
    /// By the tickets about the receipt in this path variable.
    Tickets(usize),
    /// By the ticket in this path variable.
    Ticket(usize),
    /// By the order with the receipt in this path variable.
    Order(usize),
    /// By the ship notices of the receipt in this path variable.
    ShipNotices(usize),
    /// By the product with the number in this path variable, of the nickname in this parameter.
    Product(usize, usize),
}

impl Showing {
    /// What shows whether a call of this endpoint was made, if anything does.
    pub(crate) fn of(endpoint: &Endpoint) -> Option<Self> {
        let first = endpoint.path.segments().first();
        let is = |word: &str| matches!(first, Some(Segment::Literal(text)) if text == word);
        match endpoint.owner {
            _ if endpoint.changes == Changes::Nothing => None,
            Owner::Receipt(variable) if is("tickets") => Some(Self::Tickets(variable)),
            Owner::Receipt(variable) if is("orders") || is("orders2") => Some(Self::Order(variable)),
            Owner::Receipt(variable) if is("shipping") || is("shipping2") || is("shipping3") => {
                Some(Self::ShipNotices(variable))
            }
            Owner::Ticket(variable) => Some(Self::Ticket(variable)),
            Owner::Parameter(site) if is("products") && endpoint.path.segments().len() == 2 => {
                Some(Self::Product(0, site))
            }
            _ => None,
        }
    }

    /// Whether a later change can bring back what was shown before. Comments and notices only become more.
    pub(super) const fn is_reversible(self) -> bool {
        matches!(self, Self::Order(_) | Self::Product(..))
    }

    /// The words that name what such a call is about. A rebill is of the same order as the first sale.
    pub(super) fn words(self, endpoint: &Endpoint, call: &Call) -> Option<[String; 3]> {
        let variable = |position| call.variable(endpoint, position).map(str::to_ascii_uppercase);
        let order =
            |position| variable(position).map(|receipt| receipt.split('-').next().unwrap_or_default().to_owned());
        Some(match self {
            Self::Tickets(receipt) => ["tickets".to_owned(), order(receipt)?, String::new()],
            Self::Ticket(id) => ["ticket".to_owned(), variable(id)?, String::new()],
            Self::Order(receipt) => ["order".to_owned(), order(receipt)?, String::new()],
            Self::ShipNotices(receipt) => ["notices".to_owned(), order(receipt)?, String::new()],
            Self::Product(sku, site) => {
                ["product".to_owned(), variable(sku)?, call.value_at(site)?.to_ascii_lowercase()]
            }
        })
    }
}

/// A type of ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opens {
    Refund = 1,
    Cancel = 2,
    TechSupport = 3,
}

impl Opens {
    /// What a call opens.
    pub(super) fn by(endpoint: &Endpoint, call: &Call) -> Option<Self> {
        let position = endpoint.parameters.iter().position(|parameter| parameter.name == "type")?;
        match call.value_at(position)? {
            "rfnd" => Some(Self::Refund),
            "cncl" => Some(Self::Cancel),
            "tech" => Some(Self::TechSupport),
            _ => None,
        }
    }

    /// The type in ClickBank's answers.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Refund => "REFUND",
            Self::Cancel => "CANCEL",
            Self::TechSupport => "TECH_SUPPORT",
        }
    }
}

/// The read that shows whether a call of this endpoint was made, for people.
pub(crate) fn where_it_shows(endpoint: &Endpoint) -> Option<&'static str> {
    Showing::of(endpoint).map(|showing| match showing {
        Showing::Tickets(_) => "GET /rest/1.3/tickets/list?receipt={receipt}",
        Showing::Ticket(_) => "GET /rest/1.3/tickets/{id}",
        Showing::Order(_) => "GET /rest/1.3/orders2/{receipt}",
        Showing::ShipNotices(_) => "GET /rest/1.3/shipping2/shipnotice/{receipt}",
        Showing::Product(..) => "GET /rest/1.3/products/{sku}?site={nickname}",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_told_by_its_id_in_either_format_and_of_several_none_is() {
        for (body, id) in [
            (r#"{"ticketid": 4711, "type": "REFUND"}"#, Some("4711")),
            (r#"{"ticketData": {"ticketid": "4711"}}"#, Some("4711")),
            (r#"{"ticketData": [{"ticketid": 1}, {"ticketid": 2}]}"#, None),
            ("<ticketData><ticketid> 4711 </ticketid></ticketData>", Some("4711")),
            ("<l><ticketid>1</ticketid><ticketid>2</ticketid></l>", None),
            (r#"{"ticketid": {"@nil": "true"}}"#, None),
            ("", None),
        ] {
            assert_eq!(Ticket::id_in(body.as_bytes()).as_deref(), id, "{body}");
        }
    }

    #[test]
    fn tickets_are_listed_whole_or_not_at_all() {
        let ids = |body: &str| {
            let tickets = Ticket::all_in(body.as_bytes())?;
            Some(tickets.iter().map(|ticket| (ticket.id.clone(), ticket.is_of_api)).collect::<Vec<_>>())
        };
        let (one, other) =
            (r#"{"ticketid": 1, "type": "REFUND", "source": "API"}"#, r#"{"ticketid": "2", "type": "CANCEL"}"#);
        assert_eq!(ids(&format!(r#"{{"ticketData": {one}}}"#)), Some(vec![("1".to_owned(), true)]));
        assert_eq!(
            ids(&format!(r#"{{"ticketData": [{one}, {other}]}}"#)),
            Some(vec![("1".to_owned(), true), ("2".to_owned(), false)])
        );
        assert_eq!(ids("null"), Some(Vec::new()));
        assert_eq!(ids(&format!(r#"[{one}, {{"ticketid": 3}}]"#)), None);
        assert_eq!(ids("<ticketList/>"), None);
    }
}
