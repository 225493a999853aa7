//! Letting events go from the log once they are gone from a cache: a snapshot first, then the messages.
//!
//! Each node looks at the streams that it has; what one has done, the others find done. The snapshot costs what the stream's
//! objects cost, so it is made when as much goes as makes that worth it.

use tapeline_core::name::StreamName;
use tapeline_core::numbers::Seq;

use super::Node;
use crate::contract::LogError;
use crate::limits;

impl Node {
    /// Lets go from the log what stands before a horizon, where that is worth it.
    pub(super) async fn shorten(&self, stream: &StreamName, horizon: Seq) -> Result<(), LogError> {
        let Some(first) = self.log.first(stream).await? else { return Ok(()) };
        let going = horizon.since(first.head.seq);
        if going == 0 {
            return Ok(());
        }
        let Some(carried) = self.cache.carry(stream)? else { return Ok(()) };
        let base = *carried.base();
        if going.saturating_mul(limits::SHORTENED_PART) < base.state.live || base.horizon < horizon {
            return Ok(());
        }
        self.log.put_snapshot(stream, base, move |visit| carried.records(visit)).await?;
        self.log.shorten(stream, base.horizon, base.state.position).await
    }
}
