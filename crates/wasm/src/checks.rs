//! What is not valid, as the page knows that has the schema: it is asked over there.

use std::sync::Arc;

use tapeline_core::codec::cbor;
use tapeline_core::event::RefusalCode;
use tapeline_core::valid::{Change, Objection, Validity};

/// Checks of the page for a stream, by the number that it gave them.
#[derive(Debug)]
struct Page {
    by: u32,
    stream: String,
}

/// What the page has for a stream under a number; 0 is none.
pub(crate) fn by_page(by: u32, stream: &str) -> Option<Arc<dyn Validity>> {
    (by > 0).then(|| Arc::new(Page { by, stream: stream.into() }) as Arc<dyn Validity>)
}

/// How much room there is for a reason, in bytes.
const REASON_BYTES: usize = 1_000;

#[cfg(target_family = "wasm")]
unsafe extern "C" {
    /// Asks checks of a change, `change` of `codec::cbor::local`. Answers how many bytes the reason has that stands against it, and
    /// writes that in the change's place, where there are [`REASON_BYTES`] at least; -1: nothing does.
    safe fn check(by: u32, change: *mut u8, bytes: usize) -> i32;
}

/// Elsewhere there is no page.
#[cfg(not(target_family = "wasm"))]
fn check(_by: u32, _change: *mut u8, _bytes: usize) -> i32 {
    crate::NOTHING
}

impl Validity for Page {
    /// The page itself knows the field.
    fn objection(&self, change: &Change<'_>) -> Option<Objection> {
        let mut told = cbor::encode_change(&self.stream, change);
        let bytes = told.len();
        told.resize(bytes + REASON_BYTES, 0);
        let reason = check(self.by, told.as_mut_ptr(), bytes);
        told.truncate(usize::try_from(reason).ok()?);
        Some(Objection { code: RefusalCode::Invalid, field: None, reason: String::from_utf8(told).ok()? })
    }
}
