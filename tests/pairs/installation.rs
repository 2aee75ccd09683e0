//! The commands of both ways, and what is on the cluster afterwards.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use mural_tests::run_program::{program_path, run_with_input};
use mural_tests::sandbox::{Sandbox, User};
use serde_json::Value;

use crate::charts::GROUP;
use crate::pair::{AppChange, History, Pair};

/// What is compared: object → its content without what differs between any two writes.
pub type State = BTreeMap<String, Value>;

/// How a program ended.
pub struct Ended {
    pub code: i32,
    /// Command line, standard output and standard error.
    pub text: String,
    stdout: String,
}

/// A pair's installation on a sandbox.
pub struct Installation<'a> {
    pub sandbox: &'a Sandbox,
    pub folder: &'a Path,
}

impl Installation<'_> {
    /// Installs the older charts as the pair's history says, with objects of the users.
    ///
    /// # Errors
    /// A command fails: then the pair says nothing.
    pub fn install(&self, pair: &Pair) -> Result<()> {
        self.done("kubectl create namespace users", "")?;
        let client = if pair.history == History::ClientSide && pair.helm == "4" { " --server-side=false" } else { "" };
        if pair.history == History::GuideOnly {
            self.done("kubectl create namespace hub", "")?;
            self.apply_crds("crds-old")?;
        } else {
            self.done(&format!("helm install mural-crds ./crds-old -n hub --create-namespace{client}"), "")?;
        }
        self.done(&format!("kubectl wait --for=condition=Established crd/cups.{GROUP} crd/plates.{GROUP}"), "")?;
        self.done("kubectl apply -f objects.yaml", "")?;
        self.done(&format!("helm install mural ./app-old -n hub --wait --timeout 60s{client}"), "")?;
        if pair.history == History::GuideOnce {
            self.apply_crds("crds-middle")?;
            self.done("helm upgrade mural ./app-middle -n hub --wait --timeout 60s", "")?;
        }
        if pair.history == History::EditedByHand {
            self.done("kubectl set image deployment/web web=registry.example.org/web:hot -n hub", "")?;
        }
        if pair.app == AppChange::ConfigMapExists {
            self.done("kubectl create configmap added -n hub --from-literal=value=foreign", "")?;
        }
        Ok(())
    }

    /// The vendor's upgrade guide by hand. The first command that fails ends it.
    ///
    /// # Errors
    /// A program cannot be started.
    pub fn upgrade_by_hand(&self) -> Result<Ended> {
        let rendered = self.run("helm template mural-crds ./crds-new --include-crds -n hub", "")?;
        let applied = self.run("kubectl apply --server-side --force-conflicts -f -", &rendered.stdout)?;
        if applied.code != 0 {
            return Ok(applied);
        }
        self.run("helm upgrade mural ./app-new -n hub --wait --timeout 60s", "")
    }

    /// Our upgrade.
    ///
    /// # Errors
    /// A program cannot be started.
    pub fn upgrade_with_us(&self) -> Result<Ended> {
        self.run("kubectl-mural-upgrade --chart ./app-new --crds-chart ./crds-new -n hub --yes --timeout 60s", "")
    }

    /// Why the API server no longer accepts an object like those of the users; none if it accepts all.
    ///
    /// # Errors
    /// A program cannot be started.
    pub fn rejected_objects(&self) -> Result<Option<String>> {
        let again =
            std::fs::read_to_string(self.folder.join("objects.yaml"))?.replace("namespace: users", "namespace: hub");
        let ended = self.run("kubectl create --dry-run=server -f -", &again)?;
        Ok((ended.code != 0).then_some(ended.text))
    }

    fn apply_crds(&self, chart: &str) -> Result<()> {
        let rendered = self.done(&format!("helm template mural-crds ./{chart} --include-crds -n hub"), "")?;
        self.done("kubectl apply --server-side --force-conflicts -f -", &rendered.stdout)?;
        Ok(())
    }

    fn done(&self, line: &str, input: &str) -> Result<Ended> {
        let ended = self.run(line, input)?;
        ensure!(ended.code == 0, "{}", ended.text);
        Ok(ended)
    }

    fn run(&self, line: &str, input: &str) -> Result<Ended> {
        let mut words = line.split(' ');
        let program = words.next().context("no program")?;
        let mut command = self.sandbox.command(User::Operator, program_path(self.sandbox, program)?);
        let command = command.args(words).current_dir(self.folder).env("NO_COLOR", "1");
        let output = run_with_input(command, input.as_bytes())?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let text = format!("$ {line}\n{stdout}{}", String::from_utf8_lossy(&output.stderr));
        Ok(Ended { code: output.status.code().unwrap_or(-1), text, stdout })
    }

    /// Everything that the upgrade is about: the application's objects, the CRDs, the custom resources.
    ///
    /// # Errors
    /// A list cannot be read.
    pub fn read_state(&self) -> Result<State> {
        let mut state = State::new();
        let kinds = "deployments,configmaps,secrets,persistentvolumeclaims";
        self.add_list(&mut state, &format!("kubectl get {kinds} -n hub -o json"))?;
        self.add_list(&mut state, "kubectl get crds -o json")?;
        for plural in ["cups", "plates", "forks"] {
            // A kind that is gone has no objects; the comparison then finds them missing.
            if self.run(&format!("kubectl get crd {plural}.{GROUP}"), "")?.code == 0 {
                self.add_list(&mut state, &format!("kubectl get {plural}.{GROUP} -A -o json"))?;
            }
        }
        Ok(state)
    }

    fn add_list(&self, state: &mut State, line: &str) -> Result<()> {
        let list: Value = serde_json::from_str(&self.done(line, "")?.stdout)?;
        for object in list["items"].as_array().into_iter().flatten() {
            if let Some((name, content)) = normalize(object) {
                state.insert(name, content);
            }
        }
        Ok(())
    }
}

/// Kind and name, and what an operator would call the object's content; none for the records of helm and of ours.
fn normalize(object: &Value) -> Option<(String, Value)> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (kind, name) = (text("/kind"), text("/metadata/name"));
    let is_record = text("/type").starts_with("helm.sh/") || name.starts_with("mural-") || name == "kube-root-ca.crt";
    let is_foreign_crd = kind == "CustomResourceDefinition" && !name.ends_with(GROUP);
    if is_record || is_foreign_crd {
        return None;
    }
    let mut content = object.clone();
    let fields = content.as_object_mut()?;
    fields.remove("status");
    fields.remove("metadata");
    if kind != "CustomResourceDefinition" {
        content["labels"] = object["metadata"]["labels"].clone();
    }
    Some((format!("{kind} {}/{name}", text("/metadata/namespace")), content))
}
