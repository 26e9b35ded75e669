//! One endpoint: method, path template, permissions, owner rule, parameters, answer.

use std::fmt;

use super::permission::PermissionSet;

/// An HTTP method that occurs in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// Reads.
    Get,
    /// Asks for a status only; the answer has no body.
    Head,
    /// Does something.
    Post,
    /// Creates or replaces.
    Put,
    /// Removes.
    Delete,
}

impl Method {
    /// All methods of the catalogue.
    pub const ALL: [Self; 5] = [Self::Get, Self::Head, Self::Post, Self::Put, Self::Delete];

    /// The method's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    /// Reads a method name, which is case-sensitive (RFC 9110 §9.1).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Position of an endpoint in its catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(pub(super) u16);

impl EndpointId {
    /// The position, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One method and path template of ClickBank's API, with everything that decides about it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its name in output and logs, such as `orders2.list`.
    pub name: String,
    /// The only method it answers to.
    pub method: Method,
    /// The path after `/rest/1.3`.
    pub path: PathTemplate,
    /// What a caller needs, all of it on the same nickname.
    pub permissions: PermissionSet,
    /// What a call does besides answering.
    pub changes: Changes,
    /// Where the owner of the answer, or of what is changed, shows.
    pub owner: Owner,
    /// The types that ClickBank produces here, apart from CSV, which the gateway never asks for.
    pub answers: AnswerTypes,
    /// Where rows stand in the answer, and which of their fields name whom.
    pub rows: Option<Rows>,
    /// The query parameters that exist.
    pub parameters: Vec<Parameter>,
    /// Whether it honours the `Page` header.
    pub paged: bool,
    /// Which calls give money back, or may lead to it.
    pub refunds: When,
    /// Which calls end a subscription.
    pub cancels: When,
    /// Whether the configuration added it.
    pub added: bool,
}

impl Endpoint {
    /// The parameter of this name, with its position.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<(usize, &Parameter)> {
        self.parameters.iter().enumerate().find(|(_, parameter)| parameter.name == name)
    }

    /// Position of the parameter that, where it stands, has to be one exact nickname of ours.
    #[must_use]
    pub const fn owner_parameter(&self) -> Option<usize> {
        match self.owner {
            Owner::Parameter(position) | Owner::AccountFilter(position) => Some(position),
            _ => None,
        }
    }
}

/// What a call does besides answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Changes {
    /// It only reads.
    Nothing,
    /// It changes something, but no charge.
    Something,
    /// It refunds, or moves what or when a customer is charged.
    Money,
}

impl Changes {
    /// The names used in our files.
    pub const NAMES: [&'static str; 3] = ["nothing", "something", "money"];

    /// Reads the name used in our files.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "nothing" => Some(Self::Nothing),
            "something" => Some(Self::Something),
            "money" => Some(Self::Money),
            _ => None,
        }
    }

    /// The name used in our files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Something => "something",
            Self::Money => "money",
        }
    }
}

/// Where the nickname shows that owns what a call is about. Positions are those of [`Endpoint::parameters`] and of the
/// variables of [`Endpoint::path`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// In a required query parameter.
    Parameter(usize),
    /// In an optional `account`; without it the answer covers the credential's whole reach.
    AccountFilter(usize),
    /// In `vendor=N&role=VENDOR` or `affiliate=N&role=AFFILIATE`; otherwise as for [`Owner::AccountFilter`].
    OrderFilters {
        /// The parameter that filters by seller.
        vendor: usize,
        /// The parameter that filters by affiliate.
        affiliate: usize,
        /// The parameter that says which of the two the key's own nickname is.
        role: usize,
    },
    /// In every row of an answer about one object.
    AnswerRows,
    /// The answer is a list of nicknames.
    AnswerAccounts,
    /// In the rows of a list; the parameter, if exact, confines it to one order.
    AnswerList(usize),
    /// It is the seller of the order with the receipt in this path variable.
    Receipt(usize),
    /// It is the seller of the order of the ticket in this path variable.
    Ticket(usize),
    /// It is the seller of each ticket's order; the parameter, if exact, confines the list to one order.
    Tickets(usize),
    /// Neither in the request nor in the answer.
    Nowhere,
    /// No account's data.
    Nobody,
    /// No data at all: an open document.
    Document,
    /// The answer repeats the credential. Never granted.
    Credential,
}

