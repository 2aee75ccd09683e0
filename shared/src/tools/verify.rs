//! Whose signature a chart bears: asked of the operator's own helm, and of cosign where it is installed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::call::Call;
use super::chart::Fetched;
use super::error::ToolError;
use super::find;
use super::helm::Helm;
use super::spawn;
use crate::ask::RegistryAccess;
use crate::model::chart::{ChartRef, DigestOf};
use crate::model::signature::SignatureAnswer;

/// A look into a registry, and some arithmetic.
const QUICK: Duration = Duration::from_secs(120);
/// What a provenance file's name ends with, after the chart's.
const PROVENANCE: &str = "prov";

/// What helm says of a chart's provenance file. `keyring`: the public keys; helm's own where none is named.
///
/// helm compares the file's name too, and a chart that was pulled by digest is called otherwise: it gets its own name first
/// (helm `pkg/provenance/sign.go`, `Signatory.Verify`).
pub async fn provenance(helm: &Helm, fetched: &Fetched, keyring: Option<&Path>, private: &Path) -> SignatureAnswer {
    if let Some(missing) = keyring.filter(|file| !file.is_file()) {
        return SignatureAnswer::Unseen(format!("the keyring {} is not there", missing.display()));
    }
    let folder = match tempfile::Builder::new().prefix("signed-").tempdir_in(private) {
        Ok(folder) => folder.keep(),
        Err(error) => return SignatureAnswer::Unseen(format!("cannot make a private folder: {error}")),
    };
    let signed = match with_provenance(helm, fetched, &folder).await {
        Ok(Some(signed)) => signed,
        Ok(None) => return SignatureAnswer::Bad("it has no provenance file: nobody has signed it".to_owned()),
        Err(reason) => return SignatureAnswer::Unseen(reason),
    };
    said(helm.verify(&signed, keyring).await)
}

/// The chart under its own name, its provenance file beside it; none where there is no such file.
async fn with_provenance(helm: &Helm, fetched: &Fetched, folder: &Path) -> Result<Option<PathBuf>, String> {
    let chart = &fetched.chart;
    let named = folder.join(format!("{}-{}.tgz", chart.name, chart.version));
    let found = match &fetched.reference {
        ChartRef::Folder { .. } => None,
        ChartRef::Archive { path } => Some(beside(path)).filter(|file| file.is_file()),
        ChartRef::Oci { repository, .. } => {
            let into = folder.join("pulled");
            std::fs::create_dir(&into).map_err(|error| error.to_string())?;
            let digest = (fetched.digest.of == DigestOf::Manifest).then_some(fetched.digest.sha256.as_str());
            let pulled = helm.pull_signed(repository, digest, &chart.version, &into).await;
            pulled.map_err(|error| error.to_string())?;
            let mut files = std::fs::read_dir(&into).map_err(|error| error.to_string())?.flatten();
            files
                .find_map(|file| Some(file.path()).filter(|path| path.extension().is_some_and(|end| end == PROVENANCE)))
        }
    };
    let Some(found) = found else { return Ok(None) };
    let copied = std::fs::copy(&fetched.file, &named).and_then(|_| std::fs::copy(&found, beside(&named)));
    copied.map_err(|error| format!("{}: {error}", found.display()))?;
    Ok(Some(named))
}

/// Where a chart's provenance file lies.
fn beside(chart: &Path) -> PathBuf {
    let mut name = chart.as_os_str().to_owned();
    name.push(format!(".{PROVENANCE}"));
    name.into()
}

/// What cosign says of a chart in a registry, by this key.
pub async fn cosign(fetched: &Fetched, key: &str, access: &RegistryAccess, private: &Path) -> SignatureAnswer {
    let Some(program) = find::any("cosign") else {
        return SignatureAnswer::Unseen("cosign is not installed here".to_owned());
    };
    let (ChartRef::Oci { repository, .. }, DigestOf::Manifest) = (&fetched.reference, fetched.digest.of) else {
        let reason = "cosign signs what lies in a registry, and this chart's digest there is not known";
        return SignatureAnswer::Unseen(reason.to_owned());
    };
    let mut call = Call::new("cosign", program, QUICK).args(["verify", "--key", key]);
    if access.plain_http {
        call = call.arg("--allow-http-registry");
    }
    if let Some(file) = &access.ca_file {
        call = call.flag("--registry-cacert", file);
    }
    // helm names a file that is made with the first login.
    if let Some(config) = access.config.as_deref().filter(|file| file.is_file()) {
        match logins(config, private) {
            Ok(folder) => call.env.push(("DOCKER_CONFIG".into(), folder.into())),
            Err(error) => return SignatureAnswer::Unseen(format!("{}: {error}", config.display())),
        }
    }
    said(spawn::run(call.arg(format!("{repository}@{}", fetched.digest.sha256))).await.map(drop))
}

/// helm's logins as cosign looks for them: `config.json` in a folder.
fn logins(config: &Path, private: &Path) -> std::io::Result<PathBuf> {
    let folder = private.join("cosign");
    std::fs::create_dir_all(&folder)?;
    std::fs::copy(config, folder.join("config.json"))?;
    Ok(folder)
}

/// Both programs end with another status than 0 where the signature is not good; what did not run says nothing of it.
fn said(ended: Result<(), ToolError>) -> SignatureAnswer {
    match ended {
        Ok(()) => SignatureAnswer::Good,
        Err(ToolError::Status { stderr, status, .. }) => {
            let words = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
            SignatureAnswer::Bad(if words.is_empty() { status } else { words })
        }
        Err(error) => SignatureAnswer::Unseen(error.to_string()),
    }
}
