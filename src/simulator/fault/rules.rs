//! The rules in force, and which of them acts on a request.

use super::{Fault, FaultPath, FaultRule};

/// What a rule looks at in a request.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulator) struct Seen<'a> {
    pub(in crate::simulator) method: &'a str,
    /// The target, as it was sent.
    pub(in crate::simulator) target: &'a str,
    /// The name of its key.
    pub(in crate::simulator) key: Option<&'a str>,
}

/// A rule in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveFault {
    /// Its number, counted from 1 in the order in which rules were added.
    pub id: u64,
    /// The rule.
    pub rule: FaultRule,
    /// How many requests have matched it.
    pub matched: u64,
    /// On how many of these it has acted.
    pub acted: u64,
}

impl ActiveFault {
    /// Whether it will never act again.
    #[must_use]
    pub fn has_expired(&self) -> bool {
        self.rule.times.is_some_and(|times| self.acted >= times.get())
    }

    fn matches(&self, seen: Seen<'_>) -> bool {
        let path = seen.target.split('?').next().unwrap_or_default();
        let FaultRule { method, path: wanted, key, .. } = &self.rule;
        method.as_ref().is_none_or(|method| method.as_str() == seen.method)
            && key.as_ref().is_none_or(|key| Some(key.as_str()) == seen.key)
            && wanted.as_ref().is_none_or(|wanted| match wanted {
                FaultPath::Is(wanted) => wanted == path,
                FaultPath::StartsWith(prefix) => path.starts_with(prefix),
            })
    }
}

/// The rules in force, in the order in which they were added.
#[derive(Debug)]
pub(in crate::simulator) struct Rules {
    rules: Vec<ActiveFault>,
    last_id: u64,
}

impl Rules {
    /// The most rules at a time; expired ones count.
    pub(in crate::simulator) const MOST: usize = 1000;

    pub(in crate::simulator) fn new() -> Self {
        Self { rules: Vec::new(), last_id: 0 }
    }

    /// Adds a rule behind the others and returns its number; `None` when there are too many.
    pub(in crate::simulator) fn add(&mut self, rule: FaultRule) -> Option<u64> {
        if self.rules.len() >= Self::MOST {
            return None;
        }
        self.last_id += 1;
        self.rules.push(ActiveFault { id: self.last_id, rule, matched: 0, acted: 0 });
        Some(self.last_id)
    }

    /// Removes a rule; says whether there was one of this number.
    pub(in crate::simulator) fn remove(&mut self, id: u64) -> bool {
        let before = self.rules.len();
        self.rules.retain(|rule| rule.id != id);
        self.rules.len() < before
    }

    /// Removes all rules. Numbers go on from where they were.
    pub(in crate::simulator) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(in crate::simulator) fn all(&self) -> &[ActiveFault] {
        &self.rules
    }

    /// The fault for a request, with the number of its rule: of the rules that match and have not expired, the first
    /// that has let enough requests pass. That one and those before it count the request.
    pub(in crate::simulator) fn choose(&mut self, seen: Seen<'_>) -> Option<(u64, Fault)> {
        for active in &mut self.rules {
            if active.has_expired() || !active.matches(seen) {
                continue;
            }
            active.matched += 1;
            if active.matched > active.rule.skip {
                active.acted += 1;
                return Some((active.id, active.rule.fault.clone()));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn rules(rules: impl IntoIterator<Item = FaultRule>) -> Rules {
        let mut list = Rules::new();
        for rule in rules {
            list.add(rule).unwrap();
        }
        list
    }

    fn chosen(rules: &mut Rules, method: &str, target: &str, key: Option<&str>) -> Option<u64> {
        rules.choose(Seen { method, target, key }).map(|(id, _)| id)
    }

    fn rule() -> FaultRule {
        FaultRule::new(Fault::Garbage)
    }

    #[test]
    fn all_that_a_rule_says_has_to_fit() {
        const LIST: &str = "/rest/1.3/orders2/list";
        for (rule, method, target, key, acts) in [
            (rule(), "GET", "/", None, true),
            (rule().method(Method::PUT), "PUT", LIST, None, true),
            (rule().method(Method::PUT), "GET", LIST, None, false),
            (rule().path(LIST), "GET", "/rest/1.3/orders2/list?a=/b", None, true),
            (rule().path(LIST), "GET", "/rest/1.3/orders2/list/", None, false),
            (rule().path_prefix("/rest/1.3/orders2/"), "GET", LIST, None, true),
            (rule().path_prefix("/rest/1.3/orders2/"), "GET", "/x?/rest/1.3/orders2/", None, false),
            (rule().key("acme"), "GET", LIST, Some("acme"), true),
            (rule().key("acme"), "GET", LIST, Some("all"), false),
            (rule().key("acme"), "GET", LIST, None, false),
            (rule().key("acme").method(Method::GET).path(LIST), "PUT", LIST, Some("acme"), false),
        ] {
            let mut rules = rules([rule.clone()]);
            assert_eq!(chosen(&mut rules, method, target, key).is_some(), acts, "{rule:?} {method} {target} {key:?}");
        }
    }

    #[test]
    fn a_rule_acts_from_its_first_to_its_last_request_and_expires() {
        let mut list = rules([rule().skip(2).times(2.try_into().unwrap())]);
        let acted: Vec<bool> = (0..6).map(|_| chosen(&mut list, "GET", "/", None).is_some()).collect();
        assert_eq!(acted, [false, false, true, true, false, false]);
        let [active] = list.all() else { panic!("one rule") };
        assert!(active.has_expired());
        assert_eq!((active.matched, active.acted), (4, 2));
    }

    #[test]
    fn the_first_rule_that_is_due_acts_and_those_behind_it_do_not_count() {
        let mut list = rules([rule().skip(1).once(), rule().method(Method::GET), rule()]);
        let acted: Vec<Option<u64>> =
            ["GET", "GET", "GET", "PUT"].map(|method| chosen(&mut list, method, "/", None)).to_vec();
        assert_eq!(acted, [Some(2), Some(1), Some(2), Some(3)]);
        let counts: Vec<(u64, u64)> = list.all().iter().map(|active| (active.matched, active.acted)).collect();
        assert_eq!(counts, [(2, 1), (2, 2), (1, 1)]);
    }

    #[test]
    fn a_number_is_never_given_twice() {
        let mut list = rules([rule(), rule()]);
        assert!(list.remove(2));
        assert!(!list.remove(2));
        assert_eq!(list.add(rule()), Some(3));
        list.clear();
        assert_eq!(list.add(rule()), Some(4));
        assert_eq!(list.all().len(), 1);
    }

    #[test]
    fn there_is_an_end_to_rules() {
        let mut list = rules(std::iter::repeat_n(rule(), Rules::MOST));
        assert_eq!(list.add(rule()), None);
        list.remove(1);
        assert!(list.add(rule()).is_some());
    }
}
