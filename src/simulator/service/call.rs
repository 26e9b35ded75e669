//! What every service needs of a call: who asks, for what, and in which form to answer.

use http::StatusCode;
use jiff::ToSpan;
use jiff::civil::{Date, DateTime};

use crate::simulator::config::EmptyList;
use crate::simulator::keys::{Permission, SimulatorKey};
use crate::simulator::nickname::{Nickname, NicknameSet};
use crate::simulator::wire::{Answer, Element, Format, Query, Refusal, Request, Target, to_csv, to_json, to_xml};
use crate::simulator::world::{Records, World};

/// A call by an active key.
pub(super) struct Call<'a> {
    pub(super) world: &'a World,
    pub(super) key: &'a SimulatorKey,
    pub(super) request: &'a Request,
    pub(super) query: &'a Query,
    format: Format,
    page: usize,
}

/// The rows of one page.
pub(super) struct Page<T> {
    pub(super) rows: Vec<T>,
    pub(super) total: usize,
    status: StatusCode,
}

/// Days, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Days {
    pub(super) first: Date,
    pub(super) last: Date,
}

impl Days {
    pub(super) fn contain(self, date: Date) -> bool {
        self.first <= date && date <= self.last
    }
}

impl<'a> Call<'a> {
    pub(super) fn new(
        world: &'a World,
        key: &'a SimulatorKey,
        request: &'a Request,
        target: &'a Target,
        format: Format,
    ) -> Self {
        let page = request.header("page").and_then(|page| page.trim().parse().ok()).unwrap_or(1).max(1);
        Self { world, key, request, query: target.query(), format, page }
    }

    pub(super) fn records(&self) -> &'a Records {
        self.world.records()
    }

    pub(super) fn today(&self) -> Date {
        self.world.settings().today
    }

    pub(super) fn days_ago(&self, days: i64) -> Date {
        self.today().saturating_sub(days.days())
    }

    /// The nicknames that the key has `permission` for; refuses when there are none.
    pub(super) fn reach(&self, permission: Permission) -> Result<&'a NicknameSet, Refusal> {
        let nicknames = self.key.nicknames(permission);
        if nicknames.is_empty() {
            return Err(Refusal::NoPermission);
        }
        Ok(nicknames)
    }

    /// The nickname that `parameter` must name, one that the key has `permission` for.
    pub(super) fn nickname(&self, permission: Permission, parameter: &str) -> Result<&'a Nickname, Refusal> {
        let reach = self.reach(permission)?;
        let named = self.query.first(parameter).ok_or(Refusal::NotAccessible)?;
        reach.get(&Nickname::new(named)).ok_or(Refusal::NotAccessible)
    }

    /// The date in `parameter`. What is no date counts as absent: a guess.
    pub(super) fn date(&self, parameter: &str) -> Option<Date> {
        self.query.first(parameter)?.trim().parse().ok()
    }

    /// The days from `first` to `last`, two parameters that count only together.
    pub(super) fn days(&self, first: &str, last: &str) -> Option<Days> {
        Some(Days { first: self.date(first)?, last: self.date(last)? })
    }

    /// The rows of the page that the `Page` header asks for; 206 when it is not the last.
    pub(super) fn page<T>(&self, rows: Vec<T>) -> Page<T> {
        let size = self.world.settings().page_size.get();
        let total = rows.len();
        let start = (self.page - 1).saturating_mul(size);
        let more = start.saturating_add(size) < total;
        Page {
            rows: rows.into_iter().skip(start).take(size).collect(),
            total,
            status: if more { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK },
        }
    }

    /// All of `rows`, where there are no pages.
    pub(super) fn whole<T>(rows: Vec<T>) -> Page<T> {
        Page { total: rows.len(), rows, status: StatusCode::OK }
    }

    /// A page of rows, each written by `write`, under `root`. The root elements are guesses.
    pub(super) fn list<T>(&self, root: &'static str, page: Page<T>, write: impl FnMut(T) -> Element) -> Answer {
        let rows: Vec<Element> = page.rows.into_iter().map(write).collect();
        let empty_body =
            rows.is_empty() && self.format == Format::Json && self.world.settings().empty_list == EmptyList::EmptyBody;
        if empty_body {
            return Answer::body(page.status, self.format, "");
        }
        self.write(page.status, &Element::parent(root, rows))
    }

    /// Rows under `root`, all of them.
    pub(super) fn rows(&self, root: &'static str, rows: Vec<Element>) -> Answer {
        self.write(StatusCode::OK, &Element::parent(root, rows))
    }

    /// One object that holds a page.
    pub(super) fn wrapped<T>(&self, page: &Page<T>, object: &Element) -> Answer {
        self.write(page.status, object)
    }

    /// One object.
    pub(super) fn object(&self, object: &Element) -> Answer {
        if self.format == Format::Csv {
            let rows = Element::parent("rows", vec![object.clone()]);
            return self.write(StatusCode::OK, &rows);
        }
        self.write(StatusCode::OK, object)
    }

    /// A bare count, the same digits in every representation.
    pub(super) fn bare_count(&self, count: usize) -> Answer {
        Answer::body(StatusCode::OK, self.format, count.to_string())
    }

    fn write(&self, status: StatusCode, root: &Element) -> Answer {
        let body = match self.format {
            Format::Json => to_json(root),
            Format::Csv => to_csv(root),
            Format::Xml | Format::Text | Format::Html => to_xml(root),
        };
        Answer::body(status, self.format, body)
    }
}

/// A moment as answers show it: ISO 8601, in Pacific standard time the whole year round.
pub(super) fn moment(time: DateTime) -> String {
    format!("{time}-08:00")
}

/// The beginning of a day as answers show it.
pub(super) fn day(date: Date) -> String {
    moment(date.to_datetime(jiff::civil::Time::midnight()))
}
