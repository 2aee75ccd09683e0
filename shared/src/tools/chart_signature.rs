//! Verifies a chart's signature: `helm verify` for provenance files, cosign for charts in a registry.
//!
//! It collects the files that each program needs and turns the exit status into a `SignatureOutcome`. Which signatures are required is
//! decided by `ask`; a program that is missing or cannot run is undetermined, which never passes.

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
use crate::tools::private_files::create_private_dir_in;

/// A look into a registry, and some arithmetic.
const VERIFY_TIMEOUT: Duration = Duration::from_secs(120);
/// The extension of a provenance file, after the chart's file name.
const PROVENANCE_EXTENSION: &str = "prov";

/// Verifies a chart's provenance file with helm. `keyring`: the public keys; `None`: helm's default keyring.
///
/// helm compares the file name too, and a chart pulled by digest has another one: it is renamed first
/// (helm `pkg/provenance/sign.go`, `Signatory.Verify`).
pub async fn verify_provenance(
    helm: &Helm,
    fetched: &FetchedChart,
    keyring: Option<&Path>,
    private: &Path,
) -> SignatureOutcome {
    if let Some(missing) = keyring.filter(|file| !file.is_file()) {
        return SignatureOutcome::Undetermined(format!("the keyring {} does not exist", missing.display()));
    }
    let folder = match create_private_dir_in(private, "signed-") {
        Ok(folder) => folder.keep(),
        Err(error) => return SignatureOutcome::Undetermined(format!("cannot create a private folder: {error}")),
    };
    let signed = match collect_provenance(helm, fetched, &folder).await {
        Ok(Some(signed)) => signed,
        Ok(None) => return SignatureOutcome::Rejected("not signed: it has no provenance file".to_owned()),
        Err(reason) => return SignatureOutcome::Undetermined(reason),
    };
    to_signature_outcome(helm.verify(&signed, keyring).await)
}

/// Copies the chart under its own name, with its provenance file. `None`: it has no provenance file.
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

/// The path of a chart's provenance file.
fn provenance_path(chart: &Path) -> PathBuf {
    let mut name = chart.as_os_str().to_owned();
    name.push(format!(".{PROVENANCE_EXTENSION}"));
    name.into()
}

/// Verifies a chart in a registry with cosign and this key.
pub async fn verify_cosign(
    fetched: &FetchedChart,
    key: &str,
    access: &RegistryAccess,
    private: &Path,
) -> SignatureOutcome {
    let Some(program) = program_paths::find_program("cosign") else {
        return SignatureOutcome::Undetermined("cosign is not installed".to_owned());
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
    // helm names a file that exists only after the first login.
    if let Some(config) = access.config.as_deref().filter(|file| file.is_file()) {
        match copy_login_config(config, private) {
            Ok(folder) => call.env.push(("DOCKER_CONFIG".into(), folder.into())),
            Err(error) => return SignatureOutcome::Undetermined(format!("{}: {error}", config.display())),
        }
    }
    to_signature_outcome(spawn::run(call.arg(format!("{repository}@{}", fetched.digest.sha256))).await.map(drop))
}

/// Copies helm's logins to where cosign reads them: `config.json` in a folder.
fn copy_login_config(config: &Path, private: &Path) -> std::io::Result<PathBuf> {
    let folder = private.join("cosign");
    std::fs::create_dir_all(&folder)?;
    std::fs::copy(config, folder.join("config.json"))?;
    Ok(folder)
}

/// Both programs exit with a status other than 0 if the signature is not valid. A program that did not run proves nothing.
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
