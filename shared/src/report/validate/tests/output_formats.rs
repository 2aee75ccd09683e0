//! The machine formats: each contains every finding, text from a cluster never becomes markup, and JSON matches its schema.

use serde_json::Value;

use super::*;
use crate::problem::Explain;

/// The part of JSON Schema that our schema uses, read strictly: a field that is not in the schema is an error.
fn check_schema(schema: &Value, root: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        let pointer = name.trim_start_matches('#');
        return check_schema(root.pointer(pointer).ok_or(name)?, root, value, at);
    }
    if let Some(wanted) = schema.get("const").filter(|wanted| *wanted != value) {
        return Err(format!("{at} is not {wanted}"));
    }
    if let Some(all) = schema["enum"].as_array().filter(|all| !all.contains(value)) {
        return Err(format!("{at}: {value} is not one of {all:?}"));
    }
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        value.get(required).ok_or_else(|| format!("{at} has no {required}"))?;
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        let known = schema["properties"].get(key).or_else(|| schema.get("additionalProperties"));
        check_schema(
            known.ok_or_else(|| format!("{at}.{key} is not in the schema"))?,
            root,
            inner,
            &format!("{at}.{key}"),
        )?;
    }
    value.as_array().into_iter().flatten().try_for_each(|one| check_schema(&schema["items"], root, one, at))
}

#[test]
fn json_is_what_its_schema_says() {
    let schema: Value = serde_json::from_str(REPORT_JSON_SCHEMA).unwrap();
    let report_of = |world: &ExampleInstallation| {
        build_report(world).with_baseline(&[Baseline::from_report(&build_report(&ExampleInstallation::healthy()))])
    };
    for world in [ExampleInstallation::healthy(), broken(), ExampleInstallation::unreadable()] {
        let value = serde_json::to_value(report_of(&world)).unwrap();
        check_schema(&schema["$defs"]["report"], &schema, &value, "report").unwrap();
    }
    let several =
        [build_report(&broken()), ValidateReport::from_read_failure("far", "mural-system", "no route".into())];
    let value = serde_json::to_value(ValidateReportList::new(&several)).unwrap();
    check_schema(&schema["$defs"]["list"], &schema, &value, "list").unwrap();
}

#[test]
fn a_baseline_is_read_again_and_only_what_is_new_counts() {
    let before = serde_json::to_string(&build_report(&broken())).unwrap();
    let baseline = Baseline::read(&before).unwrap();
    let again = build_report(&broken()).with_baseline(&baseline);
    assert_eq!(again.exit(true).code(), 0, "all findings are known");
    let mut worse = broken();
    worse.set_workload_field("db", "spec.replicas", json!(0));
    let worse = build_report(&worse).with_baseline(&baseline);
    let compared = worse.comparison.as_ref().unwrap();
    assert_eq!((compared.new.len(), compared.pre_existing.len(), worse.exit(false).code()), (2, 2, 3));
    let healthy = build_report(&ExampleInstallation::healthy()).with_baseline(&baseline);
    assert_eq!(healthy.comparison.unwrap().resolved.len(), 2);
    for text in [
        "",
        "{}",
        "{\"apiVersion\":\"mural/v1\",\"kind\":\"CrdCheck\"}",
        "{\"apiVersion\":\"mural/v1\",\"kind\":\"ValidateReport\"}",
    ] {
        assert_eq!(Baseline::read(text).unwrap_err().exit(), Exit::Usage, "{text}");
    }
}

#[test]
fn another_installations_baseline_knows_nothing() {
    let mut baseline = serde_json::to_value(build_report(&broken())).unwrap();
    baseline["cluster"]["uid"] = json!("another");
    let baseline = Baseline::read(&baseline.to_string()).unwrap();
    assert_eq!(build_report(&broken()).with_baseline(&baseline).comparison.unwrap().pre_existing.len(), 0);
}

#[test]
fn the_page_is_one_file_and_nothing_of_a_cluster_becomes_markup() {
    let mut world = broken();
    world.view.cluster.context = "<script>alert(1)</script>".into();
    let page = render_html(&[build_report(&world)]);
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>alert"), "{page}");
    assert!(page.contains("default-src 'none'") && !page.contains("src=") && !page.contains("href="), "{page}");
    assert!(!page.contains('\u{1b}') && page.ends_with("</html>\n"));
    assert!(page.contains("workload-ready") && page.contains("why, and what to do"));
}

