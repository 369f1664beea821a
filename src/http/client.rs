//! Asking another process over HTTP/1.1 on a plain connection: the running bridge, and a collector of traces.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer that is read.
const MOST_BYTES: usize = 16 << 20;

/// Gets a path, and answers its content.
///
/// # Errors
/// When nobody answers in time, or with another status than 2xx.
pub async fn get(address: SocketAddr, path: &str) -> anyhow::Result<Bytes> {
    ask(&address.to_string(), Method::GET, path, Bytes::new()).await
}

/// Posts JSON to a path of `host:port`.
///
/// # Errors
/// As for [`get`].
pub async fn post_json(authority: &str, path: &str, json: Vec<u8>) -> anyhow::Result<()> {
    ask(authority, Method::POST, path, Bytes::from(json)).await.map(drop)
}

async fn ask(authority: &str, method: Method, path: &str, body: Bytes) -> anyhow::Result<Bytes> {
    let answer = tokio::time::timeout(PATIENCE, ask_patiently(authority, method, path, body)).await;
    answer.map_err(|_| anyhow::anyhow!("no answer for {} s", PATIENCE.as_secs()))?
}

async fn ask_patiently(authority: &str, method: Method, path: &str, body: Bytes) -> anyhow::Result<Bytes> {
    let stream = TcpStream::connect(authority).await.context("connect")?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It drives the exchange, and ends with it.
    let driver = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, authority)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close")
        .body(Full::new(body))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MOST_BYTES).collect().await;
    driver.abort();
    if !status.is_success() {
        bail!("it answers {status}");
    }
    Ok(body.map_err(|error| anyhow::anyhow!("read the answer: {error}"))?.to_bytes())
}
