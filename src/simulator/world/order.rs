//! Orders: what one receipt says about one seller's sale.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime};

use super::customer::Customer;
use super::subscription::Subscription;
use crate::simulator::money::Cents;
use crate::simulator::nickname::Nickname;
use crate::simulator::random::Random;

/// One seller's sale under one receipt.
///
/// A receipt may stand on several orders: that is a mixed receipt, with rows of several sellers. Upsells have a
/// receipt of their own or share their parent's; rebills have the receipt of the first sale with `-B002`, `-B003`, …
#[derive(Clone, Debug)]
pub struct Order {
    /// Eight letters and digits; a rebill adds its number.
    pub receipt: String,
    /// The vendor.
    pub seller: Nickname,
    /// Who sent the customer, if anybody did.
    pub affiliate: Option<Nickname>,
    /// Who else takes part in the revenue.
    pub joint_ventures: Vec<JointVenture>,
    /// Who bought.
    pub customer: Customer,
    /// Three letters.
    pub currency: String,
    /// A code such as `VISA`.
    pub payment_method: String,
    /// The affiliate's tracking id (`tid`).
    pub tracking_id: Option<String>,
    /// What was bought.
    pub lines: Vec<Line>,
    /// What was paid and paid back. Each is a row in the answers.
    pub transactions: Vec<Transaction>,
    /// The receipt of the order that this one was added to, if it is an upsell.
    pub upsell_of: Option<String>,
    /// The subscription that this order began.
    pub subscription: Option<Subscription>,
    /// Variables that the seller's page passed along.
    pub vendor_variables: Vec<(String, String)>,
    /// Whether it was a test purchase.
    pub test: bool,
}

impl Order {
    /// A sale of one digital item for 37.00 USD on `date`; customer and time of day follow from the receipt.
    #[must_use]
    pub fn sale(receipt: &str, seller: &str, date: Date) -> Self {
        let mut random = Random::from_names(&["order", base_of(receipt)]);
        let mut order = Self {
            receipt: receipt.to_owned(),
            seller: Nickname::new(seller),
            affiliate: None,
            joint_ventures: Vec::new(),
            customer: Customer::of_receipt(base_of(receipt)),
            currency: "USD".to_owned(),
            payment_method: random.pick(&["VISA", "MSTR", "AMEX", "PYPL"]).to_owned(),
            tracking_id: None,
            lines: vec![Line::digital("guide-1", Cents(3700))],
            transactions: Vec::new(),
            upsell_of: None,
            subscription: None,
            vendor_variables: Vec::new(),
            test: false,
        };
        order.transactions = vec![Transaction {
            kind: TransactionKind::Sale,
            time: order.time_on(date),
            amount: order.total(),
            item_no: None,
        }];
        order
    }

    /// The same sale, of `lines`.
    #[must_use]
    pub fn of(mut self, lines: Vec<Line>) -> Self {
        self.lines = lines;
        let total = self.total();
        if let Some(first) = self.transactions.first_mut() {
            first.amount = total;
        }
        self
    }

    /// The same sale, brought by `affiliate`.
    #[must_use]
    pub fn through(mut self, affiliate: &str) -> Self {
        self.affiliate = Some(Nickname::new(affiliate));
        self
    }

    /// The same sale, with a share for `partner`.
    #[must_use]
    pub fn shared_with(mut self, partner: &str, kind: JointVentureKind) -> Self {
        self.joint_ventures.push(JointVenture { partner: Nickname::new(partner), kind });
        self
    }

    /// The same sale, added to the order `parent`.
    #[must_use]
    pub fn upsell_of(mut self, parent: &str) -> Self {
        self.upsell_of = Some(parent.to_owned());
        self
    }

    /// The same sale, beginning `subscription`.
    #[must_use]
    pub fn subscribing(mut self, subscription: Subscription) -> Self {
        self.subscription = Some(subscription);
        self
    }

    /// The same sale, with one more transaction on `date`. Money that goes back is negative.
    #[must_use]
    pub fn then(mut self, kind: TransactionKind, date: Date, amount: Cents) -> Self {
        self.record(kind, date, amount, None);
        self
    }

    /// The same sale, paid back in full on `date`.
    #[must_use]
    pub fn refunded(self, date: Date) -> Self {
        let total = self.total();
        self.then(TransactionKind::Refund, date, -total)
    }

    /// Payment `number` (2 or more) of the subscription that this sale began: an order of its own.
    #[must_use]
    pub fn rebill(&self, number: u32, date: Date) -> Self {
        let amount = self.subscription.as_ref().map_or(self.total(), |subscription| subscription.rebill_amount);
        Self {
            receipt: format!("{}-B{number:03}", base_of(&self.receipt)),
            transactions: vec![Transaction {
                kind: TransactionKind::Bill,
                time: self.time_on(date),
                amount,
                item_no: None,
            }],
            upsell_of: None,
            subscription: None,
            ..self.clone()
        }
    }

    /// The receipt without the number of a rebill.
    #[must_use]
    pub fn base_receipt(&self) -> &str {
        base_of(&self.receipt)
    }

    /// What the customer paid for all lines.
    #[must_use]
    pub fn total(&self) -> Cents {
        self.lines.iter().map(Line::total).sum()
    }

    /// When the order was placed: the time of its first transaction.
    #[must_use]
    pub fn placed(&self) -> Option<DateTime> {
        self.transactions.first().map(|first| first.time)
    }

    /// Whether something has to be sent by post.
    #[must_use]
    pub fn is_shippable(&self) -> bool {
        self.lines.iter().any(|line| line.shippable)
    }

    /// Whether a transaction of this kind happened.
    #[must_use]
    pub fn has(&self, kind: TransactionKind) -> bool {
        self.transactions.iter().any(|transaction| transaction.kind == kind)
    }

