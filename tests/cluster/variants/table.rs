//! The cases: how each is called, and what must come of it.

/// How a run ends.
pub struct Expect {
    pub code: i32,
    /// The guard's id, or the words that stand where no guard speaks.
    pub guard: &'static str,
    /// More words: the object, the reason.
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
    /// How `--dry-run=client` ends, where that can tell.
    pub client: Option<i32>,
}

const fn case(name: &'static str, expect: Expect) -> Case {
    Case { name, flags: &[], expect, today: None, client: None }
}

/// A guard refuses: exit code 5.
const fn refused(guard: &'static str, says: &'static [&'static str], hint: &'static str) -> Expect {
    Expect { code: 5, guard, says, hint, writes: false }
}

/// It ends before any guard is asked.
const fn stops(code: i32, says: &'static [&'static str], hint: &'static str) -> Expect {
    Expect { code, guard: "", says, hint, writes: false }
}

/// It begins.
const fn begins(code: i32, says: &'static [&'static str], hint: &'static str) -> Expect {
    Expect { code, guard: "", says, hint, writes: true }
}

/// As long as a guard is not there, it begins and ends so.
const fn today(waits_for: &'static str, code: i32, says: &'static [&'static str]) -> Option<Today> {
    Some(Today { waits_for, expect: begins(code, says, "") })
}

const QUICK: &[&str] = &["--failure-grace", "2s", "--timeout", "40s"];

pub const CASES: &[Case] = &[
    // CRDs.
    case("stored-version-dropped", refused("crds-dry-run", &["racks.small.example.com", "v1alpha1"], "")),
    Case {
        today: today("a guard of the stored manifest", 1, &["no matches for kind"]),
        ..case("served-version-dropped", refused("stored-manifest-served", &["Pool", "v1"], ""))
    },
    case("scope-changed", refused("crds-dry-run", &["widgets.small.example.com", "immutable"], "")),
    Case {
        today: today("a guard of CRDs that stand twice", 0, &[]),
        ..case("crd-twice", refused("crd-twice", &["widgets.small.example.com"], ""))
    },
    Case {
        today: today("a guard of CRDs in both charts", 0, &[]),
        ..case("crd-in-both-charts", refused("crd-in-both-charts", &["widgets.small.example.com"], ""))
    },
    case("crd-vanished", begins(0, &["widgets", "left alone"], "")),
    case("crd-moved-out-of-templates", refused("helm-would-delete-crds", &["crates.small.example.com"], "keep")),
    Case {
        today: today("a guard of foreign CRDs", 0, &[]),
        ..case("older-foreign-crds", refused("foreign-downgrade", &["helmrepositories"], "--allow-foreign-downgrade"))
    },
    // The application's objects.
    Case {
        today: today("a guard of the application's custom resources", 1, &["mural-system/second", "spec.size"]),
        ..case("custom-resource-invalid", refused("custom-resources", &["Pool", "spec.size"], ""))
    },
    Case {
        today: today("a dry-run of the application's objects", 1, &["immutable"]),
        ..case("immutable-field", refused("objects-dry-run", &["Deployment", "canvas", "immutable"], ""))
    },
    Case {
        today: today("a guard of webhooks", 1, &["dead.small.example.com"]),
        ..case("dead-fail-webhook", refused("webhooks-alive", &["dead.small.example.com"], ""))
    },
    case("values-break-schema", stops(1, &["does not render", "/password", "maxLength"], "schema")),
    // What only shows while helm waits.
    Case {
        flags: QUICK,
        ..case("image-never-pulls", begins(1, &["ImagePullBackOff", "no-such-image"], "describe pods"))
    },
    Case { flags: QUICK, ..case("crash-loop", begins(1, &["CrashLoopBackOff"], "describe pods")) },
    Case {
        flags: &["--timeout", "8s"],
        today: today("the exit code of a wait that is over", 1, &["Deployment canvas", "deadline exceeded"]),
        ..case("never-ready", begins(6, &["Deployment canvas"], ""))
    },
    Case { flags: QUICK, ..case("hook-job-fails", begins(1, &["before-upgrade"], "")) },
    // What cannot be had, or is no chart.
    Case {
        flags: &["--chart", "oci://REGISTRY/mural/mural", "--to", "9.9.9"],
        ..case("version-not-found", refused("", &["9.9.9"], "1.1.0-rc.3"))
    },
    Case {
        flags: &[
            "--chart",
            "oci://REGISTRY/mural/mural@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        ],
        ..case("wrong-digest", refused("", &["has no chart sha256:0000"], "name a version"))
    },
    case("not-a-chart", stops(64, &["mural.tgz", "not a chart"], "helm package")),
    case("truncated-tgz", stops(64, &["mural.tgz", "not a chart"], "helm package")),
    case("archive-with-dot-dot", stops(64, &["mural.tgz", "outside of the chart"], "helm package")),
    case("archive-with-absolute-path", stops(64, &["mural.tgz", "outside of the chart"], "helm package")),
    case("archive-with-symlink", stops(64, &["mural.tgz", "outside of the chart"], "helm package")),
    case("archive-with-hardlink", stops(64, &["mural.tgz", "outside of the chart"], "helm package")),
];
