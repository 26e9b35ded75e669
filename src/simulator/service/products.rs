//! Products: reads, and the two changes.
//!
//! `site` is required and has to be a nickname that the key has *Products* for. The service is for sellers only.
//! `PUT` answers with the SKU as text, as client authors saw; 200 for it and 204 for `DELETE` are guesses (201 and 200
//! were seen, too). What the help page lists as a value of a parameter is checked, and nothing else: a product may lack
//! what ClickBank would ask for. `skipConfirmationPage` needs a role that no key here has, and is ignored. Fields of
//! ClickBank's schema that nothing here depends on have one value for every product, likely ones.

use super::call::{Call, day};
use crate::simulator::keys::Permission;
use crate::simulator::money::Cents;
use crate::simulator::nickname::Nickname;
use crate::simulator::wire::{Answer, Element, Refusal, Route};
use crate::simulator::world::{AccountKind, Contract, Product, RecurringPrice, ticket_id};

const LANGUAGES: [&str; 6] = ["DE", "EN", "ES", "FR", "IT", "PT"];
const CATEGORIES: [&str; 6] = ["EBOOK", "SOFTWARE", "GAMES", "AUDIO", "VIDEO", "MEMBER_SITE"];
const FREQUENCIES: [&str; 6] = ["WEEKLY", "BI_WEEKLY", "MONTHLY", "QUARTERLY", "HALF_YEARLY", "YEARLY"];

/// `GET /products/list`
pub(super) fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let site = site(call)?;
    let kind = call.query.given("type");
    let mut products: Vec<&Product> = call
        .records()
        .products
        .iter()
        .filter(|product| product.site == *site)
        .filter(|product| match kind {
            Some("STANDARD") => product.recurring.is_none(),
            Some("RECURRING") => product.recurring.is_some(),
            Some(_) => false,
            None => true,
        })
        .collect();
    products.sort_by_key(|product| &product.sku);
    let page = call.page(products);
    let rows = page.rows.iter().map(|product| write(call, product, "product"));
    let result = Element::parent(
        "productList",
        vec![Element::parent("products", rows.collect()), Element::text("total_record_count", page.total)],
    );
    Ok(call.wrapped(&page, &result))
}

/// `GET /products/{sku}`
pub(super) fn get(call: &Call<'_>, sku: &str) -> Result<Answer, Refusal> {
    let product = call.records().product(site(call)?, sku);
    let product = product.ok_or(Refusal::NotAccessible)?;
    Ok(call.object(&write(call, product, "Product")))
}

