use super::*;

#[track_caller]
fn assert_accepts(name: &str, good: &[&str], bad: &[&str]) {
    let format = find_format(Some(Type::String), name, ServerVersion::NEWEST).unwrap();
    let wrong: Vec<_> = good.iter().filter(|text| !format.accepts(text)).collect();
    let accepted: Vec<_> = bad.iter().filter(|text| format.accepts(text)).collect();
    assert_eq!((wrong, accepted), (vec![], vec![]), "{name}");
}

#[test]
fn each_format_takes_what_the_server_takes() {
    assert_accepts(
        "date-time",
        &["2024-02-29T10:00:00Z", "2024-01-01t23:59:59.123+02:00"],
        &["2023-02-29T10:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01", ""],
    );
    assert_accepts("date", &["2024-02-29"], &["2024-2-1", "2023-02-29", ""]);
    assert_accepts("duration", &["1h30m", "-1.5s", "0", "2 days", "3 weeks", "5 sec"], &["", "1", "1 x", "h"]);
    assert_accepts("byte", &["YWJj", "YWI="], &["", "YWJ", "a b="]);
    assert_accepts("ipv4", &["1.2.3.4", "010.2.3.4", "::ffff:1.2.3.4"], &["1.2.3", "1.2.3.256", "::1"]);
    assert_accepts("ipv6", &["::1", "fe80::1"], &["1.2.3.4", "fe80::1%eth0"]);
    assert_accepts("cidr", &["10.0.0.0/8", "::/0"], &["10.0.0.0", "10.0.0.0/33", "10.0.0.0/"]);
    assert_accepts("mac", &["00:00:5e:00:53:01", "0000.5e00.5301"], &["00:00:5e:00:53", "00-00:5e:00:53:01"]);
    assert_accepts("hostname", &["a", "a.example.com"], &["a.b.c.1", "-a"]);
    assert_accepts(
        "uri",
        &["http://a/b?c", "/a", "mailto:a@b.c", "http://[::1]:80/"],
        &["a.com", "", "./a", "http://a b/", "http://a:x/"],
    );
    assert_accepts("email", &["a@b.c", "A B <a@b.c>"], &["a", "a@", "@b"]);
    assert_accepts("uuid", &["6ba7b810-9dad-11d1-80b4-00c04fd430c8"], &["6ba7b810"]);
    assert_accepts("isbn", &["3836221195", "978-4-87311-368-5"], &["3423214121"]);
    assert_accepts("creditcard", &["4220855426222389"], &["4220855426213389"]);
    assert_accepts("hexcolor", &["#fff", "CCccCC"], &["#ff"]);
    assert_accepts("rgbcolor", &["rgb(0,  31, 255)"], &["rgb(01,31,255)"]);
    assert_accepts("k8s-short-name", &["a-1"], &["A", "a.b"]);
}

#[test]
fn the_known_formats_depend_on_the_server() {
    let at = |minor| ServerVersion::new(1, minor);
    assert!(find_format(Some(Type::String), "k8s-long-name", at(33)).is_none());
    assert!(find_format(Some(Type::String), "k8s-long-name", at(34)).is_some());
    assert!(find_format(Some(Type::Integer), "int32", at(35)).is_none());
    assert!(find_format(Some(Type::Integer), "int32", at(36)).is_some());
    assert!(find_format(Some(Type::String), "int32", at(36)).is_none(), "a format of another type does not count");
    assert!(find_format(Some(Type::String), "made-up", at(36)).is_none());
}
