//! What stands before servers: whoever connects is passed on to one of them, and can be cut off.

use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// An address before servers that come and go.
pub struct Front {
    pub address: String,
    targets: watch::Sender<Arc<[String]>>,
}

impl Front {
    /// Stands before some addresses, without a scheme: each connection goes to any of them where somebody listens.
    pub async fn before(targets: &[String]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let targets = watch::Sender::new(targets.into());
        tokio::spawn(accept(listener, targets.subscribe()));
        Self { address, targets }
    }

    /// Cuts all connections, and passes new ones on to other addresses, or nowhere.
    pub fn move_to(&self, targets: &[String]) {
        self.targets.send_replace(targets.into());
    }

    /// Where it passes connections on to.
    pub fn targets(&self) -> Arc<[String]> {
        self.targets.borrow().clone()
    }
}

async fn accept(listener: TcpListener, targets: watch::Receiver<Arc<[String]>>) {
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(pass_on(socket, targets.clone()));
    }
}

async fn pass_on(mut socket: TcpStream, mut targets: watch::Receiver<Arc<[String]>>) {
    let mut addresses = targets.borrow_and_update().to_vec();
    fastrand::shuffle(&mut addresses);
    for address in addresses {
        let Ok(mut server) = TcpStream::connect(address).await else { continue };
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut socket, &mut server) => {}
            _ = targets.changed() => {}
        }
        return;
    }
}
