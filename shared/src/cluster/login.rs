//! Describes a login that fails, without a credential.
//!
//! kube-rs runs the `exec` plugin of a kubeconfig and puts its arguments, environment and output into the error.
//! This module turns such an error into the plugin's name, its exit status, the end of its own standard error with everything
//! masked that may be a secret, and the `installHint` of the kubeconfig. `cluster/mod.rs` sends every client error through it.

use std::error::Error;
use std::io;

use kube::client::AuthError;
use kube::config::{AuthInfo, ExecInteractiveMode};

use crate::model::secret::{Hidden, MASK, is_secret_key, mask_secrets};

/// Shorter texts are parts of ordinary words.
const MIN_SECRET_BYTES: usize = 4;
/// A word this long that mixes letters and digits may be a token.
const MIN_TOKEN_BYTES: usize = 20;
/// Words of every `ExecCredential`: <https://kubernetes.io/docs/reference/config-api/client-authentication.v1/>
const CREDENTIAL_KEYS: [&str; 7] =
    ["kind", "ExecCredential", "apiVersion", "spec", "status", "token", "expirationTimestamp"];
/// The end of standard error says why.
const MAX_STDERR_LINES: usize = 5;

/// Why the credentials of a kubeconfig cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The plugin's program does not exist.
    #[error("the login plugin {command} is not installed")]
    NotInstalled {
        /// The program, as the kubeconfig names it.
        command: String,
        /// The kubeconfig's `installHint`.
        install_hint: Option<String>,
    },
    /// The system cannot start the plugin.
    #[error("cannot start the login plugin {command}: {reason}")]
    NotStarted {
        /// The program, as the kubeconfig names it.
        command: String,
        /// The system's reason.
        reason: io::ErrorKind,
    },
    /// The plugin ends with another status than 0.
    #[error("the login plugin {command} failed with {status}{}", prefix_stderr(.stderr))]
    Failed {
        /// The program, as the kubeconfig names it.
        command: String,
        /// `exit status: 1`
        status: String,
        /// The last lines of its standard error, masked. Empty if it went to the terminal.
        stderr: String,
        /// The kubeconfig's `installHint`.
        install_hint: Option<String>,
    },
    /// The plugin's output is not an `ExecCredential` with a credential.
    #[error("the login plugin {command} printed no valid ExecCredential")]
    Unreadable {
        /// The program, as the kubeconfig names it.
        command: String,
    },
    /// The token file cannot be read.
    #[error("cannot read the token file {file}: {reason}")]
    TokenFile {
        /// The file.
        file: String,
        /// The system's reason.
        reason: io::ErrorKind,
    },
    /// The kubeconfig uses an `auth-provider`, or a credential that is not valid in an HTTP header.
    #[error("the credentials of the kubeconfig user are not usable")]
    Unusable,
}

fn prefix_stderr(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(": {stderr}") }
}

impl LoginError {
    /// What the operator can do.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NotInstalled { install_hint: Some(hint), .. } | Self::Failed { install_hint: Some(hint), .. } => {
                hint.trim().to_owned()
            }
            Self::NotInstalled { command, install_hint: None } => format!("install {command} and put it on PATH"),
            Self::NotStarted { command, .. } => format!("check that {command} is an executable file"),
            Self::Failed { .. } | Self::Unreadable { .. } | Self::Unusable => {
                "log in again, then run kubectl auth whoami: it uses the same login".to_owned()
            }
            Self::TokenFile { .. } => "check tokenFile in the kubeconfig".to_owned(),
        }
    }
}

/// The login of one kubeconfig user, as far as an error may describe it.
#[derive(Debug, Default)]
pub(super) struct Login {
    command: String,
    install_hint: Option<String>,
    /// Arguments and environment of the plugin.
    secrets: Vec<Hidden<String>>,
}

impl Login {
    pub(super) fn new(user: &AuthInfo) -> Self {
        let mut secrets = Vec::new();
        if let Some(exec) = &user.exec {
            secrets.extend(list_secret_arguments(exec.args.as_deref().unwrap_or_default()));
            let variables = exec.env.iter().flatten();
            secrets.extend(variables.filter_map(|variable| variable.get("value")).cloned());
        }
        let provider = user.auth_provider.as_ref();
        secrets.extend(provider.into_iter().flat_map(|provider| provider.config.values().cloned()));
        let exec_command = user.exec.as_ref().and_then(|exec| exec.command.clone());
        let command = exec_command.or_else(|| provider.map(|provider| provider.name.clone()));
        let install_hint = user.exec.as_ref().and_then(|exec| exec.install_hint.clone());
        Self {
            command: command.unwrap_or_default(),
            install_hint: install_hint.filter(|hint| !hint.trim().is_empty()),
            secrets: secrets.into_iter().map(Hidden::new).collect(),
        }
    }

