//! `helm mural crds apply CHART`

use std::time::Instant;

use mural::ask::{
    Allowed, ApplianceAccess, Ask, HelmOptions, Installation, Mode, SourceNames, Target, Values, duration,
};
use mural::cli::around::surroundings;
use mural::cli::prompt::{ask_to_go_ahead, needs_a_person};
use mural::cli::signals::Signals;
use mural::cli::{Output, Stream, style_for};
use mural::model::chart::ChartRef;
use mural::model::signature::SignatureAsked;
use mural::prepare::manifests;
use mural::prepare::only_crds::only_crds;
use mural::prepare::{Prepared, prepare};
use mural::problem::{Exit, Problem};
use mural::report::upgrade::{Outcome, UpgradeReport};
use mural::report::{ending, plan};
use mural::run::{Manner, run as perform};
use mural::tools::spawn::Stop;

use crate::edge::Around;
use crate::flags::ApplyFlags;
use crate::talk;

/// The application's chart: named, and never fetched, since no version of it is asked for.
const APPLICATION: &str = "oci://public.ecr.aws/mural/mural";

/// Looks, judges, shows, asks, applies, proves.
pub(crate) async fn run(around: &Around, flags: &ApplyFlags) -> Result<Exit, Problem> {
    let began = Instant::now();
    let writes = flags.write.dry_run.is_none();
    needs_a_person(flags.write.yes || !writes)?;
    let wait_for_lock = duration("--wait-for-lock", &flags.wait_for_lock)?;
    let ask = asked(around, flags)?;
    let surroundings = surroundings(around.registry_config.as_deref(), writes.then_some(wait_for_lock))?;
    let manner = Manner {
        run: surroundings.run.clone(),
        timeout: ask.timeout,
        failure_grace: ask.timeout,
        wait_for_lock,
        stop: Stop::default(),
        at_once: Stop::default(),
        began,
        keeping: None,
    };
    let (mut signals, emit) = (Signals::new()?, talk(flags.output.look));
    let prepared = only_crds(signals.reading(prepare(ask, surroundings, &emit)).await?);
    if prepared.crds.is_none() {
        return Err(Problem::usage(format!("{} is named without a version", flags.chart.chart))
            .hint("helm mural crds apply oci://… --version VERSION"));
    }
    let shown = plan::render(&prepared.plan, style_for(Stream::Answer, flags.output.look));
    let stream = if flags.output.output == Output::Table { Stream::Answer } else { Stream::Talk };
    stream.write(&shown);
    let report = match before_writing(&prepared, &manner, flags)? {
        Some(report) => report,
        None => signals.writing(&manner.stop, perform(&prepared, &manner, &emit)).await?,
    };
    let report = UpgradeReport { kind: "CrdApply", ..report };
    let style = style_for(Stream::Answer, flags.output.look);
    Stream::Answer.write(&flags.output.output.form(&report, || ending::render(&report, style))?);
    Ok(Exit::ALL.into_iter().find(|exit| exit.code() == report.exit_code).unwrap_or(Exit::Failed))
}

fn asked(around: &Around, flags: &ApplyFlags) -> Result<Ask, Problem> {
    let chart = |text: &str| ChartRef::parse(text).map_err(|error| Problem::usage(error.to_string()));
    let (crds_release, app_release) = (flags.crds_release.clone(), "mural".to_owned());
    Ok(Ask {
        crds: Target {
            release: crds_release.clone(),
            chart: chart(&flags.chart.chart)?,
            version: flags.chart.version.clone(),
        },
        app: Target { release: app_release.clone(), chart: chart(APPLICATION)?, version: None },
        installation: Installation {
            namespace: around.namespace.clone(),
            crds_release,
            app_release,
            cluster: around.cluster.clone(),
        },
        // CRDs that Flux or Argo CD keep are changed through them.
        mode: Mode::Helm,
        values: Values::default(),
        registry: around.registry(flags.chart.plain_http, flags.chart.ca_file.clone()),
        timeout: duration("--timeout", &flags.timeout)?,
        allowed: Allowed {
            downgrade: flags.allow_downgrade,
            foreign_downgrade: flags.allow_foreign_downgrade,
            migrate: flags.migrate,
            ..Allowed::default()
        },
        server_dry_runs: flags.write.dry_run.as_deref() != Some("client"),
        waivers: manifests::waivers(flags.waivers.as_deref())?,
        images: false,
        helm: HelmOptions::default(),
        appliance: ApplianceAccess::default(),
        sources: SourceNames::default(),
        signature: SignatureAsked::default(),
    })
}

/// What ends here without a write; `None` where the run may begin.
fn before_writing(prepared: &Prepared, manner: &Manner, flags: &ApplyFlags) -> Result<Option<UpgradeReport>, Problem> {
    let plan = &prepared.plan;
    let (outcome, exit) = if let Some(decided) = UpgradeReport::decided(plan) {
        decided
    } else if flags.write.dry_run.is_some() {
        (Outcome::Planned, Exit::Fine)
    } else if flags.write.yes || ask_to_go_ahead()? {
        return Ok(None);
    } else {
        (Outcome::Planned, Exit::Refused)
    };
    let seconds = manner.began.elapsed().as_secs_f64();
    Ok(Some(UpgradeReport::new(manner.run.clone(), plan.clone(), outcome, exit, seconds)))
}
