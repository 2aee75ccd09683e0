//! The help of every verb: `-h` fits one screen, `--help` has all flags, examples and exit codes.
//!
//! Owns which flags are short help, and the examples. clap wraps texts at the width of the terminal; an example must stay whole to be
//! copied, so clap gets a marker, and [`fill_in`] puts the text in its place. `cli/tests.rs` has a snapshot of every help.

use clap::Command;

use crate::problem::Exit;

/// The flags of `-h`, by their long name. All others are in `--help`.
const SHORT_HELP_FLAGS: [&str; 19] = [
    "to",
    "crds",
    "chart",
    "crds-chart",
    "values",
    "set",
    "namespace",
    "context",
    "yes",
    "dry-run",
    "output",
    "save",
    "wait",
    "expect",
    "only",
    "objects",
    "all",
    "verbose",
    "help",
];
/// Around the name of a verb whose examples stand here: clap breaks no word, and drops control characters.
const MARKER: &str = "@@";
/// Codes of a verb that only reads.
const READ_CODES: &[Exit] = &[Exit::Success, Exit::Failed, Exit::ChecksFailed, Exit::Usage, Exit::Interrupted];
/// Codes of a verb that judges.
const JUDGE_CODES: &[Exit] = &[
    Exit::Success,
    Exit::Failed,
    Exit::ChecksFailed,
    Exit::OnlyWarnings,
    Exit::MissingTool,
    Exit::Usage,
    Exit::Interrupted,
];

/// The examples of a verb, and its exit codes.
struct VerbHelp {
    /// The verb behind the name of the plugin; empty for the plugin itself.
    verb: &'static str,
    examples: &'static str,
    codes: &'static [Exit],
}

const UPGRADE_HELP: [VerbHelp; 10] = [
    VerbHelp {
        verb: "",
        examples: "  # Plan the upgrade, show the plan, confirm, apply and verify
  kubectl mural upgrade --to 1.1.0-rc.3 --crds 0.7.4 -f values.yaml

  # Create a plan only; exit code 2 means that there are changes
  kubectl mural upgrade plan --to 1.1.0-rc.3 --crds 0.7.4 -f values.yaml -o json

  # Save a plan, review it, and apply exactly this plan later
  kubectl mural upgrade plan --to 1.1.0-rc.3 --crds 0.7.4 -f values.yaml --save plan.json
  kubectl mural upgrade apply plan.json -f values.yaml

  # Continue an interrupted run, also from another workstation, or roll it back
  kubectl mural upgrade resume -f values.yaml
  kubectl mural upgrade rollback

  # Use chart files, for an air-gapped cluster
  kubectl mural upgrade --chart ./mural-1.1.0-rc.3.tgz --crds-chart ./mural-crds-0.7.4.tgz -f values.yaml",
        codes: &Exit::ALL,
    },
    VerbHelp {
        verb: "plan",
        examples: "  # Show the plan
  kubectl mural upgrade plan --to 1.1.0-rc.3 --crds 0.7.4 -f values.yaml

  # One HTML page for a review
  kubectl mural upgrade plan --to 1.1.0-rc.3 --crds 0.7.4 -f values.yaml -o html > plan.html

  # The Roles that the upgrade needs
  kubectl mural upgrade plan --to 1.1.0-rc.3 --crds 0.7.4 -f values.yaml --role-file role.yaml",
        codes: &Exit::ALL,
    },
    VerbHelp {
        verb: "images",
        examples: "  # List charts and images with their digests, for a mirror
  kubectl mural upgrade images --to 1.1.0-rc.3 --crds 0.7.4 -f values.yaml -o json",
        codes: READ_CODES,
    },
    VerbHelp {
        verb: "job",
        examples: "  # Run the upgrade in the cluster, with the rights of its plan
  kubectl mural upgrade job --to 1.1.0-rc.3 --crds 0.7.4 -f values.yaml --image IMAGE | kubectl apply -f -

  # Commit it, and start it later
  kubectl mural upgrade job --to 1.1.0-rc.3 --crds 0.7.4 --image IMAGE --suspend > upgrade-job.yaml",
        codes: &Exit::ALL,
    },
    VerbHelp {
        verb: "apply",
        examples: "  # Apply a saved plan, with the value flags of the plan
  kubectl mural upgrade apply plan.json -f values.yaml",
        codes: &Exit::ALL,
    },
    VerbHelp {
        verb: "flux-manifests",
        examples: "  # Print the four manifests
  kubectl mural upgrade flux-manifests --to 1.1.0-rc.3 --crds 0.7.4 -f values.yaml

  # Hand over to Flux the releases that helm installed
  kubectl mural upgrade flux-manifests --to 1.1.0-rc.3 --crds 0.7.4 -f values.yaml --apply",
        codes: &Exit::ALL,
    },
    VerbHelp {
        verb: "status",
        examples: "  # Who is upgrading, at which step, and what to do next
  kubectl mural upgrade status

  # Delete the backup of a run
  kubectl mural upgrade status --forget 20261123-071213",
        codes: READ_CODES,
    },
    VerbHelp {
        verb: "resume",
        examples: "  # Continue the last run, with its value flags; status shows the complete command
  kubectl mural upgrade resume -f values.yaml",
        codes: &Exit::ALL,
    },
    VerbHelp {
        verb: "rollback",
        examples: "  # Show what can be rolled back, and write nothing
  kubectl mural upgrade rollback --dry-run=server

  # Roll back after a confirmation
  kubectl mural upgrade rollback",
        codes: &Exit::ALL,
    },
    VerbHelp {
        verb: "repair",
        examples: "  # List the issues, and fix them after a confirmation
  kubectl mural upgrade repair",
        codes: &Exit::ALL,
    },
];

