//! Everything that is counted, and every state that can be asked for, as one text in the [OpenMetrics format].
//!
//! States are read when somebody asks, each from where it is kept. Anybody may ask, so besides numbers there are only
//! names of endpoints and credentials, which the configuration gives, and words of the gateway's own.
//!
//! [OpenMetrics format]: https://prometheus.io/docs/specs/om/open_metrics_spec/

use std::fmt::{self, Error};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, EncodeMetric as _, MetricEncoder,
    NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio_util::task::TaskTracker;

use crate::domain::credential::{Finding, Life};
use crate::health::Health;
use crate::pipeline::Shared;
use crate::process;
use crate::reload::Reload;

use super::{FIRST_STATUS, OfEndpoint, Outcome, Words};

/// What a text in this format is called.
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The endpoint of a request that is for none, or was refused before it was known for which.
///
/// No endpoint of the catalogue can be called that.
const NO_ENDPOINT: &str = "(none)";

/// The labels of what is there once.
const NO_LABELS: [(&str, &str); 0] = [];

/// Keys are told of that end within these times.
pub(crate) const SOON: [(&str, Duration); 2] =
    [("7d", Duration::from_hours(7 * 24)), ("30d", Duration::from_hours(30 * 24))];

/// A running gateway, and all of it that is told in numbers.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) shared: Shared,
    pub(crate) reload: Arc<Reload>,
    pub(crate) health: Arc<Health>,
    pub(crate) connections: TaskTracker,
    pub(crate) started: SystemTime,
}

/// Writes down what a running gateway is doing.
#[derive(Debug)]
pub(crate) struct Exposition(Registry);

impl Exposition {
    pub(crate) fn new(running: Running) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(OfProcess { started: running.started }));
        registry.sub_registry_with_prefix("clickbank_gateway").register_collector(Box::new(running));
        Self(registry)
    }

    /// The text as of now. It reads files of the system's.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.0)?;
        Ok(text)
    }
}

/// Writes metrics, one family after another.
struct Page<'e>(DescriptorEncoder<'e>);

impl Page<'_> {
    fn family(
        &mut self,
        (name, unit, kind): (&str, Option<&Unit>, MetricType),
        help: &str,
        write: impl FnOnce(Family<'_>) -> fmt::Result,
    ) -> fmt::Result {
        write(Family(self.0.encode_descriptor(name, help, unit, kind)?))
    }

    /// Counts, each with its labels.
    fn counts<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        counts: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        self.family((name, None, MetricType::Counter), help, |mut family| {
            counts.into_iter().try_for_each(|(labels, count)| family.counter(&labels, &count))
        })
    }

    fn count(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        self.counts(name, help, [(NO_LABELS, count)])
    }

    /// States, each with its labels.
    fn gauges<L: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        (name, unit): (&str, Option<&Unit>),
        help: &str,
        values: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        self.family((name, unit, MetricType::Gauge), help, |mut family| {
            values.into_iter().try_for_each(|(labels, value)| family.gauge(&labels, &value))
        })
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        self.gauges((name, None), help, [(NO_LABELS, value)])
    }

    /// A state that is perhaps none.
    fn gauge_of(&mut self, name: &str, unit: &Unit, help: &str, value: Option<impl EncodeGaugeValue>) -> fmt::Result {
        match value {
            Some(value) => self.gauges((name, Some(unit)), help, [(NO_LABELS, value)]),
            None => Ok(()),
        }
    }

    /// Times in seconds, each with its labels.
    fn times<'h, L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        times: impl IntoIterator<Item = (L, &'h Histogram)>,
    ) -> fmt::Result {
        self.family((name, Some(&Unit::Seconds), MetricType::Histogram), help, |mut family| {
            times.into_iter().try_for_each(|(labels, histogram)| family.histogram(&labels, histogram))
        })
    }
}

/// Metrics of one name.
struct Family<'e>(MetricEncoder<'e>);

impl Family<'_> {
    fn counter(&mut self, labels: &impl EncodeLabelSet, value: &impl EncodeCounterValue) -> fmt::Result {
        self.0.encode_family(labels)?.encode_counter::<NoLabelSet, _, f64>(value, None)
    }

    fn gauge(&mut self, labels: &impl EncodeLabelSet, value: &impl EncodeGaugeValue) -> fmt::Result {
        self.0.encode_family(labels)?.encode_gauge(value)
    }

    fn histogram(&mut self, labels: &impl EncodeLabelSet, histogram: &Histogram) -> fmt::Result {
        histogram.encode(self.0.encode_family(labels)?)
    }
}

