use std::collections::BTreeMap;

use super::*;
use crate::ask::ConnectionVariables;
use crate::problem::Problem;

/// Files of a folder, by name; a name without a file is missing.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn read(&self, list: &[&str]) -> Result<Kubeconfig, KubeconfigError> {
        let kubeconfig_files = list.iter().map(|name| self.0.path().join(name)).collect();
        let variables = ConnectionVariables { kubeconfig_files, ..ConnectionVariables::default() };
        read(&ClusterAccess { variables, ..ClusterAccess::default() })
    }
}

const GOOD: &str = "{apiVersion: v1, kind: Config, current-context: yard, clusters: [{name: yard, cluster: {server: 'http://127.0.0.1:9'}}], contexts: [{name: yard, context: {cluster: yard, user: me}}], users: [{name: me, user: {token: good}}]}";
const OTHER: &str = "{current-context: '', clusters: [{name: other, cluster: {server: 'http://127.0.0.1:10'}}, {name: yard, cluster: {server: 'http://127.0.0.1:11'}}], contexts: [{name: other, context: {cluster: other, user: me}}], users: [{name: me, user: {token: other}}]}";
const FRESH: &str = "apiVersion: v1\nkind: Config\nclusters: null\ncontexts: null\nusers: null\npreferences: {}\ncurrent-context: \"\"\n";

fn server_of(kubeconfig: &Kubeconfig, context: &str) -> String {
    let config = build_config(kubeconfig, context, &ProxySettings::default()).unwrap();
    config.cluster_url.to_string()
}

#[test]
fn a_list_of_files_merges_as_in_client_go() {
    let folder = Folder::new(&[("good", GOOD), ("other", OTHER), ("fresh", FRESH), ("empty", "")]);
    let rows: [(&[&str], &str, &str); 8] = [
        (&["good"], "yard", "http://127.0.0.1:9/"),
        (&["good", "missing"], "yard", "http://127.0.0.1:9/"),
        (&["missing", "good"], "yard", "http://127.0.0.1:9/"),
        (&["other", "good"], "yard", "http://127.0.0.1:11/"),
        (&["good", "other"], "yard", "http://127.0.0.1:9/"),
        (&["fresh", "good"], "yard", "http://127.0.0.1:9/"),
        (&["empty", "good"], "yard", "http://127.0.0.1:9/"),
        (&["missing", "fresh", "empty", "good"], "yard", "http://127.0.0.1:9/"),
    ];
    for (list, context, server) in rows {
        let kubeconfig = folder.read(list).unwrap();
        let chosen = choose_context(&kubeconfig, None).unwrap();
        assert_eq!((chosen.as_str(), server_of(&kubeconfig, &chosen).as_str()), (context, server), "{list:?}");
    }
}

#[test]
fn the_first_user_of_a_name_wins_whole() {
    let folder = Folder::new(&[("good", GOOD), ("other", OTHER)]);
    let token = |list: &[&str]| {
        let config = build_config(&folder.read(list).unwrap(), "yard", &ProxySettings::default()).unwrap();
        serde_json::to_value(&config.auth_info).unwrap()["token"].clone()
    };
    assert_eq!((token(&["good", "other"]), token(&["other", "good"])), ("good".into(), "other".into()));
}

#[test]
fn relative_paths_belong_to_the_folder_of_their_file() {
    let text = "{clusters: [{name: c, cluster: {server: 'https://a', certificate-authority: ca.crt}}], users: [{name: u, user: {tokenFile: t, exec: {command: ./bin/login}}}]}";
    let folder = Folder::new(&[("one/config", text), ("two/config", GOOD)]);
    let kubeconfig = folder.read(&["two/config", "one/config"]).unwrap();
    let at = |name: &str| Some(folder.0.path().join("one").join(name).display().to_string());
    let cluster = kubeconfig.clusters.iter().find(|entry| entry.name == "c").and_then(|entry| entry.cluster.clone());
    assert_eq!(cluster.unwrap().certificate_authority, at("ca.crt"));
    let user = kubeconfig.auth_infos.iter().find(|entry| entry.name == "u").and_then(|entry| entry.auth_info.clone());
    assert_eq!(user.unwrap().token_file, at("t"));
}

