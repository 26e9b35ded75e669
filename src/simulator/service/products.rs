//! Products: reads, and the two changes that the simulator does for real.
//!
//! `site` is required and has to be a nickname that the key has *Products* for. The service is for sellers only.
//! `PUT` answers with the SKU as text, as client authors saw; 200 for it and 204 for `DELETE` are guesses (201 and 200
//! were seen, too).

use super::call::{Call, day};
use crate::simulator::keys::Permission;
use crate::simulator::money::Cents;
use crate::simulator::nickname::Nickname;
use crate::simulator::wire::{Answer, Element, Refusal, Route};
use crate::simulator::world::{AccountKind, Contract, Product, RecurringPrice};

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
    let rows = page.rows.iter().map(|product| write(product, "product"));
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
    Ok(call.object(&write(product, "Product")))
}

/// The product that a `PUT` describes. Everything travels in the query string.
pub(super) fn read_put(call: &Call<'_>, route: &Route) -> Result<Product, Refusal> {
    let site = site(call)?;
    let given = |name| call.query.given(name);
    let owned = |name| given(name).map(str::to_owned);
    let required = |name, missing| given(name).ok_or(Refusal::BadParameter(missing));
    let is_true = |name| given(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let amount = |name| given(name).and_then(Cents::parse);
    let number = |name| given(name).and_then(|text| text.parse::<u32>().ok());

    let price = required("price", "price is required")?;
    let recurring = is_true("digitalRecurring") || is_true("physicalRecurring");
    let mut product = Product::new(site.as_str(), sku_of(route)?, call.today());
    required("title", "title is required")?.clone_into(&mut product.title);
    required("language", "language is required")?.clone_into(&mut product.language);
    required("currency", "currency is required")?.clone_into(&mut product.currency);
    product.price = Cents::parse(price).ok_or(Refusal::BadParameter("price is not a number"))?;
    product.description = owned("description");
    product.thank_you_page = owned("thankYouPage");
    product.pitch_page = owned("pitchPage");
    product.digital = is_true("digital") || is_true("digitalRecurring");
    product.physical = is_true("physical") || is_true("physicalRecurring");
    product.categories = call.query.all("categories").map(str::to_owned).collect();
    product.commission = number("purchaseCommission").unwrap_or(product.commission);
    product.recurring = recurring.then(|| RecurringPrice {
        price: amount("rebillPrice").unwrap_or(product.price),
        frequency: owned("frequency").unwrap_or_else(|| "MONTHLY".to_owned()),
        payments: number("duration").unwrap_or(999),
        trial_days: number("trialPeriod").unwrap_or_default(),
    });
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

fn write(product: &Product, name: &'static str) -> Element {
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
        Element::parent("approval_status", vec![Element::text("status", "APPROVED")]),
        Element::text("language", &product.language),
        Element::text("title", &product.title),
        Element::optional("description", product.description.as_ref()),
        Element::nil("image"),
        pages("thank_you_pages", product.thank_you_page.as_ref()),
        pages("pitch_pages", product.pitch_page.as_ref()),
        Element::parent(
            "commission",
            vec![Element::text("purchase", product.commission), Element::text("no_rebill_commission", !recurring)],
        ),
        pricings(product),
    ];
    fields.extend(product.contracts.iter().map(|contract| contract_element(product, contract)));
    let categories = product.categories.iter().map(|category| Element::text("category", category));
    fields.extend([
        Element::parent("categories", categories.collect()),
        Element::text("skip_confirmation_page", false),
        Element::optional("admin_download_url", product.thank_you_page.as_ref()),
        Element::text("no_commission", product.commission == 0),
        Element::text("sale_refund_days_limit", 60),
    ]);
    Element::parent(name, fields).attribute("sku", &product.sku)
}

fn pages(name: &'static str, desktop: Option<&String>) -> Element {
    Element::parent(
        name,
        vec![
            Element::optional("desktop", desktop),
            Element::optional("mobile", desktop.map(|page| format!("{page}?m=1"))),
        ],
    )
}

fn pricings(product: &Product) -> Element {
    let mut prices = vec![Element::parent("standard", vec![price(product.price)])];
    if let Some(recurring) = &product.recurring {
        prices.push(Element::parent(
            "recurring",
            vec![
                price(recurring.price),
                Element::text("frequency", &recurring.frequency),
                Element::text("duration", recurring.payments),
                Element::text("trial_days", recurring.trial_days),
            ],
        ));
    }
    let pricing = Element::parent("pricing", prices).attribute("currency", &product.currency);
    Element::parent("pricings", vec![pricing])
}

fn price(amount: Cents) -> Element {
    Element::parent("price", vec![Element::text("native_price", amount), Element::text("usd", amount)])
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
