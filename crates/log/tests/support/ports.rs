//! Ports to come back to: whoever listens there, and is started again, finds them free.

use std::net::TcpListener;

/// A listener on a free port of this machine, of those that systems give to no connection.
pub fn listener_to_come_back_to() -> TcpListener {
    let mut ports = std::iter::repeat_with(|| fastrand::u16(10_000..30_000)).take(1_000);
    ports.find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok()).expect("a free port")
}
