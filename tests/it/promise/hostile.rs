//! Answers of a ClickBank that has gone wrong, or is not ClickBank: what somebody else would get, put in the place of what
//! was asked for or hidden somewhere in it.
//!
//! No row is made to say that it is the caller's. One that says so by every field could not be told from the caller's own,
//! by anybody; whoever answers for ClickBank can always make up such a row. So the true owner stays in its field, unless
//! the form says that the field is damaged, and a damaged one never names the caller alone. What remains is never to be
//! released: see [`Form::is_claimed`] for which answers show an owner at all.

use bytes::Bytes;
use clickbank_gateway::simulator::world::{Order, Ticket};
use clickbank_gateway::simulator::{Request, World};

use crate::facts::Fact;
use crate::support::in_process::Answered;

use super::alike::seen_families;
use super::check::Case;
use super::forgery::{forge_json, forge_xml};
use super::ideal::Acting;
use super::random::Random;
use super::scene::{NOBODY, STRANGERS};

/// What is done to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Somebody else's rows instead.
    Whole,
    /// Somebody else's rows among those asked for.
    Among,
    /// Instead, with the owner's name or the field's spelt in escapes.
    Escaped,
    /// Instead, in a body that breaks off.
    Cut,
    /// Instead, called something that nobody asked for.
    Type,
    /// Instead, as the explanation of an error.
    Status,
    /// In an unknown member beside the rows.
    Beside,
    /// In an unknown member of the first row.
    Within,
    /// Instead, with owners that are nil.
    Nil,
    /// Instead, without owners.
    Missing,
    /// Instead, with the owner's field in other letters.
    Renamed,
    /// Instead, with a second owner, the caller, before the true one.
    Twice,
    /// Instead, as shares in somebody's sales.
    Share,
    /// Instead, one level deeper than rows are.
    Deeper,
}

pub(super) const FORMS: [Form; 14] = [
    Form::Whole,
    Form::Among,
    Form::Escaped,
    Form::Cut,
    Form::Type,
    Form::Status,
    Form::Beside,
    Form::Within,
    Form::Nil,
    Form::Missing,
    Form::Renamed,
    Form::Twice,
    Form::Share,
    Form::Deeper,
];

impl Form {
    /// Whether the design has it that such an answer to this endpoint shows nothing foreign.
    /// `is_all` tells whether the credential that acts reaches All Accounts.
    pub(super) fn is_claimed(self, fact: &Fact, acting: Acting, is_all: bool) -> bool {
        let source = fact.owner_source.as_str();
        let is_wide = acting == Acting::Wide;
        match self {
            // No part of what is not a whole answer of the type asked for is released, whoever asked.
            Self::Cut | Self::Type => true,
            // Whoever is not declared could be one of All Accounts.
            Self::Whole | Self::Among | Self::Escaped | Self::Status if is_all && !is_wide => false,
            // It certainly names somebody else.
            Self::Whole | Self::Among | Self::Escaped | Self::Status => match source {
                "request" => !fact.nickname_in_response.is_empty(),
                "request_optional" | "response" => is_wide || !fact.nickname_in_response.is_empty(),
                // The receipt says whose it is, once it was looked up.
                "lookup_order_per_row" | "lookup_ticket_order" => is_wide,
                "lookup_order" => is_wide && fact.path.contains("shipnotice"),
                _ => false,
            },
            // It could be anybody's. ClickBank itself says whose an answer to a confined credential is, so there it
            // passes; and so it does where the request names the owner.
            _ => is_wide && matches!(source, "request_optional" | "response"),
        }
    }
}

/// Mangles an answer now and then.
pub(super) struct Mangler {
    random: Random,
    /// The nicknames of the caller, and of others, each with a key that reaches nothing else.
    own: String,
    others: Vec<(&'static str, String)>,
    receipts: Vec<String>,
    tickets: Vec<u32>,
}

impl Mangler {
    pub(super) fn new(seed: u64, salt: &str, case: &Case<'_>) -> Self {
        let scene = case.scene;
        let seen = scene.anywhere(&scene.callers[case.caller].1);
        let own = seen.iter().find(|name| scene.find(name).is_some()).copied().unwrap_or(NOBODY);
        let names = scene.sisters().chain(STRANGERS).map(|(name, _)| name).filter(|name| !seen.contains(name));
        let secret = |name: &str| case.world.key(&format!("foe {name}")).unwrap().secret().expose().to_owned();
        // What is about a receipt that the caller sees could be the caller's.
        let families = seen_families(&scene.records, &seen);
        let is_foreign = |order: &&Order| !families.iter().any(|family| family == order.base_receipt());
        let orders = scene.records.orders.iter().filter(is_foreign);
        let receipts: Vec<String> = orders.map(|order| order.receipt.clone()).collect();
        let is_foreign = |ticket: &&Ticket| receipts.contains(&ticket.receipt);
        Self {
            random: Random::of(&["mangler", &seed.to_string(), &scene.seed.to_string(), salt]),
            own: own.to_owned(),
            others: names.map(|name| (name, secret(name))).collect(),
            tickets: scene.records.tickets.iter().filter(is_foreign).map(|ticket| ticket.id).collect(),
            receipts,
        }
    }