    /// The login failure inside an error of the client, if it is one.
    pub(super) fn find_failure(&self, error: &(dyn Error + 'static)) -> Option<LoginError> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(failure) = error.downcast_ref::<AuthError>() {
                return Some(self.describe(failure));
            }
            next = error.source();
        }
        None
    }

    fn describe(&self, error: &AuthError) -> LoginError {
        let (command, install_hint) = (self.command.clone(), self.install_hint.clone());
        match error {
            AuthError::AuthExecStart(error) if error.kind() == io::ErrorKind::NotFound => {
                LoginError::NotInstalled { command, install_hint }
            }
            AuthError::AuthExecStart(error) => LoginError::NotStarted { command, reason: error.kind() },
            AuthError::AuthExecRun { out, .. } => LoginError::Failed {
                command,
                status: out.status.to_string(),
                stderr: self.mask_stderr(&out.stderr, &out.stdout),
                install_hint,
            },
            AuthError::AuthExecParse(_)
            | AuthError::ExecPluginFailed
            | AuthError::UnrefreshableTokenResponse
            | AuthError::MalformedTokenExpirationDate(_)
            | AuthError::ParseTokenKey(_) => LoginError::Unreadable { command },
            AuthError::ReadTokenFile(error, file) => {
                LoginError::TokenFile { file: file.display().to_string(), reason: error.kind() }
            }
            // The other errors quote their input.
            _ => LoginError::Unusable,
        }
    }

    /// The last lines of standard error. A plugin may repeat its arguments, environment or output there.
    fn mask_stderr(&self, stderr: &[u8], stdout: &[u8]) -> String {
        let text = String::from_utf8_lossy(stderr);
        let printed = String::from_utf8_lossy(stdout);
        let printed = printed.split(|letter: char| letter.is_whitespace() || matches!(letter, '"' | '\'' | ',' | '='));
        let printed = printed.filter(|word| !CREDENTIAL_KEYS.contains(word));
        let secrets = self
            .secrets
            .iter()
            .flat_map(|secret| std::iter::once(secret.reveal().as_str()).chain(secret.reveal().lines()));
        let mut secrets: Vec<String> = secrets.chain(printed).map(|secret| secret.trim().to_owned()).collect();
        secrets.retain(|secret| secret.len() >= MIN_SECRET_BYTES);
        // The longest first: one may be a part of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let masked = mask_secrets(text.trim(), &Hidden::new(secrets));
        let lines: Vec<String> = masked.lines().map(mask_line).collect();
        lines.get(lines.len().saturating_sub(MAX_STDERR_LINES)..).unwrap_or_default().join("\n")
    }
}

/// Flags stay readable; their values, and words that are not plain subcommands, are secrets.
fn list_secret_arguments(args: &[String]) -> Vec<String> {
    let is_flag = |arg: &str| arg.starts_with('-');
    let is_subcommand = |arg: &str| arg.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
    let mut after_flag = false;
    let mut secrets = Vec::new();
    for arg in args {
        match arg.split_once('=') {
            Some((_, value)) => secrets.push(value.to_owned()),
            None if !is_flag(arg) && (after_flag || !is_subcommand(arg)) => secrets.push(arg.clone()),
            None => {}
        }
        after_flag = is_flag(arg) && !arg.contains('=');
    }
    secrets
}

/// Masks what looks like a credential: a long word of mixed characters, the word after `Bearer`, the value of a secret key.
fn mask_line(line: &str) -> String {
    let mut after_secret_key = false;
    let words = line.split_inclusive(is_separator);
    let mut masked = String::new();
    for part in words {
        let end = part.char_indices().next_back().filter(|(_, letter)| is_separator(*letter)).map(|(at, _)| at);
        let (word, separator) = part.split_at(end.unwrap_or(part.len()));
        let is_scheme = word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic");
        let is_secret = !word.is_empty() && !is_scheme && (after_secret_key || is_token_like(word));
        masked.push_str(if is_secret { MASK } else { word });
        masked.push_str(separator);
        if !word.is_empty() {
            let is_key = matches!(separator, "=" | ":" | "\"") && !word.contains('/') && is_secret_key(word);
            after_secret_key = !is_secret && (is_scheme || is_key);
        }
    }
    masked
}

fn is_separator(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '"' | '\'' | '`' | ',' | ';' | '=' | ':' | '(' | ')' | '&' | '?')
}

fn is_token_like(word: &str) -> bool {
    let has = |test: fn(char) -> bool| word.chars().any(test);
    let is_mixed = has(|letter| letter.is_ascii_digit()) && has(|letter| letter.is_ascii_uppercase());
    let is_hex = word.chars().all(|letter| letter.is_ascii_hexdigit());
    word.len() >= MIN_TOKEN_BYTES && (is_mixed || is_hex) && !word.starts_with('/')
}

/// Without a terminal no one can answer a plugin: client-go then runs it non-interactively, and kube-rs captures its standard error.
pub(super) fn avoid_prompt(user: &mut AuthInfo, has_terminal: bool) {
    if let Some(exec) = user.exec.as_mut()
        && exec.interactive_mode != Some(ExecInteractiveMode::Always)
        && !has_terminal
    {
        exec.interactive_mode = Some(ExecInteractiveMode::Never);
    }
}

#[cfg(test)]
mod tests;
