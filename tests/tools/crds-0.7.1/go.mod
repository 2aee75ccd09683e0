module mural.test/tools/crds

go 1.26.0

require (
	github.com/fluxcd/helm-controller v1.4.3
	github.com/fluxcd/kustomize-controller v1.7.3
	github.com/fluxcd/source-controller v1.8.5
	open-cluster-management.io/api v1.2.0
)
