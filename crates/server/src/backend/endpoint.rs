//! Posting to a backend: signed, bounded in bytes and time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::NotAsked;
use super::secret::Secrets;
use crate::address::Address;
use crate::limits;

/// Where a backend listens.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    address: Address,
    secrets: Secrets,
    agent: ureq::Agent,
}

impl Endpoint {
    pub(super) fn new(address: Address, secrets: Secrets, within: Duration) -> Self {
        let agent = address.agent(within);
        Self { address, secrets, agent }
    }

    /// Posts a JSON document, and answers what is answered. Blocks for as long as that takes, within limits.
    pub(super) fn post(&self, id: &str, body: &str) -> Result<Vec<u8>, NotAsked> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let request = self.agent.post(self.address.uri()).header("content-type", "application/json");
        let request = request.header("webhook-id", id).header("webhook-timestamp", now.to_string());
        let request = request.header("webhook-signature", self.secrets.sign(id, now, body));
        let mut answer = request.send(body).map_err(why)?;
        let body = answer.body_mut().with_config().limit(limits::BACKEND_ANSWER_BYTES as u64);
        body.read_to_vec().map_err(why)
    }
}

/// A name for a message that no other has.
pub(super) fn new_id() -> String {
    format!("msg_{:032x}", fastrand::u128(..))
}

fn why(error: ureq::Error) -> NotAsked {
    match error {
        ureq::Error::StatusCode(status) if is_for_good(status) => NotAsked::WrongAnswer(format!("status {status}")),
        ureq::Error::StatusCode(status) => NotAsked::Unreachable(format!("status {status}")),
        ureq::Error::BodyExceedsLimit(most) => NotAsked::WrongAnswer(format!("it has more than {most} bytes")),
        error => NotAsked::Unreachable(error.to_string()),
    }
}

/// Whether a status says that the same would be answered again.
fn is_for_good(status: u16) -> bool {
    const TIMEOUT: u16 = 408;
    const TOO_EARLY: u16 = 425;
    const TOO_MANY: u16 = 429;
    status < 500 && ![TIMEOUT, TOO_EARLY, TOO_MANY].contains(&status)
}