#[test]
fn sarif_names_every_rule_that_it_uses() {
    let log = render_sarif(&[build_report(&broken()), build_report(&ExampleInstallation::unreadable())]);
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
    let text =
        render_markdown(&[build_report(&broken()), ValidateReport::from_read_failure("far", "m", "no route".into())]);
    assert!(text.starts_with("# prod-hub: 1 error, 1 warning, 0 undetermined\n"), "{text}");
    assert!(text.contains("- error: **workload-ready**") && text.contains("Could not be read: no route"), "{text}");
}

/// Hostile text: it moves a cursor, turns a line around, ends an element, a cell, a line.
const HOSTILE_TEXT: &str =
    "\u{1b}]0;t\u{7}\u{1b}[31m\u{9b}2J\u{202e}gnp.exe\u{2066}\u{200b}|`</failure>]]><script>&\r\n# ok\u{fffe}";

#[test]
fn hostile_words_are_clean_in_every_form() {
    let mut world = broken();
    world.view.cluster.context = HOSTILE_TEXT.into();
    world.newest_record("mural").chart_version = HOSTILE_TEXT.into();
    world.view.owners.insert("mural".into(), crate::model::owner::Owner::Argo { application: HOSTILE_TEXT.into() });
    let waiting =
        json!([{"name": HOSTILE_TEXT, "state": {"waiting": {"reason": "ImagePullBackOff", "message": HOSTILE_TEXT}}}]);
    world.set_workload_field("canvas-7d9f-a", "status.containerStatuses", waiting);
    world.set_workload_field("canvas-7d9f-a", "metadata.name", json!(HOSTILE_TEXT));
    world.set_cluster_name(HOSTILE_TEXT);
    let all =
        [build_report(&world), ValidateReport::from_read_failure(HOSTILE_TEXT, HOSTILE_TEXT, HOSTILE_TEXT.into())];
    let tables =
        [60, 200].map(|width| render_table(&all[0], table_options(&all[0], true), Style { width, ..Style::PLAIN }));
    let forms = [
        ("a narrow table", tables[0].clone()),
        ("a wide table", tables[1].clone()),
        ("junit", render_junit(&all).unwrap()),
        ("sarif", serde_json::to_string(&render_sarif(&all)).unwrap()),
        ("markdown", render_markdown(&all)),
        ("html", render_html(&all)),
    ];
    for (form, text) in forms {
        let bad = |c: &char| {
            (c.is_control() && *c != '\n')
                || matches!(*c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        let found: Vec<char> = text.chars().filter(bad).collect();
        assert!(found.is_empty(), "{form}: {found:?}");
        let of_lines = form.ends_with("table") || form == "markdown";
        assert!(!of_lines || !text.contains("\n# ok"), "{form}: a line from the cluster:\n{text}");
        let markup = ["<script>&", "</failure>]]>"].iter().any(|markup| text.contains(markup));
        assert!(!markup || !["html", "junit"].contains(&form), "{form}: markup:\n{text}");
    }
}

/// The members of SARIF 2.1.0 (OASIS, §3) objects that we write: all, and the required ones.
const SARIF_MEMBERS: [(&str, &[&str], &[&str]); 10] = [
    ("log", &["$schema", "version", "runs"], &["version", "runs"]),
    ("run", &["tool", "results"], &["tool"]),
    ("tool", &["driver"], &["driver"]),
    ("driver", &["name", "version", "rules"], &["name"]),
    ("rule", &["id", "shortDescription", "fullDescription", "help"], &["id"]),
    ("result", &["ruleId", "kind", "level", "message", "locations", "suppressions"], &["message"]),
    ("message", &["text"], &["text"]),
    ("location", &["physicalLocation", "logicalLocations"], &[]),
    ("physicalLocation", &["artifactLocation"], &["artifactLocation"]),
    ("logicalLocation", &["fullyQualifiedName"], &[]),
];

fn assert_sarif_object(kind: &str, object: &Value) {
    let (_, known, required) = SARIF_MEMBERS.iter().find(|(name, _, _)| *name == kind).unwrap();
    let members = object.as_object().unwrap_or_else(|| panic!("{kind} is not an object: {object}"));
    assert!(members.keys().all(|key| known.contains(&key.as_str())), "{kind}: {:?}", members.keys());
    assert!(required.iter().all(|key| members.contains_key(*key)), "{kind} lacks one of {required:?}: {object}");
}

#[test]
fn sarif_is_built_as_the_standard_says() {
    let log = render_sarif(&[build_report(&broken()), build_report(&ExampleInstallation::unreadable())]);
    assert_sarif_object("log", &log);
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert_sarif_object("run", run);
    assert_sarif_object("tool", &run["tool"]);
    assert_sarif_object("driver", &run["tool"]["driver"]);
    for rule in run["tool"]["driver"]["rules"].as_array().unwrap() {
        assert_sarif_object("rule", rule);
        ["shortDescription", "fullDescription", "help"]
            .iter()
            .for_each(|key| assert_sarif_object("message", &rule[key]));
    }
    for result in run["results"].as_array().unwrap() {
        assert_sarif_object("result", result);
        assert_sarif_object("message", &result["message"]);
        let level = result["level"].as_str().unwrap();
        // §3.27.10: a level other than none only with the kind fail, which is the default.
        assert!(
            ["none", "note", "warning", "error"].contains(&level) && (level == "none") == (result["kind"] == "open")
        );
        for location in result["locations"].as_array().unwrap() {
            assert_sarif_object("location", location);
            assert_sarif_object("physicalLocation", &location["physicalLocation"]);
            let uri = location["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
            assert!(uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"{}|\\^`".contains(&byte)), "{uri}");
            location["logicalLocations"]
                .as_array()
                .into_iter()
                .flatten()
                .for_each(|one| assert_sarif_object("logicalLocation", one));
        }
    }
}

/// JUnit as in the XSDs of Jenkins and Surefire: element, attributes, required attributes, parent.
const JUNIT_ELEMENTS: [(&str, &[&str], &[&str], &str); 7] = [
    ("testsuites", &["name", "time", "tests", "failures", "errors"], &[], ""),
    (
        "testsuite",
        &["name", "tests", "failures", "errors", "skipped", "time", "timestamp"],
        &["name", "tests", "failures", "errors"],
        "testsuites",
    ),
    ("testcase", &["name", "classname", "time"], &["name"], "testsuite"),
    ("failure", &["type", "message"], &[], "testcase"),
    ("error", &["type", "message"], &[], "testcase"),
    ("skipped", &["type", "message"], &[], "testcase"),
    ("system-out", &[], &[], "testcase"),
];

#[test]
fn junit_is_built_as_its_readers_say() {
    let unreadable = build_report(&ExampleInstallation::unreadable());
    let far = ValidateReport::from_read_failure("far", "m", "no".into());
    let text = render_junit(&[build_report(&broken()), unreadable, far]).unwrap();
    let mut reader = quick_xml::Reader::from_str(&text);
    let (mut open, mut cases, mut counted): (Vec<String>, usize, usize) = (Vec::new(), 0, 0);
    loop {
        use quick_xml::events::Event;
        let event = reader.read_event().unwrap();
        let (start, empty) = match &event {
            Event::Start(start) => (start, false),
            Event::Empty(start) => (start, true),
            Event::End(_) => {
                open.pop();
                continue;
            }
            Event::Eof => break,
            _ => continue,
        };
        let name = start.name().as_ref().to_owned();
        let (_, known, required, parent) = JUNIT_ELEMENTS.iter().find(|(known, ..)| *known == name).unwrap();
        assert_eq!(open.last().map_or("", String::as_str), *parent, "{name}");
        let pair = |one: quick_xml::events::attributes::Attribute<'_>| {
            (one.key.as_ref().to_owned(), one.value.clone().into_owned())
        };
        let attributes: Vec<(String, String)> = start.attributes().map(|one| pair(one.unwrap())).collect();
        let has = |key: &str| attributes.iter().any(|(name, _)| name == key);
        assert!(
            attributes.iter().all(|(key, _)| known.contains(&key.as_str())) && required.iter().all(|key| has(key)),
            "{name}: {attributes:?}"
        );
        cases += usize::from(name == "testcase");
        let tests = attributes.iter().find(|(key, _)| key == "tests" && name == "testsuite");
        counted += tests.map_or(0, |(_, value)| value.parse::<usize>().unwrap());
        if !empty {
            open.push(name);
        }
    }
    assert!(open.is_empty() && cases > 100 && cases == counted, "{cases} cases, {counted} counted");
}
