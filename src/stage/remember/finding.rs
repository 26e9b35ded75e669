//! What became of a change whose outcome nobody knew: what may be concluded from what ClickBank shows, and from what other
//! changes of the same thing have left. Where anything else is possible, it stays unclear.

use serde::{Deserialize, Serialize};

use crate::ledger::{Found, Mark, Trace};

use super::About;
use super::shown::{Evidence, Ticket};

/// What is kept with a change, to find out later what became of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Notes {
    /// What ClickBank showed before.
    pub(super) before: Option<Evidence>,
    /// The trace that it left.
    pub(super) trace: Option<u64>,
    /// Traces of others that were there before, and of which nobody knew whether they would still be followed by a change.
    pub(super) open: Vec<u64>,
}

/// What became of a change, as far as ClickBank shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// It was made, and so were all changes that left these traces. What it brought about, if that is known.
    Made(Option<Mark>, Vec<u64>),
    NotMade,
    Unclear,
}

impl Notes {
    /// What became of the change, by what is shown now and by what others left.
    pub(super) fn conclude(&self, after: Option<&Evidence>, found: &Found, about: &About, is_recent: bool) -> Finding {
        // Of a change without a trace nobody knows who else was at it.
        let Some(own) = found.traces.iter().find(|trace| Some(trace.number) == self.trace) else {
            return Finding::Unclear;
        };
        // A gateway that is killed between the two has noted it there, and not in the record.
        match own.made {
            Some(true) => return Finding::Made(own.mark, vec![own.number]),
            Some(false) => return Finding::NotMade,
            None => {}
        }
        if self.open.iter().any(|number| *number <= found.lost) {
            return Finding::Unclear;
        }
        let is_another = |trace: &&Trace| trace.number > own.number || self.open.contains(&trace.number);
        let counts = |trace: &&Trace| trace.made.unwrap_or(trace.may_be_sent);
        let others: Vec<&Trace> = found.traces.iter().filter(is_another).filter(counts).collect();
        match (&self.before, after) {
            (Some(Evidence::Tickets(before)), Some(Evidence::Tickets(after))) => {
                let mark = |ticket: &Ticket| Some(about.traces.mark(about.thing, &ticket.id));
                let was_there = |ticket: &Ticket| before.iter().any(|other| other.id == ticket.id);
                let is_others = |ticket: &Ticket| others.iter().any(|other| other.mark == mark(ticket));
                let new: Vec<&Ticket> =
                    after.iter().filter(|ticket| !was_there(ticket) && !is_others(ticket)).collect();
                // Customers open tickets, and so do others at the seller's: neither does so through the API.
                let may_be_own: Vec<_> = new
                    .iter()
                    .filter(|ticket| ticket.is_of_api && about.opens.is_some_and(|opens| opens.kind() == ticket.kind))
                    .collect();
                // Each of these may have opened one of them.
                let rivals = others.iter().filter(|other| other.mark.is_none() && other.sort == about.sort());
                let may_be_made: Vec<u64> = rivals.map(|rival| rival.number).chain([own.number]).collect();
                match may_be_own.as_slice() {
                    [only] if may_be_made.len() == 1 => Finding::Made(mark(only), may_be_made),
                    // As many as could be, so all were made. Were there more, somebody would be at it whom nobody knows.
                    several if several.len() == may_be_made.len() => Finding::Made(None, may_be_made),
                    // Nothing that is still under way will open one.
                    _ if new.is_empty() && !is_recent => Finding::NotMade,
                    _ => Finding::Unclear,
                }
            }
            // Nothing has changed, and nothing that is still under way will change it. What others may have changed, and
            // changed back, shows nothing.
            (Some(before), Some(after))
                if before == after && !is_recent && (others.is_empty() || !about.is_reversible) =>
            {
                Finding::NotMade
            }
            _ => Finding::Unclear,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::shown::Opens;
    use super::*;
    use crate::ledger::{Ledger, Moment};

    fn ticket(id: &str) -> Ticket {
        Ticket { id: id.to_owned(), kind: "REFUND".to_owned(), is_of_api: true }
    }

    /// What is concluded of the first of several changes that left these traces, if ClickBank showed the one and shows the
    /// other.
    async fn conclude(
        left: &[Option<bool>],
        marks: &[Option<&str>],
        (before, after): (Evidence, Evidence),
        is_reversible: bool,
    ) -> &'static str {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(directory.path(), 1_000).unwrap();
        let traces = ledger.traces().clone();
        let thing = traces.thing(&["tickets", "ABCD1234"]);
        let about = About { traces: traces.clone(), thing, opens: Some(Opens::Refund), is_reversible };
        let mut numbers = Vec::new();
        for (made, mark) in left.iter().zip(marks) {
            let trace = traces.leave(thing, about.sort(), None, Moment::now()).await.unwrap();
            numbers.push(trace.number());
            trace.stays();
            if let Some(made) = made {
                let mark = mark.map(|id| traces.mark(thing, id));
                traces.settle(thing, *numbers.last().unwrap(), *made, mark).await.unwrap();
            }
        }
        let notes = Notes { before: Some(before), trace: Some(numbers[0]), open: Vec::new() };
        match notes.conclude(Some(&after), &traces.on(thing).await.unwrap(), &about, false) {
            Finding::Made(..) => "made",
            Finding::NotMade => "not made",
            Finding::Unclear => "unclear",
        }
    }

    #[tokio::test]
    async fn tickets_tell_of_a_change_what_is_certain_and_no_more() {
        for (left, marks, new, expected) in [
            (&[None][..], &[None][..], &[][..], "not made"),
            (&[None], &[None], &["1"], "made"),
            // Somebody is at it whom nobody knows.
            (&[None], &[None], &["1", "2"], "unclear"),
            (&[None, None], &[None, None], &["1"], "unclear"),
            (&[None, None], &[None, None], &["1", "2"], "made"),
            (&[None, None], &[None, None], &[], "not made"),
            (&[None, Some(false)], &[None, None], &["1"], "made"),
            (&[None, Some(true)], &[None, None], &["1"], "unclear"),
            (&[None, Some(true)], &[None, Some("1")], &["1"], "not made"),
            (&[None, Some(true)], &[None, Some("1")], &["1", "2"], "made"),
            // What was noted before the gateway was killed holds whatever is shown.
            (&[Some(true)], &[None], &[], "made"),
            (&[Some(false)], &[None], &["1"], "not made"),
        ] {
            let before = Evidence::Tickets(vec![ticket("0")]);
            let after = Evidence::Tickets([&["0"], new].concat().into_iter().map(ticket).collect());
            assert_eq!(conclude(left, marks, (before, after), false).await, expected, "{left:?} {marks:?} {new:?}");
        }
    }

    #[tokio::test]
    async fn what_may_have_been_changed_back_is_not_called_unchanged() {
        for (left, after, is_reversible, expected) in [
            (&[None][..], "a", true, "not made"),
            (&[None], "b", true, "unclear"),
            (&[None, Some(true)], "a", true, "unclear"),
            (&[None, None], "a", true, "unclear"),
            (&[None, Some(false)], "a", true, "not made"),
            (&[None, Some(true)], "a", false, "not made"),
        ] {
            let shown = (Evidence::State("a".to_owned()), Evidence::State(after.to_owned()));
            let told = conclude(left, &[None, None], shown, is_reversible).await;
            assert_eq!(told, expected, "{left:?} {after} {is_reversible}");
        }
    }
}
