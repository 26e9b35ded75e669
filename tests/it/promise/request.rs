//! Requests: any endpoint, with anything in its parameters that a caller could know, guess or try.

use std::fmt::Write as _;

use clickbank_gateway::simulator::world::Order;

use crate::facts::{FACTS, Fact, Param, Place, fact};

use super::random::Random;
use super::values::Values;

/// A request of a caller's.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) fact: &'static Fact,
    /// The path, with its values.
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) accept: Option<&'static str>,
    pub(super) page: Option<&'static str>,
    /// The nickname named in a header, and in the base path.
    pub(super) in_header: Option<String>,
    pub(super) in_path: Option<String>,
    slash: bool,
}

impl Ask {
    /// Makes one up.
    pub(super) fn make(values: &Values, random: &mut Random) -> Self {
        let fact = pick_fact(random);
        let named = random.percent(30).then(|| values.nickname(random));
        let place = random.below(9);
        let mut ask = Self {
            fact,
            path: path(fact, values, random),
            query: query(fact, values, random),
            accept: *random.pick(&[
                Some("application/json"),
                Some("application/json"),
                Some("application/json, text/plain, */*"),
                Some("application/xml"),
                Some("text/xml"),
                Some("*/*"),
                None,
                None,
            ]),
            page: *random.pick(&[None, None, None, None, Some("1"), Some("2"), Some("2"), Some("3")]),
            in_header: named.clone().filter(|_| place < 5),
            in_path: named.filter(|_| place > 3),
            slash: random.percent(3),
        };
        match random.below(100) {
            0 | 1 => ask.query.push(("nickname".to_owned(), values.nickname(random))),
            2 | 3 => {
                let again = random.any(&ask.query).cloned();
                ask.query.extend(again);
            }
            4 => ask.accept = Some("text/csv"),
            5 => ask.page = Some("0"),
            _ => {}
        }
        ask
    }

    /// A request without anything that it need not have.
    pub(super) fn plain(id: &str, path: &str, query: &[(&str, &str)]) -> Self {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (in_header, in_path) = (None, None);
        let accept = Some("application/json");
        Self { fact: fact(id), path: path.to_owned(), query, accept, page: None, in_header, in_path, slash: false }
    }

    /// Makes up a change, most of the time one that ClickBank would make if the caller's own key asked.
    pub(super) fn change(values: &Values, random: &mut Random) -> Self {
        let changing: Vec<&'static Fact> = FACTS.iter().filter(|fact| fact.mutates).collect();
        let fact = loop {
            let fact = *random.pick(&changing);
            // What fits any order is made often enough, and what waits for a return seldom fits.
            if random.percent(10) {
                break FACTS.iter().find(|fact| fact.id == "tickets.returned").unwrap_or(fact);
            }
            if !fact.path.ends_with("/changeAddress") && !fact.path.contains("/products/") || random.percent(30) {
                break fact;
            }
        };
        let of_subscription = fact.permission_all.iter().any(|permission| permission == "subscription_modification");
        let fits = |order: &&Order| match fact.path.split('/').nth(3) {
            Some("orders" | "orders2") if of_subscription => order.subscription.is_some(),
            Some("shipping" | "shipping2" | "shipping3") => order.lines.iter().any(|line| line.shippable),
            _ => true,
        };
        let tried = (0..12).find_map(|_| values.order(random).filter(fits));
        let order = tried.or_else(|| values.order(random)).cloned();
        let item = order.as_ref().and_then(|order| order.lines.first()).map(|line| line.item_no.clone());
        let kind = *random.pick(&["rfnd", "rfnd", "cncl", "tech"]);
        let value = |name: &str, random: &mut Random| match name {
            "site" => values.nickname(random),
            "sku" | "oldSku" | "item" => item.clone().unwrap_or_else(|| Values::sku(random)),
            "newSku" if random.percent(70) => "idle-1".to_owned(),
            "newSku" => Values::sku(random),
            "restartDate" | "changeDate" | "nextRebillDate" => "2027-01-15".to_owned(),
            "date" => "2026-11-20".to_owned(),
            "numPeriods" => "2".to_owned(),
            "type" if fact.path.starts_with("/rest/1.3/products") => "STANDARD".to_owned(),
            "type" => kind.to_owned(),
            "reason" => {
                let group = [("rfnd", "refund"), ("cncl", "cancel")].into_iter().find(|(type_, _)| *type_ == kind);
                format!("ticket.type.{}.1", group.map_or("tech_support", |(_, group)| group))
            }
            "action" => (*random.pick(&["change", "close", "reopen"])).to_owned(),
            "refundType" => (*random.pick(&["FULL", "PARTIAL_PERCENT"])).to_owned(),
            "refundAmount" => "25".to_owned(),
            "countryCode" => "US".to_owned(),
            "currency" => "USD".to_owned(),
            "price" => "12.50".to_owned(),
            "language" => "EN".to_owned(),
            "applyProratedRefund" | "carryAffiliate" | "retainSubscription" | "fillOrder" | "digital" => {
                (*random.pick(&["true", "false"])).to_owned()
            }
            _ => "words".to_owned(),
        };
        let mut query: Vec<(String, String)> = Vec::new();
        for param in fact.params_in(Place::Query) {
            let is_plain = matches!(param.name.as_str(), "type" | "action" | "comment" | "refundType" | "refundAmount");
            let percent = match param.name.as_str() {
                _ if param.has_to_be_said() => 100,
                "sku" | "item" => 60,
                _ if is_plain && !fact.path.starts_with("/rest/1.3/products") => 50,
                _ => 5,
            };
            if random.percent(percent) {
                query.push((param.name.clone(), value(&param.name, random)));
            }
        }
        let receipt = match order {
            Some(order) if random.percent(90) => order.receipt,
            _ => values.receipt(random),
        };
        let path = fact.params_in(Place::Path).fold(fact.path.clone(), |path, param| {
            let value = match param.name.as_str() {
                "receipt" => receipt.clone(),
                "id" => values.ticket(random),
                _ => Values::sku(random),
            };
            path.replace(&format!("{{{}}}", param.name), &value)
        });
        let named = random.percent(20).then(|| values.nickname(random));
        let accept = *random.pick(&[Some("application/json"), Some("application/xml"), None]);
        Self { fact, path, query, accept, page: None, in_header: named, in_path: None, slash: false }
    }