    /// Whether a line has this item number.
    #[must_use]
    pub fn has_item(&self, item_no: &str) -> bool {
        self.lines.iter().any(|line| line.item_no == item_no)
    }

    /// What the customer could still get back.
    #[must_use]
    pub fn refundable(&self) -> Cents {
        let paid: Cents = self.transactions.iter().map(|row| row.amount).sum();
        paid.max(Cents::default())
    }

    /// What the customer could still get back for `line`.
    #[must_use]
    pub fn refundable_for(&self, line: &Line) -> Cents {
        let paid: Cents = self.transactions.iter().map(|transaction| self.paid_for(line, transaction)).sum();
        paid.max(Cents::default()).min(self.refundable())
    }

    /// What the customer paid for `line` in `transaction`.
    #[must_use]
    pub fn paid_for(&self, line: &Line, transaction: &Transaction) -> Cents {
        match &transaction.item_no {
            None => line.total().part(transaction.amount, self.total()),
            Some(_) if transaction.is_about(line) => transaction.amount,
            Some(_) => Cents::default(),
        }
    }

    /// Adds a transaction on `date`, about the item `item_no` or about all.
    pub(crate) fn record(&mut self, kind: TransactionKind, date: Date, amount: Cents, item_no: Option<&str>) {
        let item_no = item_no.map(str::to_owned);
        self.transactions.push(Transaction { kind, time: self.time_on(date), amount, item_no });
    }

    /// A moment of `date` that follows from the receipt.
    fn time_on(&self, date: Date) -> DateTime {
        let mut random = Random::from_names(&["time", &self.receipt]);
        let seconds = i64::from(random.below(86_400));
        date.to_datetime(jiff::civil::Time::midnight()).saturating_add(seconds.seconds())
    }
}

/// `receipt` without the number of a rebill.
#[must_use]
pub fn base_of(receipt: &str) -> &str {
    receipt.split_once("-B").map_or(receipt, |(base, _)| base)
}

/// A share in somebody else's sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JointVenture {
    /// Who has the share. Rows show it nowhere: `vendor` and `affiliate` are those of the sale.
    pub partner: Nickname,
    /// Why.
    pub kind: JointVentureKind,
}

/// The joint venture roles that client authors list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JointVentureKind {
    /// Role `JV_TRADITIONAL`.
    Traditional,
    /// Role `JV_UPSELL`.
    Upsell,
    /// No role: nil, as one client author lists.
    Unnamed,
}

/// One item of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The item number (SKU).
    pub item_no: String,
    /// The title of the product.
    pub title: String,
    /// What the customer paid for one.
    pub amount: Cents,
    /// How many.
    pub quantity: u32,
    /// Whether it is sent by post.
    pub shippable: bool,
    /// Whether it is billed again.
    pub recurring: bool,
    /// `ORIGINAL`, `UPSELL` or `BUMP`.
    pub line_type: String,
}

impl Line {
    /// One download.
    #[must_use]
    pub fn digital(item_no: &str, amount: Cents) -> Self {
        Self {
            item_no: item_no.to_owned(),
            title: format!("Product {item_no}"),
            amount,
            quantity: 1,
            shippable: false,
            recurring: false,
            line_type: "ORIGINAL".to_owned(),
        }
    }

    /// One thing sent by post.
    #[must_use]
    pub fn physical(item_no: &str, amount: Cents) -> Self {
        Self { shippable: true, ..Self::digital(item_no, amount) }
    }

    /// One subscription.
    #[must_use]
    pub fn recurring(item_no: &str, amount: Cents) -> Self {
        Self { recurring: true, ..Self::digital(item_no, amount) }
    }

    /// The same item as an upsell.
    #[must_use]
    pub fn as_upsell(mut self) -> Self {
        "UPSELL".clone_into(&mut self.line_type);
        self
    }

    /// What the customer paid for the line.
    #[must_use]
    pub fn total(&self) -> Cents {
        self.amount.times(self.quantity)
    }
}

/// Money that moved for an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// What happened.
    pub kind: TransactionKind,
    /// When, in Pacific time.
    pub time: DateTime,
    /// How much the customer paid; negative when it went back. That rows of refunds show negative amounts is a guess.
    pub amount: Cents,
    /// The item that it is about; all of them when none is named.
    pub item_no: Option<String>,
}

impl Transaction {
    /// Whether it is about `line`.
    #[must_use]
    pub fn is_about(&self, line: &Line) -> bool {
        self.item_no.as_ref().is_none_or(|item_no| *item_no == line.item_no)
    }
}

/// The kinds of transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionKind {
    /// A first payment.
    Sale,
    /// A later payment of a subscription.
    Bill,
    /// Money given back.
    Refund,
    /// Money taken back through the bank.
    Chargeback,
    /// A fee.
    Fee,
    /// The end of a subscription. Seen by a client, documented nowhere.
    CancelRebill,
}

impl TransactionKind {
    /// The code in answers. A test purchase has codes of its own, except where ClickBank lists none.
    #[must_use]
    pub fn code(self, test: bool) -> &'static str {
        match (self, test) {
            (Self::Sale, false) => "SALE",
            (Self::Sale, true) => "TEST_SALE",
            (Self::Bill, false) => "BILL",
            (Self::Bill, true) => "TEST_BILL",
            (Self::Refund, false) => "RFND",
            (Self::Refund, true) => "TEST_RFND",
            (Self::Fee, false) => "FEE",
            (Self::Fee, true) => "TEST_FEE",
            (Self::Chargeback, _) => "CGBK",
            (Self::CancelRebill, _) => "CANCEL-REBILL",
        }
    }
}