#[test]
fn no_file_and_no_context_are_named() {
    let folder = Folder::new(&[("fresh", FRESH), ("other", OTHER)]);
    let error = folder.read(&["missing"]).unwrap_err();
    assert!(
        error.to_string().contains("there is no kubeconfig file: /") && error.to_string().ends_with("missing"),
        "{error}"
    );
    let fresh = folder.read(&["fresh"]).unwrap();
    assert_eq!(choose_context(&fresh, None).unwrap_err().to_string(), "the kubeconfig has no current context");
    let error = choose_context(&folder.read(&["other"]).unwrap(), Some("prod")).unwrap_err();
    assert_eq!(error.to_string(), "the kubeconfig has no context \"prod\"");
    assert_eq!(error.hint(), "choose one with --context: other");
}

#[test]
fn a_broken_file_is_named_and_never_quoted() {
    let broken =
        ["users:\n- name: me\n  user: {token: canary\n", "users: [{name: me, user: {token: [canary]}}]", "canary"];
    for text in broken {
        let folder = Folder::new(&[("broken", text), ("good", GOOD)]);
        let problem = Problem::from(folder.read(&["broken", "good"]).unwrap_err());
        let said = format!("{problem} {problem:?} {:?}", problem.causes());
        assert!(said.contains("broken is not a valid kubeconfig") && !said.contains("canary"), "{said}");
    }
}

#[test]
fn unusable_entries_are_named_and_never_quoted() {
    let config = |cluster: &str| {
        let text = format!(
            "{{clusters: [{{name: c, cluster: {cluster}}}], contexts: [{{name: x, context: {{cluster: c}}}}]}}"
        );
        let folder = Folder::new(&[("config", &text)]);
        build_config(&folder.read(&["config"]).unwrap(), "x", &ProxySettings::default())
    };
    for (cluster, part) in [
        ("{server: canary}", "no valid server URL"),
        ("{server: 'https://a', certificate-authority-data: '!canary'}", "not base64"),
        ("{server: 'https://a', certificate-authority: /no/such/file}", "/no/such/file"),
        ("{server: 'https://a', proxy-url: 'ftp://me:canary@proxy'}", "proxy URL"),
    ] {
        let error = config(cluster).unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(said.contains(part) && !said.contains("canary"), "{said}");
    }
}

#[test]
fn the_proxy_of_the_kubeconfig_wins_over_the_environment() {
    let variables: BTreeMap<&str, &str> =
        [("HTTPS_PROXY", "environment:3128"), ("NO_PROXY", "direct.example")].into_iter().collect();
    let proxies = ProxySettings::from_variables(|name| variables.get(name).map(|value| (*value).to_owned()));
    let find = |server: &str, proxy: &str| {
        let cluster = ClusterEntry { proxy_url: Some(proxy.to_owned()), ..ClusterEntry::default() };
        find_proxy(&cluster, &server.parse().unwrap(), &proxies).unwrap().map(|proxy| proxy.to_string())
    };
    let rows = [
        ("https://api.example:6443", "", Some("http://environment:3128/")),
        ("https://direct.example:6443", "", None),
        ("https://[::1]:6443", "", None),
        ("http://api.example", "", None),
        ("https://direct.example:6443", "http://own:1", Some("http://own:1/")),
        ("https://127.0.0.1:6443", "socks5://own", Some("socks5://own:1080/")),
        ("https://api.example", "socks5h://own:1", Some("socks5://own:1/")),
    ];
    for (server, proxy, found) in rows {
        assert_eq!(find(server, proxy).as_deref(), found, "{server} {proxy}");
    }
}