    /// The target as the caller sends it.
    pub(super) fn target(&self) -> String {
        let base = self.in_path.as_ref().map(|name| format!("/@{name}")).unwrap_or_default();
        let slash = if self.slash { "/" } else { "" };
        format!("{base}{}{slash}{}", self.path, encoded(&self.query))
    }

    pub(super) fn headers(&self) -> Vec<(&'static str, &str)> {
        let accept = self.accept.map(|accept| ("accept", accept));
        let page = self.page.map(|page| ("page", page));
        let named = self.in_header.as_deref().map(|name| ("gateway-nickname", name));
        [accept, page, named].into_iter().flatten().collect()
    }

    /// The first value of a parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The nickname that is named for the call.
    pub(super) fn named(&self) -> Option<&str> {
        self.in_header.as_deref().or(self.in_path.as_deref())
    }

    /// All that the caller sends.
    pub(super) fn sent(&self) -> String {
        format!("{} {:?} {:?}", self.target(), self.query, self.headers())
    }

    /// Whether it filters orders by their parties.
    pub(super) fn has_order_filters(&self) -> bool {
        self.fact.nickname_params.iter().any(|name| name == "vendor")
    }

    /// Whether its answer is one order's rows.
    pub(super) fn is_order_object(&self) -> bool {
        self.fact.method == "GET" && self.fact.path.starts_with("/rest/1.3/orders") && self.fact.path.contains('{')
    }
}

impl std::fmt::Display for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.fact.method, self.target())?;
        self.headers().iter().try_for_each(|(name, value)| write!(f, "  {name}: {value}"))
    }
}

/// Parameters as a query string.
pub(super) fn encoded(query: &[(String, String)]) -> String {
    query.iter().enumerate().fold(String::new(), |text, (place, (name, value))| {
        let separator = if place == 0 { '?' } else { '&' };
        let value = value.bytes().fold(String::new(), |mut text, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                text.push(char::from(byte));
            } else {
                write!(text, "%{byte:02X}").unwrap();
            }
            text
        });
        format!("{text}{separator}{name}={value}")
    })
}

/// Reads more often than changes, documents seldom.
fn pick_fact(random: &mut Random) -> &'static Fact {
    loop {
        let fact = random.pick(&FACTS);
        let percent = match fact.owner_source.as_str() {
            "not_applicable" => 8,
            "credential_echo" => 15,
            "request" if fact.mutates => 80,
            _ if fact.mutates => 50,
            "request" => 45,
            "request_optional" | "response" | "lookup_order" | "lookup_ticket_order" => 100,
            _ => 70,
        };
        if random.percent(percent) {
            return fact;
        }
    }
}