    /// What becomes of an answer, and what was done to it.
    pub(super) fn mangle(&mut self, world: &mut World, asked: &Request, answer: Answered) -> (Option<Form>, Answered) {
        if self.random.percent(35) {
            return (None, answer);
        }
        let foreign = self.foreign(world, asked);
        if foreign.body.len() < 10 {
            return (None, answer);
        }
        let form = *self.random.pick(&FORMS);
        let mangled = match form {
            Form::Whole => foreign,
            Form::Cut => {
                let kept = 1 + self.random.below(foreign.body.len() - 4);
                Answered { body: foreign.body.slice(..kept), ..foreign }
            }
            Form::Type => {
                let other = *self.random.pick(&["text/html", "application/x-json", "text/csv"]);
                Answered { content_type: Some(other), ..foreign }
            }
            Form::Status => Answered { status: *self.random.pick(&[400, 403, 404, 500, 503]), ..foreign },
            _ => {
                let (own, others) = (text(&answer.body), text(&foreign.body));
                let forged = match foreign.content_type {
                    Some("application/json") => forge_json(form, &own, &others, &self.own),
                    _ => forge_xml(form, &own, &others, &self.own),
                };
                Answered { body: Bytes::from(forged), ..foreign }
            }
        };
        (Some(form), mangled)
    }

    /// What somebody else would get who asks for something like it.
    fn foreign(&mut self, world: &mut World, asked: &Request) -> Answered {
        let mut best = None;
        // Some of them have nothing to show.
        for _ in 0..4 {
            let (name, secret) = self.random.pick(&self.others).clone();
            let mut request = Request::new(asked.method.clone(), &self.target(&asked.target, name));
            let headers = asked.headers.iter().filter(|(name, _)| name == "accept");
            request.headers.extend(headers.cloned().chain([("authorization".to_owned(), secret)]));
            let answer = if asked.method == http::Method::GET {
                Answered::from(world.answer(&request))
            } else {
                Answered { status: 403, content_type: Some("text/plain"), body: Bytes::from("Refused") }
            };
            let is_empty = answer.body.is_empty() || answer.body == "null";
            if answer.status < 300 && !is_empty && !has_shares(&answer) && !is_about(&answer, &asked.target) {
                return answer;
            }
            best = best.or_else(|| (answer.status >= 300).then_some(answer));
        }
        best.unwrap_or(Answered { status: 200, content_type: None, body: Bytes::new() })
    }

    /// The target about somebody else's.
    fn target(&mut self, target: &str, name: &str) -> String {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let segments = path.split('/').map(|segment| {
            if segment.starts_with("ZQ") || segment.starts_with("zq") || segment == "NONE0000" {
                self.random.any(&self.receipts).cloned().unwrap_or_else(|| segment.to_owned())
            } else if segment.len() >= 4 && segment.bytes().all(|byte| byte.is_ascii_digit()) {
                self.random.any(&self.tickets).map_or_else(|| segment.to_owned(), ToString::to_string)
            } else {
                segment.to_owned()
            }
        });
        let path: Vec<String> = segments.collect();
        let kept = query.split('&').filter(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            matches!(name, "startDate" | "endDate" | "summaryType" | "status" | "refundType")
        });
        let mut query: Vec<String> = kept.map(str::to_owned).collect();
        query.extend([format!("account={name}"), format!("site={name}")]);
        format!("{}?{}", path.join("/"), query.join("&"))
    }
}

/// Whether some of its rows show somebody's share in another's sale, which certainly names nobody. ([`Form::Share`] makes
/// such rows where they are not to be released.)
fn has_shares(answer: &Answered) -> bool {
    let text = text(&answer.body);
    ["JV_", "\"role\":{", "<role xsi:nil"].iter().any(|share| text.contains(share))
}

/// Whether it holds the receipt that was asked for. Of a receipt with sales of several sellers, what belongs to one of
/// them names nobody else.
fn is_about(answer: &Answered, target: &str) -> bool {
    let (text, target) = (text(&answer.body).to_ascii_lowercase(), target.to_ascii_lowercase());
    target.match_indices("zqr").filter_map(|(start, _)| target.get(start..start + 8)).any(|word| text.contains(word))
}

fn text(body: &Bytes) -> String {
    String::from_utf8_lossy(body).into_owned()
}
