use super::*;
use crate::ask::{Allowed, HelmOptions, Mode, SourceNames, StoredValues};
use crate::model::chart::ChartRef;
use crate::model::signature::SignatureAsked;
use crate::plan::saved::AskedChart;
use crate::plan::seal::Seal;
use crate::plan::world::Revision;
use serde_json::json;

pub(crate) fn world() -> World {
    let named = |value: &str| BTreeMap::from([("mural".to_owned(), value.to_owned())]);
    let crd = LiveCrd { uid: "1".into(), spec: "old".into(), stored_versions: vec!["v1".into()] };
    World {
        cluster: "uid-1".into(),
        owners: named("Helm"),
        charts: named("sha256:1"),
        releases: BTreeMap::from([("mural".to_owned(), Some(Revision { revision: 1, status: "deployed".into() }))]),
        crds: BTreeMap::from([("hubs.x".to_owned(), Some(crd)), ("new.x".to_owned(), None)]),
        rendered: BTreeMap::from([("hubs.x".to_owned(), "sha256:2".to_owned())]),
        values: Seal::new("salt", StoredValues::HelmDefault, &json!({"password": "canary"})),
    }
}

pub(crate) fn entry() -> RunEntry {
    let chart = |release: &str| AskedChart {
        release: release.into(),
        chart: ChartRef::parse("oci://a.example/mural").unwrap(),
        version: None,
    };
    let asked = Asked {
        namespace: "mural-system".into(),
        crds: chart("mural-crds"),
        app: chart("mural"),
        mode: Mode::Auto,
        allowed: Allowed::default(),
        helm: HelmOptions::default(),
        sources: SourceNames::default(),
        signature: SignatureAsked::default(),
    };
    let step = |id: &str, action: Action| Step {
        id: id.into(),
        title: id.into(),
        action,
        because: String::new(),
        command: Vec::new(),
    };
    let steps = [
        step("crds", Action::ApplyCrds { names: vec!["hubs.x".into()] }),
        step("mural", Action::UpgradeRelease { release: "mural".into() }),
        step("validate", Action::Validate),
    ];
    let claim = Claim { run: "20261123-0712".into(), user: "ann".into(), host: "desk".into(), ..Claim::default() };
    RunEntry::new(Task::Upgrade, &claim, asked, world(), &steps, Timestamp::UNIX_EPOCH)
}

#[test]
fn a_run_tells_where_it_stands() {
    let mut run = entry();
    assert!(run.unfinished() && !run.wrote());
    run.begin("crds", Timestamp::UNIX_EPOCH);
    assert!(run.wrote());
    run.end_step("crds", StepStands::Done, &"x".repeat(5000), Timestamp::UNIX_EPOCH);
    run.begin("mural", Timestamp::UNIX_EPOCH);
    assert_eq!(run.line(), "done crds; begun mural; to do validate");
    assert_eq!(run.steps[0].detail.len(), TOLD);
    run.end(State::Done, Timestamp::UNIX_EPOCH);
    assert!(!run.unfinished());
}

#[test]
fn who_goes_on_takes_over_what_was_before() {
    let mut first = entry();
    first.left.insert("hubs.x".into(), world().crds["hubs.x"].clone().unwrap());
    let mut second = entry();
    second.run = "20261123-0800".into();
    second.world.releases.clear();
    let second = second.going_on(&first);
    assert_eq!((second.ids().len(), second.world == first.world, second.left.len()), (2, true, 1));
    assert!(second.wrote(), "what it goes on from counts");
}

#[test]
fn no_value_is_in_it() {
    let text = serde_json::to_string(&entry()).unwrap();
    assert!(!text.contains("canary"), "{text}");
    let read: RunEntry = serde_json::from_str(&text).unwrap();
    assert_eq!(read, entry());
}
