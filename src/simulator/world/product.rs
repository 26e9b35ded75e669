//! Products and images of a seller.

use jiff::civil::Date;

use crate::simulator::money::Cents;
use crate::simulator::nickname::Nickname;
use crate::simulator::random::hash;

/// A product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// The seller.
    pub site: Nickname,
    /// The item number (SKU), unique within the site.
    pub sku: String,
    /// The title.
    pub title: String,
    /// The description, if there is one.
    pub description: Option<String>,
    /// Two letters, such as `EN`.
    pub language: String,
    /// Three letters, such as `USD`.
    pub currency: String,
    /// The first price.
    pub price: Cents,
    /// The later payments, for a subscription.
    pub recurring: Option<RecurringPrice>,
    /// Whether a download is part of it.
    pub digital: bool,
    /// Whether something sent by post is part of it.
    pub physical: bool,
    /// Codes such as `EBOOK`.
    pub categories: Vec<String>,
    /// The commission on the first payment, in hundredths of a percent.
    pub commission: Cents,
    /// The same on later payments, where that was set.
    pub rebill_commission: Option<Cents>,
    /// Where customers get what they paid for: confidential.
    pub thank_you_page: Option<String>,
    /// The same for mobile devices: confidential.
    pub mobile_thank_you_page: Option<String>,
    /// Where customers read about it.
    pub pitch_page: Option<String>,
    /// The same for mobile devices.
    pub mobile_pitch_page: Option<String>,
    /// The number of the image that belongs to it.
    pub image: Option<u32>,
    /// The name of the shipping profile, for something sent by post.
    pub shipping_profile: Option<String>,
    /// How it is delivered.
    pub delivery_method: Option<String>,
    /// How fast it is delivered.
    pub delivery_speed: Option<String>,
    /// For how many days a sale can be refunded.
    pub sale_refund_days: u32,
    /// For how many days a later payment can be refunded, where that was set.
    pub rebill_refund_days: Option<u32>,
    /// Contracts that share its revenue with others.
    pub contracts: Vec<Contract>,
    /// When it was made.
    pub created: Date,
    /// When it last changed.
    pub updated: Date,
}

impl Product {
    /// A download for 37.00 USD.
    #[must_use]
    pub fn new(site: &str, sku: &str, created: Date) -> Self {
        Self {
            site: Nickname::new(site),
            sku: sku.to_owned(),
            title: format!("Product {sku}"),
            description: None,
            language: "EN".to_owned(),
            currency: "USD".to_owned(),
            price: Cents(3700),
            recurring: None,
            digital: true,
            physical: false,
            categories: vec!["EBOOK".to_owned()],
            commission: Cents(4000),
            rebill_commission: None,
            thank_you_page: Some(format!("https://{site}.example.net/thanks/{sku}")),
            mobile_thank_you_page: Some(format!("https://{site}.example.net/thanks/{sku}?m=1")),
            pitch_page: Some(format!("https://{site}.example.net/{sku}")),
            mobile_pitch_page: Some(format!("https://{site}.example.net/{sku}?m=1")),
            image: None,
            shipping_profile: None,
            delivery_method: None,
            delivery_speed: None,
            sale_refund_days: 60,
            rebill_refund_days: None,
            contracts: Vec::new(),
            created,
            updated: created,
        }
    }

    /// Its number; see [`product_id`].
    #[must_use]
    pub fn id(&self) -> u32 {
        product_id(&self.site, &self.sku)
    }
}

/// The number of the product `sku` of `site`, whether or not it is still for sale.
#[must_use]
pub fn product_id(site: &Nickname, sku: &str) -> u32 {
    number(&["product", &site.as_str().to_ascii_lowercase(), sku])
}

/// The later payments of a subscription product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecurringPrice {
    /// The price of each payment after the first.
    pub price: Cents,
    /// A code such as `MONTHLY`.
    pub frequency: String,
    /// How many payments there are in all.
    pub payments: u32,
    /// Days before the second payment, if there is a trial.
    pub trial_days: u32,
    /// Whether customers are told before each payment.
    pub notifies: bool,
    /// How many days before, where that was set.
    pub notified_days_before: Option<u32>,
}

impl RecurringPrice {
    /// Twelve monthly payments of `price`.
    #[must_use]
    pub fn monthly(price: Cents) -> Self {
        Self {
            price,
            frequency: "MONTHLY".to_owned(),
            payments: 12,
            trial_days: 0,
            notifies: false,
            notified_days_before: None,
        }
    }
}

/// A contract about a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// Who gives.
    pub owner: Nickname,
    /// Who takes: a nickname of somebody else's, shown to the owner of the product.
    pub partner: Nickname,
    /// A code such as `ACTIVE`.
    pub status: String,
}

/// An image of a seller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The seller. Answers show it nowhere.
    pub site: Nickname,
    /// The title.
    pub title: String,
    /// A code such as `PRODUCT` or `BANNER`.
    pub kind: String,
    /// Whether ClickBank approved it.
    pub approved: bool,
}

impl Image {
    /// An approved image of a product.
    #[must_use]
    pub fn new(site: &str, title: &str) -> Self {
        Self { site: Nickname::new(site), title: title.to_owned(), kind: "PRODUCT".to_owned(), approved: true }
    }

    /// Its number, which follows from site and title.
    #[must_use]
    pub fn id(&self) -> u32 {
        number(&["image", &self.site.as_str().to_ascii_lowercase(), &self.title])
    }
}

/// A number of up to eight digits that follows from `names`.
fn number(names: &[&str]) -> u32 {
    u32::try_from(hash(names) % 100_000_000).unwrap_or_default()
}
