//! The table of cases: the command line of each, and its expected outcome.

/// How a run ends.
pub struct Expect {
    pub code: i32,
    /// The guards that fire; all others are silent. `None` if the run ends before the guards.
    pub fires: &'static [&'static str],
    /// Expected words of the output: the object, the reason.
    pub says: &'static [&'static str],
    /// A word of a line that says what to do next.
    pub hint: &'static str,
    /// Whether it begins: a refusal, or what is not even understood, writes nothing.
    pub writes: bool,
}

/// What happens as long as a guard is not there.
pub struct Today {
    pub waits_for: &'static str,
    pub expect: Expect,
}

/// One broken variant.
pub struct Case {
    /// Its folder.
    pub name: &'static str,
    /// More flags; `REGISTRY` stands for the sandbox's.
    pub flags: &'static [&'static str],
    pub expect: Expect,
    pub today: Option<Today>,
    /// Whether its world would hurt other cases.
    pub alone: bool,
}

impl Case {
    /// Whether it writes.
    pub const fn begins(&self) -> bool {
        match &self.today {
            Some(today) => today.expect.writes,
            None => self.expect.writes,
        }
    }

    /// Whether the application is half-way, and helm can take it back.
    pub const fn half_way(&self) -> bool {
        self.today.is_none() && self.expect.writes && self.expect.code != 0
    }
}

const fn case(name: &'static str, expect: Expect) -> Case {
    Case { name, flags: &[], expect, today: None, alone: false }
}

/// A guard refuses: exit code 5.
const fn refused(fires: &'static [&'static str], says: &'static [&'static str], hint: &'static str) -> Expect {
    Expect { code: 5, fires, says, hint, writes: false }
}

/// It ends before the guards.
const fn stops(code: i32, says: &'static [&'static str], hint: &'static str) -> Expect {
    Expect { code, fires: &[], says, hint, writes: false }
}

/// It begins.
const fn begins(code: i32, says: &'static [&'static str], hint: &'static str) -> Expect {
    Expect { code, fires: &[], says, hint, writes: true }
}

/// As long as a guard is not there, it begins and ends so.
#[expect(dead_code, reason = "for the next case whose guard is still to come; none waits now")]
const fn today(waits_for: &'static str, code: i32, says: &'static [&'static str]) -> Option<Today> {
    Some(Today { waits_for, expect: begins(code, says, "") })
}

const QUICK: &[&str] = &["--failure-grace", "2s", "--timeout", "40s"];
const WIDGETS: &str = "widgets.small.example.com";

pub const CASES: &[Case] = &[
    // CRDs.
    case(
        "stored-version-dropped",
        refused(
            &["crds-dry-run"],
            &["racks.small.example.com", "storedVersions", "v1alpha1"],
            "--migrate to migrate the objects",
        ),
    ),
    case(
        "served-version-dropped",
        refused(&["stored-manifest-served"], &["Pool", "small.example.com/v1"], "while both are served"),
    ),
    case("scope-changed", refused(&["crds-dry-run"], &[WIDGETS, "immutable"], "Fix the field in the message")),
    case("crd-duplicated", refused(&["crd-duplicated"], &[WIDGETS, "2 times"], "remove the second copy")),
    case("crd-in-both-charts", refused(&["crd-in-both-charts"], &[WIDGETS], "Use two versions that match")),
    case(
        "older-foreign-crds",
        refused(
            &["foreign-downgrade"],
            &["helmrepositories", "would be downgraded from 2.7.0 to 2.2.0"],
            "--allow-foreign-downgrade",
        ),
    ),
    Case {
        alone: true,
        ..case(
            "crd-moved-out-of-templates",
            refused(&["helm-would-delete-crds"], &["crates.small.example.com", "every Crate"], "--keep-crds"),
        )
    },
    case("crd-vanished", begins(0, &["widgets", "stays on the cluster"], "kubectl get widgets")),
    // The application's objects.
    case(
        "custom-resource-invalid",
        refused(&["custom-resources-fit"], &["Pool", "spec.size"], "Change the values of the chart"),
    ),
    case(
        "immutable-field",
        refused(&["objects-dry-run"], &["Deployment", "canvas", "immutable"], "the immutable field"),
    ),
    Case {
        alone: true,
        ..case(
            "dead-fail-webhook",
            refused(&["objects-dry-run", "admission-webhooks-ready"], &["dead.small.example.com"], ""),
        )
    },
    case("values-break-schema", refused(&["values-schema"], &["value password", "maxLength"], "helm show values")),
    // What only shows while helm waits.
    Case {
        flags: QUICK,
        ..case("image-never-pulls", begins(1, &["ImagePullBackOff", "no-such-image"], "describe pod "))
    },
    Case { flags: QUICK, ..case("crash-loop", begins(1, &["CrashLoopBackOff", "exit code 1"], "describe pod ")) },
    Case {
        flags: &["--timeout", "8s"],
        ..case(
            "never-ready",
            begins(
                6,
                &["did not become ready within 8s", "Deployment canvas", "Readiness probe failed"],
                "describe pod ",
            ),
        )
    },
    Case { flags: QUICK, ..case("hook-job-fails", begins(1, &["before-upgrade"], "")) },
    Case {
        flags: QUICK,
        ..case("job-fails", begins(1, &["Job once", "job ended with exit code 1"], "kubectl delete job once"))
    },
    Case {
        flags: QUICK,
        ..case(
            "pods-forbidden",
            begins(1, &["FailedCreate", "serviceaccount \"nobody\" not found"], "get events --namespace"),
        )
    },
    // What cannot be had, or is no chart.
    Case {
        flags: &["--chart", "oci://REGISTRY/mural/mural", "--to", "9.9.9"],
        ..case("version-not-found", stops(64, &["9.9.9"], "1.1.0-rc.3"))
    },
    Case {
        flags: &[
            "--chart",
            "oci://REGISTRY/mural/mural@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        ],
        ..case("wrong-digest", stops(64, &["has no chart sha256:0000"], "name a version"))
    },
    case("not-a-chart", stops(64, &["mural.tgz", "not a chart"], "helm package")),
    case("truncated-tgz", stops(64, &["mural.tgz", "not a chart"], "helm package")),
    case("archive-with-dot-dot", stops(64, &["mural.tgz", "outside of the chart"], "helm package")),
    case("archive-with-absolute-path", stops(64, &["mural.tgz", "outside of the chart"], "helm package")),
    case("archive-with-symlink", stops(64, &["mural.tgz", "outside of the chart"], "helm package")),
    case("archive-with-hardlink", stops(64, &["mural.tgz", "outside of the chart"], "helm package")),
];
