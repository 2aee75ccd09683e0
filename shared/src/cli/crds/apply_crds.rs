//! `helm mural crds apply CHART`

use std::time::Instant;

use crate::ask::{
    AllowedActions, ApplianceAccess, FluxSourceNames, HelmOptions, Installation, OwnerMode, ReleaseTarget, UpgradeSpec,
    ValueOptions, parse_duration,
};
use crate::cli::environment::read_environment;
use crate::cli::prompt::{confirm_proceed, require_terminal_or_yes};
use crate::cli::signals::Signals;
use crate::cli::{OutputFormat, Stream, style_for};
use crate::model::chart::ChartRef;
use crate::model::signature::SignatureRequirements;
use crate::prepare::manifest_files;
use crate::prepare::only_crds::retain_crd_steps;
use crate::prepare::prepare;
use crate::prepare::prepared::{Prepared, RunMode};
use crate::problem::{Exit, Problem};
use crate::report::upgrade_report::{Outcome, UpgradeReport};
use crate::report::{plan, upgrade_result};
use crate::run::{RunOptions, run as perform};
use crate::tools::spawn::StopSignal;

use crate::cli::crds::build_event_printer;
use crate::cli::crds::flags::ApplyFlags;
use crate::cli::crds::helm_env::HelmEnv;

/// The application's chart: named, and never fetched, since no version of it is asked for.
const APPLICATION_CHART: &str = "oci://public.ecr.aws/mural/mural";

/// Looks, judges, shows, asks, applies, proves.
pub(crate) async fn run(helm_env: &HelmEnv, flags: &ApplyFlags) -> Result<Exit, Problem> {
    let began = Instant::now();
    let writes = flags.write.dry_run.is_none();
    require_terminal_or_yes(flags.write.yes || !writes)?;
    let wait_for_lock = parse_duration("--wait-for-lock", &flags.wait_for_lock)?;
    let ask = build_ask(helm_env, flags)?;
    let env = read_environment(helm_env.registry_config.as_deref(), RunMode::new(writes, wait_for_lock))?;
    let options = RunOptions {
        run_id: env.run_id.clone(),
        timeout: ask.timeout,
        failure_grace: ask.timeout,
        wait_for_lock,
        stop: StopSignal::default(),
        abort: StopSignal::default(),
        started: began,
        journal_options: None,
    };
    let (mut signals, emit) = (Signals::new()?, build_event_printer(flags.output.style));
    let Some(prepared) = retain_crd_steps(signals.run_read_only(prepare(ask, env, &emit)).await?) else {
        return Err(Problem::usage(format!("{} is named without a version", flags.chart.chart))
            .with_hint("helm mural crds apply oci://… --version VERSION"));
    };
    let plan_text = plan::render(&prepared.plan, style_for(Stream::Stdout, flags.output.style));
    let stream = if flags.output.output == OutputFormat::Table { Stream::Stdout } else { Stream::Stderr };
    stream.write(&plan_text);
    let report = match confirm_or_report(&prepared, &options, flags)? {
        Some(report) => report,
        None => signals.run_writing(&options.stop, perform(&prepared, &options, &emit)).await?,
    };
    let style = style_for(Stream::Stdout, flags.output.style);
    Stream::Stdout.write(&flags.output.output.render(&report, || upgrade_result::render(&report, style))?);
    Ok(Exit::ALL.into_iter().find(|exit| exit.code() == report.exit_code).unwrap_or(Exit::Failed))
}

fn build_ask(helm_env: &HelmEnv, flags: &ApplyFlags) -> Result<UpgradeSpec, Problem> {
    let chart = |text: &str| ChartRef::parse(text).map_err(|error| Problem::usage(error.to_string()));
    let (crds_release, app_release) = (flags.crds_release.clone(), "mural".to_owned());
    Ok(UpgradeSpec {
        crds: ReleaseTarget {
            release: crds_release.clone(),
            chart: chart(&flags.chart.chart)?,
            version: flags.chart.version.clone(),
        },
        app: ReleaseTarget { release: app_release.clone(), chart: chart(APPLICATION_CHART)?, version: None },
        installation: Installation {
            namespace: helm_env.namespace.clone(),
            crds_release,
            app_release,
            cluster: helm_env.cluster.clone(),
        },
        // CRDs that Flux or Argo CD keep are changed through them.
        mode: OwnerMode::Helm,
        values: ValueOptions::default(),
        registry: helm_env.registry_access(flags.chart.plain_http, flags.chart.ca_file.clone()),
        timeout: parse_duration("--timeout", &flags.timeout)?,
        allowed_actions: AllowedActions {
            downgrade: flags.allow_downgrade,
            foreign_downgrade: flags.allow_foreign_downgrade,
            migrate: flags.migrate,
            ..AllowedActions::default()
        },
        server_dry_runs: flags.write.dry_run.as_deref() != Some("client"),
        waivers: manifest_files::read_waivers(flags.waivers.as_deref())?,
        check_images: false,
        helm_options: HelmOptions::default(),
        appliance: ApplianceAccess::default(),
        sources: FluxSourceNames::default(),
        signature: SignatureRequirements::default(),
    })
}

/// What ends here without a write; `None` where the run may begin.
fn confirm_or_report(
    prepared: &Prepared,
    options: &RunOptions,
    flags: &ApplyFlags,
) -> Result<Option<UpgradeReport>, Problem> {
    let plan = &prepared.plan;
    let (outcome, exit) = if let Some(decided) = UpgradeReport::outcome_before_run(plan) {
        decided
    } else if flags.write.dry_run.is_some() {
        (Outcome::Planned, Exit::Success)
    } else if flags.write.yes || confirm_proceed()? {
        return Ok(None);
    } else {
        (Outcome::Planned, Exit::Refused)
    };
    let seconds = options.started.elapsed().as_secs_f64();
    Ok(Some(prepared.build_report(outcome, exit, seconds)))
}
