#!/bin/sh
# After a manual upgrade (`helm template … | kubectl apply`), helm still reports the old version of the CRD chart.
#
# cargo sandbox run -- sh tests/why/helm-tells-the-old-version.sh
set -eu
cd "$(mktemp -d)"
trap 'helm uninstall cups >/dev/null 2>&1 || true; kubectl delete crd cups.why.example.com >/dev/null 2>&1 || true; rm -rf "$PWD"' EXIT

mkdir -p cups/crds
chart() { # version, text
    printf 'apiVersion: v2\nname: cups\nversion: %s\n' "$1" >cups/Chart.yaml
    cat >cups/crds/cups.yaml <<CRD
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: cups.why.example.com, annotations: {chart: "$1"}}
spec:
  group: why.example.com
  scope: Namespaced
  names: {kind: Cup, plural: cups}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
CRD
}
chart 0.7.1
helm install cups ./cups >/dev/null
chart 0.7.4
echo '$ helm template cups ./cups --include-crds | kubectl apply --server-side --force-conflicts -f -      # 0.7.4'
helm template cups ./cups --include-crds | kubectl apply --server-side --force-conflicts -f -
echo "the cluster has $(kubectl get crd cups.why.example.com -o jsonpath='{.metadata.annotations.chart}')"
echo '$ helm list'
helm list --filter cups