const VALIDATE_HELP: [VerbHelp; 3] = [
    VerbHelp {
        verb: "",
        examples: "  # Check whether the installation is healthy
  kubectl mural validate

  # Require certain versions, in a pipeline
  kubectl mural validate --expect mural=1.1.0-rc.3 --expect crds=0.7.4 --strict -o junit > validate.xml

  # Compare the installation with a values file and a chart
  kubectl mural validate --values values.yaml --crds-chart ./mural-crds-0.7.4.tgz

  # Wait until the installation is healthy, for at most 10 minutes
  kubectl mural validate --wait 10m

  # Save a baseline, and report only new findings later
  kubectl mural validate --save-baseline before.json
  kubectl mural validate --baseline before.json --report after.html

  # Accept findings until a day, each with a reason
  kubectl mural validate --waivers .mural-waivers.yaml

  # Check several clusters
  kubectl mural validate --contexts hub-a,hub-b

  # Create a support bundle
  kubectl mural validate bundle mural.tar.gz

  # Run only the CRD checks, and show every check
  kubectl mural validate --only crds -o wide

  # Explain a check, without a cluster
  kubectl mural validate --explain crd-stored-versions",
        codes: &[
            Exit::Success,
            Exit::Failed,
            Exit::ChecksFailed,
            Exit::OnlyWarnings,
            Exit::TimedOut,
            Exit::Usage,
            Exit::Interrupted,
        ],
    },
    VerbHelp {
        verb: "bundle",
        examples: "  # Show the content, ask, and write the file; secrets are masked
  kubectl mural validate bundle mural.tar.gz",
        codes: &[Exit::Success, Exit::Failed, Exit::NotConfirmed, Exit::Usage, Exit::Interrupted],
    },
    VerbHelp {
        verb: "schema",
        examples: "  # Check a report against its schema
  kubectl mural validate schema > report.schema.json",
        codes: &[Exit::Success],
    },
];

