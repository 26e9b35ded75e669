//! Images. `site` is required; the answer names no nickname. Pages and `total_record_count` were seen by client
//! authors.

use super::call::Call;
use crate::simulator::keys::Permission;
use crate::simulator::wire::{Answer, Element, Refusal};
use crate::simulator::world::Image;

/// `GET /images/list`
pub(super) fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let site = call.nickname(Permission::Products, "site")?;
    let kind = call.query.given("type");
    let approved_only = call.query.given("approvedOnly") != Some("false");
    let mut images: Vec<&Image> = call
        .records()
        .images
        .iter()
        .filter(|image| image.site == *site)
        .filter(|image| kind.is_none_or(|kind| image.kind.eq_ignore_ascii_case(kind)))
        .filter(|image| image.approved || !approved_only)
        .collect();
    images.sort_by_key(|image| (&image.title, &image.kind));
    let page = call.page(images);
    let rows = page.rows.iter().map(|image| write(image, "images", false));
    let result = Element::parent(
        "imageListResult",
        vec![Element::parent("imageList", rows.collect()), Element::text("total_record_count", page.total)],
    );
    Ok(call.wrapped(&page, &result))
}

/// The image as an element of this name. Products show where it lies, the list does not.
pub(super) fn write(image: &Image, name: &'static str, with_path: bool) -> Element {
    let mut fields = vec![
        Element::text("id", image.id()),
        Element::text("title", &image.title),
        Element::text("type", &image.kind),
        Element::text("approved", image.approved),
    ];
    if with_path {
        fields.push(Element::text("path", format!("/images/{}.png", image.id())));
    }
    Element::parent(name, fields)
}
