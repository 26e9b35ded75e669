//! What is known of ClickBank's API, read from `tests/data/clickbank-endpoints.toml`. Nothing of the gateway is used to
//! read it, so that the gateway can be held against it.

use std::sync::LazyLock;

use serde::Deserialize;

/// All endpoints that are known, in the order of the file.
pub(crate) static FACTS: LazyLock<Vec<Fact>> = LazyLock::new(|| {
    let file: File = toml::from_str(include_str!("../data/clickbank-endpoints.toml")).expect("the facts can be read");
    file.endpoint
});

/// The fact sheet of one endpoint.
pub(crate) fn fact(id: &str) -> &'static Fact {
    FACTS.iter().find(|fact| fact.id == id).unwrap_or_else(|| panic!("no fact about `{id}`"))
}

#[derive(Deserialize)]
struct File {
    endpoint: Vec<Fact>,
}

/// One method and path template of ClickBank's API.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fact {
    pub(crate) id: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) permission_all: Vec<String>,
    pub(crate) mutates: bool,
    pub(crate) moves_money: bool,
    pub(crate) nickname_params: Vec<String>,
    pub(crate) nickname_param_required: bool,
    pub(crate) owner_source: String,
    pub(crate) nickname_in_response: Vec<String>,
    pub(crate) pagination: String,
    pub(crate) produces: Vec<String>,
    #[serde(default)]
    pub(crate) params: Vec<Param>,
}

/// One parameter, wherever it stands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Param {
    pub(crate) name: String,
    #[serde(rename = "in")]
    pub(crate) place: Place,
    pub(crate) required: bool,
    #[serde(default)]
    pub(crate) repeated: bool,
    #[serde(default, rename = "enum")]
    pub(crate) values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    Path,
    Query,
    Header,
}

impl Param {
    /// Whether the gateway wants it: also what ClickBank takes to be said, and moves money by.
    pub(crate) fn has_to_be_said(&self) -> bool {
        self.required || self.name == "applyProratedRefund"
    }
}

impl Fact {
    /// The parameters that stand in this place.
    pub(crate) fn params_in(&self, place: Place) -> impl Iterator<Item = &Param> {
        self.params.iter().filter(move |param| param.place == place)
    }
}
