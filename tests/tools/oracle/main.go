// The API server's own word on CRDs and custom resources, for the differential test: one question a line on standard
// input, one answer a line on standard output, both JSON.
//
//	{"crd": …, "version": "v1", "objects": […]}         what would be said of these objects?
//	{"crd": …}                                          would this CRD be created?
//	{"crd": …, "old": …}                                would this CRD replace that one?
//	{"patterns": […], "texts": […]}                     how does Go read these patterns, and in which texts are they found?
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"sort"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	structuraldefaulting "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

type question struct {
	CRD     json.RawMessage          `json:"crd"`
	Old     json.RawMessage          `json:"old"`
	Version string                   `json:"version"`
	Objects []map[string]interface{} `json:"objects"`

	Patterns []string `json:"patterns"`
	Texts    []string `json:"texts"`
}

// patternAnswer says why Go rejects a pattern, or in which texts it is found.
type patternAnswer struct {
	Error string `json:"error,omitempty"`
	Found []bool `json:"found,omitempty"`
}

type told struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

type verdict struct {
	Valid        bool                   `json:"valid"`
	Errors       []told                 `json:"errors,omitempty"`
	UpdateValid  bool                   `json:"updateValid"`
	UpdateErrors []told                 `json:"updateErrors,omitempty"`
	Pruned       []string               `json:"pruned,omitempty"`
	Object       map[string]interface{} `json:"object,omitempty"`
}

type answer struct {
	Failure  string    `json:"failure,omitempty"`
	CRD      []told    `json:"crd,omitempty"`
	Verdicts []verdict `json:"verdicts,omitempty"`

	Patterns []patternAnswer `json:"patterns,omitempty"`
}

var scheme = runtime.NewScheme()

func main() {
	install.Install(scheme)
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 1 {
			if err := out.Encode(ask(line)); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
		if err != nil {
			return
		}
	}
}

func matchAll(patterns, texts []string) []patternAnswer {
	all := make([]patternAnswer, 0, len(patterns))
	for _, pattern := range patterns {
		compiled, err := regexp.Compile(pattern)
		if err != nil {
			all = append(all, patternAnswer{Error: err.Error()})
			continue
		}
		found := make([]bool, 0, len(texts))
		for _, text := range texts {
			found = append(found, compiled.MatchString(text))
		}
		all = append(all, patternAnswer{Found: found})
	}
	return all
}

// ask never panics: a question that cannot be put is an answer of its own.
func ask(line []byte) (given answer) {
	defer func() {
		if r := recover(); r != nil {
			given = answer{Failure: fmt.Sprint("panic: ", r)}
		}
	}()
	var q question
	// json.Unmarshal of the Kubernetes kind: integers stay integers.
	if err := unmarshal(line, &q); err != nil {
		return answer{Failure: err.Error()}
	}
	if q.Patterns != nil {
		return answer{Patterns: matchAll(q.Patterns, q.Texts)}
	}
	crd, internal, err := readCRD(q.CRD)
	if err != nil {
		return answer{Failure: err.Error()}
	}
	if q.Objects == nil {
		return judgeCRD(q, internal)
	}
	// Under a CRD that the server refuses there is nothing to judge.
	if refused := judgeCRD(question{}, internal.DeepCopy()); len(refused.CRD) > 0 {
		return refused
	}
	verdicts, err := judgeObjects(crd, q)
	if err != nil {
		return answer{Failure: err.Error()}
	}
	return answer{Verdicts: verdicts}
}

func readCRD(raw []byte) (*apiextensionsv1.CustomResourceDefinition, *apiextensions.CustomResourceDefinition, error) {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := json.Unmarshal(raw, crd); err != nil {
		return nil, nil, err
	}
	scheme.Default(crd)
	internal := &apiextensions.CustomResourceDefinition{}
	if err := scheme.Convert(crd, internal, nil); err != nil {
		return nil, nil, err
	}
	return crd, internal, nil
}

// The steps of the registry's strategy: status is the old one's, and the new storage version joins the stored ones.
func judgeCRD(q question, crd *apiextensions.CustomResourceDefinition) answer {
	ctx := context.Background()
	storage := func(status *apiextensions.CustomResourceDefinitionStatus) {
		crd.Status = *status
		for _, v := range crd.Spec.Versions {
			if v.Storage && !apiextensions.IsStoredVersion(crd, v.Name) {
				crd.Status.StoredVersions = append(append([]string{}, crd.Status.StoredVersions...), v.Name)
			}
		}
	}
	if q.Old == nil {
		storage(&apiextensions.CustomResourceDefinitionStatus{})
		return answer{CRD: words(crdvalidation.ValidateCustomResourceDefinition(ctx, crd))}
	}
	_, old, err := readCRD(q.Old)
	if err != nil {
		return answer{Failure: err.Error()}
	}
	old.ResourceVersion, crd.ResourceVersion = "1", "1"
	storage(&old.Status)
	return answer{CRD: words(crdvalidation.ValidateCustomResourceDefinitionUpdate(ctx, crd, old))}
}

