//! ClickBank's endpoints, and which of them a path means.

use std::collections::HashMap;

use super::endpoint::{Endpoint, EndpointId, Method};

/// Every endpoint that exists for callers. What is not in it is refused.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    endpoints: Vec<Endpoint>,
    /// Endpoints by service, literal segments before variables.
    by_service: HashMap<String, Vec<EndpointId>>,
    extra_parameters: HashMap<String, ExtraParameter>,
    extra_parameters_of: HashMap<(EndpointId, String), ExtraParameter>,
}

/// What to do with a query parameter that ClickBank does not document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtraParameter {
    /// Accept it from callers and leave it out.
    Drop,
    /// Send it, which needs a confined credential, since nobody knows what it does.
    Forward,
}

/// Which endpoint a method and path mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// This one.
    Endpoint(EndpointId),
    /// The path exists, but only with these methods.
    OtherMethods(Vec<Method>),
    /// The one that repeats the credential, whatever its spelling.
    Credential,
    /// None.
    Unknown,
}

impl Catalogue {
    /// A catalogue of these endpoints. Their number is bounded by the configuration's size limit, far below `u16`.
    #[must_use]
    pub fn new(endpoints: Vec<Endpoint>) -> Self {
        let mut by_service: HashMap<String, Vec<EndpointId>> = HashMap::new();
        for (number, endpoint) in (0..u16::MAX).zip(&endpoints) {
            by_service.entry(endpoint.path.service().to_owned()).or_default().push(EndpointId(number));
        }
        let mut catalogue = Self { endpoints, by_service: HashMap::new(), ..Self::default() };
        for ids in by_service.values_mut() {
            ids.sort_by_key(|id| catalogue.endpoint(*id).map(|endpoint| endpoint.path.precedence()));
        }
        catalogue.by_service = by_service;
        catalogue
    }

    /// Adds a query parameter that ClickBank does not document: for one endpoint, or for all that do not know it.
    pub fn add_extra_parameter(&mut self, endpoint: Option<EndpointId>, name: String, action: ExtraParameter) {
        match endpoint {
            Some(endpoint) => self.extra_parameters_of.insert((endpoint, name), action),
            None => self.extra_parameters.insert(name, action),
        };
    }

    /// What to do with a parameter that the endpoint does not know.
    #[must_use]
    pub fn extra_parameter(&self, endpoint: EndpointId, name: &str) -> Option<ExtraParameter> {
        if self.extra_parameters.is_empty() && self.extra_parameters_of.is_empty() {
            return None;
        }
        let own = self.extra_parameters_of.get(&(endpoint, name.to_owned()));
        own.or_else(|| self.extra_parameters.get(name)).copied()
    }

    /// The endpoint with this number, which came from this very catalogue.
    #[must_use]
    pub fn endpoint(&self, id: EndpointId) -> Option<&Endpoint> {
        self.endpoints.get(usize::from(id.0))
    }

    /// The endpoint with this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<(EndpointId, &Endpoint)> {
        self.iter().find(|(_, endpoint)| endpoint.name == name)
    }

    /// All endpoints, in the order of the catalogue.
    pub fn iter(&self) -> impl Iterator<Item = (EndpointId, &Endpoint)> {
        (0..u16::MAX).map(EndpointId).zip(&self.endpoints)
    }

    /// Which endpoint a method and the segments after `/rest/1.3` mean.
    ///
    /// As in JAX-RS, the path is matched first, literal segments before variables, and the method picks among endpoints
    /// of the same shape. Matching is exact; only for the endpoint that would reveal the credential does a look-alike
    /// count too, so that its refusal can name the reason.
    #[must_use]
    pub fn route(&self, method: Option<Method>, segments: &[&str]) -> Route {
        let Some(service) = segments.first() else { return Route::Unknown };
        if service.eq_ignore_ascii_case("debug") {
            return Route::Credential;
        }
        let mut matching = self
            .by_service
            .get(*service)
            .into_iter()
            .flatten()
            .filter_map(|id| self.endpoint(*id).map(|endpoint| (*id, endpoint)))
            .filter(|(_, endpoint)| endpoint.path.matches(segments));
        let Some((first, best)) = matching.next() else { return Route::Unknown };
        if method == Some(best.method) {
            return Route::Endpoint(first);
        }
        let mut methods = vec![best.method];
        for (id, endpoint) in matching.filter(|(_, endpoint)| endpoint.path.has_shape_of(&best.path)) {
            if method == Some(endpoint.method) {
                return Route::Endpoint(id);
            }
            methods.push(endpoint.method);
        }
        methods.sort_unstable();
        Route::OtherMethods(methods)
    }
}
