//! The command line. Flags are kubectl's own wherever it has one.

use clap::{Args, Parser, ValueEnum};
use mural::ask::{self, Installation};
use mural::checks::seen::Expect;
use mural::cli::{ClusterFlags, LookFlags, complete};
use mural::problem::{Exit, Problem};
use semver::Version;

const EXAMPLES: &str = "Examples:
  # is the installation healthy?
  kubectl mural validate

  # is it the version that was meant? for a pipeline
  kubectl mural validate --expect mural=1.1.0-rc.3 --expect crds=0.7.4 --strict -o junit > validate.xml

  # only the CRDs, every check shown
  kubectl mural validate --only crds -o wide

  # what does a check mean? needs no cluster
  kubectl mural validate --explain crd-stored-versions";

/// Say whether an installation of PaletteAI is healthy. Reads only; works on an installation that this suite never touched.
#[derive(Debug, Parser)]
#[command(name = "kubectl-mural-validate", bin_name = "kubectl mural validate", version)]
#[command(after_help = format!("{EXAMPLES}\n\nExit codes:\n{}", Exit::table()))]
pub struct Cli {
    /// Which checks.
    #[command(flatten)]
    pub checks: CheckFlags,
    /// Which installation.
    #[command(flatten)]
    pub place: PlaceFlags,
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterFlags,
    /// The form of the answer.
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM", help_heading = "Output")]
    pub output: Output,
    /// How text looks.
    #[command(flatten)]
    pub look: LookFlags,
}

/// Which checks, and how they are judged.
#[derive(Debug, Args)]
#[command(next_help_heading = "Checks")]
pub struct CheckFlags {
    /// A version to find: mural=VERSION or crds=VERSION; may be given several times.
    #[arg(long, value_name = "CHART=VERSION")]
    pub expect: Vec<String>,
    /// Warnings alone end with exit code 4.
    #[arg(long)]
    pub strict: bool,
    /// Only these checks: ids or sections, with commas or given several times.
    #[arg(long, value_name = "ID|SECTION", value_delimiter = ',', add = complete::checks())]
    pub only: Vec<String>,
    /// All but these checks.
    #[arg(long, value_name = "ID|SECTION", value_delimiter = ',', add = complete::checks())]
    pub skip: Vec<String>,
    /// List every check, and end. Needs no cluster.
    #[arg(long, exclusive = true)]
    pub list_checks: bool,
    /// Explain one check, and end. Needs no cluster.
    #[arg(long, value_name = "ID", conflicts_with = "list_checks", add = complete::checks())]
    pub explain: Option<String>,
}

/// Which installation.
#[derive(Debug, Args)]
#[command(next_help_heading = "Installation")]
pub struct PlaceFlags {
    /// The namespace of both releases.
    #[arg(short, long, default_value = "mural-system", value_name = "NAME")]
    pub namespace: String,
    /// The release of the application.
    #[arg(long, default_value = "mural", value_name = "NAME")]
    pub release: String,
    /// The release of the CRD chart.
    #[arg(long, default_value = "mural-crds", value_name = "NAME")]
    pub crds_release: String,
}

/// The form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Output {
    /// For a person: counts, and what is wrong.
    #[default]
    Table,
    /// For a person: every check.
    Wide,
    /// For a program.
    Json,
    /// For a program.
    Yaml,
    /// For a CI server.
    Junit,
}

/// helm's own limit on a release's name; a namespace is a DNS label.
const RELEASE_LENGTH: usize = 53;
const NAMESPACE_LENGTH: usize = 63;

impl Cli {
    /// Which installation, validated.
    ///
    /// # Errors
    /// A name or a duration is none.
    pub fn installation(&self) -> Result<Installation, Problem> {
        Ok(Installation {
            namespace: ask::name("--namespace", &self.place.namespace, NAMESPACE_LENGTH)?,
            crds_release: ask::name("--crds-release", &self.place.crds_release, RELEASE_LENGTH)?,
            app_release: ask::name("--release", &self.place.release, RELEASE_LENGTH)?,
            cluster: self.cluster.access()?,
        })
    }

    /// What is expected, validated.
    ///
    /// # Errors
    /// An `--expect` is no `mural=VERSION` or `crds=VERSION`, or a chart is named twice.
    pub fn expect(&self) -> Result<Expect, Problem> {
        let mut expect = Expect::default();
        for text in &self.checks.expect {
            let wrong = |why: &str| {
                Problem::usage(format!("--expect {text:?} {why}"))
                    .hint("write --expect mural=1.1.0-rc.3 --expect crds=0.7.4")
            };
            let (chart, version) = text.split_once('=').ok_or_else(|| wrong("names no version"))?;
            let version = Version::parse(version.trim_start_matches('v'))
                .map_err(|error| wrong("names no semantic version").because(error))?;
            let place = match chart {
                "mural" => &mut expect.app_version,
                "crds" | "mural-crds" => &mut expect.crds_version,
                _ => return Err(wrong("names neither mural nor crds")),
            };
            if place.replace(version).is_some() {
                return Err(wrong("names its chart a second time"));
            }
        }
        Ok(expect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parsed(args: &[&str]) -> Cli {
        Cli::try_parse_from(std::iter::once("validate").chain(args.iter().copied())).unwrap()
    }

    #[test]
    fn the_command_line_is_sound_and_tells_its_exit_codes() {
        Cli::command().debug_assert();
        let help = Cli::command().render_help().to_string();
        assert!(help.contains("64  wrong usage") && help.contains("kubectl mural validate --explain"), "{help}");
    }

    #[test]
    fn what_is_expected_is_read_or_refused() {
        let expect = parsed(&["--expect", "mural=1.1.0-rc.3", "--expect", "crds=v0.7.4"]).expect().unwrap();
        assert_eq!(expect.crds_version, Some(Version::new(0, 7, 4)));
        for bad in ["mural", "mural=latest", "other=1.0.0"] {
            assert_eq!(parsed(&["--expect", bad]).expect().unwrap_err().exit, Exit::Usage, "{bad}");
        }
    }

    #[test]
    fn bad_names_are_wrong_usage() {
        assert_eq!(parsed(&["-n", "Not_A_Name"]).installation().unwrap_err().exit, Exit::Usage);
    }
}
