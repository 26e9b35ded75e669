//! The wire: requests as a JAX-RS application reads them, and answers as ClickBank writes them.

mod accept;
mod answer;
mod csv;
mod element;
mod json;
mod request;
mod route;
mod target;
mod xml;

pub(crate) use accept::Format;
pub use answer::Answer;
pub(crate) use answer::Refusal;
pub(crate) use csv::to_csv;
pub(crate) use element::Element;
pub(crate) use json::to_json;
pub use request::Request;
pub(crate) use route::{Action, OrderApi, OrderChange, Party, Route, Selection, ShippingApi};
pub(crate) use target::{Query, Target};
pub(crate) use xml::to_xml;
