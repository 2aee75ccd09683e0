use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Output};

use serde_json::json;

use super::*;

const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.canary-jwt.Zm9vYmFy";

fn login(exec: &serde_json::Value) -> Login {
    let user: AuthInfo = serde_json::from_value(json!({"exec": exec})).unwrap();
    Login::new(&user)
}

fn planted() -> Login {
    login(&json!({
        "apiVersion": "client.authentication.k8s.io/v1", "command": "cloud-login",
        "args": ["get-token", "--client-secret=canary-arg-1", "--password", "canary-arg-two", "Canary-Arg3"],
        "env": [{"name": "CLIENT_SECRET", "value": "canary-env"}, {"name": "KEY", "value": "canary-line-1\ncanary-line-2"}],
        "installHint": "brew install cloud-login\n"}))
}

fn failed_run(stdout: &str, stderr: &str) -> AuthError {
    let output = Output { status: ExitStatus::from_raw(256), stdout: stdout.into(), stderr: stderr.into() };
    AuthError::AuthExecRun { cmd: "CLIENT_SECRET=canary-env cloud-login canary-arg-1".into(), out: Box::new(output) }
}

#[test]
fn a_failed_plugin_shows_its_name_status_and_stderr_without_secrets() {
    let stdout = format!("{{\"status\": {{\"token\": \"{TOKEN}\", \"key\": \"canary-out\"");
    let stderr = format!(
        "one\ntwo\nlogin failed for get-token: canary-arg-1 canary-arg-two Canary-Arg3\nwith canary-env and canary-line-2\n\
         token={TOKEN} again canary-out\nAuthorization: Bearer canary-bearer\n{{\"password\": \"canary-json\"}} ya29A0AfH6SMBx1canaryX9\n"
    );
    let error = planted().describe(&failed_run(&stdout, &stderr));
    let text = format!("{error} {error:?} {}", error.hint());
    assert!(!text.to_lowercase().contains("canary"), "{text}");
    assert!(!text.contains("eyJ") && !text.contains("ya29"), "{text}");
    assert!(error.to_string().starts_with("the login plugin cloud-login failed with exit status: 1: "), "{error}");
    assert!(text.contains("login failed for get-token: *** *** ***") && !text.contains("one"), "{text}");
    assert_eq!(error.hint(), "brew install cloud-login");
}

#[test]
fn a_failure_is_found_inside_the_error_of_a_request() {
    let error = kube::Error::Service(Box::new(failed_run("canary-out", "expired: canary-out")));
    let found = planted().find_failure(&error).unwrap();
    assert_eq!(found.to_string(), "the login plugin cloud-login failed with exit status: 1: expired: ***");
    let refused = kube::Error::Service(Box::new(io::Error::from(io::ErrorKind::ConnectionRefused)));
    assert_eq!(planted().find_failure(&refused), None);
}

#[test]
fn output_that_is_cut_off_is_not_quoted() {
    // What kube-rs says about it quotes the line with the token.
    #[expect(clippy::disallowed_methods, reason = "the error that kube-rs makes holds this crate's error")]
    let cause = serde_saphyr::from_str::<kube::config::Kubeconfig>("contexts: [canary").unwrap_err();
    assert!(cause.to_string().contains("canary"));
    let error = planted().describe(&AuthError::AuthExecParse(Box::new(cause)));
    assert_eq!(error.to_string(), "the login plugin cloud-login printed no valid ExecCredential");
}

#[test]
fn a_missing_plugin_is_named_with_its_install_hint() {
    let missing = || AuthError::AuthExecStart(io::Error::from(io::ErrorKind::NotFound));
    let error = planted().describe(&missing());
    assert_eq!(error.to_string(), "the login plugin cloud-login is not installed");
    assert_eq!(error.hint(), "brew install cloud-login");
    let error = login(&json!({"command": "kubelogin"})).describe(&missing());
    assert_eq!(error.hint(), "install kubelogin and put it on PATH");
}

#[test]
fn ordinary_words_of_standard_error_stay_readable() {
    let login = login(&json!({"command": "aws", "args": ["eks", "get-token", "--cluster-name", "prod-cluster"]}));
    let said = "Error: the SSO session associated with this profile has expired. Run aws sso login --profile dev\n\
        GET https://oidc.eu-west-1.amazonaws.com/token: connection refused";
    let error = login.describe(&failed_run("", said));
    assert!(error.to_string().ends_with(said), "{error}");
}

#[test]
fn without_a_terminal_no_plugin_may_prompt() {
    let mode = |given: Option<ExecInteractiveMode>, has_terminal| {
        let mut user: AuthInfo = serde_json::from_value(json!({"exec": {"command": "x"}})).unwrap();
        user.exec.as_mut().unwrap().interactive_mode = given;
        avoid_prompt(&mut user, has_terminal);
        user.exec.unwrap().interactive_mode
    };
    assert_eq!(mode(None, true), None);
    assert_eq!(mode(Some(ExecInteractiveMode::IfAvailable), false), Some(ExecInteractiveMode::Never));
    assert_eq!(mode(Some(ExecInteractiveMode::Always), false), Some(ExecInteractiveMode::Always));
}
