//! A request as it was understood: one endpoint and its values. The decision is taken on this form, and this same form
//! is what goes upstream.

use super::caps::Effects;
use super::catalogue::{Catalogue, ExtraParameter, Route};
use super::endpoint::{Endpoint, EndpointId, Method, Owner, Party, PathValue, Segment, When, is_receipt};
use super::nickname::Nickname;
use super::secret::{KEY_PREFIX, has_secret};
use super::target::{self, API_PREFIX, MAX_TARGET_LENGTH, TargetError};

/// A request as it was understood.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    endpoint: EndpointId,
    /// The whole path, in canonical spelling.
    path: String,
    /// Known parameters, by position in the endpoint, and their decoded values, in the order of the request.
    parameters: Vec<(usize, String)>,
    /// Parameters that the configuration lets through, by name.
    forwarded: Vec<(String, String)>,
    base_nickname: Option<String>,
}

/// Why a request is no call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The target is ambiguous or malformed.
    Target(TargetError),
    /// Nothing is known at that path.
    UnknownEndpoint,
    /// The path is known, with other methods.
    Method(Vec<Method>),
    /// The endpoint that would reveal the credential.
    Credential,
    /// The endpoint has no such parameter.
    UnknownParameter {
        /// Its name, as long as it is one that could be meant.
        name: Option<String>,
        /// A parameter that was perhaps meant.
        meant: Option<String>,
    },
    /// A parameter stands more than once that may not.
    RepeatedParameter(String),
    /// A parameter that has to be there is not.
    MissingParameter(String),
    /// A parameter that has an effect where it is left out is left out.
    UnsaidParameter {
        /// Its name.
        name: String,
        /// What may be said; nothing when it is open.
        values: Vec<String>,
    },
    /// A value that cannot be accepted.
    Value {
        /// The parameter's name.
        name: String,
        /// What it may be.
        expected: Expected,
    },
}

/// What a parameter's value may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Exactly one nickname, without wildcard.
    Nickname,
    /// One of these.
    OneOf(Vec<String>),
    /// Text without control characters.
    Text,
    /// Anything but a key of ours, which does not leave the company.
    NoKey,
}

impl Call {
    /// Reads a method and target. Nothing of the target's own bytes is kept: what is sent later is written from what was
    /// understood here.
    ///
    /// # Errors
    /// When the target, the path, the method or a parameter is not exactly one that the catalogue knows.
    pub fn read(catalogue: &Catalogue, method: &str, request_target: &str) -> Result<Self, CallError> {
        let (path, query) = target::split(request_target).map_err(CallError::Target)?;
        let path = target::read_path(path).map_err(CallError::Target)?;
        let segments = path.segments.ok_or(CallError::UnknownEndpoint)?;
        let id = match catalogue.route(Method::parse(method), &segments) {
            Route::Endpoint(id) => id,
            Route::OtherMethods(methods) => return Err(CallError::Method(methods)),
            Route::Credential => return Err(CallError::Credential),
            Route::Unknown => return Err(CallError::UnknownEndpoint),
        };
        let endpoint = catalogue.endpoint(id).ok_or(CallError::UnknownEndpoint)?;
        let mut call = Self {
            endpoint: id,
            path: canonical_path(endpoint, &segments),
            parameters: Vec::with_capacity(if query.is_some() { 4 } else { 0 }),
            forwarded: Vec::new(),
            base_nickname: path.base_nickname.map(str::to_owned),
        };
        for pair in target::read_query(query.unwrap_or_default()) {
            let (name, value) = pair.map_err(CallError::Target)?;
            call.add(catalogue, endpoint, name, value.into_owned())?;
        }
        if let Owner::Parameter(position) = endpoint.owner
            && call.value_at(position).is_none()
        {
            let name = endpoint.parameters.get(position).map(|parameter| parameter.name.clone());
            return Err(CallError::MissingParameter(name.unwrap_or_default()));
        }
        let mut all = endpoint.parameters.iter().enumerate();
        if let Some((_, unsaid)) =
            all.find(|(position, parameter)| parameter.explicit && call.value_at(*position).is_none())
        {
            let (name, values) = (unsaid.name.clone(), unsaid.values.clone());
            return Err(CallError::UnsaidParameter { name, values });
        }
        // Encoding anew makes three characters of one at the most, so a short target need not be measured.
        if request_target.len() > MAX_TARGET_LENGTH / 3 && call.target(endpoint).len() > MAX_TARGET_LENGTH {
            return Err(CallError::Target(TargetError::TooLong));
        }
        Ok(call)
    }

