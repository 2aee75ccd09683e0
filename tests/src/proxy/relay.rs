//! Forwards requests from a client to the API server and applies the faults.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use futures::StreamExt;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER, TRANSFER_ENCODING, USER_AGENT,
};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::tls::Target;
use super::{FaultEffect, SharedState};

type Failure = std::io::Error;
type Body = BoxBody<Bytes, Failure>;

/// Long enough for the first half of an answer to leave before the connection ends.
const FLUSH: Duration = Duration::from_millis(50);

/// Serves until the runtime ends.
pub(super) async fn serve(listener: TcpListener, tls: TlsAcceptor, target: Arc<Target>, shared: Arc<SharedState>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, target, shared) = (tls.clone(), Arc::clone(&target), Arc::clone(&shared));
        // A connection that fails is the client's to notice: it is what a proxy that injects faults is for.
        tokio::spawn(async move { drop(connection(stream, tls, target, shared).await) });
    }
}

async fn connection(stream: TcpStream, tls: TlsAcceptor, target: Arc<Target>, shared: Arc<SharedState>) -> Result<()> {
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    let socket = Mutex::new(Some(stream.try_clone()?));
    let stream = tls.accept(TcpStream::from_std(stream)?).await?;
    let link = Arc::new(Link { target, shared, socket, out: tokio::sync::Mutex::new(None) });
    let service = service_fn(move |request| {
        let link = Arc::clone(&link);
        async move { link.answer(request).await.map_err(Failure::other) }
    });
    Ok(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await?)
}

/// One client's connection and its counterpart to the API server.
struct Link {
    target: Arc<Target>,
    shared: Arc<SharedState>,
    /// The client's socket once more, to set how it closes.
    socket: Mutex<Option<std::net::TcpStream>>,
    out: tokio::sync::Mutex<Option<SendRequest<Full<Bytes>>>>,
}

impl Link {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let fault = self.shared.decide(request.method().as_str(), &path, agent);
        // Read to its end whatever follows: a client that is still sending would see a reset instead of the answer.
        let (head, body) = request.into_parts();
        let request = Request::from_parts(head, Full::new(body.collect().await?.to_bytes()));
        match fault {
            None => self.pass(request).await,
            Some(FaultEffect::Status(code, retry_after)) => status(code, retry_after, "the fault proxy says so"),
            Some(FaultEffect::Json(text)) => json_answer(text),
            Some(FaultEffect::Expired) => status(410, None, "The provided continue parameter is too old"),
            Some(FaultEffect::Reset) => Err(self.reset()),
            Some(FaultEffect::LostAnswer) => {
                self.pass(request).await?.into_body().collect().await?;
                Err(self.reset())
            }
            Some(FaultEffect::Delay(long)) => {
                tokio::time::sleep(long).await;
                self.pass(request).await
            }
            Some(FaultEffect::Truncated) => truncate_body(self.pass(request).await?).await,
            Some(FaultEffect::Date(off)) => with_date_offset(self.pass(request).await?, off),
        }
    }

    async fn pass(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Body>> {
        without_hops(request.headers_mut());
        let mut out = self.out.lock().await;
        // The server closes what has been idle for long; then there is nothing to send on.
        if out.as_ref().is_none_or(SendRequest::is_closed) {
            *out = Some(self.dial().await?);
        }
        let sender = out.as_mut().context("a connection was just made")?;
        let mut response = sender.send_request(request).await?;
        without_hops(response.headers_mut());
        Ok(response.map(|body| body.map_err(Failure::other).boxed()))
    }

    async fn dial(&self) -> Result<SendRequest<Full<Bytes>>> {
        let stream = TokioIo::new(self.target.connect().await?);
        let (sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Makes the coming close a reset, and gives the error that closes.
    fn reset(&self) -> anyhow::Error {
        if let Some(socket) = self.socket.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let set = rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::ZERO));
            return anyhow!("reset on purpose ({set:?})");
        }
        anyhow!("reset already")
    }
}

/// Headers that belong to one connection; each side writes its own.
fn without_hops(headers: &mut HeaderMap) {
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
}

/// An answer in the API server's own form.
fn status(code: u16, retry_after: Option<u32>, message: &str) -> Result<Response<Body>> {
    let reason = match code {
        401 => "Unauthorized",
        403 => "Forbidden",
        410 => "Expired",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        _ => "",
    };
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code});
    let mut answer = Response::builder().status(code).header(CONTENT_TYPE, "application/json");
    if let Some(seconds) = retry_after {
        answer = answer.header(RETRY_AFTER, seconds);
    }
    Ok(answer.body(Full::from(body.to_string()).map_err(|never| match never {}).boxed())?)
}

fn json_answer(text: String) -> Result<Response<Body>> {
    let answer = Response::builder().header(CONTENT_TYPE, "application/json");
    Ok(answer.body(Full::from(text).map_err(|never| match never {}).boxed())?)
}

/// An answer whose server's clock is off (RFC 9110 6.6.1).
fn with_date_offset(mut answer: Response<Body>, off: i64) -> Result<Response<Body>> {
    let then = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_secs(off))?;
    let text = then.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    answer.headers_mut().insert(DATE, HeaderValue::from_str(&text)?);
    Ok(answer)
}

/// Half of an answer that promises the whole.
async fn truncate_body(answer: Response<Body>) -> Result<Response<Body>> {
    let (mut head, body) = answer.into_parts();
    let whole = body.collect().await?.to_bytes();
    head.headers.insert(CONTENT_LENGTH, whole.len().into());
    let half = whole.slice(..whole.len() / 2);
    let cut = async {
        tokio::time::sleep(FLUSH).await;
        Err(Failure::other("cut off on purpose"))
    };
    let frames = futures::stream::iter([Ok(Frame::data(half))]).chain(futures::stream::once(cut));
    Ok(Response::from_parts(head, BodyExt::boxed(StreamBody::new(frames))))
}
