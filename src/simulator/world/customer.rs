//! Customers. Nobody here exists; every name and address follows from the receipt.

use crate::simulator::random::Random;

/// Who bought, and where it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// An address under `example.net` that holds the receipt, so that a leak can be traced.
    pub email: String,
    /// A number of the range kept free for fiction.
    pub phone: String,
    /// Street and number.
    pub address1: String,
    /// Second line of the address.
    pub address2: Option<String>,
    /// City.
    pub city: String,
    /// State or province.
    pub state: String,
    /// Two letters.
    pub country: String,
    /// Postal code.
    pub postal_code: String,
    /// Two letters.
    pub language: String,
}

impl Customer {
    /// The customer of `receipt`.
    #[must_use]
    pub fn of_receipt(receipt: &str) -> Self {
        const FIRST: [&str; 10] = ["Ada", "Björn", "Chloé", "Dmitri", "Esi", "Farah", "Goro", "Hana", "Iris", "Jo"];
        const LAST: [&str; 10] = ["Abara", "Bell", "Castro", "Duong", "Ek", "Fürst", "Grant", "O'Hara", "Ito", "Smith"];
        const PLACES: [(&str, &str, &str, &str); 6] = [
            ("Boise", "ID", "US", "EN"),
            ("Denver", "CO", "US", "EN"),
            ("Toronto", "ON", "CA", "EN"),
            ("Leeds", "LDS", "GB", "EN"),
            ("Köln", "NW", "DE", "DE"),
            ("Sevilla", "SE", "ES", "ES"),
        ];
        let mut random = Random::from_names(&["customer", receipt]);
        let (city, state, country, language) = random.pick(&PLACES);
        Self {
            first_name: random.pick(&FIRST).to_owned(),
            last_name: random.pick(&LAST).to_owned(),
            email: format!("buyer.{}@example.net", receipt.to_lowercase()),
            phone: format!("+1208555{:04}", 100 + random.below(100)),
            address1: format!("{} Elm & Oak Street", 1 + random.below(900)),
            address2: (random.below(3) == 0).then(|| "Flat 2".to_owned()),
            city: city.to_owned(),
            state: state.to_owned(),
            country: country.to_owned(),
            postal_code: format!("{:05}", 10_000 + random.below(89_999)),
            language: language.to_owned(),
        }
    }

    /// First and last name.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }
}
