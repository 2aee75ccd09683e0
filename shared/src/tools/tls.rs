//! The TLS provider of this process. Every client that may open a TLS connection is built behind [`install_provider`].
//!
//! The clients of the API server and of registries link two providers (ring and aws-lc-rs). rustls then chooses none by itself, and
//! the first client panics (<https://docs.rs/rustls/latest/rustls/crypto/struct.CryptoProvider.html>).

/// Installs the provider. A second call changes nothing.
pub fn install_provider() {
    // The only error: another call has installed one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
