//! Tickets and ship notices: what belongs to a receipt and names no nickname.

use jiff::civil::{Date, DateTime};

use crate::simulator::money::Cents;
use crate::simulator::nickname::Nickname;
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
    /// Whose it is, where the item does not say it. Answers show it nowhere.
    pub seller: Option<Nickname>,
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
    /// A code such as `ticket.type.refund.7`, where one was given.
    pub reason: Option<String>,
    /// How it was opened.
    pub source: TicketSource,
    /// Whether all or a part is to be paid back, for a refund.
    pub refund_type: Option<RefundType>,
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
            seller: None,
            kind,
            status: TicketStatus::Open,
            opened,
            updated: opened,
            closed: None,
            reason: None,
            source: TicketSource::Customer,
            refund_type: None,
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
        let text = format!("Settled {}", self.receipt);
        self.close("CLOSED", &text, date);
        self
    }

    /// The same ticket, asking for `amount` back.
    #[must_use]
    pub fn refunding(mut self, amount: Cents) -> Self {
        self.refund_type = Some(RefundType::Full);
        self.refund_amount = Some(amount);
        self
    }

    /// Whether it is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.status == TicketStatus::Closed
    }

    /// Adds what the seller said and did on `date`, late in the day, so that it follows whatever was before.
    pub(crate) fn remark(&mut self, action: &str, text: &str, date: Date) {
        let time = date.at(23, 45, 0, 0);
        self.updated = time;
        self.comments.push(TicketComment {
            date: time,
            text: text.to_owned(),
            action: action.to_owned(),
            by: "VENDOR".to_owned(),
        });
    }

    /// Closes it on `date`, with a remark.
    pub(crate) fn close(&mut self, action: &str, text: &str, date: Date) {
        self.remark(action, text, date);
        self.status = TicketStatus::Closed;
        self.closed = Some(self.updated);
    }
}

/// The id of ticket number `nth` (from 1) of `receipt`.
#[must_use]
pub fn ticket_id(receipt: &str, nth: u32) -> u32 {
    id_from(&["ticket id", receipt, &nth.to_string()])
}

/// The id of the ticket number `nth` (from 1) that `seller` opens about `item_no` of `receipt`: what others do with
/// the receipt has no part in it.
#[must_use]
pub fn seller_ticket_id(receipt: &str, seller: &Nickname, item_no: &str, nth: usize) -> u32 {
    let seller = seller.as_str().to_ascii_lowercase();
    id_from(&["seller ticket id", receipt, &seller, item_no, &nth.to_string()])
}

fn id_from(names: &[&str]) -> u32 {
    const FIRST: u32 = 100_000_000;
    const COUNT: u64 = 2_000_000_000;
    FIRST + u32::try_from(hash(names) % COUNT).unwrap_or_default()
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

    /// The kind with this code in requests.
    pub(crate) fn read(code: &str) -> Option<Self> {
        [Self::Refund, Self::Cancel, Self::TechSupport].into_iter().find(|kind| kind.request_code() == code)
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

/// How a ticket was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketSource {
    /// By the customer, on ClickBank's pages.
    Customer,
    /// By the seller, through the API.
    Api,
}

impl TicketSource {
    /// The code in answers.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Customer => "CUSTOMER_WAM",
            Self::Api => "API",
        }
    }
}

/// How much of a payment goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundType {
    /// All that is left of it.
    Full,
    /// A part, in percent.
    PartialPercent,
    /// A part, as an amount.
    PartialAmount,
}

impl RefundType {
    /// The code in requests and answers. Letter case counts.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::PartialPercent => "PARTIAL_PERCENT",
            Self::PartialAmount => "PARTIAL_AMOUNT",
        }
    }

    /// The type with this code.
    pub(crate) fn read(code: &str) -> Option<Self> {
        [Self::Full, Self::PartialPercent, Self::PartialAmount].into_iter().find(|kind| kind.code() == code)
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
    /// Whose it is, where the item does not say it. Answers show it nowhere.
    pub seller: Option<Nickname>,
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
            seller: None,
            date,
            carrier: random.pick(&["USPS", "UPS", "FEDEX", "DHL"]).to_owned(),
            tracking: Some(random.letters_and_digits(12)),
            comments: None,
        }
    }
}