/// The product that a `PUT` describes. Everything travels in the query string.
pub(super) fn read_put(call: &Call<'_>, route: &Route) -> Result<Product, Refusal> {
    let site = site(call)?;
    let given = |name| call.query.given(name);
    let owned = |name| given(name).map(str::to_owned);
    let required = |name, missing| given(name).ok_or(Refusal::BadParameter(missing));
    let is_true = |name| given(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let amount = |name, wrong| {
        let read = |text| Cents::parse(text).ok_or(Refusal::BadParameter(wrong));
        given(name).map(read).transpose()
    };
    let number = |name, wrong| {
        let read = |text: &str| text.parse::<u32>().map_err(|_| Refusal::BadParameter(wrong));
        given(name).map(read).transpose()
    };
    let one_of = |value: &str, known: &[&str], wrong| {
        if known.contains(&value) { Ok(()) } else { Err(Refusal::BadParameter(wrong)) }
    };

    let price = required("price", "price is required")?;
    let recurring = is_true("digitalRecurring") || is_true("physicalRecurring");
    let mut product = Product::new(site.as_str(), sku_of(route)?, call.today());
    required("title", "title is required")?.clone_into(&mut product.title);
    required("language", "language is required")?.clone_into(&mut product.language);
    one_of(&product.language, &LANGUAGES, "language is not valid")?;
    required("currency", "currency is required")?.clone_into(&mut product.currency);
    product.price = Cents::parse(price).ok_or(Refusal::BadParameter("price is not a number"))?;
    product.description = owned("description");
    product.thank_you_page = owned("thankYouPage");
    product.mobile_thank_you_page = owned("mobileThankYouPage");
    product.pitch_page = owned("pitchPage");
    product.mobile_pitch_page = owned("mobilePitchPage");
    product.image = number("image", "image is not a number")?;
    product.shipping_profile = owned("shippingProfile");
    product.delivery_method = owned("deliveryMethod");
    product.delivery_speed = owned("deliverySpeed");
    product.rebill_refund_days = number("rebillRefundDaysLimit", "rebillRefundDaysLimit is not a number")?;
    if let Some(days) = number("saleRefundDaysLimit", "saleRefundDaysLimit is not a number")? {
        product.sale_refund_days = days;
    }
    product.digital = is_true("digital") || is_true("digitalRecurring");
    product.physical = is_true("physical") || is_true("physicalRecurring");
    product.categories = call.query.all("categories").map(str::to_owned).collect();
    for category in &product.categories {
        one_of(category, &CATEGORIES, "categories is not valid")?;
    }
    if let Some(percent) = amount("purchaseCommission", "purchaseCommission is not a number")? {
        product.commission = percent;
    }
    product.rebill_commission = amount("rebillCommission", "rebillCommission is not a number")?;
    let price = RecurringPrice {
        price: amount("rebillPrice", "rebillPrice is not a number")?.unwrap_or(product.price),
        frequency: owned("frequency").unwrap_or_else(|| "MONTHLY".to_owned()),
        payments: number("duration", "duration is not a number")?.unwrap_or(999),
        trial_days: number("trialPeriod", "trialPeriod is not a number")?.unwrap_or_default(),
        notifies: is_true("preRebillNotificationOverride"),
        notified_days_before: number("preRebillNotificationLeadTime", "preRebillNotificationLeadTime is not a number")?,
    };
    one_of(&price.frequency, &FREQUENCIES, "frequency is not valid")?;
    if !matches!(price.trial_days, 0 | 3..=31) {
        return Err(Refusal::BadParameter("trialPeriod must be 0 or 3 to 31"));
    }
    product.recurring = recurring.then_some(price);
    Ok(product)
}

/// The product that a `DELETE` names.
pub(super) fn read_delete(call: &Call<'_>, route: &Route) -> Result<(Nickname, String), Refusal> {
    let (site, sku) = (site(call)?, sku_of(route)?);
    match call.records().product(site, sku) {
        Some(_) => Ok((site.clone(), sku.to_owned())),
        None => Err(Refusal::NotAccessible),
    }
}

fn sku_of(route: &Route) -> Result<&str, Refusal> {
    match route {
        Route::Product(sku) => Ok(sku),
        _ => Err(Refusal::NotFound),
    }
}

/// The seller that the parameter `site` names, as the account writes itself.
fn site<'a>(call: &Call<'a>) -> Result<&'a Nickname, Refusal> {
    let site = call.nickname(Permission::Products, "site")?;
    match call.records().account(site) {
        Some(account) if account.kind != AccountKind::Affiliate => Ok(&account.nickname),
        _ => Err(Refusal::NotAccessible),
    }
}

