//! The admission webhooks of the sample application: a small HTTPS server of the sandbox that really answers.
//!
//! kwok's pods answer nothing, and the API server would dial a Service's address; a `clientConfig.url` on loopback
//! works.

use std::convert::Infallible;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// An AdmissionReview holds at most two copies of an object, and etcd takes none above 1.5 MiB.
const LARGEST: usize = 8 * 1024 * 1024;

/// Serves for ever, with the sandbox's own server certificate.
///
/// # Errors
/// The certificate cannot be read, or the port is taken.
pub fn serve(port: u16, pki: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let acceptor = acceptor(pki)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.context("the webhook's port")?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(answer_all(acceptor.clone(), stream));
        }
    })
}

fn acceptor(pki: &Path) -> Result<TlsAcceptor> {
    let certificate = CertificateDer::from_pem_slice(&fs::read(pki.join("server.crt"))?)?;
    let key = PrivateKeyDer::from_pem_slice(&fs::read(pki.join("server.key"))?)?;
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn answer_all(acceptor: TlsAcceptor, stream: TcpStream) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
    // A client that goes away is no failure of ours.
    drop(connection.await);
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = Limited::new(request.into_body(), LARGEST).collect().await.map(http_body_util::Collected::to_bytes);
    let review = body.ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let (status, text) = match review.as_ref().and_then(|review| review.pointer("/request/uid")) {
        Some(uid) => (200, allowed(uid).to_string()),
        None => (400, "not an AdmissionReview".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    Ok(response)
}

fn allowed(uid: &Value) -> Value {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {"uid": uid, "allowed": true}})
}
