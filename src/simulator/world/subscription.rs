//! Subscriptions: payments that come again.

use jiff::ToSpan;
use jiff::civil::Date;

use crate::simulator::money::Cents;

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The line it is about: the item that was bought, whatever is billed now.
    pub item_no: String,
    /// The item that is billed: another one after a change of product.
    pub billed_item: String,
    /// Whether the affiliate of the sale has a part in what is billed: not after a change of product that left them
    /// out.
    pub carries_affiliate: bool,
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// A code such as `MONTHLY`.
    pub frequency: String,
    /// How many payments there are in all.
    pub payments: u32,
    /// How many were made, the first one included.
    pub processed: u32,
    /// The price of each payment after the first.
    pub rebill_amount: Cents,
    /// When it began.
    pub started: Date,
    /// When the last payment is due.
    pub ends: Date,
    /// When the next payment is due, if one is.
    pub next_payment: Option<Date>,
    /// When it was cancelled, if it was.
    pub cancelled: Option<Date>,
}

impl Subscription {
    /// A running monthly subscription of twelve payments of 19.00, begun on `started`, with `processed` payments made.
    #[must_use]
    pub fn monthly(item_no: &str, started: Date, processed: u32) -> Self {
        let after = |months: u32| started.saturating_add(i64::from(months).months());
        Self {
            item_no: item_no.to_owned(),
            billed_item: item_no.to_owned(),
            carries_affiliate: true,
            status: SubscriptionStatus::Active,
            frequency: "MONTHLY".to_owned(),
            payments: 12,
            processed,
            rebill_amount: Cents(1900),
            started,
            ends: after(11),
            next_payment: Some(after(processed)),
            cancelled: None,
        }
    }

    /// The same subscription, cancelled on `date`.
    #[must_use]
    pub fn cancelled(mut self, date: Date) -> Self {
        self.status = SubscriptionStatus::Cancelled;
        self.next_payment = None;
        self.cancelled = Some(date);
        self
    }

    /// Whether payments go on.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == SubscriptionStatus::Active
    }

    /// The day that lies `periods` periods after `date`.
    #[must_use]
    pub fn after(&self, date: Date, periods: u32) -> Date {
        // Spans have bounds, and no calendar here goes so far.
        let periods = i64::from(periods.min(10_000));
        let span = match self.frequency.as_str() {
            "WEEKLY" => periods.weeks(),
            "BI_WEEKLY" => (2 * periods).weeks(),
            "QUARTERLY" => (3 * periods).months(),
            "HALF_YEARLY" => (6 * periods).months(),
            "YEARLY" => (12 * periods).months(),
            _ => periods.months(),
        };
        date.saturating_add(span)
    }

    /// Has the next payment on `date`, and the later ones a period apart from there.
    pub(crate) fn bill_next_on(&mut self, date: Date) {
        self.next_payment = Some(date);
        let later = self.payments.saturating_sub(self.processed).saturating_sub(1);
        self.ends = self.after(date, later);
    }
}

/// Where a subscription stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionStatus {
    /// Payments go on.
    Active,
    /// All payments were made.
    Completed,
    /// Ended before its time.
    Cancelled,
}

impl SubscriptionStatus {
    /// The code in answers.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELED",
        }
    }
}