fn write(call: &Call<'_>, product: &Product, name: &'static str) -> Element {
    let recurring = product.recurring.is_some();
    let mut fields = vec![
        Element::text("id", product.id()),
        Element::text("status", "ACTIVE"),
        Element::text("digital", product.digital && !recurring),
        Element::text("physical", product.physical && !recurring),
        Element::text("digitalRecurring", product.digital && recurring),
        Element::text("physicalRecurring", product.physical && recurring),
        Element::text("site", &product.site),
        Element::text("created", day(product.created)),
        Element::text("updated", day(product.updated)),
        Element::parent(
            "approval_status",
            vec![
                Element::text("ticket_id", ticket_id(&product.id().to_string(), 1)),
                Element::text("status", "APPROVED"),
                Element::text("last_action_performed_by", "CBCSR"),
            ],
        ),
        Element::text("language", &product.language),
        Element::text("title", &product.title),
        Element::optional("description", product.description.as_ref()),
        image(call, product),
        pages("thank_you_pages", product.thank_you_page.as_ref(), product.mobile_thank_you_page.as_ref()),
        pages("pitch_pages", product.pitch_page.as_ref(), product.mobile_pitch_page.as_ref()),
        object(
            "commission",
            vec![
                Element::text("purchase", product.commission),
                Element::optional("rebill", product.rebill_commission),
                Element::text("no_rebill_commission", !recurring),
                Element::text("commission_tier_override", false),
            ],
        ),
        pricings(product),
    ];
    fields.extend(product.contracts.iter().map(|contract| contract_element(product, contract)));
    let categories = product.categories.iter().map(|category| Element::text("category", category));
    fields.extend([
        Element::parent("categories", categories.collect()),
        Element::text("disable_geo_currency", false),
        Element::text("allow_currency_change", true),
        Element::text("us_tax_exempt", false),
        Element::text("revenue_recognition", if recurring { "LM" } else { "I" }),
        Element::text("reduced_upsell_markup", false),
        Element::text("skip_confirmation_page", false),
        Element::optional("admin_download_url", product.thank_you_page.as_ref()),
        Element::optional("admin_mobile_download_url", product.mobile_thank_you_page.as_ref()),
        Element::text("no_commission", product.commission == Cents::default()),
        Element::text("sale_refund_days_limit", product.sale_refund_days),
        Element::optional("rebill_refund_days_limit", product.rebill_refund_days),
        Element::text("admin_restrict_flexible_refund", false),
        Element::text("commission_tier_override", false),
        Element::optional("deliveryMethod", product.delivery_method.as_ref()),
        Element::optional("deliverySpeed", product.delivery_speed.as_ref()),
        Element::text("isPartOfOrderBump", false),
        Element::text("isInitialOfOrderBump", false),
        Element::text("isProductOfOrderBump", false),
        Element::text("phoneNumberOnOrderForm", product.physical),
        Element::text("delayedDelivery", false),
        Element::text("sendRebillNotification", product.recurring.as_ref().is_some_and(|price| price.notifies)),
    ]);
    object(name, fields).attribute("sku", &product.sku)
}

/// The image with the product's number, if the seller has it.
fn image(call: &Call<'_>, product: &Product) -> Element {
    let images = &call.records().images;
    let image = images.iter().find(|image| image.site == product.site && Some(image.id()) == product.image);
    image.map_or_else(|| Element::nil("image"), |image| super::images::write(image, "image", true))
}

fn pages(name: &'static str, desktop: Option<&String>, mobile: Option<&String>) -> Element {
    object(name, vec![Element::optional("desktop", desktop), Element::optional("mobile", mobile)])
}

fn pricings(product: &Product) -> Element {
    let mut prices = vec![Element::parent("standard", vec![price(product.price)])];
    if let Some(recurring) = &product.recurring {
        prices.push(object(
            "recurring",
            vec![
                price(recurring.price),
                Element::text("frequency", &recurring.frequency),
                Element::text("duration", recurring.payments),
                Element::text("trial_days", recurring.trial_days),
                Element::text("pre_rebill_override", recurring.notifies),
                Element::optional("pre_rebill_leadtime", recurring.notified_days_before),
                Element::text("frequencyValue", 1),
            ],
        ));
    }
    if product.physical {
        let profile = Element::optional("shipping_profile", product.shipping_profile.as_ref());
        prices.push(object("physical", vec![profile]));
    }
    let pricing = Element::parent("pricing", prices).attribute("currency", &product.currency);
    Element::parent("pricings", vec![pricing])
}

fn price(amount: Cents) -> Element {
    Element::parent(
        "price",
        vec![
            Element::text("native_price", amount),
            Element::text("usd", amount),
            Element::text("usd_with_fees", amount),
        ],
    )
}

/// An element with those of `fields` that are not nil: in ClickBank's schema of products, what has no value is left out.
fn object(name: &'static str, fields: Vec<Element>) -> Element {
    Element::parent(name, fields.into_iter().filter(|field| !field.is_nil()).collect())
}

/// A contract: it names nicknames of others, in the answer to the owner of the product.
fn contract_element(product: &Product, contract: &Contract) -> Element {
    Element::parent(
        "contracts",
        vec![Element::parent(
            "contacts",
            vec![
                Element::text("productId", product.id()),
                Element::text("name", "Joint venture"),
                Element::text("owner", &contract.owner),
                Element::text("partner", &contract.partner),
            ],
        )],
    )
    .attribute("id", product.id() % 10_000)
    .attribute("status", &contract.status)
}
