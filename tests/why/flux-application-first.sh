#!/bin/sh
# The Flux path of the vendor's guide patches both sources, the CRD chart's first, and relies on `dependsOn` for the order. Here the
# CRD chart's new tag arrives late in the registry, as behind a slow mirror: the application is upgraded first, and the CRD release
# stays Ready all the time.
#
# cargo sandbox up --flux && cargo sandbox install --flux && cargo sandbox run -- sh tests/why/flux-application-first.sh
set -eu
namespace=mural-system
app=${1:-1.1.0-rc.3}
field() { kubectl get "$1" "$2" --namespace "$namespace" --output "jsonpath=$3"; }
at() { field helmrelease "$1" '{.status.history[0].chartVersion}'; }
tried() { field helmrelease "$1" '{.status.lastAttemptedRevision}'; }
ready() { field helmrelease "$1" '{.status.conditions[?(@.type=="Ready")].status}'; }
why() { field helmrelease "$1" '{.status.conditions[?(@.type=="Ready")].message}'; }
source() { # name, version
    patch="{\"spec\":{\"ref\":{\"semver\":\"$2\"}}}"
    echo "$ kubectl patch ocirepository $1 --type merge --patch '$patch'"
    kubectl patch ocirepository "$1" --namespace "$namespace" --type merge --patch "$patch" >/dev/null
}

echo "before:  mural-crds $(at mural-crds), Ready $(ready mural-crds); mural $(at mural)"
source mural-crds 0.7.9
source mural "$app"
i=0
while [ "$i" -lt 120 ]; do
    case $(tried mural) in "$app"*) [ "$(ready mural)" = Unknown ] || break ;; esac
    i=$((i + 1))
    sleep 1
done
echo "after ${i} s: mural-crds $(at mural-crds), Ready $(ready mural-crds); mural was taken to $(tried mural):"
echo "         $(why mural)"
