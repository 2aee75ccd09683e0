module mural.test/tools/crds

go 1.26.0

require (
	github.com/fluxcd/helm-controller v1.6.4
	github.com/fluxcd/kustomize-controller v1.9.1
	github.com/fluxcd/source-controller v1.9.1
	open-cluster-management.io/api v1.3.0
)
