//! What happened, one line an event, for people.
//!
//! ```text
//!    12.345 d2      edit e7 #41 update k3 {n+2}        device 2 makes edit 7, marker 41
//!    12.347 d2>s    push 5..7                           a frame leaves the device
//!    12.360 s       stage @3: 7..9                      the server stages a batch of events 7 and 8
//!    12.371 s>d2    ack 5@7 6@8                         events 5 and 6 are recorded as seqs 7 and 8
//!    14.002 fault   server crash, 1 of 2 batches kept
//! ```

use std::fmt::Display;

use tapeline_core::event::Verdict;
use tapeline_core::frame::{ClientFrame, Live, Page, ServerFrame};
use tapeline_core::name::Key;
use tapeline_core::numbers::Millis;
use tapeline_core::op::{Action, Edit, Op};
use tapeline_core::value::Value;

/// The lines of one run, where they are wanted.
#[derive(Debug, Default)]
pub struct Trace {
    lines: Option<Vec<String>>,
    now: Millis,
}

impl Trace {
    /// A trace that is kept, or one that costs nothing.
    pub fn new(wanted: bool) -> Self {
        Self { lines: wanted.then(Vec::new), now: Millis(0) }
    }

    /// From now on lines carry this time.
    pub fn at(&mut self, now: Millis) {
        self.now = now;
    }

    /// Notes what `who` did.
    pub fn note(&mut self, who: impl Display, what: impl FnOnce() -> String) {
        let Some(lines) = &mut self.lines else { return };
        let Millis(now) = self.now;
        lines.push(format!("{:>6}.{:03} {:<7} {}", now / 1000, now % 1000, who.to_string(), what()));
    }

    /// All lines.
    pub fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}

/// What a client says, in short.
pub fn client_frame(frame: &ClientFrame) -> String {
    match frame {
        ClientFrame::Hello(_) => "hello".into(),
        ClientFrame::Open(open) => {
            let live = match open.live {
                Live::No => "none".into(),
                Live::From(seq) => seq.to_string(),
                Live::Head => "head".into(),
            };
            format!("open {} played {} settled {} live {live}", short(open.client), open.played, open.settled)
        }
        ClientFrame::Push { events, .. } => {
            let numbers: Vec<String> = events.iter().map(|event| event.n.to_string()).collect();
            format!(
                "push {} n {}",
                events.first().map(|event| short(event.client)).unwrap_or_default(),
                numbers.join(" ")
            )
        }
        ClientFrame::Fetch { from, to, .. } => format!("fetch {from}..{to}"),
        ClientFrame::Subscribe { subscription, .. } => format!("subscribe {}", subscription.number),
        ClientFrame::Unsubscribe { number, .. } => format!("unsubscribe {number}"),
        ClientFrame::Close { .. } => "close".into(),
        ClientFrame::Presence(_) => "presence".into(),
        ClientFrame::Ping => "ping".into(),
    }
}

/// What a server says, in short.
pub fn server_frame(frame: &ServerFrame) -> String {
    match frame {
        ServerFrame::Welcome(_) => "welcome".into(),
        ServerFrame::Opened(opened) => {
            let verdicts: Vec<String> =
                opened.verdicts.iter().map(|own| format!("{}{}", own.n, verdict(&own.verdict))).collect();
            format!(
                "opened head {} last {:?} verdicts [{}]",
                opened.head,
                opened.last.iter().map(|n| n.0).collect::<Vec<_>>(),
                verdicts.join(" ")
            )
        }
        ServerFrame::Events(events) => {
            let range = events.block.range();
            format!("events {}..{} of {}", range.start, range.end, events.head)
        }
        ServerFrame::Page(page) => page_frame(page),
        ServerFrame::Ack { runs, .. } => {
            let runs: Vec<String> = runs.iter().map(|run| format!("{}@{}x{}", run.n, run.seq, run.count)).collect();
            format!("ack {}", runs.join(" "))
        }
        ServerFrame::Refused { n, refusal, .. } => format!("refused {n} {}", refusal.code.code()),
        ServerFrame::Resync(resync) => format!("resync {}", resync.reason.code()),
        ServerFrame::Error(error) => {
            format!("error {} n {}", error.code.code(), error.n.map_or("-".into(), |n| n.to_string()))
        }
        ServerFrame::Presence(_) => "presence".into(),
        ServerFrame::Pong => "pong".into(),
    }
}

fn page_frame(page: &Page) -> String {
    let after = page.after.as_ref().map_or("all".into(), Key::to_string);
    let (items, gone) = (page.items.len(), page.gone.len());
    format!("page {}..{} of {} items {items} gone {gone} up to {after}", page.from, page.to, page.head)
}

/// Ops, in short.
pub fn ops(ops: &[Op]) -> String {
    let all: Vec<String> =
        ops.iter().map(|op| format!("{} {}{}", op.action.name(), op.key, fields(&op.action))).collect();
    all.join("; ")
}

/// The last digits of a client id.
pub fn short(client: tapeline_core::numbers::ClientId) -> String {
    client.to_string().split_off(22)
}

fn fields(action: &Action) -> String {
    let fields: Vec<String> = match action {
        Action::Insert(set) | Action::Upsert(set) => {
            set.iter().map(|(name, to)| format!("{name}={}", value(to))).collect()
        }
        Action::Update(edits) => edits
            .iter()
            .map(|(name, edit)| match edit {
                Edit::Set(to) => format!("{name}={}", value(to)),
                Edit::Inc(by) => format!("{name}+{}", value(by)),
                Edit::Ask(to) => format!("{name}?{}", value(to)),
                other => format!("{name} {other:?}"),
            })
            .collect(),
        Action::Delete => return String::new(),
    };
    format!(" {{{}}}", fields.join(" "))
}

fn value(value: &Value) -> String {
    match value {
        Value::Int(int) => int.to_string(),
        Value::Text(text) => format!("{text:?}"),
        other => format!("{other:?}"),
    }
}

fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Recorded { seq, .. } => format!("@{seq}"),
        Verdict::Refused(refusal) => format!("!{}", refusal.code.code()),
    }
}
