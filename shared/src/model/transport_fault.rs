//! Faults of a connection in a person's words: TLS, proxies, names, ports.
//!
//! Input: the innermost text of an error of rustls, hyper, the system, or of helm and kubectl, which have no structured answer. This is
//! the only place that reads those texts; `tests` has a recorded sample of each. Output: what is wrong, and what to change.

/// Why a connection has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportFault {
    /// The other end speaks HTTP, and TLS was expected.
    PlainHttp,
    /// The other end speaks TLS, and HTTP was expected.
    Tls,
    /// The certificate is signed by an authority that is not trusted here.
    UnknownAuthority,
    /// The certificate has expired, or is not valid yet.
    CertificateTime,
    /// The certificate is for another host name.
    CertificateName,
    /// A proxy refuses to connect.
    Proxy,
    /// The name has no address.
    UnknownHost,
    /// Nothing listens on the port.
    Refused,
    /// There was no answer in time.
    Timeout,
    /// The other end requires a login, or rejects it.
    Login,
}

/// The words of each fault: rustls, hyper and the system first, then Go's `net/http` and `crypto/x509` as helm and kubectl print them.
const SIGNS: [(TransportFault, &[&str]); 10] = [
    (TransportFault::PlainHttp, &["InvalidContentType", "server gave HTTP response to HTTPS client"]),
    (TransportFault::Tls, &["client sent an HTTP request to an HTTPS server", "HTTP request to an HTTPS server"]),
    (
        TransportFault::UnknownAuthority,
        &[
            "UnknownIssuer",
            "certificate signed by unknown authority",
            "CaUsedAsEndEntity",
            "certificate is not trusted",
        ],
    ),
    (
        TransportFault::CertificateTime,
        &[
            "certificate: Expired",
            "certificate: NotValidYet",
            "certificate has expired or is not yet valid",
            "certificate expired",
        ],
    ),
    (TransportFault::CertificateName, &["NotValidForName", "certificate is valid for", "doesn't contain any IP SANs"]),
    (
        TransportFault::Proxy,
        &["proxyconnect", "unsuccessful tunnel", "tunnel error", "Proxy Authentication Required", "proxy connect"],
    ),
    (
        TransportFault::UnknownHost,
        &["failed to lookup address", "no such host", "Name or service not known", "dns error"],
    ),
    (TransportFault::Refused, &["onnection refused"]),
    (
        TransportFault::Timeout,
        &[
            "deadline has elapsed",
            "operation timed out",
            "i/o timeout",
            "Client.Timeout exceeded",
            "TLS handshake timeout",
        ],
    ),
    (
        TransportFault::Login,
        &["401 Unauthorized", "status code 401", "unauthorized: authentication required", "denied: requested access"],
    ),
];

impl TransportFault {
    /// Reads the text of an error. `None`: another fault.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        SIGNS.iter().find(|(_, words)| words.iter().any(|word| text.contains(word))).map(|(fault, _)| *fault)
    }

    /// What is wrong, with the other end as the subject: "it …".
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::PlainHttp => "it speaks plain HTTP, not HTTPS",
            Self::Tls => "it speaks HTTPS, not plain HTTP",
            Self::UnknownAuthority => "its certificate is signed by an authority that this machine does not trust",
            Self::CertificateTime => "its certificate has expired or is not valid yet",
            Self::CertificateName => "its certificate is for another host name",
            Self::Proxy => "the proxy does not connect to it",
            Self::UnknownHost => "its host name has no address",
            Self::Refused => "nothing listens on its port",
            Self::Timeout => "it does not answer in time",
            Self::Login => "it requires a login, or rejects yours",
        }
    }

    /// What to change if the other end is the registry at this host.
    #[must_use]
    pub fn registry_hint(self, host: &str) -> String {
        match self {
            Self::PlainHttp => "add --plain-http".to_owned(),
            Self::Tls => "remove --plain-http".to_owned(),
            Self::UnknownAuthority => "add --ca-file FILE with the certificate of its authority".to_owned(),
            Self::CertificateTime => {
                format!("ask for a new certificate of {host}, and check the clock of this machine")
            }
            Self::CertificateName => "use the host name of the certificate in --chart and --crds-chart".to_owned(),
            Self::Proxy => format!("check HTTPS_PROXY, or add {host} to NO_PROXY"),
            Self::UnknownHost => format!("check the host name {host}, and the DNS of this machine"),
            Self::Refused => format!("check the port of {host}, and that the registry runs"),
            Self::Timeout => format!("check that this machine reaches {host}; behind a proxy, set HTTPS_PROXY"),
            Self::Login => format!("helm registry login {host}"),
        }
    }

    /// What to change if the other end is the API server.
    #[must_use]
    pub const fn api_server_hint(self) -> &'static str {
        match self {
            Self::PlainHttp => "change the server URL in the kubeconfig to http://, or its port",
            Self::Tls => "change the server URL in the kubeconfig to https://",
            Self::UnknownAuthority => {
                "kubectl config view --raw shows certificate-authority-data: it must hold the authority of this server"
            }
            Self::CertificateTime => "ask for a new certificate of the API server, and check the clock of this machine",
            Self::CertificateName => {
                "use a server URL in the kubeconfig that the certificate has, or set tls-server-name"
            }
            Self::Proxy => "check HTTPS_PROXY and proxy-url of the kubeconfig, or add the server to NO_PROXY",
            Self::UnknownHost => "check the server URL in the kubeconfig, and the DNS of this machine",
            Self::Refused | Self::Timeout => {
                "kubectl config current-context; kubectl version: they show whether this is the right cluster, and up"
            }
            Self::Login => "log in again, or choose another --context: the server does not accept these credentials",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from rustls 0.23, hyper 1, helm 3.22 and 4.3, and kubectl 1.37.
    #[test]
    fn recorded_texts_are_read() {
        let samples = [
            ("received corrupt message of type InvalidContentType", TransportFault::PlainHttp),
            ("http: server gave HTTP response to HTTPS client", TransportFault::PlainHttp),
            ("invalid peer certificate: UnknownIssuer", TransportFault::UnknownAuthority),
            (
                "tls: failed to verify certificate: x509: certificate signed by unknown authority",
                TransportFault::UnknownAuthority,
            ),
            (
                "invalid peer certificate: certificate not valid for name \"a\"; NotValidForName",
                TransportFault::CertificateName,
            ),
            ("x509: certificate has expired or is not yet valid: current time 2026", TransportFault::CertificateTime),
            ("proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused", TransportFault::Proxy),
            ("failed to lookup address information: Name or service not known", TransportFault::UnknownHost),
            ("dial tcp: lookup registry.example on 10.0.0.10:53: no such host", TransportFault::UnknownHost),
            ("Connection refused (os error 111)", TransportFault::Refused),
            ("deadline has elapsed", TransportFault::Timeout),
            (
                "GET \"https://r/v2/\": response status code 401: unauthorized: authentication required",
                TransportFault::Login,
            ),
        ];
        for (text, fault) in samples {
            assert_eq!(TransportFault::read(text), Some(fault), "{text}");
        }
        assert_eq!(TransportFault::read("template: mural/templates/x.yaml: nil pointer"), None);
    }
}
