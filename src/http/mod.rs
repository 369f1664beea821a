//! What a running bridge says over HTTP/1.1: `/metrics`, `/healthz`, `/readyz`, `/status`. Nothing can be changed
//! through it, and no answer waits for a share or a broker.
//!
//! No TLS and no login: it is for the machine itself, or for a network that may see names of files. The server is
//! hyper's (<https://docs.rs/hyper>).

mod client;
mod endpoints;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

pub use client::{get, post_json};
pub use endpoints::{Endpoints, Reply};

/// How long a client may take to send its request.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connections at once; further ones wait.
const MOST_CONNECTIONS: usize = 32;

/// Listens and answers, until the returned handle is dropped.
///
/// # Errors
/// When the address cannot be listened at: `stated` says where it comes from.
pub async fn listen(address: SocketAddr, stated: &str, endpoints: Endpoints) -> anyhow::Result<Listening> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                ": the port is taken, by another instance perhaps; state another, or `run --http ADDRESS` for this one"
            }
            std::io::ErrorKind::AddrNotAvailable => ": no interface of this machine has this address",
            std::io::ErrorKind::PermissionDenied => ": ports below 1024 are for root",
            _ => "",
        };
        anyhow::anyhow!("{stated}: cannot listen at {address}{hint} ({error})")
    })?;
    let address = listener.local_addr().context("ask for the port")?;
    tracing::info!(%address, "answering over HTTP: /metrics, /healthz, /readyz, /status");
    let task = tokio::spawn(accept(listener, Arc::new(endpoints)));
    Ok(Listening { task })
}

/// A server that listens; it ends when this is dropped.
#[derive(Debug)]
pub struct Listening {
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, endpoints: Arc<Endpoints>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let endpoints = Arc::clone(&endpoints);
                tokio::spawn(async move {
                    // A client that breaks off, or sends nothing, concerns nobody else.
                    let _served = serve(stream, endpoints).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of file descriptors, for one: it passes, and must not become a busy loop.
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, endpoints: Arc<Endpoints>) -> Result<(), hyper::Error> {
    let service = service_fn(move |request: Request<Incoming>| {
        let reply = match *request.method() {
            Method::GET | Method::HEAD => endpoints.reply(request.uri().path()),
            _ => Reply::text(405, "only GET and HEAD\n"),
        };
        async move { Ok::<_, Infallible>(response(reply)) }
    });
    let mut server = http1::Builder::new();
    // Each connection is for one request: an idle one would keep its place.
    server.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false);
    tokio::time::timeout(PATIENCE * 3, server.serve_connection(TokioIo::new(stream), service)).await.unwrap_or(Ok(()))
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(reply.content_type));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}