impl Owner {
    /// Positions of the parameters that decide whose data a call is about. None of them may stand twice.
    pub fn deciding_parameters(self) -> impl Iterator<Item = usize> {
        let positions = match self {
            Self::Parameter(one) | Self::AccountFilter(one) | Self::AnswerList(one) | Self::Tickets(one) => {
                [Some(one), None, None]
            }
            Self::OrderFilters { vendor, affiliate, role } => [Some(vendor), Some(affiliate), Some(role)],
            _ => [None; 3],
        };
        positions.into_iter().flatten()
    }

    /// In words, for `endpoints` and the documentation.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Parameter(_) => "a required parameter",
            Self::AccountFilter(_) | Self::OrderFilters { .. } => "optional filters",
            Self::AnswerRows => "the answer",
            Self::AnswerAccounts => "the answer, a list of nicknames",
            Self::AnswerList(_) => "the answer, a list",
            Self::Receipt(_) => "the order, by its receipt",
            Self::Ticket(_) => "the ticket's order",
            Self::Tickets(_) => "each ticket's order",
            Self::Nowhere => "nowhere",
            Self::Nobody => "nobody's data",
            Self::Document => "no data",
            Self::Credential => "the credential itself",
        }
    }
}

/// The side of a sale that a nickname is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// It sold.
    Vendor,
    /// It brought the customer.
    Affiliate,
}

impl Party {
    /// The word in requests and in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vendor => "VENDOR",
            Self::Affiliate => "AFFILIATE",
        }
    }

    /// Reads the word, which has to be spelled exactly so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Vendor, Self::Affiliate].into_iter().find(|party| party.as_str() == text)
    }
}

/// In which calls something happens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// In none.
    #[default]
    Never,
    /// In all.
    Always,
    /// In those with one of these values of parameters, by position in [`Endpoint::parameters`].
    With(Vec<(usize, String)>),
}

/// A query parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its exact name.
    pub name: String,
    /// ClickBank documents it as required.
    pub required: bool,
    /// It may stand several times.
    pub repeats: bool,
    /// It finds customers by who they are.
    pub searches: bool,
    /// It is free text, and may have line breaks.
    pub prose: bool,
    /// Left out, it has an effect of its own, so it has to be said.
    pub explicit: bool,
    /// The only values it may have; empty when it is open.
    pub values: Vec<String>,
}

/// Media types that an endpoint answers with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerTypes {
    /// `application/json`.
    pub json: bool,
    /// `application/xml`.
    pub xml: bool,
    /// `text/plain`.
    pub text: bool,
    /// `text/csv`. The gateway never asks for it, since it cannot judge it.
    pub csv: bool,
}

/// Where rows stand in an answer, and whom their fields name. In XML the same names are elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Dotted path to the rows; empty when the answer itself is the row.
    pub at: String,
    /// The field that names the owner, if one does.
    pub owner: Option<OwnerField>,
    /// The field that says which party the key's own nickname is.
    pub role: Option<String>,
    /// The field with the receipt by which the owner can be looked up.
    pub receipt: Option<String>,
    /// Dotted paths to fields that name other parties.
    pub counterparty: Vec<String>,
    /// Members beside the rows that count or sum over them.
    pub totals: Vec<String>,
}

/// Which field of a row names its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnerField {
    /// Always this one.
    Field(String),
    /// It depends on the role of the row (or of the request, where rows have none).
    ByRole {
        /// For role `VENDOR`.
        vendor: String,
        /// For role `AFFILIATE`.
        affiliate: String,
    },
}

/// A path template: segments after `/rest/1.3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate(Vec<Segment>);

/// One segment of a path template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Exactly this text.
    Literal(String),
    /// A value.
    Variable {
        /// The name between the braces.
        name: String,
        /// What may stand there.
        value: PathValue,
    },
}

/// What may stand in a variable segment. All of them are free of characters that a path could be misread by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathValue {
    /// Eight letters and digits; a rebill adds `-B` and three or four digits.
    Receipt,
    /// A positive integer of up to 18 digits, without leading zeros.
    TicketId,
    /// An item number: 1 to 64 letters, digits and dashes.
    Sku,
    /// `VENDOR` or `AFFILIATE`.
    Role,
    /// A dimension of the Analytics API.
    Dimension,
    /// In an endpoint that the configuration added: 1 to 64 letters, digits and dashes.
    Word,
}

