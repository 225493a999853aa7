//! Plain HTTP to a server: requests one after the other, on one connection as long as it lasts.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::socket::SocketError;

/// Where a server is.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    host: String,
    port: u16,
    is_secure: bool,
    /// As requests name it.
    authority: HeaderValue,
    /// The path of `/v1/sync`, with what stands before it.
    pub(crate) path: String,
}

/// A connection, where there is one.
pub(crate) struct Http<'o> {
    origin: &'o Origin,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Origin {
    pub(crate) fn of(uri: &Uri, is_secure: bool) -> Option<Self> {
        let authority = HeaderValue::from_str(uri.authority()?.as_str()).ok()?;
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_plain = uri.port_u16().is_some() || uri.authority()?.as_str().ends_with(uri.host()?);
        if host.is_empty() || !is_plain {
            return None;
        }
        let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        Some(Self { host, port, is_secure, authority, path: uri.path().to_owned() })
    }
}

impl<'o> Http<'o> {
    pub(crate) fn new(origin: &'o Origin) -> Self {
        Self { origin, sender: None }
    }

    /// Sends a request to a path that follows the origin's own, and waits for the head of the answer.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, SocketError> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.origin.path))
            .header(header::HOST, &self.origin.authority)
            .header(header::ACCEPT, "text/event-stream, */*")
            .body(Full::new(body))
            .map_err(|error| SocketError::Network(error.to_string().into()))?;
        let mut sender = self.sender().await?;
        let answer = sender.send_request(request).await?;
        self.sender = Some(sender);
        Ok(answer)
    }

    /// The connection if it still stands, or another one.
    async fn sender(&mut self) -> Result<SendRequest<Full<Bytes>>, SocketError> {
        if let Some(mut sender) = self.sender.take()
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        let Origin { host, port, is_secure, .. } = self.origin;
        let stream = TcpStream::connect((host.as_str(), *port)).await?;
        stream.set_nodelay(true)?;
        match is_secure {
            true => start(encrypt(host, stream).await?).await,
            false => start(stream).await,
        }
    }
}

async fn start<T>(stream: T) -> Result<SendRequest<Full<Bytes>>, SocketError>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // It ends when nobody needs it any more, and says to whoever waits for an answer what is wrong.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

#[cfg(feature = "tls")]
async fn encrypt(host: &str, stream: TcpStream) -> Result<tokio_rustls::client::TlsStream<TcpStream>, SocketError> {
    use rustls::pki_types::ServerName;
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| SocketError::Network(error.to_string().into()))?;
    Ok(tokio_rustls::TlsConnector::from(std::sync::Arc::new(config)).connect(name, stream).await?)
}

/// Without the feature no address asks for it.
#[cfg(not(feature = "tls"))]
async fn encrypt(_: &str, stream: TcpStream) -> Result<TcpStream, SocketError> {
    Ok(stream)
}

impl From<hyper::Error> for SocketError {
    fn from(error: hyper::Error) -> Self {
        match error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
            true => Self::Cut,
            false => Self::Network(error.to_string().into()),
        }
    }
}
