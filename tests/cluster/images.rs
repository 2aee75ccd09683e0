//! The guard `images-available`: new images are looked up in real registries.

use anyhow::{Context, Result, ensure};
use mural_tests::sandbox::User;
use serde_json::Value;

use crate::Test;
use crate::refusals::command;
use crate::small;
use crate::test_cluster::{TestCluster, to_command_output};

pub const TESTS: &[Test] = &[("images::new_images_are_looked_up", new_images_are_looked_up)];

/// One image that the sandbox's registry has, one that it has not, and two of a registry that does not answer.
fn new_images_are_looked_up(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let registry = test_cluster.sandbox()?.registry();
    let chart = test_cluster.files().join("mural-images");
    small::copy_folder(&small::app(test_cluster, "1.1.0-rc.3")?, &chart)?;
    let images = [
        format!("{registry}/mural/mural:1.1.0-rc.3"),
        format!("{registry}/mural/none:1"),
        "127.0.0.1:1/a:1".into(),
        "127.0.0.1:1/b:1".into(),
    ];
    let containers: Vec<String> =
        images.iter().enumerate().map(|(at, image)| format!("{{name: c{at}, image: \"{image}\"}}")).collect();
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: images}}\nspec: {{containers: [{}]}}\n",
        containers.join(", ")
    );
    std::fs::write(chart.join("templates/images.yaml"), pod)?;
    // The older image is not new: no request is made for it.
    let older = small::app(test_cluster, "1.1.0-rc.0")?.join("templates/all.yaml");
    let deployment = std::fs::read_to_string(older)?.replace("{{ .Chart.Version }}\"", "1.1.0-rc.0\"");
    std::fs::write(chart.join("templates/all.yaml"), deployment)?;
    let chart = chart.display().to_string();
    let mut plan =
        command(test_cluster, User::Operator, &["plan"], &["--chart", &chart, "--crds", "0.7.4", "-o", "json"])?;
    let planned = to_command_output(plan.env_remove("MURAL_SKIP_IMAGES").output()?)?.expect_code(2)?;
    let report: Value = serde_json::from_str(&planned.stdout)?;
    let guards = report.pointer("/plan/guards").and_then(Value::as_array).context("no guards")?;
    let guard = guards.iter().find(|guard| guard["check"] == "images-available").context("no such guard")?;
    ensure!(guard["itemsChecked"] == images.len(), "{guard}");
    let findings = guard["findings"].as_array().context("no findings")?;
    let subjects: Vec<&str> = findings.iter().filter_map(|finding| finding["subject"].as_str()).collect();
    let missing = format!("image {registry}/mural/none:1");
    ensure!(subjects == [missing.as_str(), "images of 127.0.0.1:1"], "{guard}");
    ensure!(findings[1]["message"].as_str().is_some_and(|message| message.starts_with("2 new images")), "{guard}");
    Ok(())
}
