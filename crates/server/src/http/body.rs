//! Taking the body of a request.

use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use super::problem::Problem;
use crate::budget::{Budget, Held};

/// Takes a body of up to `most` bytes, as long as all bodies and messages that have not come whole are not too many bytes
/// together.
pub(super) async fn take_body(
    unfinished: &Arc<Budget>,
    mut body: Incoming,
    most: usize,
) -> Result<(Vec<u8>, Held), Problem> {
    if body.size_hint().lower() > most as u64 {
        return Err(Problem::too_large(most));
    }
    let (mut taken, mut held) = (Vec::new(), unfinished.hold(0));
    while let Some(part) = body.frame().await {
        let part = part.map_err(|_| Problem::bad_request("the body does not come whole"))?;
        taken.extend_from_slice(part.data_ref().map_or(&[], |data| data));
        if taken.len() > most {
            return Err(Problem::too_large(most));
        }
        if !held.resize(taken.len()) {
            return Err(Problem::busy("too many large requests at once; send it again later"));
        }
    }
    Ok((taken, held))
}
