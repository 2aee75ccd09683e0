mod forms;

use super::*;
use crate::checks::examples::World;
use crate::checks::validate::ALL;
use crate::report::style::Style;
use serde_json::json;

fn report(world: &World) -> ValidateReport {
    ValidateReport::new(&world.view, world.asked(&ALL.iter().collect::<Vec<_>>()))
}

fn broken() -> World {
    let mut world = World::healthy();
    world.crd("status.storedVersions", json!(["v1alpha1", "v1beta1"]));
    world.live("canvas", "status.readyReplicas", json!(1));
    let message = "\u{1b}[2J</failure>\nnot found & gone";
    world.live(
        "canvas-7d9f-a",
        "status.containerStatuses",
        json!([{"name": "main", "state": {"waiting": {"reason": "ImagePullBackOff", "message": message}}}]),
    );
    world
}

fn shown(report: &ValidateReport, all_checks: bool) -> Shown {
    Shown { all_checks, exit: report.exit(false), elapsed: None }
}

#[test]
fn exit_codes_follow_the_gravest() {
    let mut warned = World::healthy();
    warned.crd("status.storedVersions", json!(["v1alpha1", "v1beta1"]));
    let code = |world: &World, strict| report(world).exit(strict).code();
    assert_eq!((code(&World::healthy(), true), code(&warned, false), code(&warned, true)), (0, 0, 4));
    assert_eq!((code(&broken(), false), code(&World::unseen(), false)), (3, 3));
}

#[test]
fn a_healthy_installation_is_a_few_lines() {
    let report = report(&World::healthy());
    let text = table(&report, shown(&report, false), Style::PLAIN);
    assert!(
        text.starts_with("prod-hub · v1.33.4 · mural-system · owner: Helm · mural 1.1.0-rc.3, mural-crds 0.7.4\n"),
        "{text}"
    );
    assert!(text.ends_with("passed   exit code 0\n") && text.lines().count() <= 8, "{text}");
}

#[test]
fn trouble_is_told_with_what_to_do_at_every_width() {
    let report = report(&broken());
    for width in [60, 100, 200] {
        let text = table(&report, shown(&report, false), Style { width, ..Style::PLAIN });
        assert!(text.contains("✖ workload-ready"), "{text}");
        assert!(text.contains("\n      → helm mural crds migrate hubs.x\n"), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains("\nnot found"), "{text}");
        let fits = |line: &&str| line.contains('→') || line.chars().count() <= width;
        assert!(text.lines().all(|line| fits(&line)), "{text}");
    }
    let wide = table(&report, shown(&report, true), Style { ascii: true, ..Style::PLAIN });
    assert!(wide.contains("ok crd-established") && wide.contains("FAIL workload-ready"), "{wide}");
}

#[test]
fn what_could_not_be_looked_at_is_shown() {
    let report = report(&World::unseen());
    let text = table(&report, shown(&report, false), Style::PLAIN);
    assert!(
        text.contains("crd-established,")
            && text.matches("could not look").count() < 20
            && text.contains(" undetermined"),
        "{text}"
    );
}

#[test]
fn junit_escapes_what_the_cluster_says() {
    let text = junit(&[report(&broken())]).unwrap();
    assert!(text.contains("&lt;/failure&gt;") && text.contains("&amp; gone") && !text.contains('\u{1b}'), "{text}");
    assert_eq!(text.matches("<failure ").count(), 1, "{text}");
    assert!(text.contains("<system-out>"), "{text}");
}

#[test]
fn json_names_its_schema_and_two_runs_are_equal() {
    let text = |world: &World| serde_json::to_string_pretty(&report(world)).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text(&broken())).unwrap();
    assert_eq!((value["apiVersion"].as_str(), value["kind"].as_str()), (Some("mural/v1"), Some("ValidateReport")));
    assert_eq!(value["counts"]["errors"], 1);
    assert_eq!(text(&broken()), text(&broken()));
}

#[test]
fn new_trouble_is_told_apart_from_old() {
    let mut before = World::healthy();
    before.crd("status.storedVersions", json!(["v1alpha1", "v1beta1"]));
    let mut after = broken();
    after.tools.helm = World::unseen().tools.helm;
    let trouble = new_trouble(&report(&before), &report(&after));
    assert_eq!(trouble.new.iter().map(|finding| finding.check.as_str()).collect::<Vec<_>>(), ["workload-ready"]);
    assert_eq!((trouble.known.len(), trouble.gone.len()), (1, 0));
    assert_eq!(trouble.newly_undetermined, ["helm-version"]);
}
