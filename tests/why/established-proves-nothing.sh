#!/bin/sh
# The condition `Established` is set once, when a CRD is first accepted. An update does not change it, so waiting for it returns
# at once, before the new schema is served.
#
# cargo sandbox run -- sh tests/why/established-proves-nothing.sh
set -eu
trap 'kubectl delete crd jars.why.example.com >/dev/null 2>&1 || true' EXIT

jars() { # type of spec
    cat <<CRD | kubectl apply --server-side -f - >/dev/null
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: jars.why.example.com}
spec:
  group: why.example.com
  scope: Namespaced
  names: {kind: Jar, plural: jars}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {spec: {type: $1}}}}}]
CRD
}
look() {
    condition='{.status.conditions[?(@.type=="Established")]'
    kubectl get crd jars.why.example.com -o jsonpath="generation {.metadata.generation}: Established=$condition.status} since $condition.lastTransitionTime}{\"\n\"}"
}

jars string
kubectl wait --for=condition=Established crd/jars.why.example.com >/dev/null
look
sleep 2
jars integer
look
