//! Plain HTTP requests to the server, for what is not live.

use std::io::{BufRead, BufReader, Read};

use serde::Deserialize;
use tapeline_client::Tapeline;

use crate::failure::Failure;

/// A problem document (RFC 9457), as the server sends it.
#[derive(Debug, Deserialize)]
struct Problem {
    title: String,
    #[serde(default)]
    detail: String,
}

/// What the server is shown, where it asks who somebody is: a token or an API key, from the environment, where other
/// people on the machine do not see it.
pub fn token() -> Option<String> {
    std::env::var("TAPELINE_TOKEN").ok().filter(|token| !token.is_empty())
}

/// A client of a server, as whoever runs this.
pub fn client(server: &str) -> tapeline_client::Builder {
    let builder = Tapeline::builder(server);
    match token() {
        Some(token) => builder.token(token),
        None => builder,
    }
}

/// Asks whether the server is there and takes the token: before a client is started, which would try again and again.
pub fn check(server: &str) -> Result<(), Failure> {
    get(server, "/v1/streams?limit=0").map(drop)
}

/// Gets a path and reads the answer as JSON.
pub fn get_json<T: serde::de::DeserializeOwned>(server: &str, path: &str) -> Result<T, Failure> {
    let mut text = String::new();
    get(server, path)?.read_to_string(&mut text).map_err(|error| unreachable(server, error))?;
    serde_json::from_str(&text).map_err(|error| Failure::Failed(format!("{path}: not the expected answer: {error}")))
}

/// Gets a path and reads the answer line by line.
pub fn get_lines(server: &str, path: &str) -> Result<impl Iterator<Item = Result<String, Failure>> + use<>, Failure> {
    let server = server.to_owned();
    let lines = BufReader::new(get(&server, path)?).lines();
    Ok(lines.map(move |line| line.map_err(|error| unreachable(&server, error))))
}

/// A number out of the server's metrics.
pub fn metric(server: &str, name: &str) -> Option<f64> {
    let lines = get_lines(server, "/metrics").ok()?;
    lines.map_while(Result::ok).find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// A stream's name, or anything else, as one segment of a path or a value of a query.
pub fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encode = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encode).collect()
}

/// Asks the server to do something that needs no more words.
pub fn post(server: &str, path: &str) -> Result<(), Failure> {
    let url = format!("{}{path}", base(server)?);
    let request = agent().post(&url);
    let request = token().iter().fold(request, |request, token| request.header("authorization", bearer(token)));
    read(server, path, request.send_empty()).map(drop)
}

fn get(server: &str, path: &str) -> Result<impl Read + use<>, Failure> {
    let url = format!("{}{path}", base(server)?);
    let request = agent().get(&url);
    let request = token().iter().fold(request, |request, token| request.header("authorization", bearer(token)));
    read(server, path, request.call())
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().into()
}

fn read(
    server: &str,
    path: &str,
    response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<impl Read + use<>, Failure> {
    let response = response.map_err(|error| unreachable(server, error))?;
    let (status, body) = (response.status(), response.into_body());
    if status.is_success() {
        return Ok(body.into_reader());
    }
    let mut text = String::new();
    body.into_reader().take(1 << 16).read_to_string(&mut text).map_err(|error| unreachable(server, error))?;
    Err(match serde_json::from_str::<Problem>(&text) {
        Ok(problem) if problem.detail.is_empty() => Failure::Refused(problem.title),
        Ok(problem) => Failure::Refused(problem.detail),
        Err(_) => Failure::Refused(format!("{status} for {path}")),
    })
}

/// The address for plain HTTP of a server named by its address for WebSocket.
pub fn base(server: &str) -> Result<String, Failure> {
    let server = server.trim_end_matches('/');
    if let Some((_, host)) = server.split('/').nth(2).and_then(|host| host.rsplit_once('@')) {
        let fix = "a server looks at no user or password: set TAPELINE_TOKEN to a token or an API key";
        return Err(Failure::Usage(format!("the address of {host} says who asks, but {fix}")));
    }
    match server.split_once("://") {
        Some(("ws" | "http", rest)) => Ok(format!("http://{rest}")),
        Some(("wss" | "https", rest)) => Ok(format!("https://{rest}")),
        _ => Err(Failure::Usage(format!("{server} is no server: write it like ws://127.0.0.1:7070"))),
    }
}

fn unreachable(server: &str, error: impl std::fmt::Display) -> Failure {
    Failure::Unreachable { server: server.into(), why: error.to_string() }
}
