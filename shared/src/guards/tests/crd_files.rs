//! Which files of a chart are CRDs of a `crds/` folder, as the guards see them: a CRD that helm keeps in the manifest is refused
//! nowhere, and one that helm keeps beside the release is ours.

use super::scenario::{GuardScenario, build_crd, fires, release_record};
use crate::model::chart::{Chart, ChartFiles};
use crate::model::crd::Crd;
use crate::model::manifest::{MANAGED_BY_LABEL, set_release_owner};

const NAME: &str = "hubs.example.com";

/// An upgrade of a CRD chart whose CRD lies in this file and is rendered, with this manifest stored.
fn upgrade(path: &str, stored_manifest: &str) -> GuardScenario {
    let crd = build_crd(NAME, "v1");
    let files = ChartFiles::from([
        ("Chart.yaml".to_owned(), b"name: mural-crds\nversion: 0.7.4\n".to_vec()),
        (path.to_owned(), crd.json().to_string().into_bytes()),
    ]);
    GuardScenario::with(|scenario| {
        scenario.crds_chart = Chart::from_files(&files).unwrap();
        scenario.rendered_crds = vec![crd.json().clone()];
        scenario.set_record(release_record("mural-crds", "0.7.1", "deployed", stored_manifest));
    })
}

fn stored_crd() -> String {
    build_crd(NAME, "v1").json().to_string()
}

/// A template prints these files, so the CRD stays in the manifest: victoria-metrics-operator-crds has a subchart called `crds`,
/// and others read `files/crds/` with `.Files.Get` (<https://github.com/projectcalico/calico/issues/4231>,
/// <https://github.com/home-operations/kopiur/issues/209>).
#[test]
fn a_crd_that_a_template_prints_is_not_deleted() {
    for path in
        ["charts/crds/crd.yaml", "files/crds/hubs.yaml", "charts/crds/files/crds/hubs.yaml", "templates/crds/hubs.yaml"]
    {
        let scenario = upgrade(path, &stored_crd());
        assert!(scenario.crds_chart.folder_crds.is_empty(), "{path}");
        for guard in ["helm-would-delete-crds", "crd-ownership-metadata"] {
            assert!(!fires(&scenario, guard), "{guard}: {path}");
        }
    }
}

/// helm reads `.json` in `crds/` too (<https://github.com/helm/helm/blob/v3.19.0/pkg/chart/chart.go>, `hasManifestExtension`).
#[test]
fn a_crd_of_a_crds_folder_is_ours_whatever_its_extension() {
    for path in ["crds/hubs.json", "crds/hubs.yml", "crds/hubs.yaml", "charts/crds/crds/hubs.json"] {
        let beside = upgrade(path, "");
        assert_eq!(beside.crds_chart.folder_crds, [NAME], "{path}");
        for guard in ["helm-would-delete-crds", "crd-ownership-metadata"] {
            assert!(!fires(&beside, guard), "{guard}: {path}");
        }
        // It was a template before: helm deletes what leaves the manifest.
        assert!(fires(&upgrade(path, &stored_crd()), "helm-would-delete-crds"), "{path}");
    }
}

#[test]
fn a_crd_that_becomes_a_template_needs_the_metadata_of_its_release() {
    let mut scenario = upgrade("files/crds/hubs.yaml", "");
    assert!(fires(&scenario, "crd-ownership-metadata"));
    let mut owned = build_crd(NAME, "v1").json().clone();
    set_release_owner(&mut owned, "mural-crds", "mural-system");
    assert_eq!(owned["metadata"]["labels"][MANAGED_BY_LABEL], "Helm");
    scenario.view.crds.as_mut().unwrap().insert(NAME.to_owned(), Crd::new(owned).unwrap());
    assert!(!fires(&scenario, "crd-ownership-metadata"));
}
