//! Which proxy a request to the API server goes through: the rules of `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.
//!
//! kubectl and helm follow Go's `httpproxy` package, and we must reach the same address as they do. This module is that package,
//! rule by rule: <https://github.com/golang/net/blob/v0.61.0/http/httpproxy/proxy.go>. `ALL_PROXY` is not among them: Go ignores it.
//! The variables arrive as arguments; `cluster/kubeconfig.rs` asks for the proxy of one server.

use std::net::IpAddr;

use super::secret::Hidden;

/// The proxy variables of the environment.
#[derive(Debug, Clone, Default)]
pub struct ProxySettings {
    /// A proxy URL may hold a password.
    http_proxy: Option<Hidden<String>>,
    https_proxy: Option<Hidden<String>>,
    exceptions: Vec<Exception>,
}

/// The address that a request goes to.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// `https` or `http`
    pub scheme: &'a str,
    /// The host without port and brackets: `api.example.com`, `2001:db8::1`.
    pub host: &'a str,
    /// The port, if the URL has one.
    pub port: Option<u16>,
}

/// One entry of `NO_PROXY`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Exception {
    /// `*`
    Everything,
    /// `10.0.0.0/8`
    Network { address: IpAddr, prefix_bits: u8 },
    /// `10.0.0.1`, `[2001:db8::1]:443`
    Address { address: IpAddr, port: Option<String> },
    /// `example.com`, `.example.com`, `*.example.com:8443`
    Domain { suffix: String, port: Option<String>, includes_itself: bool },
}

impl ProxySettings {
    /// Reads the variables with `lookup`. A lower-case name wins over an upper-case one; an empty value counts as unset.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let first =
            |names: [&str; 2]| names.into_iter().find_map(|name| lookup(name).filter(|value| !value.is_empty()));
        // A CGI script gets the client's `Proxy:` header as HTTP_PROXY: https://go.dev/s/cgihttpproxy
        let is_cgi = lookup("REQUEST_METHOD").is_some_and(|method| !method.is_empty());
        Self {
            http_proxy: first(["http_proxy", "HTTP_PROXY"]).filter(|_| !is_cgi).map(Hidden::new),
            https_proxy: first(["https_proxy", "HTTPS_PROXY"]).map(Hidden::new),
            exceptions: parse_exceptions(&first(["no_proxy", "NO_PROXY"]).unwrap_or_default()),
        }
    }

    /// The URL of the proxy for this destination, always with a scheme. `None`: connect directly.
    #[must_use]
    pub fn find_proxy(&self, to: Destination<'_>) -> Option<String> {
        let proxy = match to.scheme {
            "https" => self.https_proxy.as_ref(),
            "http" => self.http_proxy.as_ref(),
            _ => None,
        };
        proxy.filter(|_| self.needs_proxy(to)).map(|proxy| with_scheme(proxy.reveal()))
    }

    fn needs_proxy(&self, to: Destination<'_>) -> bool {
        if to.host == "localhost" {
            return false;
        }
        let address = parse_zoned_address(to.host);
        if address.is_some_and(is_loopback) {
            return false;
        }
        let host = to.host.trim().to_lowercase();
        let port = to.port.map_or_else(|| default_port(to.scheme).to_owned(), |port| port.to_string());
        !self.exceptions.iter().any(|exception| exception.matches(&host, &port, address))
    }
}

impl Exception {
    fn matches(&self, host: &str, port: &str, address: Option<IpAddr>) -> bool {
        let is_port = |wanted: &Option<String>| wanted.as_deref().is_none_or(|wanted| wanted == port);
        match self {
            Self::Everything => true,
            Self::Network { address: network, prefix_bits } => {
                address.is_some_and(|address| is_in_network(address, *network, *prefix_bits))
            }
            Self::Address { address: wanted, port } => {
                address.is_some_and(|address| address.to_canonical() == wanted.to_canonical()) && is_port(port)
            }
            Self::Domain { suffix, port, includes_itself } => {
                let is_domain = host.ends_with(suffix.as_str()) || (*includes_itself && suffix.get(1..) == Some(host));
                address.is_none() && is_domain && is_port(port)
            }
        }
    }
}

/// A single `*` ends the list and matches everything; an entry that cannot be read is skipped.
fn parse_exceptions(text: &str) -> Vec<Exception> {
    let entries: Vec<String> =
        text.split(',').map(|entry| entry.trim().to_lowercase()).filter(|entry| !entry.is_empty()).collect();
    if entries.iter().any(|entry| entry == "*") {
        return vec![Exception::Everything];
    }
    entries.iter().filter_map(|entry| parse_exception(entry)).collect()
}

fn parse_exception(entry: &str) -> Option<Exception> {
    if let Some(network) = parse_network(entry) {
        return Some(network);
    }
    let (host, port) = match split_port(entry) {
        Some((host, port)) => (host, Some(port.to_owned()).filter(|port| !port.is_empty())),
        None => (entry, None),
    };
    if let Ok(address) = host.parse() {
        return Some(Exception::Address { address, port });
    }
    let host = if host.starts_with("*.") { host.get(1..)? } else { host };
    let includes_itself = !host.is_empty() && !host.starts_with('.');
    let suffix = if includes_itself { format!(".{host}") } else { host.to_owned() };
    (!host.is_empty()).then_some(Exception::Domain { suffix, port, includes_itself })
}

fn parse_network(entry: &str) -> Option<Exception> {
    let (address, bits) = entry.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let limit = if address.is_ipv4() { 32 } else { 128 };
    let prefix_bits = bits.parse().ok().filter(|bits| *bits <= limit)?;
    Some(Exception::Network { address, prefix_bits })
}

/// As Go's `net.SplitHostPort`: one colon, or brackets around the host. A bare IPv6 address has no port.
fn split_port(entry: &str) -> Option<(&str, &str)> {
    if let Some(rest) = entry.strip_prefix('[') {
        return rest.split_once("]:").filter(|(_, port)| !port.contains(':'));
    }
    entry.split_once(':').filter(|(_, port)| !port.contains(':'))
}

/// An address; an IPv6 zone (`fe80::1%eth0`) does not count.
fn parse_zoned_address(host: &str) -> Option<IpAddr> {
    let (address, zone) = host.split_once('%').map_or((host, None), |(address, zone)| (address, Some(zone)));
    let address: IpAddr = address.parse().ok()?;
    (zone.is_none() || address.is_ipv6()).then_some(address)
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn is_in_network(address: IpAddr, network: IpAddr, prefix_bits: u8) -> bool {
    match (address.to_canonical(), network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let shift = 32 - u32::from(prefix_bits);
            u32::from(address).checked_shr(shift) == u32::from(network).checked_shr(shift)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let shift = 128 - u32::from(prefix_bits);
            u128::from(address).checked_shr(shift) == u128::from(network).checked_shr(shift)
        }
        _ => false,
    }
}

const fn default_port(scheme: &str) -> &'static str {
    match scheme.as_bytes() {
        b"http" => "80",
        b"https" => "443",
        _ => "",
    }
}

/// `host:port` without a scheme is an HTTP proxy.
fn with_scheme(proxy: &str) -> String {
    let has_host = proxy.split_once("://").is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty());
    if has_host { proxy.to_owned() } else { format!("http://{proxy}") }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '.'))
}

#[cfg(test)]
mod tests;