const ROLES: &[&str] = &["VENDOR", "AFFILIATE"];
const DIMENSIONS: &[&str] = &[
    "AFFILIATE",
    "CUSTOMER_CURRENCY",
    "CUSTOMER_COUNTRY",
    "CUSTOMER_PROVINCE",
    "CUSTOMER_LANGUAGE",
    "PRODUCT_SKU",
    "TRACKING_ID",
    "VENDOR",
    "VENDOR_CATEGORY",
    "VENDOR_PRODUCT_SKU",
];

impl PathValue {
    /// The kind of value that a variable of this name holds.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "receipt" => Self::Receipt,
            "id" => Self::TicketId,
            "sku" => Self::Sku,
            "role" => Self::Role,
            "dimension" => Self::Dimension,
            _ => Self::Word,
        }
    }

    /// The canonical spelling of `segment` if it is such a value. Roles and dimensions are accepted in all upper or all
    /// lower case, since both are seen to work, and sent in upper case; everything else is sent as it came.
    #[must_use]
    pub fn canonical(self, segment: &str) -> Option<&str> {
        match self {
            Self::Receipt => is_receipt(segment).then_some(segment),
            Self::TicketId => {
                let digits = segment.bytes().all(|byte| byte.is_ascii_digit());
                (digits && (1..=18).contains(&segment.len()) && !segment.starts_with('0')).then_some(segment)
            }
            Self::Sku | Self::Word => {
                let characters = segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
                (characters && (1..=64).contains(&segment.len())).then_some(segment)
            }
            Self::Role => member(ROLES, segment),
            Self::Dimension => member(DIMENSIONS, segment),
        }
    }
}

/// Whether `text` is exactly one receipt, without a wildcard.
#[must_use]
pub fn is_receipt(text: &str) -> bool {
    let (base, suffix) = text.split_once('-').map_or((text, None), |(base, suffix)| (base, Some(suffix)));
    let rebill = suffix.is_none_or(|suffix| {
        suffix
            .strip_prefix('B')
            .is_some_and(|number| matches!(number.len(), 3 | 4) && number.bytes().all(|byte| byte.is_ascii_digit()))
    });
    base.len() == 8 && base.bytes().all(|byte| byte.is_ascii_alphanumeric()) && rebill
}