func judgeObjects(crd *apiextensionsv1.CustomResourceDefinition, q question) ([]verdict, error) {
	var props *apiextensions.JSONSchemaProps
	for _, v := range crd.Spec.Versions {
		if v.Name == q.Version && v.Schema != nil {
			converted := &apiextensions.CustomResourceValidation{}
			if err := apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(v.Schema, converted, nil); err != nil {
				return nil, err
			}
			props = converted.OpenAPIV3Schema
		}
	}
	structural, err := structuralschema.NewStructural(props)
	if err != nil {
		return nil, err
	}
	structural = structural.DeepCopy()
	if err := structuraldefaulting.PruneDefaults(structural); err != nil {
		return nil, err
	}
	validator, _, err := validation.NewSchemaValidator(props)
	if err != nil {
		return nil, err
	}
	kind := schema.GroupVersionKind{Group: crd.Spec.Group, Version: q.Version, Kind: crd.Spec.Names.Kind}
	strategy := customresource.NewStrategy(nil, false, kind, validator, nil, structural, nil, nil, nil)
	verdicts := make([]verdict, 0, len(q.Objects))
	for _, object := range q.Objects {
		u := &unstructured.Unstructured{Object: object}
		u.SetGroupVersionKind(kind)
		verdicts = append(verdicts, judgeObject(u, structural, strategy.Validate, strategy.ValidateUpdate))
	}
	return verdicts, nil
}

// judgeObject does what the handler does before the strategy sees the object: defaults, then unknown fields, nulls and
// metadata (customresource_handler.go).
func judgeObject(
	u *unstructured.Unstructured,
	structural *structuralschema.Structural,
	create func(context.Context, runtime.Object) field.ErrorList,
	update func(context.Context, runtime.Object, runtime.Object) field.ErrorList,
) (v verdict) {
	ctx := context.Background()
	structuraldefaulting.Default(u.Object, structural)
	meta, found, unknown, err := objectmeta.GetObjectMetaWithOptions(u.Object, objectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
	if err != nil {
		return verdict{Errors: []told{{Field: "metadata", Message: err.Error()}}, UpdateErrors: []told{{Field: "metadata", Message: err.Error()}}}
	}
	v.Pruned = unknown
	v.Pruned = append(v.Pruned, pruning.PruneWithOptions(u.Object, structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})...)
	structuraldefaulting.PruneNonNullableNullsWithoutDefaults(u.Object, structural)
	fieldErr, paths := objectmeta.CoerceWithOptions(nil, u.Object, structural, false, objectmeta.CoerceOptions{ReturnUnknownFieldPaths: true})
	if fieldErr != nil {
		one := []told{{Field: fieldErr.Field, Message: fieldErr.ErrorBody()}}
		return verdict{Pruned: v.Pruned, Errors: one, UpdateErrors: one}
	}
	v.Pruned = append(v.Pruned, paths...)
	sort.Strings(v.Pruned)
	if found {
		if err := objectmeta.SetObjectMeta(u.Object, meta); err != nil {
			return verdict{Errors: []told{{Field: "metadata", Message: err.Error()}}}
		}
	}
	v.Object = runtime.DeepCopyJSON(u.Object)
	v.Errors = words(create(ctx, u.DeepCopy()))
	v.Valid = len(v.Errors) == 0
	// An update that changes nothing but metadata: the root is another, and what is below it is the same.
	old, next := u.DeepCopy(), u.DeepCopy()
	old.SetResourceVersion("1")
	next.SetResourceVersion("1")
	annotations := next.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations["mural.test/touched"] = "yes"
	next.SetAnnotations(annotations)
	v.UpdateErrors = words(update(ctx, next, old))
	v.UpdateValid = len(v.UpdateErrors) == 0
	return v
}

func words(all field.ErrorList) []told {
	list := make([]told, 0, len(all))
	for _, one := range all {
		list = append(list, told{Field: one.Field, Message: one.ErrorBody()})
	}
	return list
}
