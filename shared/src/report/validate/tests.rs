mod output_formats;

use super::*;
use crate::checks::examples::ExampleInstallation;
use crate::checks::health_checks::HEALTH_CHECKS;
use crate::model::known_secrets::{SecretSources, Secrets};
use crate::model::secret::Hidden;
use crate::report::style::Style;
use serde_json::json;

fn build_report(world: &ExampleInstallation) -> ValidateReport {
    ValidateReport::new(&world.view, world.run_checks(&HEALTH_CHECKS.iter().collect::<Vec<_>>()))
}

fn broken() -> ExampleInstallation {
    let mut world = ExampleInstallation::healthy();
    world.set_crd_field("status.storedVersions", json!(["v1alpha1", "v1beta1"]));
    world.set_workload_field("canvas", "status.readyReplicas", json!(1));
    let message = "\u{1b}[2J</failure>\nnot found & gone";
    world.set_workload_field(
        "canvas-7d9f-a",
        "status.containerStatuses",
        json!([{"name": "main", "state": {"waiting": {"reason": "ImagePullBackOff", "message": message}}}]),
    );
    world
}

#[test]
fn no_form_of_a_report_shows_a_secret() {
    let mut world = broken();
    let secret =
        json!({"kind": "Secret", "stringData": {"dsn": "postgres://u:PLANT-dsn@h", "a": "PLANT-a"}}).to_string();
    world.newest_record("mural").config = Hidden::new(json!({"dsn": "postgres://u:PLANT-dsn@h", "a": "PLANT-a"}));
    world.newest_record("mural").manifest = Hidden::new(secret);
    let message = "cannot log in with PLANT-a to postgres://u:PLANT-dsn@h or https://ann:PLANT-b@a.example";
    let state = json!([{"name": "main", "state": {"waiting": {"reason": "ImagePullBackOff", "message": message}}}]);
    world.set_workload_field("canvas-7d9f-a", "status.containerStatuses", state);
    let record = world.newest_record("mural").clone();
    let objects = record.manifest_objects().unwrap();
    let sources = SecretSources {
        values: vec![record.config.reveal()],
        chart_values: Vec::new(),
        objects: objects.iter().collect(),
    };
    let plain = build_report(&world);
    assert!(serde_json::to_string(&plain).unwrap().contains("PLANT-a"));
    let reports = [plain.mask(&Secrets::collect(&sources))];
    for form in [
        render_table(&reports[0], table_options(&reports[0], true), Style::PLAIN),
        serde_json::to_string(&reports[0]).unwrap(),
        crate::model::yaml::write(&reports[0]).unwrap(),
        render_junit(&reports).unwrap(),
        serde_json::to_string(&render_sarif(&reports)).unwrap(),
        render_markdown(&reports),
        render_html(&reports),
    ] {
        assert!(!form.contains("PLANT"), "{form}");
    }
}

fn table_options(report: &ValidateReport, all_checks: bool) -> TableOptions {
    TableOptions { show_all_checks: all_checks, exit: report.exit(false), elapsed: None }
}

#[test]
fn exit_codes_follow_the_gravest() {
    let mut warned = ExampleInstallation::healthy();
    warned.set_crd_field("status.storedVersions", json!(["v1alpha1", "v1beta1"]));
    let code = |world: &ExampleInstallation, strict| build_report(world).exit(strict).code();
    assert_eq!((code(&ExampleInstallation::healthy(), true), code(&warned, false), code(&warned, true)), (0, 0, 4));
    assert_eq!((code(&broken(), false), code(&ExampleInstallation::unreadable(), false)), (3, 3));
}

#[test]
fn a_healthy_installation_is_a_few_lines() {
    let report = build_report(&ExampleInstallation::healthy());
    let text = render_table(&report, table_options(&report, false), Style::PLAIN);
    assert!(
        text.starts_with(
            "✔ healthy\ncontext prod-hub · Kubernetes v1.33.4 · namespace mural-system · owner: Helm · mural 1.1.0-rc.3,"
        ),
        "{text}"
    );
    assert!(
        text.ends_with("55 of 55 checks passed (94 objects)   exit code 0\n") && text.lines().count() <= 9,
        "{text}"
    );
}