fn member(values: &[&'static str], segment: &str) -> Option<&'static str> {
    let lower = segment.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    values.iter().copied().find(|value| *value == segment || (lower && value.eq_ignore_ascii_case(segment)))
}

impl PathTemplate {
    /// Reads a template such as `/orders2/{receipt}/upsells`. `None` when it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let segments = text.strip_prefix('/')?.split('/').map(|segment| {
            let name_characters = |text: &str| {
                !text.is_empty()
                    && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
            };
            match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(name) => name_characters(name)
                    .then(|| Segment::Variable { name: name.to_owned(), value: PathValue::named(name) }),
                None => name_characters(segment).then(|| Segment::Literal(segment.to_owned())),
            }
        });
        let segments = segments.collect::<Option<Vec<_>>>()?;
        let names = segments.iter().enumerate().filter_map(|(place, segment)| match segment {
            Segment::Variable { name, .. } => Some((place, name)),
            Segment::Literal(_) => None,
        });
        // Of two variables with one name nobody could say which is meant.
        let twice = names.clone().any(|(place, name)| names.clone().any(|(other, same)| other > place && same == name));
        if twice {
            return None;
        }
        // A first segment that varies would let one added endpoint stand for every service.
        matches!(segments.first(), Some(Segment::Literal(_))).then_some(Self(segments))
    }

    /// The segments.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The first segment, which is always literal: ClickBank's service.
    #[must_use]
    pub fn service(&self) -> &str {
        match self.0.first() {
            Some(Segment::Literal(text)) => text,
            _ => "",
        }
    }

    /// Position among the variables of the variable called `name`.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<usize> {
        self.variables().position(|(variable, _)| variable == name)
    }

    /// The variables, in order.
    pub fn variables(&self) -> impl Iterator<Item = (&str, PathValue)> {
        self.0.iter().filter_map(|segment| match segment {
            Segment::Literal(_) => None,
            Segment::Variable { name, value } => Some((name.as_str(), *value)),
        })
    }

    /// Whether a path with these segments is meant.
    #[must_use]
    pub fn matches(&self, segments: &[&str]) -> bool {
        self.0.len() == segments.len()
            && self.0.iter().zip(segments).all(|(template, segment)| match template {
                Segment::Literal(text) => text == segment,
                Segment::Variable { value, .. } => value.canonical(segment).is_some(),
            })
    }

    /// Whether both templates vary in the same places and agree in the others. JAX-RS picks a resource by this shape,
    /// and only then looks at the method.
    #[must_use]
    pub fn has_shape_of(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().zip(&other.0).all(|pair| match pair {
                (Segment::Literal(mine), Segment::Literal(theirs)) => mine == theirs,
                (Segment::Variable { .. }, Segment::Variable { .. }) => true,
                _ => false,
            })
    }

    /// Whether some path could be meant by both. Two variables are taken to overlap, whatever they hold.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().zip(&other.0).all(|pair| match pair {
                (Segment::Literal(mine), Segment::Literal(theirs)) => mine.eq_ignore_ascii_case(theirs),
                (Segment::Variable { value, .. }, Segment::Literal(literal))
                | (Segment::Literal(literal), Segment::Variable { value, .. }) => value.canonical(literal).is_some(),
                (Segment::Variable { .. }, Segment::Variable { .. }) => true,
            })
    }

    /// Sorts literal segments before variables, since literals win.
    #[must_use]
    pub fn precedence(&self) -> Vec<bool> {
        self.0.iter().map(|segment| matches!(segment, Segment::Variable { .. })).collect()
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|segment| match segment {
            Segment::Literal(text) => write!(f, "/{text}"),
            Segment::Variable { name, .. } => write!(f, "/{{{name}}}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_values_are_accepted_in_their_exact_form_only() {
        for (value, accepted, refused) in [
            (
                PathValue::Receipt,
                &["ABCD1234", "abcd1234", "ABCD1234-B002", "ABCD1234-B0012"][..],
                &[
                    "",
                    "ABCD123",
                    "ABCD12345",
                    "ABCD1234-",
                    "ABCD1234-B02",
                    "ABCD1234-b002",
                    "ABCD1234-B002-B003",
                    "ABCD%234",
                ][..],
            ),
            (PathValue::TicketId, &["1", "12345678"], &["", "0", "012", "1a", "-1", "1234567890123456789"]),
            (PathValue::Sku, &["1", "my-item-2"], &["", "a.b", "a_b", "a b"]),
            (PathValue::Role, &["VENDOR", "affiliate"], &["", "Vendor", "VENDOR_ONLY"]),
            (PathValue::Dimension, &["TRACKING_ID", "tracking_id"], &["", "Tracking_Id", "schema"]),
        ] {
            for text in accepted {
                assert!(value.canonical(text).is_some(), "{value:?} {text}");
            }
            for text in refused {
                assert!(value.canonical(text).is_none(), "{value:?} {text}");
            }
        }
        assert_eq!(PathValue::Role.canonical("vendor"), Some("VENDOR"));
    }

    #[test]
    fn templates_overlap_when_one_path_could_mean_both() {
        let template = |text| PathTemplate::parse(text).unwrap();
        let receipts = template("/orders2/{receipt}");
        assert!(receipts.overlaps(&template("/orders2/{other}")));
        assert!(receipts.overlaps(&template("/orders2/ABCD1234")));
        assert!(!receipts.overlaps(&template("/orders2/list")));
        assert!(!receipts.overlaps(&template("/orders2/{receipt}/upsells")));
        assert!(template("/orders2/list").overlaps(&template("/orders2/LIST")));
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for text in [
            "",
            "orders2",
            "/",
            "/orders2/",
            "/{receipt}",
            "/orders2/{}",
            "/orders2/{a/b}",
            "/a;b",
            "/a%20b",
            "/a/{id}/{id}",
            "/../x",
        ] {
            assert_eq!(PathTemplate::parse(text), None, "{text}");
        }
        assert_eq!(PathTemplate::parse("/a/{b}/c").unwrap().to_string(), "/a/{b}/c");
    }
}
