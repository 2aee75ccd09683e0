package main

import utiljson "k8s.io/apimachinery/pkg/util/json"

// unmarshal reads as the API server does: whole numbers become int64, others float64.
func unmarshal(data []byte, into *question) error {
	return utiljson.Unmarshal(data, into)
}
