//! The forms for programs and pages: each says the same, nothing of a cluster becomes markup, and JSON is what its schema says.

use serde_json::Value;

use super::*;

/// As much of JSON Schema as ours uses, read strictly: a field that the schema does not name is an error.
fn fits(schema: &Value, root: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        let pointer = name.trim_start_matches('#');
        return fits(root.pointer(pointer).ok_or(name)?, root, value, at);
    }
    if let Some(wanted) = schema.get("const").filter(|wanted| *wanted != value) {
        return Err(format!("{at} is not {wanted}"));
    }
    if let Some(all) = schema["enum"].as_array().filter(|all| !all.contains(value)) {
        return Err(format!("{at}: {value} is none of {all:?}"));
    }
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        value.get(required).ok_or_else(|| format!("{at} has no {required}"))?;
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        let known = schema["properties"].get(key).or_else(|| schema.get("additionalProperties"));
        fits(known.ok_or_else(|| format!("{at}.{key} is not in the schema"))?, root, inner, &format!("{at}.{key}"))?;
    }
    value.as_array().into_iter().flatten().try_for_each(|one| fits(&schema["items"], root, one, at))
}

#[test]
fn json_is_what_its_schema_says() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let report_of = |world: &World| report(world).compared_with(&[Baseline::of(&report(&World::healthy()))]);
    for world in [World::healthy(), broken(), World::unseen()] {
        let value = serde_json::to_value(report_of(&world)).unwrap();
        fits(&schema["$defs"]["report"], &schema, &value, "report").unwrap();
    }
    let several = [report(&broken()), ValidateReport::unread("far", "mural-system", "no route".into())];
    let value = serde_json::to_value(ValidateReports::new(&several)).unwrap();
    fits(&schema["$defs"]["list"], &schema, &value, "list").unwrap();
}

#[test]
fn a_baseline_is_read_again_and_only_what_is_new_counts() {
    let before = serde_json::to_string(&report(&broken())).unwrap();
    let baseline = Baseline::read(&before).unwrap();
    let again = report(&broken()).compared_with(&baseline);
    assert_eq!(again.exit(true).code(), 0, "all of it is known");
    let mut worse = broken();
    worse.live("db", "spec.replicas", json!(0));
    let worse = report(&worse).compared_with(&baseline);
    let compared = worse.compared.as_ref().unwrap();
    assert_eq!((compared.new.len(), compared.known.len(), worse.exit(false).code()), (2, 2, 3));
    let mended = report(&World::healthy()).compared_with(&baseline);
    assert_eq!(mended.compared.unwrap().gone.len(), 2);
    for text in [
        "",
        "{}",
        "{\"apiVersion\":\"mural/v1\",\"kind\":\"CrdCheck\"}",
        "{\"apiVersion\":\"mural/v1\",\"kind\":\"ValidateReport\"}",
    ] {
        assert_eq!(Baseline::read(text).unwrap_err().exit, Exit::Usage, "{text}");
    }
}

#[test]
fn another_installations_baseline_knows_nothing() {
    let mut baseline = serde_json::to_value(report(&broken())).unwrap();
    baseline["hub"]["uid"] = json!("another");
    let baseline = Baseline::read(&baseline.to_string()).unwrap();
    assert_eq!(report(&broken()).compared_with(&baseline).compared.unwrap().known.len(), 0);
}

#[test]
fn the_page_is_one_file_and_nothing_of_a_cluster_becomes_markup() {
    let mut world = broken();
    world.view.hub.context = "<script>alert(1)</script>".into();
    let page = html(&[report(&world)]);
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>alert"), "{page}");
    assert!(page.contains("default-src 'none'") && !page.contains("src=") && !page.contains("href="), "{page}");
    assert!(!page.contains('\u{1b}') && page.ends_with("</html>\n"));
    assert!(page.contains("workload-ready") && page.contains("why, and what to do"));
}

#[test]
fn sarif_names_every_rule_that_it_uses() {
    let log = sarif(&[report(&broken()), report(&World::unseen())]);
    let run = &log["runs"][0];
    let rules: Vec<&Value> =
        run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| &rule["id"]).collect();
    let results = run["results"].as_array().unwrap();
    assert!(results.iter().all(|result| rules.contains(&&result["ruleId"])));
    let levels: BTreeSet<&str> = results.iter().filter_map(|result| result["level"].as_str()).collect();
    assert_eq!(levels, BTreeSet::from(["error", "warning", "none"]));
    let open = results.iter().filter(|result| result["level"] == "none");
    assert!(open.into_iter().all(|result| result["kind"] == "open"));
}

#[test]
fn markdown_tells_findings_and_what_was_skipped() {
    let text = markdown(&[report(&broken()), ValidateReport::unread("far", "m", "no route".into())]);
    assert!(text.starts_with("# prod-hub: 1 errors, 1 warnings, 0 checks could not look\n"), "{text}");
    assert!(text.contains("- error: **workload-ready**") && text.contains("Could not be read: no route"), "{text}");
}
