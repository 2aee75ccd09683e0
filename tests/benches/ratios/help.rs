//! The start of each plugin, measured by `--help`, relative to a program that does nothing.

use std::process::Stdio;

use anyhow::{Result, ensure};

use crate::bench_cluster::BenchCluster;
use crate::row::{Pairs, Row, measure_duration};

/// Cheap, and a single one is smaller than the scheduler's whim.
const TIMES: usize = 20;

pub fn help(test_cluster: &BenchCluster, runs: usize) -> Result<Vec<Row>> {
    let again = |program: &str| {
        let args: &[&str] = if program == "true" { &[] } else { &["--help"] };
        measure_duration(|| {
            for _ in 0..TIMES {
                let status = match program {
                    "true" => std::process::Command::new("true").status()?,
                    ours => test_cluster.command(ours).args(args).stdout(Stdio::null()).status()?,
                };
                ensure!(status.success(), "{program} --help: {status}");
            }
            Ok(())
        })
    };
    ["kubectl-mural-upgrade", "kubectl-mural-validate", "helm-mural"]
        .into_iter()
        .map(|program| {
            let pairs = Pairs::measure(runs, || again(program), || again("true"))?;
            #[expect(clippy::cast_precision_loss, reason = "a small number of runs")]
            let each = pairs.difference_ms() / TIMES as f64;
            Ok(Row {
                what: format!("{program} --help, over an empty process"),
                figure: format!("{each:.1} ms"),
                reached: each <= 2.0,
                ..pairs.row("", "≤ 2 ms", 0.0)
            })
        })
        .collect()
}
