//! Encrypted connections, and certificates that are replaced while they are open.

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use support::{Client, hello, titles};
use tapeline_core::codec::Codec;
use tapeline_core::frame::{ClientFrame, Live, ServerFrame};
use tapeline_core::numbers::Seq;
use tapeline_log::memory::MemoryLog;
use tapeline_server::{Server, ServerConfig, Tls, TlsError};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Writes a new certificate and its key. Answers with what a client has to believe.
fn write_certificate(directory: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(directory.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

fn open(directory: &Path) -> Result<Tls, TlsError> {
    Tls::open(&directory.join("cert.pem"), &directory.join("key.pem"))
}

async fn start(tls: &Arc<Tls>) -> Server {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = ServerConfig { listen, tls: Some(tls.clone()), ..ServerConfig::default() };
    Server::start_in_memory(config, Arc::new(MemoryLog::new())).await.unwrap()
}

async fn encrypt(address: SocketAddr, believed: &CertificateDer<'static>) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(believed.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

async fn client(address: SocketAddr, believed: &CertificateDer<'static>) -> Client<TlsStream<TcpStream>> {
    let stream = encrypt(address, believed).await.unwrap();
    let mut client = Client::over(stream, address, Codec::Cbor).await;
    client.say(ClientFrame::Hello(hello())).await;
    assert!(matches!(client.hear().await, ServerFrame::Welcome(_)));
    client
}

#[tokio::test]
async fn sessions_are_encrypted_and_carry_much_both_ways() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = write_certificate(directory.path());
    let server = start(&Arc::new(open(directory.path()).unwrap())).await;
    let mut ana = client(server.address(), &certificate).await;
    let mut ben = client(server.address(), &certificate).await;
    ana.open(1, "notes", 1, Live::No).await;
    ben.open(1, "notes", 2, Live::From(Seq(0))).await;
    for batch in 0..20 {
        ana.push(1, titles(1, batch * 500 + 1..batch * 500 + 501)).await;
    }
    ana.hear_acks(10_000).await;
    ben.hear_range(0, 10_000).await;
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_the_next_and_drops_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let old = write_certificate(directory.path());
    let tls = Arc::new(open(directory.path()).unwrap());
    let server = start(&tls).await;
    let mut before = client(server.address(), &old).await;
    assert!(!tls.look_again().unwrap());

    let new = write_certificate(directory.path());
    assert!(tls.look_again().unwrap());
    let mut after = client(server.address(), &new).await;
    assert!(encrypt(server.address(), &old).await.is_err(), "the old one is not shown any more");
    before.hears_nothing_more().await;
    after.hears_nothing_more().await;
}

#[tokio::test]
async fn a_half_written_certificate_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let old = write_certificate(directory.path());
    let tls = Arc::new(open(directory.path()).unwrap());
    let server = start(&tls).await;
    let old_key = std::fs::read(directory.path().join("key.pem")).unwrap();
    let new = write_certificate(directory.path());
    let new_key = std::fs::read(directory.path().join("key.pem")).unwrap();
    std::fs::write(directory.path().join("key.pem"), old_key).unwrap();
    assert!(matches!(tls.look_again(), Err(TlsError::Refused(_))));
    client(server.address(), &old).await;
    std::fs::write(directory.path().join("key.pem"), [&new_key[..], b"\n"].concat()).unwrap();
    assert!(tls.look_again().unwrap());
    client(server.address(), &new).await;
}

#[tokio::test]
async fn who_does_not_encrypt_is_not_served() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let directory = tempfile::tempdir().unwrap();
    write_certificate(directory.path());
    let server = start(&Arc::new(open(directory.path()).unwrap())).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // Cut off or told by an alert, but never answered.
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"));
}

#[test]
fn what_is_no_certificate_is_told() {
    let directory = tempfile::tempdir().unwrap();
    write_certificate(directory.path());
    let of = |file: &str, text: &str| {
        std::fs::write(directory.path().join(file), text).unwrap();
        open(directory.path()).unwrap_err().to_string()
    };
    assert!(of("cert.pem", "").contains("there is no certificate in it"));
    write_certificate(directory.path());
    assert!(of("key.pem", "").contains("key.pem: "));
    std::fs::remove_file(directory.path().join("cert.pem")).unwrap();
    assert!(open(directory.path()).unwrap_err().to_string().contains("cert.pem: "));
}