    fn add(&mut self, catalogue: &Catalogue, endpoint: &Endpoint, name: &str, value: String) -> Result<(), CallError> {
        let Some((position, parameter)) = endpoint.parameter(name) else {
            return self.add_extra(catalogue, endpoint, name, value);
        };
        if !parameter.repeats && self.value_at(position).is_some() {
            return Err(CallError::RepeatedParameter(name.to_owned()));
        }
        let expected = if endpoint.owner_parameter() == Some(position) {
            Nickname::check(&value).err().map(|_| Expected::Nickname)
        } else if !parameter.values.is_empty() {
            (!parameter.values.contains(&value)).then(|| Expected::OneOf(parameter.values.clone()))
        } else {
            if value.contains(KEY_PREFIX) {
                return Err(CallError::Value { name: name.to_owned(), expected: Expected::NoKey });
            }
            let allowed =
                |character: char| !character.is_control() || (parameter.prose && "\t\r\n".contains(character));
            (!value.chars().all(allowed)).then_some(Expected::Text)
        };
        if let Some(expected) = expected {
            return Err(CallError::Value { name: name.to_owned(), expected });
        }
        self.parameters.push((position, value));
        Ok(())
    }

    fn add_extra(
        &mut self,
        catalogue: &Catalogue,
        endpoint: &Endpoint,
        name: &str,
        value: String,
    ) -> Result<(), CallError> {
        match catalogue.extra_parameter(self.endpoint, name) {
            Some(ExtraParameter::Drop) => Ok(()),
            Some(ExtraParameter::Forward) => {
                if self.forwarded.iter().any(|(other, _)| other == name) {
                    return Err(CallError::RepeatedParameter(name.to_owned()));
                }
                if value.contains(KEY_PREFIX) {
                    return Err(CallError::Value { name: name.to_owned(), expected: Expected::NoKey });
                }
                if value.chars().any(char::is_control) {
                    return Err(CallError::Value { name: name.to_owned(), expected: Expected::Text });
                }
                self.forwarded.push((name.to_owned(), value));
                Ok(())
            }
            None => {
                let plain = name.len() <= 40
                    && !has_secret(name)
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                let meant = endpoint.parameters.iter().find(|parameter| parameter.name.eq_ignore_ascii_case(name));
                Err(CallError::UnknownParameter {
                    name: plain.then(|| name.to_owned()),
                    meant: meant.map(|parameter| parameter.name.clone()),
                })
            }
        }
    }

    /// The endpoint that is called.
    #[must_use]
    pub const fn endpoint(&self) -> EndpointId {
        self.endpoint
    }

    /// The nickname in a base path `/@nickname`, as it was written.
    #[must_use]
    pub fn base_nickname(&self) -> Option<&str> {
        self.base_nickname.as_deref()
    }

    /// The first value of the parameter at this position of the endpoint.
    #[must_use]
    pub fn value_at(&self, position: usize) -> Option<&str> {
        self.parameters.iter().find(|(other, _)| *other == position).map(|(_, value)| value.as_str())
    }

    /// Which caps it counts towards. `endpoint` is the one with number [`Call::endpoint`].
    #[must_use]
    pub fn effects(&self, endpoint: &Endpoint) -> Effects {
        let happens = |when: &When| match when {
            When::Never => false,
            When::Always => true,
            When::With(values) => values.iter().any(|(position, value)| self.value_at(*position) == Some(value)),
        };
        Effects { refunds: happens(&endpoint.refunds), cancels: happens(&endpoint.cancels) }
    }

    /// Whether the parameter at this position is there and is exactly one receipt.
    #[must_use]
    pub fn has_receipt_at(&self, position: usize) -> bool {
        self.value_at(position).is_some_and(is_receipt)
    }

    /// The value in the path's variable at this position. `endpoint` is the one with number [`Call::endpoint`].
    #[must_use]
    pub fn variable(&self, endpoint: &Endpoint, position: usize) -> Option<&str> {
        let segments = self.path.strip_prefix(API_PREFIX)?.split('/').skip(1);
        let variables = endpoint.path.segments().iter().zip(segments);
        let values = variables.filter(|(template, _)| matches!(template, Segment::Variable { .. }));
        values.map(|(_, segment)| segment).nth(position)
    }

    /// Which party the request looks from, where a role stands in its path.
    #[must_use]
    pub fn role_in_path(&self, endpoint: &Endpoint) -> Option<Party> {
        let position = endpoint.path.variables().position(|(_, value)| value == PathValue::Role)?;
        Party::parse(self.variable(endpoint, position)?)
    }

    /// Adds the parameters, where they are missing, that confine the answer to what `nickname` has as a seller. That
    /// those which are there do not say otherwise was decided before.
    ///
    /// # Errors
    /// When the call gets longer than ClickBank accepts.
    pub fn confine(&mut self, endpoint: &Endpoint, nickname: &str) -> Result<(), CallError> {
        let missing: Vec<_> =
            self.missing(endpoint, nickname).map(|(position, value)| (position, value.to_owned())).collect();
        self.parameters.extend(missing);
        if self.target(endpoint).len() > MAX_TARGET_LENGTH {
            return Err(CallError::Target(TargetError::TooLong));
        }
        Ok(())
    }

