//! A request as the flags of a command, for hints that work when they are copied.
//!
//! Input: a validated request. Output: words of a command line, without quotes. The value of `--set` may be a secret: only its
//! keys are shown, each with `…` in place of the value. Logins in URLs are masked. Defaults are left out.

use std::path::Path;

use super::{
    AllowedActions, ClusterAccess, OwnerMode, RegistryAccess, StoredValues, UpgradeSpec, ValueFlag, ValueOptions,
};
use crate::model::chart::ChartRef;
use crate::model::text_format::shell_quote;
use crate::model::url_login::mask_url_logins;

/// The application chart without `--chart`.
pub const DEFAULT_APP_CHART: &str = "oci://public.ecr.aws/mural/mural";
/// The CRD chart without `--crds-chart`.
pub const DEFAULT_CRDS_CHART: &str = "oci://public.ecr.aws/mural/mural-crds";
/// The namespace without `--namespace`.
pub const DEFAULT_NAMESPACE: &str = "mural-system";
/// The release of the application without `--release`.
pub const DEFAULT_APP_RELEASE: &str = "mural";
/// The release of the CRD chart without `--crds-release`.
pub const DEFAULT_CRDS_RELEASE: &str = "mural-crds";
/// Stands for a value that is not shown.
const HIDDEN_VALUE: &str = "…";

/// The words of a command line, quoted for a shell.
#[must_use]
pub fn join_command(words: &[String]) -> String {
    words.iter().map(|word| shell_quote(word)).collect::<Vec<_>>().join(" ")
}

/// Whether a word of a command stands for a value that is not shown.
#[must_use]
pub fn has_hidden_value(words: &[String]) -> bool {
    words.iter().any(|word| word.contains(HIDDEN_VALUE))
}

/// Collects flags that differ from their defaults.
#[derive(Debug, Default)]
struct Words(Vec<String>);

impl Words {
    fn flag(&mut self, flag: &str, is_set: bool) {
        if is_set {
            self.0.push(flag.to_owned());
        }
    }

    fn value(&mut self, flag: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.0.extend([flag.to_owned(), mask_url_logins(value.as_ref())]);
        }
    }

    fn path(&mut self, flag: &str, path: Option<&Path>) {
        self.value(flag, path.map(|path| path.display().to_string()));
    }

    fn changed(&mut self, flag: &str, value: &str, default: &str) {
        self.value(flag, (value != default).then_some(value));
    }
}

impl UpgradeSpec {
    /// The command that continues a run of this request. The journal has the charts and the names of the releases.
    #[must_use]
    pub fn resume_command(&self) -> Vec<String> {
        let mut words = Words(["kubectl", "mural", "upgrade", "resume"].map(str::to_owned).into());
        self.add_values(&mut words);
        self.add_registry(&mut words);
        words.changed("--namespace", &self.installation.namespace, DEFAULT_NAMESPACE);
        add_cluster(&mut words, &self.installation.cluster);
        words.0
    }

    /// The command that applies a saved plan of this request.
    #[must_use]
    pub fn apply_command(&self, file: &str) -> Vec<String> {
        let mut words = Words(["kubectl", "mural", "upgrade", "apply", file].map(str::to_owned).into());
        self.add_values(&mut words);
        self.add_registry(&mut words);
        add_cluster(&mut words, &self.installation.cluster);
        words.0
    }

    /// The command that rolls back a run of this request.
    #[must_use]
    pub fn rollback_command(&self) -> Vec<String> {
        let mut words = Words(["kubectl", "mural", "upgrade", "rollback"].map(str::to_owned).into());
        words.changed("--namespace", &self.installation.namespace, DEFAULT_NAMESPACE);
        add_cluster(&mut words, &self.installation.cluster);
        words.0
    }

    /// The command that performs this request.
    #[must_use]
    pub fn upgrade_command(&self) -> Vec<String> {
        let mut words = Words(["kubectl", "mural", "upgrade"].map(str::to_owned).into());
        words.value("--to", self.app.version.as_ref().map(ToString::to_string));
        words.value("--crds", self.crds.version.as_ref().map(ToString::to_string));
        add_chart(&mut words, "--chart", &self.app.chart, DEFAULT_APP_CHART);
        add_chart(&mut words, "--crds-chart", &self.crds.chart, DEFAULT_CRDS_CHART);
        self.add_values(&mut words);
        add_allowed(&mut words, self.allowed_actions);
        self.add_owner_options(&mut words);
        self.add_registry(&mut words);
        words.0.extend(self.helm_options.to_post_renderer_args());
        words.0.extend(self.helm_options.to_args());
        words.changed("--namespace", &self.installation.namespace, DEFAULT_NAMESPACE);
        words.changed("--release", &self.installation.app_release, DEFAULT_APP_RELEASE);
        words.changed("--crds-release", &self.installation.crds_release, DEFAULT_CRDS_RELEASE);
        add_cluster(&mut words, &self.installation.cluster);
        words.0
    }

    fn add_values(&self, words: &mut Words) {
        add_value_flags(words, &self.values, "");
        match self.values.stored {
            StoredValues::HelmDefault => {}
            StoredValues::Reuse => words.flag("--reuse-values", true),
            StoredValues::Reset => words.flag("--reset-values", true),
            StoredValues::ResetThenReuse => words.flag("--reset-then-reuse-values", true),
        }
        // How the CRD chart's values are stored follows from the flags.
        add_value_flags(words, &self.crds_values, "crds-");
    }

