#!/bin/sh
# `status.storedVersions` can lose a version before any object was rewritten. The API server then accepts a CRD without that
# version, and every object becomes unreadable. Observed with Kubernetes 1.37.2, which can migrate by itself.
#
# cargo sandbox run -- sh tests/why/stored-versions.sh
set -eu
objects=${1:-300}
trap 'kubectl delete crd mugs.why.example.com --wait=false >/dev/null 2>&1 || true
      kubectl delete storageversionmigrations first second >/dev/null 2>&1 || true' EXIT

version() { # name, storage
    printf '{"name":"%s","served":true,"storage":%s,"schema":{"openAPIV3Schema":{"type":"object"}}}' "$1" "$2"
}

crd() { # versions
    printf '{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"mugs.why.example.com"},
        "spec":{"group":"why.example.com","scope":"Namespaced","names":{"kind":"Mug","plural":"mugs"},"versions":[%s]}}' "$1" |
        kubectl apply -f - >/dev/null
    kubectl wait --for=condition=Established crd/mugs.why.example.com >/dev/null
    sleep 2 # until every part of the API server knows it
}

migrate() { # name
    printf '{"apiVersion":"storagemigration.k8s.io/v1","kind":"StorageVersionMigration","metadata":{"name":"%s"},
        "spec":{"resource":{"group":"why.example.com","resource":"mugs"}}}' "$1" | kubectl create -f - >/dev/null
}

stored() { kubectl get crd mugs.why.example.com -o jsonpath='{.status.storedVersions}'; }
# Objects whose resourceVersion is the one they were created with: still stored as they were.
untouched() { kubectl get mugs -o jsonpath='{range .items[*]}{.metadata.name} {.metadata.resourceVersion}{"\n"}{end}' | grep -Fxc -f "$1" || true; }

crd "$(version v1 true)"
crd "$(version v1 false),$(version v2 true)"
migrate first
kubectl wait --for=condition=Succeeded storageversionmigration/first --timeout=60s >/dev/null
echo "after the first migration:       storedVersions $(stored)"

i=0
while [ "$i" -lt "$objects" ]; do
    i=$((i + 1))
    printf -- '---\n{"apiVersion":"why.example.com/v2","kind":"Mug","metadata":{"name":"mug-%s"}}\n' "$i"
done | kubectl create -f - >/dev/null
crd "$(version v2 false),$(version v3 true)" 2>/dev/null || crd "$(version v1 false),$(version v2 false),$(version v3 true)"
before=$(mktemp)
kubectl get mugs -o jsonpath='{range .items[*]}{.metadata.name} {.metadata.resourceVersion}{"\n"}{end}' >"$before"
echo "before the second one:           storedVersions $(stored), $(untouched "$before") of $objects objects stored as v2"

migrate second
while :; do
    now=$(stored)
    left=$(untouched "$before")
    state=$(kubectl get storageversionmigration second -o jsonpath='{.status.conditions[?(@.status=="True")].type}')
    echo "while it is ${state:-waiting}:  storedVersions $now, $left of $objects objects stored as v2"
    case $now in *v2*) ;; *) break ;; esac
    case $state in *Succeeded* | *Failed*) break ;; esac
done
if [ "$left" -gt 0 ]; then echo "v2 is no longer in storedVersions, and $left objects are still stored in it."; fi
rm -f "$before"
