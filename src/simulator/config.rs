//! What a simulator is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;

use jiff::civil::Date;

use super::fault::FaultRule;
use super::limit::Limits;
use super::world::WorldSpec;

/// How a world answers where ClickBank's behaviour is unknown or has changed over time, and its calendar.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Feeds the secrets of the keys and, in a demo world, the data.
    pub seed: u64,
    /// The current day. Default ranges of dates count from it; nothing reads a clock.
    pub today: Date,
    /// Rows on a page. ClickBank's is 100, which is the default; tests take a smaller one.
    pub page_size: NonZeroUsize,
    /// What a list without rows looks like in JSON.
    pub empty_list: EmptyList,
    /// How a sale shows that a key reaches in more than one role.
    pub shared_sale: SharedSale,
}

impl Settings {
    /// ClickBank's page size and the likeliest answer to each open question.
    #[must_use]
    pub fn new(seed: u64, today: Date) -> Self {
        const CLICKBANK_PAGE_SIZE: NonZeroUsize = NonZeroUsize::new(100).unwrap();
        Self {
            seed,
            today,
            page_size: CLICKBANK_PAGE_SIZE,
            empty_list: EmptyList::Null,
            shared_sale: SharedSale::SellerRow,
        }
    }
}

/// What a list without rows looks like in JSON. Both were observed by the author of `OpenClickBank`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyList {
    /// The literal `null`.
    Null,
    /// No body at all.
    EmptyBody,
}

/// How a sale shows that a key reaches in more than one role, say as seller and as affiliate. Which of these
/// ClickBank does is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedSale {
    /// Once, in the first of these roles: seller, affiliate, joint venture partner.
    SellerRow,
    /// Once for each role.
    BothRows,
}

/// A simulator to be started.
#[derive(Clone, Debug)]
pub struct SimulatorConfig {
    /// Where to listen; loopback only. Port 0 takes a free port.
    pub address: SocketAddr,
    /// How the world answers.
    pub settings: Settings,
    /// What the world holds.
    pub spec: WorldSpec,
    /// How many of the last requests are remembered.
    pub received_kept: usize,
    /// How many requests are answered.
    pub limits: Limits,
    /// What goes wrong from the beginning.
    pub faults: Vec<FaultRule>,
    /// Where to listen for whoever controls the simulator; loopback only. Nowhere, if it is `None`.
    pub control: Option<SocketAddr>,
}

impl SimulatorConfig {
    /// A simulator of `spec` on a free port of 127.0.0.1, without limits, faults, or a control endpoint.
    #[must_use]
    pub fn new(settings: Settings, spec: WorldSpec) -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            settings,
            spec,
            received_kept: 4096,
            limits: Limits::NONE,
            faults: Vec::new(),
            control: None,
        }
    }

    /// The demo world (see [`WorldSpec::demo`]) on a free port of 127.0.0.1.
    #[must_use]
    pub fn demo(seed: u64, today: Date) -> Self {
        Self::new(Settings::new(seed, today), WorldSpec::demo(seed, today))
    }
}

impl Default for SimulatorConfig {
    /// The demo world of seed 1 on a fixed day.
    fn default() -> Self {
        Self::demo(1, Date::constant(2026, 11, 20))
    }
}