#[test]
fn findings_have_a_next_step_at_every_width() {
    let report = build_report(&broken());
    for width in [60, 100, 200] {
        let text = render_table(&report, table_options(&report, false), Style { width, ..Style::PLAIN });
        assert!(text.contains("✖ workload-ready"), "{text}");
        assert!(text.contains("\n      → helm mural crds migrate hubs.x\n"), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains("\nnot found"), "{text}");
        let fits = |line: &&str| line.contains('→') || line.chars().count() <= width;
        assert!(text.lines().all(|line| fits(&line)), "{text}");
    }
    let wide = render_table(&report, table_options(&report, true), Style { ascii: true, ..Style::PLAIN });
    assert!(wide.contains("ok crd-established") && wide.contains("FAIL workload-ready"), "{wide}");
}

#[test]
fn undetermined_checks_are_shown() {
    let report = build_report(&ExampleInstallation::unreadable());
    let text = render_table(&report, table_options(&report, false), Style::PLAIN);
    assert!(
        text.contains("crd-established,")
            && text.matches("could not look").count() < 20
            && text.contains(" undetermined"),
        "{text}"
    );
}

#[test]
fn junit_escapes_what_the_cluster_says() {
    let text = render_junit(&[build_report(&broken())]).unwrap();
    assert!(text.contains("&lt;/failure&gt;") && text.contains("&amp; gone") && !text.contains('\u{1b}'), "{text}");
    assert_eq!(text.matches("<failure ").count(), 1, "{text}");
    assert!(text.contains("<system-out>"), "{text}");
}

#[test]
fn json_names_its_schema_and_two_runs_are_equal() {
    let text = |world: &ExampleInstallation| serde_json::to_string_pretty(&build_report(world)).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text(&broken())).unwrap();
    assert_eq!((value["apiVersion"].as_str(), value["kind"].as_str()), (Some("mural/v1"), Some("ValidateReport")));
    assert_eq!(value["counts"]["errors"], 1);
    assert_eq!(text(&broken()), text(&broken()));
}

#[test]
fn new_findings_are_separated_from_old_ones() {
    let mut before = ExampleInstallation::healthy();
    before.set_crd_field("status.storedVersions", json!(["v1alpha1", "v1beta1"]));
    let mut after = broken();
    after.tools.helm = ExampleInstallation::unreadable().tools.helm;
    let diff = diff_reports(&build_report(&before), &build_report(&after));
    assert_eq!(diff.new.iter().map(|finding| finding.check.as_str()).collect::<Vec<_>>(), ["workload-ready"]);
    assert_eq!((diff.pre_existing.len(), diff.resolved.len()), (1, 0));
    assert_eq!(diff.newly_undetermined, ["helm-version"]);
}

#[test]
fn a_report_in_which_most_was_skipped_is_not_green() {
    let mut world = ExampleInstallation::healthy();
    assert_eq!(
        (build_report(&world).exit(false), build_report(&world).coverage.is_incomplete()),
        (Exit::Success, false)
    );
    for release in ["mural", "mural-crds"] {
        world.view.owners.insert(release.into(), Owner::Argo { application: "palette".into() });
        world.view.releases.insert(release.into(), Ok(Vec::new()));
    }
    world.view.workloads = crate::model::cluster_view::Workloads::new(Ok(Vec::new()), Ok(Vec::new()));
    let mut report = build_report(&world);
    report.checks.retain(|checked| !checked.is_undetermined());
    report.counts = Counts::from_checks(&report.checks);
    assert_eq!((report.counts.errors, report.counts.undetermined), (0, 0));
    assert_eq!(report.exit(false), Exit::ChecksFailed);
    let table = render_table(&report, table_options(&report, false), Style::PLAIN);
    let told = "were skipped: this report does not show that the installation is healthy";
    for form in [
        table.replace("\n      ", " "),
        render_markdown(&[report.clone()]),
        render_html(&[report.clone()]),
        render_junit(&[report]).unwrap(),
    ] {
        assert!(form.contains(told), "{form}");
    }
}