    fn add_registry(&self, words: &mut Words) {
        let RegistryAccess { plain_http, ca_file, config } = &self.registry;
        words.flag("--plain-http", *plain_http);
        words.path("--ca-file", ca_file.as_deref());
        words.path("--registry-config", config.as_deref());
        words.flag("--skip-images", !self.check_images);
        words.value("--registry-url", self.appliance.registry_url.as_ref());
        words.path("--bundle", self.appliance.bundle.as_deref());
    }

    fn add_owner_options(&self, words: &mut Words) {
        match self.mode {
            OwnerMode::Auto => {}
            OwnerMode::Helm => words.value("--mode", Some("helm")),
            OwnerMode::Flux => words.value("--mode", Some("flux")),
            OwnerMode::Appliance => words.value("--mode", Some("appliance")),
        }
        words.value("--source", self.sources.app.as_ref());
        words.value("--crds-source", self.sources.crds.as_ref());
        words.flag("--verify", self.signature.provenance);
        words.path("--keyring", self.signature.keyring.as_deref());
        words.value("--cosign-key", self.signature.cosign_key.as_ref());
    }
}

fn add_chart(words: &mut Words, flag: &str, chart: &ChartRef, default: &str) {
    words.changed(flag, &chart.to_string(), default);
}

fn add_allowed(words: &mut Words, allowed: AllowedActions) {
    let AllowedActions {
        downgrade,
        foreign_downgrade,
        keep_crds,
        migrate,
        field_loss,
        chart_change,
        removals,
        untried_conversion,
        take_ownership,
    } = allowed;
    words.flag("--allow-downgrade", downgrade);
    words.flag("--allow-foreign-downgrade", foreign_downgrade);
    words.flag("--keep-crds", keep_crds);
    words.flag("--migrate", migrate);
    words.flag("--allow-field-loss", field_loss);
    words.flag("--allow-chart-change", chart_change);
    words.flag("--allow-removals", removals);
    words.flag("--allow-untried-conversion", untried_conversion);
    words.flag("--take-ownership", take_ownership);
}

fn add_cluster(words: &mut Words, cluster: &ClusterAccess) {
    words.path("--kubeconfig", cluster.kubeconfig.as_deref());
    words.value("--context", cluster.context.as_ref());
    words.value("--as", cluster.impersonate.as_ref());
    for group in &cluster.impersonate_groups {
        words.value("--as-group", Some(group));
    }
}

/// The value flags of a chart; those of the CRD chart have a prefix, and only `values` and `set`.
fn add_value_flags(words: &mut Words, values: &ValueOptions, prefix: &str) {
    for flag in &values.flags {
        let (name, text) = match flag {
            ValueFlag::File(file) if prefix.is_empty() => ("-f".to_owned(), file.display().to_string()),
            ValueFlag::File(file) => (format!("--{prefix}values"), file.display().to_string()),
            ValueFlag::Set(text) => (format!("--{prefix}set"), hide_values(text.reveal())),
            ValueFlag::SetString(text) => (format!("--{prefix}set-string"), hide_values(text.reveal())),
            ValueFlag::SetJson(text) => (format!("--{prefix}set-json"), hide_value(text.reveal())),
            ValueFlag::SetFile(text) => (format!("--{prefix}set-file"), text.reveal().clone()),
        };
        words.value(&name, Some(text));
    }
}

/// `a.b=x,c=y` as `a.b=…,c=…`. A part without `=` continues the value before it.
fn hide_values(text: &str) -> String {
    let keys = split_unescaped(text).into_iter().filter_map(|part| part.split_once('=').map(|(key, _)| key));
    keys.map(|key| format!("{key}={HIDDEN_VALUE}")).collect::<Vec<_>>().join(",")
}

fn hide_value(text: &str) -> String {
    let key = text.split_once('=').map_or(text, |(key, _)| key);
    format!("{key}={HIDDEN_VALUE}")
}

/// Splits at commas outside of braces; a backslash escapes the next character
/// (<https://github.com/helm/helm/blob/v3.17.2/pkg/strvals/parser.go>).
fn split_unescaped(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut is_escaped) = (Vec::new(), 0, 0_usize, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::Hidden;

    #[test]
    fn a_command_has_every_flag_of_the_request_and_no_value() {
        let set = |text: &str| ValueFlag::Set(Hidden::new(text.to_owned()));
        let mut spec = UpgradeSpec::sample();
        spec.check_images = true;
        spec.app.version = "1.1.0".parse().ok();
        spec.values.flags =
            vec![ValueFlag::File("my values.yaml".into()), set("dex.secret=canary,a={b=1,c},d=x\\,canary")];
        spec.crds_values.flags = vec![set("e=canary")];
        spec.registry.plain_http = true;
        spec.allowed_actions.migrate = true;
        spec.installation.cluster.context = Some("prod".to_owned());
        let resume = join_command(&spec.resume_command());
        let values = "-f 'my values.yaml' --set 'dex.secret=…,a=…,d=…' --crds-set 'e=…'";
        assert_eq!(resume, format!("kubectl mural upgrade resume {values} --plain-http --context prod"));
        let upgrade = join_command(&spec.upgrade_command());
        let charts = "--chart oci://a.example/mural/mural --crds-chart oci://a.example/mural/mural-crds";
        let rest = "--migrate --plain-http --context prod";
        assert_eq!(upgrade, format!("kubectl mural upgrade --to 1.1.0 {charts} {values} {rest}"));
    }
}
