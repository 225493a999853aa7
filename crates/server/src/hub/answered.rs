//! What a client was told of its own events. Where another node decides, that comes from there and from the log, one soon after
//! the other: whichever is first is passed on, and the other one is not.

use tapeline_core::frame::{AckRun, ServerFrame};
use tapeline_core::numbers::EventNumber;

/// What of an answer is new to somebody who was told of the events past `since` up to `upto`.
pub(super) fn new_of(frame: ServerFrame, since: EventNumber, upto: EventNumber) -> Option<ServerFrame> {
    let is_known = |n: EventNumber| n > since && n <= upto;
    match frame {
        ServerFrame::Ack { channel, runs, mut lost } => {
            let runs: Vec<AckRun> = runs.into_iter().flat_map(|run| without(run, since, upto)).collect();
            lost.retain(|of| !is_known(of.n));
            (!runs.is_empty()).then_some(ServerFrame::Ack { channel, runs, lost })
        }
        ServerFrame::Refused { n, .. } if is_known(n) => None,
        other => Some(other),
    }
}

/// The last event that an answer decides on.
pub(super) fn last_of(frame: &ServerFrame) -> EventNumber {
    match frame {
        ServerFrame::Ack { runs, .. } => {
            let ends = runs.iter().map(|run| run.n.plus(run.count.saturating_sub(1)));
            ends.max().unwrap_or_default()
        }
        ServerFrame::Refused { n, .. } => *n,
        _ => EventNumber::default(),
    }
}

/// What of a run is not past `since` up to `upto`.
fn without(run: AckRun, since: EventNumber, upto: EventNumber) -> impl Iterator<Item = AckRun> {
    let before = since.next().since(run.n).min(run.count);
    let after = upto.next().since(run.n).clamp(before, run.count);
    let parts = [(0, before), (after, run.count)].into_iter().filter(|(from, to)| from < to);
    parts.map(move |(from, to)| AckRun { n: run.n.plus(from), seq: run.seq.plus(from), count: to - from })
}

#[cfg(test)]
mod tests {
    use tapeline_core::numbers::{Channel, Seq};

    use super::*;

    #[test]
    fn what_was_told_is_not_told_again() {
        let run = |n, count| AckRun { n: EventNumber(n), seq: Seq(n + 100), count };
        let ack = |runs| ServerFrame::Ack { channel: Channel(1), runs, lost: Vec::new() };
        let new = |runs, since, upto| new_of(ack(runs), EventNumber(since), EventNumber(upto));
        assert_eq!(new(vec![run(5, 4)], 0, 4), Some(ack(vec![run(5, 4)])));
        assert_eq!(new(vec![run(5, 4)], 0, 6), Some(ack(vec![run(7, 2)])));
        assert_eq!(new(vec![run(5, 4), run(20, 1)], 0, 9), Some(ack(vec![run(20, 1)])));
        assert_eq!(new(vec![run(5, 4)], 0, 8), None);
        // What it was told before it sent the events again is told again.
        assert_eq!(new(vec![run(5, 4)], 8, 8), Some(ack(vec![run(5, 4)])));
        assert_eq!(new(vec![run(5, 4)], 6, 7), Some(ack(vec![run(5, 2), run(8, 1)])));
    }
}
