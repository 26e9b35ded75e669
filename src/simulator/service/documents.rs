//! What is open without a key: the HTML description of each service, and the XML schemas.
//!
//! The contents are stubs of the simulator's own; nothing of ClickBank's documents is repeated.

use http::StatusCode;

use crate::simulator::wire::{Answer, Format, Route};

/// A document about a service.
pub(super) struct Document(String);

/// The document that `route` names, if it names one.
pub(super) fn find(route: &Route) -> Option<Document> {
    match route {
        Route::DocRoot(service) => Some(Document(format!(
            "<!DOCTYPE html><html><head><title>{service}</title></head><body>\
             <p>The service {service} of the ClickBank simulator, which is not ClickBank.</p>\
             </body></html>\n"
        ))),
        Route::Schema(name) => Some(Document(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
             <!-- A schema of the ClickBank simulator, which is not ClickBank. -->\n\
             <xs:schema version=\"1.0\" xmlns:xs=\"http://www.w3.org/2001/XMLSchema\">\
             <xs:element name=\"{name}\" type=\"xs:anyType\"/></xs:schema>\n"
        ))),
        _ => None,
    }
}

impl Document {
    /// The document in its only form.
    pub(super) fn answer(self, format: Format) -> Answer {
        Answer::body(StatusCode::OK, format, self.0)
    }
}
