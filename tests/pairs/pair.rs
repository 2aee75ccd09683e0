//! One pair of installations: how the older charts were installed, and what the newer ones change.

use std::fmt;

use crate::random::Random;

/// Where a chart has its CRDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// In `crds/`: helm installs them once and never updates them.
    Folder,
    /// In `templates/`: they belong to the release.
    Templates,
    /// In `files/`, printed by a template.
    Files,
    /// Two CRDs in one object of kind `List`, in a template.
    List,
    /// In `crds/` of a subchart.
    Subchart,
}

/// What the newer CRD chart changes. The kind is `Cup`; `Plate` stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrdChange {
    None,
    FieldAdded,
    /// A field that stored objects have leaves the schema.
    FieldRemoved,
    /// A field that no stored object has becomes required.
    FieldRequired,
    /// A third kind, `Fork`.
    KindAdded,
    /// `Cup` leaves the chart.
    KindRemoved,
    /// `v2` is added and becomes the storage version; `v1` is still served.
    StorageMoved,
}

/// How the older installation was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// Both releases by `helm install`.
    Helm,
    /// The same, then the vendor's upgrade guide by hand once, to a version between the two.
    GuideOnce,
    /// The CRDs by the guide's `kubectl apply`, without a release.
    GuideOnly,
    /// Both releases by helm, then `kubectl set image` on the Deployment.
    EditedByHand,
    /// helm 4 with client-side apply; helm 3 has nothing else.
    ClientSide,
}

/// What the newer application changes besides its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppChange {
    None,
    Replicas,
    ConfigMapAdded,
    ConfigMapRemoved,
    /// A ConfigMap is added that another user created before.
    ConfigMapExists,
    /// The selector of the Deployment, which is immutable.
    Selector,
    SecretChanged,
    /// An environment variable stands twice.
    DuplicateEnv,
    /// A field that no schema has.
    UnknownField,
    /// A custom resource of a kind that the CRD chart has.
    CustomResource,
    /// A Job that runs before the upgrade, as a hook.
    Hook,
    /// A PersistentVolumeClaim that asks for more.
    ClaimGrows,
}

/// A pair. `Display` names all of its choices.
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    pub helm: &'static str,
    pub older: Layout,
    pub newer: Layout,
    pub history: History,
    pub crds: CrdChange,
    pub app: AppChange,
}

impl Pair {
    pub fn generate(random: &mut Random) -> Self {
        use AppChange as App;
        use CrdChange as Crd;
        let layouts = [Layout::Folder, Layout::Templates, Layout::Files, Layout::List, Layout::Subchart];
        let older = *random.pick(&layouts);
        Self {
            helm: if random.one_in(3) { "3" } else { "4" },
            older,
            // Most charts keep their layout.
            newer: if random.one_in(4) { *random.pick(&layouts) } else { older },
            history: *random.pick(&[
                History::Helm,
                History::Helm,
                History::GuideOnce,
                History::GuideOnly,
                History::EditedByHand,
                History::ClientSide,
            ]),
            crds: *random.pick(&[
                Crd::None,
                Crd::FieldAdded,
                Crd::FieldAdded,
                Crd::FieldRemoved,
                Crd::FieldRequired,
                Crd::KindAdded,
                Crd::KindRemoved,
                Crd::StorageMoved,
            ]),
            app: *random.pick(&[
                App::None,
                App::None,
                App::Replicas,
                App::ConfigMapAdded,
                App::ConfigMapRemoved,
                App::ConfigMapExists,
                App::Selector,
                App::SecretChanged,
                App::DuplicateEnv,
                App::UnknownField,
                App::CustomResource,
                App::Hook,
                App::ClaimGrows,
            ]),
        }
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { helm, older, newer, history, crds, app } = self;
        write!(f, "helm {helm}, CRDs {older:?} to {newer:?}, {history:?}, CRDs {crds:?}, application {app:?}")
    }
}