/// Counts by one label.
fn by<'w>(name: &'static str, words: &'w Words) -> impl Iterator<Item = ([(&'static str, &'static str); 1], u64)> + 'w {
    words.iter().map(move |(word, count)| ([(name, word)], count))
}

impl Collector for Running {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut page = Page(encoder);
        page.family(("build", None, MetricType::Info), "The release", |mut family| {
            family.0.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
        })?;
        self.encode_requests(&mut page)?;
        self.encode_work(&mut page)?;
        self.encode_configuration(&mut page)
    }
}

impl Running {
    /// What became of requests, and how long they took.
    fn encode_requests(&self, page: &mut Page<'_>) -> fmt::Result {
        let metrics = &self.shared.metrics;
        let known = metrics.endpoints();
        let named = known.iter().map(|(name, endpoint)| (name.as_str(), endpoint.as_ref()));
        // What nobody has asked for is left out. That a series begins at more than 0 is the price of a page that can be
        // read: most callers use a few of the endpoints.
        let endpoints: Vec<(&str, &OfEndpoint)> =
            [(NO_ENDPOINT, &metrics.no_endpoint)].into_iter().chain(named).filter(|(_, it)| it.is_used()).collect();
        let outcomes = endpoints.iter().flat_map(|(name, endpoint)| {
            let counts = Outcome::all().zip(&endpoint.outcomes).map(|(outcome, count)| (outcome, count.get()));
            let met = counts.filter(|(_, count)| *count > 0);
            met.map(|(outcome, count)| ([("endpoint", *name), ("outcome", outcome.as_str())], count))
        });
        page.counts("requests", "Requests that are over, by endpoint and what became of them", outcomes)?;
        let reasons =
            metrics.reasons().map(|(decision, reason, count)| ([("decision", decision), ("reason", reason)], count));
        page.counts("decisions", "Requests that are over, by what was decided and why", reasons)?;
        let statuses = (FIRST_STATUS..).zip(&metrics.statuses).map(|(status, count)| (status, count.get()));
        let statuses = statuses.filter(|(_, count)| *count > 0).map(|(status, count)| ([("status", status)], count));
        page.counts("responses", "Answers that callers got, by status", statuses)?;
        page.count("alarms", "Requests that operators should look at at once", metrics.alarms.get())?;
        page.counts("upstream_faults", "Requests with a fault at ClickBank's end", by("fault", &metrics.faults))?;
        page.counts("upstream_retries", "Reads that were sent again, by why", by("reason", &metrics.retries))?;
        page.count("look_ups", "Questions of the gateway's own to ClickBank", metrics.look_ups.get())?;
        let owners = [("known", &metrics.owners_known), ("unknown", &metrics.owners_unknown)];
        let owners = owners.map(|(result, count)| ([("result", result)], count.get()));
        page.counts("owner_queries", "How often it mattered whose an order is, by whether it was still known", owners)?;
        page.count("rows_dropped", "Rows of others that were cut out of answers", metrics.rows_dropped.get())?;

        let totals = endpoints.iter().map(|(name, it)| ([("endpoint", *name)], &it.total));
        page.times("request_duration", "The whole time of a request here", totals)?;
        let asked = endpoints.iter().filter(|(name, _)| *name != NO_ENDPOINT);
        let upstream = asked.map(|(name, it)| ([("endpoint", *name)], &it.upstream));
        page.times("upstream_duration", "The part of it that ClickBank took, if it was asked", upstream)?;
        let waiting = [(NO_LABELS, &metrics.waiting)];
        page.times("wait_duration", "The part of it that was spent waiting for turns, if it took one", waiting)?;
        page.times("own_duration", "What is left of it: the gateway's own", [(NO_LABELS, &metrics.own)])
    }