fn path(fact: &Fact, values: &Values, random: &mut Random) -> String {
    fact.params_in(Place::Path).fold(fact.path.clone(), |path, param| {
        let value = match param.name.as_str() {
            "receipt" if fact.path.ends_with("/upsells") => values.parent(random),
            "receipt" => values.receipt(random),
            "id" => values.ticket(random),
            "sku" => Values::sku(random),
            _ => {
                let value = random.pick(&param.values).clone();
                if random.percent(10) { value.to_ascii_lowercase() } else { value }
            }
        };
        path.replace(&format!("{{{}}}", param.name), &value)
    })
}

fn query(fact: &Fact, values: &Values, random: &mut Random) -> Vec<(String, String)> {
    let mut query: Vec<(String, String)> = Vec::new();
    let dates = Values::dates(random);
    let with_dates = random.percent(35);
    for param in fact.params_in(Place::Query) {
        let name = param.name.as_str();
        let percent = match name {
            _ if param.has_to_be_said() => 98,
            "startDate" | "endDate" => {
                if with_dates {
                    97
                } else {
                    2
                }
            }
            "createDateFrom" | "createDateTo" | "updateDateFrom" | "updateDateTo" => {
                if with_dates {
                    60
                } else {
                    2
                }
            }
            "vendor" | "affiliate" | "role" => 35,
            "account" | "receipt" => 60,
            _ => 10,
        };
        if random.percent(percent) {
            query.push((name.to_owned(), value(fact, param, &dates, values, random)));
        }
    }
    if fact.nickname_params.iter().any(|name| name == "vendor") && random.percent(35) {
        query.retain(|(name, _)| !matches!(name.as_str(), "vendor" | "affiliate" | "role"));
        let (party, role) = *random.pick(&[("vendor", "VENDOR"), ("vendor", "VENDOR"), ("affiliate", "AFFILIATE")]);
        query.push((party.to_owned(), values.nickname(random)));
        query.push(("role".to_owned(), role.to_owned()));
    }
    query
}

fn value(fact: &Fact, param: &Param, dates: &[String; 2], values: &Values, random: &mut Random) -> String {
    let name = param.name.as_str();
    match name {
        "account" | "site" => values.nickname(random),
        "vendor" | "affiliate" => values.party(random),
        "receipt" if fact.path.starts_with("/rest/1.3/tickets") => values.ticketed(random),
        "receipt" => values.receipt_filter(random),
        "startDate" | "createDateFrom" | "updateDateFrom" | "closeDateFrom" | "date" => dates[0].clone(),
        "endDate" | "createDateTo" | "updateDateTo" | "closeDateTo" | "restartDate" | "changeDate" => dates[1].clone(),
        "email" => values.customer(random, |word| format!("{word}@example.net")),
        "lastName" => values.customer(random, |word| format!("{word}<&>")),
        "postalCode" => values.customer(random, str::to_owned),
        "tid" => values.tid(random),
        "amount" => values.amount(random),
        "item" | "sku" | "oldSku" | "newSku" => Values::sku(random),
        "type" if fact.path.starts_with("/rest/1.3/orders") => {
            (*random.pick(&["SALE", "RFND", "BILL", "CGBK", "TEST_SALE"])).to_owned()
        }
        "type" if fact.path.starts_with("/rest/1.3/products") => (*random.pick(&["STANDARD", "RECURRING"])).to_owned(),
        "type" if fact.id == "tickets.list" || fact.id == "tickets.count" => {
            (*random.pick(&["rfnd", "cncl", "tech"])).to_owned()
        }
        "status" if fact.path.starts_with("/rest/1.3/shipping") => {
            (*random.pick(&["shipped", "notshipped", "all"])).to_owned()
        }
        "status" if fact.path.starts_with("/rest/1.3/tickets") => (*random.pick(&["open", "closed"])).to_owned(),
        "orderBy" => (*random.pick(&["RECEIPT", "SALE_AMOUNT", "DIMENSION_VALUE", "CUSTOMER_EMAIL"])).to_owned(),
        "select" => (*random.pick(&["SALE_COUNT", "SALE_AMOUNT,REFUND_COUNT"])).to_owned(),
        "dimensionFilter" => (*random.pick(&["US", "rivalq", "guide-1"])).to_owned(),
        "refundAmount" => (*random.pick(&["1", "50", "500"])).to_owned(),
        "currency" => "USD".to_owned(),
        "price" => "12.50".to_owned(),
        "sortAscending" | "approvedOnly" | "digital" | "fillOrder" | "applyProratedRefund" => {
            (*random.pick(&["true", "false"])).to_owned()
        }
        _ => random.any(&param.values).cloned().unwrap_or_else(|| (*random.pick(&["1", "30", "some"])).to_owned()),
    }
}
