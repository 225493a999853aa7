//! What stands before a server: whoever connects is passed on to it, until it is said to be another one, or none.

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A fixed address before servers that come and go.
pub struct Front {
    pub address: String,
    target: watch::Sender<Option<String>>,
}

impl Front {
    /// Stands before an address, without a scheme.
    pub async fn before(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let target = watch::Sender::new(Some(target.to_owned()));
        tokio::spawn(accept(listener, target.subscribe()));
        Self { address, target }
    }

    /// Cuts all connections, and passes new ones on to another address.
    pub fn move_to(&self, target: &str) {
        self.target.send_replace(Some(target.to_owned()));
    }

    /// Cuts all connections, and takes no others.
    pub fn cut(&self) {
        self.target.send_replace(None);
    }
}

async fn accept(listener: TcpListener, target: watch::Receiver<Option<String>>) {
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(pass_on(socket, target.clone()));
    }
}

async fn pass_on(mut socket: TcpStream, mut target: watch::Receiver<Option<String>>) {
    let Some(address) = target.borrow_and_update().clone() else { return };
    let Ok(mut server) = TcpStream::connect(address).await else { return };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut socket, &mut server) => {}
        _ = target.changed() => {}
    }
}