    /// What is going on now, and what of ClickBank's limits is used.
    fn encode_work(&self, page: &mut Page<'_>) -> fmt::Result {
        let Shared { current, pace, quota, flights, metrics, .. } = &self.shared;
        let snapshot = current.load();
        page.gauge("requests_in_flight", "Requests under way", flights.under_way())?;
        page.gauge("requests_waiting", "Requests waiting for their turn", pace.waiting())?;
        page.gauge("connections_open", "Connections of callers that are open", self.connections.len())?;
        page.count("connections", "Connections of callers that were accepted", metrics.connections.get())?;
        page.counts("connections_cut", "Connections of callers that were cut off", by("reason", &metrics.cuts))?;
        let (spent, allowed) = quota.spent(&snapshot.limits, SystemTime::now());
        page.gauge("day_requests", "Requests sent to ClickBank in the last 24 hours", spent)?;
        page.gauge("day_requests_limit", "How many of those there may be", allowed)?;
        page.gauge("owners_kept", "Orders of which it is kept whose they are", snapshot.known.owners_kept())
    }

    /// What serves, and how it stands.
    fn encode_configuration(&self, page: &mut Page<'_>) -> fmt::Result {
        let (tally, now) = (self.reload.tally(), Timestamp::now());
        page.gauge("ready", "Whether it takes requests", u64::from(self.health.is_ready()))?;
        let degraded = u64::from(tally.is_degraded);
        page.gauge("config_degraded", "Whether the files are wrong, so that the ones before serve", degraded)?;
        page.gauge("config_generation", "Which configuration since the start serves", tally.generation)?;
        let since = tally.since.as_duration().as_secs_f64();
        page.gauge_of("config_loaded_timestamp", &Unit::Seconds, "Since when it serves", Some(since))?;
        page.gauge("config_needs_restart", "Changed options that stay until a restart", tally.needs_restart)?;
        let reloads = [("applied", tally.applied), ("refused", tally.refused)];
        let reloads = reloads.map(|(result, count)| ([("result", result)], count));
        page.counts("config_reloads", "How often the files were read again", reloads)?;

        let snapshot = self.shared.current.load();
        let keys = &snapshot.keys;
        let states = [("active", keys.active(now)), ("expired", keys.expired(now)), ("inactive", keys.inactive())];
        page.gauges(("keys", None), "Keys in the key file", states.map(|(state, count)| ([("state", state)], count)))?;
        let soon = SOON.map(|(word, within)| ([("within", word)], keys.expiring(now, within)));
        page.gauges(("keys_expiring", None), "Active keys that expire within this time", soon)?;
        let next = keys.next_expiry(now).map(|next| next.as_duration().as_secs_f64());
        page.gauge_of("key_next_expiry_timestamp", &Unit::Seconds, "When the next active key expires", next)?;

        let credentials = &snapshot.policy.credentials;
        let lives = credentials.iter().flat_map(|(id, name, _)| {
            Life::ALL
                .map(|life| ([("credential", name), ("state", life.as_str())], u64::from(credentials.life(id) == life)))
        });
        page.gauges(("credential_state", None), "Whether ClickBank accepts each credential", lives)?;
        let reaches = credentials.iter().flat_map(|(id, name, _)| {
            Finding::ALL.map(|finding| {
                let labels = [("credential", name), ("reach", finding.as_str())];
                (labels, u64::from(credentials.is_found(id, finding)))
            })
        });
        page.gauges(("credential_reach", None), "What was found out about each credential's reach", reaches)
    }
}

/// What every process has, under the names that all exporters give it.
#[derive(Debug)]
struct OfProcess {
    started: SystemTime,
}

impl Collector for OfProcess {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let (mut page, usage) = (Page(encoder), process::usage());
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        page.gauge_of("process_start_time", &Unit::Seconds, "When it began to serve", Some(started))?;
        page.family(("process_cpu", Some(&Unit::Seconds), MetricType::Counter), "Processor time", |mut family| {
            family.counter(&NO_LABELS, &usage.processor_time.as_secs_f64())
        })?;
        page.gauge_of("process_resident_memory", &Unit::Bytes, "Memory in use", usage.resident_bytes)?;
        let files = Unit::Other("fds".to_owned());
        page.gauge_of("process_open", &files, "Open files, connections among them", usage.open_files)?;
        page.gauge_of("process_max", &files, "How many there may be", Some(process::open_files()))?;
        let threads = Unit::Other("threads".to_owned());
        page.gauge_of("process", &threads, "Threads", usage.threads)
    }
}
