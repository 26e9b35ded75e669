//! Tickets and ship notices: what belongs to a receipt and names no nickname.

use jiff::civil::{Date, DateTime};

use crate::simulator::money::Cents;
use crate::simulator::random::{Random, hash};

/// A customer's request about a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Nine or ten digits that follow from the receipt and the ticket's place among those of the receipt.
    pub id: u32,
    /// The receipt it is about.
    pub receipt: String,
    /// The item it is about.
    pub item_no: String,
    /// What is asked for.
    pub kind: TicketKind,
    /// Where it stands.
    pub status: TicketStatus,
    /// When it was opened.
    pub opened: DateTime,
    /// When it last changed.
    pub updated: DateTime,
    /// When it was closed, if it is.
    pub closed: Option<DateTime>,
    /// What is to be paid back, for a refund.
    pub refund_amount: Option<Cents>,
    /// What was said.
    pub comments: Vec<TicketComment>,
}

impl Ticket {
    /// The open ticket number `nth` (from 1) of `receipt`, opened on `date`, with one comment of the customer's.
    #[must_use]
    pub fn open(receipt: &str, nth: u32, item_no: &str, kind: TicketKind, date: Date) -> Self {
        let mut random = Random::from_names(&["ticket", receipt, &nth.to_string()]);
        let hour = i8::try_from(random.below(24)).unwrap_or_default();
        let opened = date.at(hour, 30, 0, 0);
        Self {
            id: ticket_id(receipt, nth),
            receipt: receipt.to_owned(),
            item_no: item_no.to_owned(),
            kind,
            status: TicketStatus::Open,
            opened,
            updated: opened,
            closed: None,
            refund_amount: None,
            comments: vec![TicketComment {
                date: opened,
                text: format!("About my order {receipt} <please help>"),
                action: "OPENED".to_owned(),
                by: "CUSTOMER".to_owned(),
            }],
        }
    }

    /// The same ticket, closed on `date`.
    #[must_use]
    pub fn closed(mut self, date: Date) -> Self {
        let time = date.at(23, 45, 0, 0);
        self.status = TicketStatus::Closed;
        self.updated = time;
        self.closed = Some(time);
        self.comments.push(TicketComment {
            date: time,
            text: format!("Settled {}", self.receipt),
            action: "CLOSED".to_owned(),
            by: "VENDOR".to_owned(),
        });
        self
    }

    /// The same ticket, asking for `amount` back.
    #[must_use]
    pub fn refunding(mut self, amount: Cents) -> Self {
        self.refund_amount = Some(amount);
        self
    }
}

/// The id of ticket number `nth` (from 1) of `receipt`.
#[must_use]
pub fn ticket_id(receipt: &str, nth: u32) -> u32 {
    const FIRST: u32 = 100_000_000;
    const COUNT: u64 = 2_000_000_000;
    let place = hash(&["ticket id", receipt, &nth.to_string()]) % COUNT;
    FIRST + u32::try_from(place).unwrap_or_default()
}

/// What a ticket asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketKind {
    /// Money back.
    Refund,
    /// An end of the subscription.
    Cancel,
    /// Help.
    TechSupport,
}

impl TicketKind {
    /// The code in answers.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Refund => "REFUND",
            Self::Cancel => "CANCEL",
            Self::TechSupport => "TECH_SUPPORT",
        }
    }

    /// The code in requests, another one.
    #[must_use]
    pub fn request_code(self) -> &'static str {
        match self {
            Self::Refund => "rfnd",
            Self::Cancel => "cncl",
            Self::TechSupport => "tech",
        }
    }
}

/// Where a ticket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketStatus {
    /// Waiting for the seller.
    Open,
    /// Opened again.
    Reopened,
    /// Done.
    Closed,
}

impl TicketStatus {
    /// The code in answers; requests have it in lower case.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Reopened => "REOPENED",
            Self::Closed => "CLOSED",
        }
    }
}

/// One remark on a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketComment {
    /// When.
    pub date: DateTime,
    /// What.
    pub text: String,
    /// A code such as `OPENED`.
    pub action: String,
    /// `CUSTOMER` or `VENDOR`.
    pub by: String,
}

/// A note that something was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShipNotice {
    /// The receipt.
    pub receipt: String,
    /// The item sent.
    pub item_no: String,
    /// When.
    pub date: Date,
    /// By whom.
    pub carrier: String,
    /// The carrier's number.
    pub tracking: Option<String>,
    /// The seller's remarks.
    pub comments: Option<String>,
}

impl ShipNotice {
    /// A note that `item_no` of `receipt` was sent on `date`.
    #[must_use]
    pub fn new(receipt: &str, item_no: &str, date: Date) -> Self {
        let mut random = Random::from_names(&["ship notice", receipt, item_no]);
        Self {
            receipt: receipt.to_owned(),
            item_no: item_no.to_owned(),
            date,
            carrier: random.pick(&["USPS", "UPS", "FEDEX", "DHL"]).to_owned(),
            tracking: Some(random.letters_and_digits(12)),
            comments: None,
        }
    }
}
