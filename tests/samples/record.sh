#!/bin/sh
# Records what each helm and kubectl prints for the verbs that shared/src/tools reads: bytes, errors and exit codes.
#
#   tests/samples/record.sh PROGRAM...
#
# PROGRAM is a helm or a kubectl (its file name begins so). KUBECONFIG names a sandbox's cluster:
#   cargo sandbox run -- tests/samples/record.sh helm kubectl
# Each program gets a folder of its name and version with VERB.out, VERB.err and VERB.code. A new version gets a new folder
# beside the old ones; tests/recorded reads whatever lies here, so there is nothing to enter anywhere.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/own/templates"
printf 'apiVersion: v2\nname: own\nversion: 0.0.1\n' > "$scratch/own/Chart.yaml"
cd "$here"

# A chart whose one object answers a question, as shared/src/tools/helm.rs writes it.
question() {
  printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\ndata:\n  answer: {{ %s | toJson | quote }}\n' "$1" \
    > "$scratch/own/templates/answer.yaml"
}

# record VERB PROGRAM ARG...
record() {
  verb=$1 && shift
  code=0
  LC_ALL=C "$@" > "$into/$verb.out" 2> "$into/$verb.err" < /dev/null || code=$?
  echo "$code" > "$into/$verb.code"
}

record_helm() {
  into=$here/helm-$("$1" version --template '{{.Version}}' | tr -d v) && mkdir -p "$into"
  record version "$1" version --template '{{.Version}}'
  record template "$1" template demo chart --namespace there --kube-version v1.37.2 --skip-tests --include-crds \
    --is-upgrade --api-versions example.com/v1 --values values.yaml
  record refused "$1" template demo chart --set replicas=many
  record no-chart "$1" template demo ./none
  question .Values
  record read-values "$1" template read-values "$scratch/own" --values values.yaml --set given.late=true
  question '(lookup "v1" "Namespace" "" "kube-system").metadata.uid'
  record which-cluster "$1" template which-cluster "$scratch/own" --dry-run=server --namespace there
}

record_kubectl() {
  version=$("$1" version --client --output json | sed -n 's/.*"gitVersion": *"v\([^"]*\)".*/\1/p')
  into=$here/kubectl-$version && mkdir -p "$into"
  record version "$1" version --client --output json
  record which-cluster "$1" get --raw /api/v1/namespaces/kube-system
  record missing "$1" get --raw /api/v1/namespaces/none
}

for program in "$@"; do
  case ${program##*/} in
    helm*) record_helm "$program" ;;
    kubectl*) record_kubectl "$program" ;;
    *) echo "$program is neither a helm nor a kubectl" >&2 && exit 64 ;;
  esac
  echo "recorded $into"
done
