//! What the server counts, in the words of Prometheus.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeMetric;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// A number that somebody else knows, like the bytes a log has yet to write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Its name, without the prefix `tapeline_`, with its unit at the end.
    pub name: &'static str,
    /// What it says, for people.
    pub help: &'static str,
    /// Its value now.
    pub value: f64,
}

/// Gives the readings of storage whenever the server's metrics are asked for.
pub type Readings = Arc<dyn Fn() -> Vec<Reading> + Send + Sync>;

/// What the server counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) events: Counter,
    pub(crate) batches: Counter,
    pub(crate) append_failures: Counter,
    pub(crate) acknowledged: Counter,
    pub(crate) refused: Counter,
    pub(crate) errors: Counter,
    pub(crate) deliveries: Counter,
    pub(crate) delivered_bytes: Counter,
    pub(crate) log_reads: Counter,
    pub(crate) fillings: Counter,
    pub(crate) pages: Counter,
    pub(crate) trimmed: Counter,
    pub(crate) page_bytes: Counter,
    pub(crate) pins: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) sessions: Gauge,
    pub(crate) openings: Gauge,
    pub(crate) streams: Gauge,
    pub(crate) resident_bytes: Gauge,
    pub(crate) tail_bytes: Gauge,
    pub(crate) queued: Gauge,
    pub(crate) commit_seconds: Histogram,
    pub(crate) asked: Counter,
    pub(crate) ask_failures: Counter,
    pub(crate) asked_seconds: Histogram,
    pub(crate) received: Family<Labels, Counter>,
    pub(crate) receiver_failures: Family<Labels, Counter>,
    pub(crate) receiver_waiting: Family<Labels, Gauge>,
    pub(crate) receiver_lag: Family<Labels, Gauge<f64, AtomicU64>>,
}

/// What something is counted of.
pub(crate) type Labels = Vec<(String, String)>;

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("tapeline");
        let r = &mut registry;
        let commit_seconds = Histogram::new(exponential_buckets(0.000_1, 2.0, 16));
        r.register(
            "commit_seconds",
            "From giving a batch to the log to hearing that it is durable",
            commit_seconds.clone(),
        );
        let asked_seconds = Histogram::new(exponential_buckets(0.000_5, 2.0, 14));
        r.register("asked_seconds", "How long validators take to answer", asked_seconds.clone());
        Self {
            events: counter(r, "events_recorded", "Events that became durable"),
            batches: counter(r, "batches_appended", "Batches that became durable"),
            append_failures: counter(r, "append_failures", "Appends that did not, or may not have, happened"),
            acknowledged: counter(r, "events_acknowledged", "Events acknowledged to their authors, retries included"),
            refused: counter(r, "events_refused", "Events refused, retries included"),
            errors: counter(r, "errors_sent", "Error frames sent"),
            deliveries: counter(r, "deliveries", "Events frames sent, live and fetched"),
            delivered_bytes: counter(r, "delivered_bytes", "Bytes of events in those frames"),
            log_reads: counter(r, "log_reads", "Reads of the log for readers that were not at its end"),
            fillings: counter(r, "fillings", "Replicas that began to be filled with pages"),
            trimmed: counter(r, "trimmed_events", "Events that were let go as the schema says"),
            pages: counter(r, "pages", "Pages made for them"),
            page_bytes: counter(r, "page_bytes", "Bytes of pages and compressed events as they are sent"),
            pins: gauge(r, "pins", "States of streams that are held for those who read them"),
            connections: gauge(r, "connections", "Connections now open"),
            sessions: gauge(r, "sessions", "WebSockets now open"),
            openings: gauge(r, "openings", "Streams now open on them"),
            streams: gauge(r, "resident_streams", "Streams in memory"),
            resident_bytes: gauge(r, "resident_bytes", "Bytes of streams in memory, estimated"),
            tail_bytes: gauge(r, "tail_bytes", "Bytes of recent events in memory for readers"),
            received: family(r, "received_events", "Events that receivers have taken, told again included"),
            receiver_failures: family(r, "receiver_failures", "Posts to receivers that they have not taken"),
            receiver_waiting: family(
                r,
                "receiver_waiting_streams",
                "Streams of which receivers are to be told something",
            ),
            receiver_lag: family(r, "receiver_lag_seconds", "How long the stream waits of them that waits longest"),
            asked: counter(r, "questions_asked", "Questions that validators answered"),
            ask_failures: counter(r, "question_failures", "Requests to validators that were given up"),
            queued: gauge(r, "queued_commands", "Commands that shards took in their last turn"),
            registry,
            commit_seconds,
            asked_seconds,
        }
    }

    /// All of it as text, with the readings of others.
    pub(crate) fn encode(&self, readings: &[Reading]) -> String {
        let mut text = String::new();
        for Reading { name, help, value } in readings {
            text.push_str(&format!(
                "# HELP tapeline_{name} {help}.\n# TYPE tapeline_{name} gauge\ntapeline_{name} {value}\n"
            ));
        }
        encode(&mut text, &self.registry).expect("a string takes whatever is written to it");
        text
    }
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    registry.register(name, help, counter.clone());
    counter
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Gauge {
    let gauge = Gauge::default();
    registry.register(name, help, gauge.clone());
    gauge
}

fn family<M>(registry: &mut Registry, name: &str, help: &str) -> Family<Labels, M>
where
    M: EncodeMetric + TypedMetric + Default + fmt::Debug + Send + Sync + 'static,
{
    let family = Family::default();
    registry.register(name, help, family.clone());
    family
}
