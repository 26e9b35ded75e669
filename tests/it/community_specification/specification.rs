//! The Open:ClickBank description, as far as it is needed. What it holds beyond that fails the test rather than going
//! unread.

use std::sync::LazyLock;

use serde_json::Value;

/// What every path begins with.
pub(super) const BASE: &str = "/rest/1.3";

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../data/openclickbank/openapi.json");
    serde_json::from_str(text).expect("the specification can be read")
});

/// One method of one path.
#[derive(Clone, Copy)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    /// The template, without [`BASE`].
    pub(super) path: &'static str,
    node: &'static Value,
}

/// A parameter of an operation.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) place: &'static str,
    pub(super) required: bool,
    pub(super) schema: Schema,
}

/// What a value may be, with the name of the schema where it has one.
#[derive(Clone, Copy)]
pub(super) struct Schema {
    pub(super) name: Option<&'static str>,
    node: &'static Value,
}

/// The type that a schema demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Array,
    Boolean,
    Integer,
    Number,
    Object,
    String,
}

/// Every operation, in the order of the file.
pub(super) fn operations() -> Vec<Operation> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let mut operations = Vec::new();
    for (path, methods) in paths {
        let path = path.strip_prefix(BASE).unwrap();
        for (method, node) in methods.as_object().unwrap() {
            let method = match method.as_str() {
                "get" => "GET",
                "head" => "HEAD",
                "post" => "POST",
                "put" => "PUT",
                "delete" => "DELETE",
                other => panic!("{path} has {other}"),
            };
            assert_eq!(node.get("requestBody"), None, "{method} {path} has a body");
            operations.push(Operation { method, path, node });
        }
    }
    operations
}

/// What the file says of the header that authenticates.
pub(super) fn security() -> &'static str {
    DOCUMENT["components"]["securitySchemes"]["ApiKey"]["description"].as_str().unwrap()
}

impl Operation {
    /// Method and template.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whether the file calls it obsolete.
    pub(super) fn is_obsolete(&self) -> bool {
        self.node.get("deprecated").is_some_and(|value| value == true)
    }

    pub(super) fn parameters(&self) -> Vec<Parameter> {
        let parameters = self.node.get("parameters").and_then(Value::as_array);
        let read = |node: &'static Value| Parameter {
            name: node["name"].as_str().unwrap(),
            place: node["in"].as_str().unwrap(),
            required: node.get("required").is_some_and(|value| value == true),
            schema: Schema::read(&node["schema"]),
        };
        parameters.into_iter().flatten().map(read).collect()
    }

    /// The media types of the answers with this status, each with its schema; `None` for a status that the file does
    /// not list.
    pub(super) fn answers(&self, status: u16) -> Option<Vec<(&'static str, Schema)>> {
        let response = self.node["responses"].get(status.to_string())?;
        let content = response.get("content").and_then(Value::as_object).into_iter().flatten();
        Some(content.map(|(media, node)| (media.as_str(), Schema::read(&node["schema"]))).collect())
    }
}

impl Schema {
    fn read(node: &'static Value) -> Self {
        match node.get("$ref") {
            None => Self::of(None, node),
            Some(reference) => {
                let name = reference.as_str().and_then(|text| text.strip_prefix("#/components/schemas/"));
                Self::named(name.unwrap())
            }
        }
    }

    /// The schema of this name.
    pub(super) fn named(name: &'static str) -> Self {
        Self::of(Some(name), &DOCUMENT["components"]["schemas"][name])
    }

    /// Fails on a keyword that nothing here reads, so that none goes unheeded. `additionalProperties` is set aside on
    /// purpose: the file allows any everywhere, and here each is a difference.
    fn of(name: Option<&'static str>, node: &'static Value) -> Self {
        const READ: [&str; 10] = [
            "additionalProperties",
            "default",
            "description",
            "enum",
            "format",
            "items",
            "nullable",
            "pattern",
            "properties",
            "type",
        ];
        let keywords = node.as_object().unwrap_or_else(|| panic!("no schema {name:?}")).keys();
        for keyword in keywords {
            assert!(READ.contains(&keyword.as_str()), "{keyword} in {node}");
        }
        Self { name, node }
    }

    pub(super) fn kind(&self) -> Kind {
        match self.node["type"].as_str().unwrap() {
            "array" => Kind::Array,
            "boolean" => Kind::Boolean,
            "integer" => Kind::Integer,
            "number" => Kind::Number,
            "object" => Kind::Object,
            "string" => Kind::String,
            other => panic!("type {other}"),
        }
    }

    pub(super) fn is_nullable(&self) -> bool {
        self.node.get("nullable").is_some_and(|value| value == true)
    }

    pub(super) fn format(&self) -> Option<&'static str> {
        self.node.get("format").and_then(Value::as_str)
    }

    pub(super) fn pattern(&self) -> Option<&'static str> {
        self.node.get("pattern").and_then(Value::as_str)
    }

    /// The values that there may be, where they are listed.
    pub(super) fn values(&self) -> Option<Vec<&'static str>> {
        let values = self.node.get("enum")?.as_array()?;
        Some(values.iter().map(|value| value.as_str().unwrap()).collect())
    }

    /// What an array holds.
    pub(super) fn items(&self) -> Self {
        Self::read(&self.node["items"])
    }

    pub(super) fn property(&self, name: &str) -> Option<Self> {
        self.node.get("properties")?.get(name).map(Self::read)
    }

    pub(super) fn properties(&self) -> Vec<&'static str> {
        let properties = self.node.get("properties").and_then(Value::as_object);
        properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect()
    }
}
