//! The fault `our clock ±1 h`: a preloaded library shifts `CLOCK_REALTIME` for our program only. helm and kubectl are
//! static Go programs and ask the kernel.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::crd_backup::apply;
use crate::test_cluster::TestCluster;

/// Replaces `clock_gettime`: `CLOCK_REALTIME` is shifted, other clocks are not.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    const char *off = getenv("MURAL_TEST_CLOCK_OFF");
    if (!failed && off && clock == CLOCK_REALTIME) now->tv_sec += atol(off);
    return failed;
}
"#;

/// Shifts the clock of the command by these seconds.
pub fn shift_clock(test_cluster: &TestCluster, command: &mut Command, seconds: i64) -> Result<()> {
    let (source, shim) = (test_cluster.files().join("clock.c"), test_cluster.files().join("clock.so"));
    std::fs::write(&source, SHIM)?;
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&shim).arg(&source).output().context("cc")?;
    ensure!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    command.env("LD_PRELOAD", shim).env("MURAL_TEST_CLOCK_OFF", seconds.to_string());
    Ok(())
}

/// Creates the Leases of a dead run with the same wrong clock. Its times must not matter: only missing renewals count.
pub fn create_lease_of_dead_run(test_cluster: &TestCluster, seconds: i64) -> Result<()> {
    let then = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_secs(seconds))?;
    let then = then.strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string();
    let lease = |namespace: &str, name: &str| {
        json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name, "namespace": namespace},
            "spec": {"holderIdentity": "ann@desk pid 7", "leaseDurationSeconds": 15, "renewTime": then, "acquireTime": then}})
    };
    // The second Lease has no holder, so it can be acquired at once.
    let mut free = lease("kube-system", "mural-crds");
    free["spec"] = json!({"holderIdentity": "", "leaseDurationSeconds": 15});
    apply(test_cluster, &[lease(crate::small::NAMESPACE, "mural-upgrade"), free])
}
