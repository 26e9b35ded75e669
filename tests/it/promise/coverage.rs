//! What was tried: for each endpoint, how often it was allowed, behind which kind of credential, and how often refused.

use std::collections::BTreeMap;

use crate::facts::FACTS;

use super::hostile::{FORMS, Form};

/// Endpoints that the design has a rule for behind a wide credential, besides those with a required parameter.
const WIDE: [&str; 23] = [
    "analytics.status",
    "orders.count",
    "orders.get",
    "orders.list",
    "orders.status",
    "orders.upsells",
    "orders2.count",
    "orders2.get",
    "orders2.list",
    "orders2.status",
    "orders2.upsells",
    "quickstats.accounts",
    "quickstats.count",
    "quickstats.list",
    "shipping.list",
    "shipping.shipnotice.get",
    "shipping2.list",
    "shipping2.shipnotice.get",
    "shipping3.list",
    "shipping3.shipnotice.get",
    "tickets.get",
    "tickets.list",
    "tickets.refundAmounts",
];

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Confined,
    Wide,
    Open,
    Refused,
}

/// The counts of a run.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    by_endpoint: BTreeMap<String, [u64; 4]>,
    pub(super) cases: u64,
    pub(super) requests: u64,
    /// For each form of mangling, how often the answer was released all the same, and how often not.
    by_form: BTreeMap<String, [u64; 2]>,
    /// Pairs of worlds that turned out not to be alike.
    pub(super) discarded: u64,
    /// Answers about one order, behind a wide credential, that lack somebody's share in another's sale.
    pub(super) shares_missing: u64,
}

impl Coverage {
    pub(super) fn count(&mut self, id: &str, kind: Kind) {
        self.by_endpoint.entry(id.to_owned()).or_default()[kind as usize] += 1;
    }

    pub(super) fn count_forms(&mut self, forms: &[Form], refused: bool) {
        for form in forms {
            self.by_form.entry(format!("{form:?}")).or_default()[usize::from(refused)] += 1;
        }
    }

    /// What was never done to an answer.
    pub(super) fn untried_forms(&self) -> Vec<Form> {
        FORMS.into_iter().filter(|form| !self.by_form.contains_key(&format!("{form:?}"))).collect()
    }

    fn of(&self, id: &str, kind: Kind) -> u64 {
        self.by_endpoint.get(id).map_or(0, |counts| counts[kind as usize])
    }

    pub(super) fn all(&self, kind: Kind) -> u64 {
        self.by_endpoint.values().map(|counts| counts[kind as usize]).sum()
    }

    /// What has not been tried, although it should have been.
    pub(super) fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        for fact in
            FACTS.iter().filter(|fact| !matches!(fact.owner_source.as_str(), "not_applicable" | "credential_echo"))
        {
            let id = fact.id.as_str();
            let mut expect = |kind, wanted: bool| {
                if wanted && self.of(id, kind) == 0 {
                    gaps.push(format!("{id} was never {kind:?}"));
                }
            };
            let looked_up = ["lookup_order", "lookup_ticket_order"].contains(&fact.owner_source.as_str());
            let has_rule = WIDE.contains(&id) || fact.owner_source == "request" || (fact.mutates && looked_up);
            expect(Kind::Refused, true);
            expect(Kind::Confined, true);
            expect(Kind::Wide, has_rule);
            if !has_rule && self.of(id, Kind::Wide) > 0 {
                gaps.push(format!("{id} was allowed behind a wide credential, where the design has no rule for it"));
            }
        }
        gaps
    }
}

impl std::fmt::Display for Coverage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (id, [confined, wide, open, refused]) in &self.by_endpoint {
            writeln!(f, "{id:42} confined {confined:6}  wide {wide:6}  open {open:6}  refused {refused:6}")?;
        }
        for (form, [released, refused]) in &self.by_form {
            writeln!(f, "{form:42} released {released:6}  refused {refused:6}")?;
        }
        let [confined, wide, open, refused] =
            [Kind::Confined, Kind::Wide, Kind::Open, Kind::Refused].map(|kind| self.all(kind));
        write!(f, "{} cases ({} discarded), {} requests", self.cases, self.discarded, self.requests)?;
        if self.by_form.is_empty() {
            let missing = self.shares_missing;
            write!(
                f,
                ": {confined} allowed confined, {wide} wide ({missing} lack a share), {open} open, {refused} refused"
            )?;
        }
        Ok(())
    }
}