const CRDS_HELP: [VerbHelp; 9] = [
    VerbHelp {
        verb: "crds",
        examples: "  # Show the CRDs on the cluster
  helm mural crds

  # Compare a chart with the cluster
  helm mural crds diff ./mural-crds-0.7.4.tgz

  # Check a chart against the cluster, including live custom resources
  helm mural crds check ./mural-crds-0.7.4.tgz

  # Check the manifests of a repository against a chart, without a cluster
  helm mural crds fit ./mural-crds-0.7.4.tgz --objects ./samples

  # Apply the CRDs that differ, with the guards
  helm mural crds apply ./mural-crds-0.7.4.tgz

  # Migrate objects that are stored in an older version
  helm mural crds migrate

  # Back up the CRDs of PaletteAI and their custom resources, and restore them
  helm mural crds save ./before
  helm mural crds restore ./before",
        codes: &Exit::ALL,
    },
    VerbHelp {
        verb: "list",
        examples: "  # List the CRDs in a chart
  helm mural crds list oci://public.ecr.aws/mural/mural-crds --version 0.7.4",
        codes: READ_CODES,
    },
    VerbHelp {
        verb: "diff",
        examples: "  # Show what a server-side apply would change; exit code 2 if it would
  helm mural crds diff ./mural-crds-0.7.4.tgz --exit-code",
        codes: &[Exit::Success, Exit::Failed, Exit::ChangesFound, Exit::Usage, Exit::Interrupted],
    },
    VerbHelp {
        verb: "check",
        examples: "  # Compare two charts and judge samples, without a cluster
  helm mural crds check ./mural-crds-0.7.1.tgz ./mural-crds-0.7.4.tgz --objects ./samples -o sarif

  # Compare a chart with the cluster and its live objects
  helm mural crds check ./mural-crds-0.7.4.tgz",
        codes: JUDGE_CODES,
    },
    VerbHelp {
        verb: "fit",
        examples: "  # Check the samples of a repository against a chart, in CI
  helm mural crds fit ./mural-crds-0.7.4.tgz --objects ./samples -o github",
        codes: JUDGE_CODES,
    },
    VerbHelp {
        verb: "apply",
        examples: "  # Apply the CRDs that differ, after a confirmation
  helm mural crds apply ./mural-crds-0.7.4.tgz",
        codes: &Exit::ALL,
    },
    VerbHelp {
        verb: "migrate",
        examples: "  # Migrate what is stored in an older version, and trim storedVersions
  helm mural crds migrate hubs.fleetconfig.open-cluster-management.io",
        codes: &Exit::ALL,
    },
    VerbHelp {
        verb: "save",
        examples: "  # Back up the CRDs of PaletteAI and their custom resources
  helm mural crds save ./before",
        codes: READ_CODES,
    },
    VerbHelp {
        verb: "restore",
        examples: "  # Show what would be restored, and write nothing
  helm mural crds restore ./before --dry-run=server",
        codes: &Exit::ALL,
    },
];

/// Every table, with the name of its plugin.
const PLUGINS: [(&str, &[VerbHelp]); 3] =
    [("kubectl-mural-upgrade", &UPGRADE_HELP), ("kubectl-mural-validate", &VALIDATE_HELP), ("helm-mural", &CRDS_HELP)];

/// Adds short help, examples and exit codes to a plugin and its verbs.
#[must_use]
pub fn complete_help(command: Command) -> Command {
    let plugin = command.get_name().to_owned();
    let verbs = PLUGINS.iter().find(|(name, _)| *name == plugin).map_or(&[][..], |(_, verbs)| *verbs);
    add_help(command, &plugin, "", verbs)
}

fn add_help(command: Command, plugin: &str, verb: &str, verbs: &[VerbHelp]) -> Command {
    let is_short = |arg: &clap::Arg| match arg.get_long() {
        Some(long) => SHORT_HELP_FLAGS.contains(&long),
        None => true,
    };
    let command = command.mut_args(|arg| if is_short(&arg) { arg } else { arg.hide_short_help(true) });
    let command = match verbs.iter().any(|help| help.verb == verb) {
        true => command
            .after_help("All flags, examples and exit codes: --help")
            .after_long_help(format!("{MARKER}{plugin}/{verb}{MARKER}")),
        false => command,
    };
    command.mut_subcommands(|inner| {
        let verb = inner.get_name().to_owned();
        add_help(inner, plugin, &verb, verbs)
    })
}

/// The examples of a verb, and the table of its exit codes. The verb is empty for the plugin itself.
pub(super) fn find_examples(plugin: &str, verb: &str) -> Option<(&'static str, String)> {
    let mut verbs = PLUGINS.iter().filter(|(name, _)| *name == plugin).flat_map(|(_, verbs)| *verbs);
    let VerbHelp { examples, codes, .. } = verbs.find(|help| help.verb == verb)?;
    Some((examples, Exit::table_of(codes)))
}

/// Puts the examples and exit codes in the place of their markers.
#[must_use]
pub fn fill_in(help: &str) -> String {
    let mut parts = help.split(MARKER);
    let mut out = parts.next().unwrap_or_default().to_owned();
    while let (Some(name), rest) = (parts.next(), parts.next()) {
        let (plugin, verb) = name.split_once('/').unwrap_or((name, ""));
        if let Some((examples, codes)) = find_examples(plugin, verb) {
            out.push_str(&format!("Examples:\n{examples}\n\nExit codes:\n{codes}"));
        }
        out.push_str(rest.unwrap_or_default());
    }
    out
}