    /// What [`Call::confine`] would add, as it stands in a query.
    #[must_use]
    pub fn additions(&self, endpoint: &Endpoint, nickname: &str) -> Vec<String> {
        let name = |position: usize| endpoint.parameters.get(position).map_or("", |parameter| parameter.name.as_str());
        self.missing(endpoint, nickname).map(|(position, value)| format!("{}={value}", name(position))).collect()
    }

    fn missing<'a>(&self, endpoint: &Endpoint, nickname: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
        confining(endpoint.owner, nickname).filter(|(position, _)| self.value_at(*position).is_none())
    }

    /// Whether the call has parameters whose meaning nobody vouches for.
    #[must_use]
    pub fn has_forwarded(&self) -> bool {
        !self.forwarded.is_empty()
    }

    /// The target to send upstream. `endpoint` is the one with number [`Call::endpoint`].
    #[must_use]
    pub fn target(&self, endpoint: &Endpoint) -> String {
        let mut target = String::with_capacity(self.path.len() + 32 * self.parameters.len());
        target.push_str(&self.path);
        for (position, value) in &self.parameters {
            if let Some(parameter) = endpoint.parameters.get(*position) {
                target::write_pair(&mut target, &parameter.name, value);
            }
        }
        for (name, value) in &self.forwarded {
            target::write_pair(&mut target, name, value);
        }
        target
    }
}

/// The parameters, by position, that confine an answer to what `nickname` has as a seller, and their values.
pub(super) fn confining(owner: Owner, nickname: &str) -> impl Iterator<Item = (usize, &str)> {
    let pairs = match owner {
        Owner::AccountFilter(account) => [Some((account, nickname)), None],
        Owner::OrderFilters { vendor, role, .. } => [Some((vendor, nickname)), Some((role, Party::Vendor.as_str()))],
        _ => [None, None],
    };
    pairs.into_iter().flatten()
}

/// The path written anew from the template and the values in the variables' places.
fn canonical_path(endpoint: &Endpoint, segments: &[&str]) -> String {
    let mut path = String::with_capacity(64);
    path.push_str(API_PREFIX);
    for (template, segment) in endpoint.path.segments().iter().zip(segments) {
        let text = match template {
            Segment::Literal(text) => text,
            Segment::Variable { value, .. } => value.canonical(segment).unwrap_or_default(),
        };
        path.push('/');
        path.push_str(text);
    }
    path
}

impl std::fmt::Debug for Call {
    /// Shows the endpoint and which parameters there are, never a value: customers are searched for by name and e-mail.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parameters: Vec<usize> = self.parameters.iter().map(|(position, _)| *position).collect();
        f.debug_struct("Call")
            .field("endpoint", &self.endpoint)
            .field("parameters", &parameters)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::Catalogue;
    use super::*;
    use crate::config::built_in_endpoints;

    #[test]
    fn what_confines_a_call_is_added_where_it_is_missing_and_there_is_room() {
        let catalogue = Catalogue::new(built_in_endpoints().unwrap());
        let read = |query: &str| Call::read(&catalogue, "GET", &format!("{API_PREFIX}/orders2/list{query}")).unwrap();
        for (query, added) in [
            ("", &["vendor=acme", "role=VENDOR"][..]),
            ("?role=VENDOR&item=a-1", &["vendor=acme"]),
            ("?vendor=acme&role=VENDOR", &[]),
        ] {
            let mut call = read(query);
            let endpoint = catalogue.endpoint(call.endpoint()).unwrap();
            let before = call.target(endpoint);
            assert_eq!(call.additions(endpoint, "acme"), added, "{query}");
            assert_eq!(call.confine(endpoint, "acme"), Ok(()));
            let separator = if before.contains('?') { "&" } else { "?" };
            let expected = if added.is_empty() { before } else { before + separator + &added.join("&") };
            assert_eq!(call.target(endpoint), expected, "{query}");
            assert!(call.additions(endpoint, "acme").is_empty());
        }
        // To the last character that ClickBank accepts, and one beyond.
        let room = MAX_TARGET_LENGTH - format!("{API_PREFIX}/orders2/list?item=&vendor=acme&role=VENDOR").len();
        for (length, expected) in [(room, Ok(())), (room + 1, Err(CallError::Target(TargetError::TooLong)))] {
            let mut call = read(&format!("?item={}", "a".repeat(length)));
            let endpoint = catalogue.endpoint(call.endpoint()).unwrap();
            assert_eq!(call.confine(endpoint, "acme"), expected);
        }
    }
}
