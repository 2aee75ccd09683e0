#!/bin/sh
# `helm upgrade` deletes CRDs that are no longer in a chart's templates, and with them every object of their kinds. It happens when
# a chart moves its CRDs to `crds/`, as helm's documentation recommends. `--skip-crds` does not prevent it.
#
# cargo sandbox run -- sh tests/why/helm-deletes-crds.sh
set -eu
cd "$(mktemp -d)"
trap 'helm uninstall toys >/dev/null 2>&1 || true; kubectl delete crd toys.why.example.com >/dev/null 2>&1 || true; rm -rf "$PWD"' EXIT

mkdir -p toys/templates
printf 'apiVersion: v2\nname: toys\nversion: 1.0.0\n' >toys/Chart.yaml
cat >toys/templates/toys.yaml <<'CRD'
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: toys.why.example.com}
spec:
  group: why.example.com
  scope: Namespaced
  names: {kind: Toy, plural: toys}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
CRD
helm upgrade --install toys ./toys >/dev/null
kubectl wait --for=condition=Established crd/toys.why.example.com >/dev/null
until printf 'apiVersion: why.example.com/v1\nkind: Toy\nmetadata: {name: bear}\n' | kubectl apply -f - 2>/dev/null; do sleep 1; done

echo '$ mv toys/templates toys/crds'
mv toys/templates toys/crds
echo '$ helm upgrade toys ./toys --skip-crds'
helm upgrade toys ./toys --skip-crds | grep STATUS
echo '$ kubectl get toys; kubectl get crd toys.why.example.com'
kubectl get toys 2>&1 || true
kubectl get crd toys.why.example.com 2>&1 || true
