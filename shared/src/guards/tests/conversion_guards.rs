//! Conversion webhooks that are called by a URL: what can be known of them before the CRD is applied.

use serde_json::json;

use crate::guards::tests::scenario::{GuardScenario, build_crd, fires, guard_findings};
use crate::model::admission_policies::ConversionAnswer;
use crate::model::check::{Level, Verdict};
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;

const HUBS: &str = "hubs.example.com";
const GUARD: &str = "conversion-webhook-ready";

/// A CRD that gets a second served version and a conversion webhook by URL.
fn with_conversion_url(modify: impl FnOnce(&mut GuardScenario)) -> GuardScenario {
    let mut next = build_crd(HUBS, "v1").json().clone();
    let mut second = next["spec"]["versions"][0].clone();
    (second["name"], second["storage"]) = ("v2".into(), false.into());
    next["spec"]["versions"].as_array_mut().unwrap().push(second);
    let client = json!({"url": "https://127.0.0.1:9/c"});
    next["spec"]["conversion"] = json!({"strategy": "Webhook", "webhook": {"clientConfig": client}});
    GuardScenario::with(|scenario| {
        scenario.forecasts.insert(HUBS.into(), CrdDryRunResult::Accepted(Crd::new(next).unwrap()));
        modify(scenario);
    })
}

fn with_answer(answer: ConversionAnswer) -> GuardScenario {
    with_conversion_url(|scenario| drop(scenario.policies.conversions.insert(HUBS.into(), answer)))
}

#[test]
fn a_url_that_the_server_has_never_called_is_refused_unless_it_is_allowed() {
    let reported = guard_findings(&with_conversion_url(|_| ()), GUARD);
    assert_eq!(reported[0].level, Level::Error);
    assert!(reported[0].message.contains("https://127.0.0.1:9/c"), "{reported:?}");
    let allowed = with_conversion_url(|scenario| scenario.allowed.untried_conversion = true);
    assert_eq!(guard_findings(&allowed, GUARD)[0].level, Level::Warning);
    let new = with_conversion_url(|scenario| scenario.view.crds = Ok(std::collections::BTreeMap::new()));
    assert_eq!(guard_findings(&new, GUARD)[0].level, Level::Warning, "a new kind has no objects");
}

#[test]
fn a_url_in_use_is_judged_by_what_the_server_converts_with_it() {
    assert!(!fires(&with_answer(ConversionAnswer::Converted), GUARD));
    assert!(!fires(&with_answer(ConversionAnswer::NoObjects), GUARD));
    let failed = with_answer(ConversionAnswer::Failed("connection refused".into()));
    assert!(guard_findings(&failed, GUARD)[0].message.contains("connection refused"));
    let unread = with_answer(ConversionAnswer::Unread("forbidden".into())).run_guard(GUARD);
    assert!(matches!(unread, Verdict::Undetermined { .. }), "{unread:?}");
}
