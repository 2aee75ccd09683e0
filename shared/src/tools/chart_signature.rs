//! Whose signature a chart bears: asked of the operator's own helm, and of cosign where it is installed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::ToolError;
use super::helm::Helm;
use super::program_paths;
use super::spawn;
use crate::ask::RegistryAccess;
use crate::model::chart::{ChartRef, DigestKind};
use crate::model::command::Call;
use crate::model::fetched_chart::FetchedChart;
use crate::model::signature::SignatureOutcome;

/// A look into a registry, and some arithmetic.
const VERIFY_TIMEOUT: Duration = Duration::from_secs(120);
/// What a provenance file's name ends with, after the chart's.
const PROVENANCE_EXTENSION: &str = "prov";

/// What helm says of a chart's provenance file. `keyring`: the public keys; helm's own where none is named.
///
/// helm compares the file's name too, and a chart that was pulled by digest is called otherwise: it gets its own name first
/// (helm `pkg/provenance/sign.go`, `Signatory.Verify`).
pub async fn verify_provenance(
    helm: &Helm,
    fetched: &FetchedChart,
    keyring: Option<&Path>,
    private: &Path,
) -> SignatureOutcome {
    if let Some(missing) = keyring.filter(|file| !file.is_file()) {
        return SignatureOutcome::Undetermined(format!("the keyring {} is not there", missing.display()));
    }
    let folder = match tempfile::Builder::new().prefix("signed-").tempdir_in(private) {
        Ok(folder) => folder.keep(),
        Err(error) => return SignatureOutcome::Undetermined(format!("cannot make a private folder: {error}")),
    };
    let signed = match collect_provenance(helm, fetched, &folder).await {
        Ok(Some(signed)) => signed,
        Ok(None) => return SignatureOutcome::Rejected("it has no provenance file: nobody has signed it".to_owned()),
        Err(reason) => return SignatureOutcome::Undetermined(reason),
    };
    to_signature_outcome(helm.verify(&signed, keyring).await)
}

/// The chart under its own name, its provenance file beside it; none where there is no such file.
async fn collect_provenance(helm: &Helm, fetched: &FetchedChart, folder: &Path) -> Result<Option<PathBuf>, String> {
    let chart = &fetched.chart;
    let chart_file = folder.join(format!("{}-{}.tgz", chart.name, chart.version));
    let found = match &fetched.reference {
        ChartRef::Folder { .. } => None,
        ChartRef::Archive { path } => Some(provenance_path(path)).filter(|file| file.is_file()),
        ChartRef::Oci { repository, .. } => {
            let into = folder.join("pulled");
            std::fs::create_dir(&into).map_err(|error| error.to_string())?;
            let digest = (fetched.digest.kind == DigestKind::Manifest).then_some(fetched.digest.sha256.as_str());
            let pulled = helm.pull_with_provenance(repository, digest, &chart.version, &into).await;
            pulled.map_err(|error| error.to_string())?;
            let mut files = std::fs::read_dir(&into).map_err(|error| error.to_string())?.flatten();
            files.find_map(|file| {
                Some(file.path()).filter(|path| path.extension().is_some_and(|end| end == PROVENANCE_EXTENSION))
            })
        }
    };
    let Some(found) = found else { return Ok(None) };
    let copied =
        std::fs::copy(&fetched.file, &chart_file).and_then(|_| std::fs::copy(&found, provenance_path(&chart_file)));
    copied.map_err(|error| format!("{}: {error}", found.display()))?;
    Ok(Some(chart_file))
}

/// Where a chart's provenance file lies.
fn provenance_path(chart: &Path) -> PathBuf {
    let mut name = chart.as_os_str().to_owned();
    name.push(format!(".{PROVENANCE_EXTENSION}"));
    name.into()
}

/// What cosign says of a chart in a registry, by this key.
pub async fn verify_cosign(
    fetched: &FetchedChart,
    key: &str,
    access: &RegistryAccess,
    private: &Path,
) -> SignatureOutcome {
    let Some(program) = program_paths::find_program("cosign") else {
        return SignatureOutcome::Undetermined("cosign is not installed here".to_owned());
    };
    let (ChartRef::Oci { repository, .. }, DigestKind::Manifest) = (&fetched.reference, fetched.digest.kind) else {
        let reason = "cosign signs what lies in a registry, and this chart's digest there is not known";
        return SignatureOutcome::Undetermined(reason.to_owned());
    };
    let mut call = Call::new("cosign", program, VERIFY_TIMEOUT).args(["verify", "--key", key]);
    if access.plain_http {
        call = call.arg("--allow-http-registry");
    }
    if let Some(file) = &access.ca_file {
        call = call.flag("--registry-cacert", file);
    }
    // helm names a file that is made with the first login.
    if let Some(config) = access.config.as_deref().filter(|file| file.is_file()) {
        match copy_login_config(config, private) {
            Ok(folder) => call.env.push(("DOCKER_CONFIG".into(), folder.into())),
            Err(error) => return SignatureOutcome::Undetermined(format!("{}: {error}", config.display())),
        }
    }
    to_signature_outcome(spawn::run(call.arg(format!("{repository}@{}", fetched.digest.sha256))).await.map(drop))
}

/// helm's logins as cosign looks for them: `config.json` in a folder.
fn copy_login_config(config: &Path, private: &Path) -> std::io::Result<PathBuf> {
    let folder = private.join("cosign");
    std::fs::create_dir_all(&folder)?;
    std::fs::copy(config, folder.join("config.json"))?;
    Ok(folder)
}

/// Both programs end with another status than 0 where the signature is not good; what did not run says nothing of it.
fn to_signature_outcome(ended: Result<(), ToolError>) -> SignatureOutcome {
    match ended {
        Ok(()) => SignatureOutcome::Verified,
        Err(ToolError::Status { stderr, status, .. }) => {
            let words = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
            SignatureOutcome::Rejected(if words.is_empty() { status } else { words })
        }
        Err(error) => SignatureOutcome::Undetermined(error.to_string()),
    }
}
