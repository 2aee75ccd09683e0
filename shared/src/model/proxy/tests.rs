//! The table of Go's own tests (`proxy_test.go`, v0.61.0), and the rows that a kubeconfig's server adds.

use super::*;

const PROXY: &str = "http://proxy:3128";
/// `noProxy` of Go's test.
const GO_NO_PROXY: &str = "foobar.com, .barbaz.net, *.wildcard.io, 192.168.1.1, 192.168.1.2:81, 192.168.1.3:80, 10.0.0.0/30, 2001:db8::52:0:1, [2001:db8::52:0:2]:443, [2001:db8::52:0:3]:80, 2002:db8:a::45/64";

fn find(variables: &[(&str, &str)], url: &str) -> Option<String> {
    let settings = ProxySettings::from_variables(|name| {
        variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    });
    let (scheme, authority) = url.split_once("://").unwrap();
    let (host, port) = split_port(authority).map_or((authority, None), |(host, port)| (host, port.parse().ok()));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    settings.find_proxy(Destination { scheme, host, port })
}

#[test]
fn no_proxy_matches_as_in_go() {
    let rows = [
        ("localhost", false),
        ("127.0.0.1", false),
        ("127.0.0.2", false),
        ("[::1]", false),
        ("[::2]", true),
        ("192.168.1.1", false),
        ("192.168.1.2", true),
        ("192.168.1.3", false),
        ("192.168.1.4", true),
        ("10.0.0.2", false),
        ("10.0.0.4", true),
        ("[::ffff:10.0.0.2]", false),
        ("[2001:db8::52:0:1]", false),
        ("[2001:db8::52:0:2]", true),
        ("[2001:db8::52:0:3]", false),
        ("[2002:db8:a::123]", false),
        ("[fe80::424b:c8be:1643:a1b6]", true),
        ("barbaz.net", true),
        ("www.barbaz.net", false),
        ("foobar.com", false),
        ("FooBar.com", false),
        ("www.foobar.com", false),
        ("foofoobar.com", true),
        ("baz.com", true),
        ("localhost.net", true),
        ("local.localhost", true),
        ("barbarbaz.net", true),
        ("wildcard.io", true),
        ("nested.wildcard.io", false),
        ("awildcard.io", true),
    ];
    for (host, proxied) in rows {
        let authority = format!("http://{host}:80");
        let found = find(&[("http_proxy", PROXY), ("no_proxy", GO_NO_PROXY)], &authority);
        assert_eq!(found.is_some(), proxied, "{host}");
        assert_eq!(find(&[("http_proxy", PROXY), ("no_proxy", "a.com, *")], &authority), None, "{host}: *");
    }
}

/// Environment, URL, and the proxy that Go chooses.
type ProxyRow = (&'static [(&'static str, &'static str)], &'static str, Option<&'static str>);

const ROWS: [ProxyRow; 30] = [
    (&[("HTTP_PROXY", "127.0.0.1:8080")], "http://example.com", Some("http://127.0.0.1:8080")),
    (
        &[("HTTP_PROXY", "cache.corp.example.com:1234")],
        "http://example.com",
        Some("http://cache.corp.example.com:1234"),
    ),
    (&[("HTTP_PROXY", "cache.corp.example.com")], "http://example.com", Some("http://cache.corp.example.com")),
    (&[("HTTP_PROXY", "localhost")], "http://example.com", Some("http://localhost")),
    (&[("HTTP_PROXY", "https://cache.example.com")], "http://example.com", Some("https://cache.example.com")),
    (&[("HTTP_PROXY", "socks5://127.0.0.1")], "http://example.com", Some("socks5://127.0.0.1")),
    (&[("HTTP_PROXY", "foo://host")], "http://example.com", Some("foo://host")),
    (
        &[("HTTP_PROXY", "http.proxy.tld"), ("HTTPS_PROXY", "s.tld")],
        "http://insecure.tld",
        Some("http://http.proxy.tld"),
    ),
    (&[("HTTP_PROXY", "http.proxy.tld"), ("HTTPS_PROXY", "s.tld")], "https://secure.tld", Some("http://s.tld")),
    (&[("HTTP_PROXY", "http.proxy.tld")], "https://secure.tld", None),
    (&[("HTTP_PROXY", "http.proxy.tld")], "ftp://insecure.tld", None),
    (&[("HTTP_PROXY", PROXY), ("REQUEST_METHOD", "GET")], "http://example.com", None),
    (&[("HTTPS_PROXY", PROXY), ("REQUEST_METHOD", "GET")], "https://example.com", Some(PROXY)),
    (&[], "https://example.com", None),
    (&[("HTTPS_PROXY", "")], "https://example.com", None),
    (&[("ALL_PROXY", PROXY), ("all_proxy", PROXY)], "https://example.com", None),
    (&[("HTTPS_PROXY", "upper"), ("https_proxy", "lower")], "https://example.com", Some("http://lower")),
    (&[("HTTPS_PROXY", "upper"), ("https_proxy", "")], "https://example.com", Some("http://upper")),
    (&[("HTTPS_PROXY", PROXY), ("NO_PROXY", "example.com"), ("no_proxy", "b.com")], "https://example.com", Some(PROXY)),
    (&[("HTTPS_PROXY", PROXY), ("NO_PROXY", "api.yard.example")], "https://api.yard.example:6443", None),
    (&[("HTTPS_PROXY", PROXY), ("NO_PROXY", ".yard.example,localhost,")], "https://api.yard.example:6443", None),
    (&[("HTTPS_PROXY", PROXY), ("NO_PROXY", "api.yard.example:6443")], "https://api.yard.example:6443", None),
    (&[("HTTPS_PROXY", PROXY), ("NO_PROXY", "api.yard.example:443")], "https://api.yard.example:6443", Some(PROXY)),
    (&[("HTTPS_PROXY", PROXY), ("NO_PROXY", "api.yard.example:443")], "https://api.yard.example", None),
    (
        &[("HTTPS_PROXY", "http://127.0.0.1:18080"), ("NO_PROXY", "127.0.0.1,localhost")],
        "https://api.example",
        Some("http://127.0.0.1:18080"),
    ),
    (&[("HTTPS_PROXY", PROXY), ("NO_PROXY", ":1")], "https://example.com", Some(PROXY)),
    (&[("HTTPS_PROXY", PROXY), ("NO_PROXY", "ample.com")], "https://example.com", Some(PROXY)),
    (&[("HTTPS_PROXY", PROXY), ("NO_PROXY", "10.0.0.0/8")], "https://10.96.0.1:6443", None),
    (&[("HTTPS_PROXY", PROXY), ("NO_PROXY", "0.0.0.0/0")], "https://10.96.0.1", None),
    (&[("HTTPS_PROXY", "http://user:p%40ss@proxy")], "https://example.com", Some("http://user:p%40ss@proxy")),
];

#[test]
fn the_proxy_is_found_as_in_go() {
    for (variables, url, proxy) in ROWS {
        assert_eq!(find(variables, url).as_deref(), proxy, "{variables:?} {url}");
    }
}
