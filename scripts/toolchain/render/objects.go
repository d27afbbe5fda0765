package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"sort"

	"sigs.k8s.io/yaml"

	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
)

var sourceComment = regexp.MustCompile(`(?m)^# Source: (.+)$`)

// objects reads a manifest as Kubernetes does: cut and parsed by the libraries that Helm itself uses to apply it.
// Documents that hold nothing but comments are no objects.
func objects(manifest string) ([]Object, error) {
	documents := releaseutil.SplitManifests(manifest)
	names := make([]string, 0, len(documents))
	for name := range documents {
		names = append(names, name)
	}
	sort.Sort(releaseutil.BySplitManifestsOrder(names))
	found := []Object{}
	for _, name := range names {
		document := documents[name]
		object, err := yaml.YAMLToJSON([]byte(document))
		if err != nil {
			return nil, fmt.Errorf("a rendered document is no YAML: %w", err)
		}
		if bytes.Equal(object, []byte("null")) {
			continue
		}
		source := ""
		if match := sourceComment.FindStringSubmatch(document); match != nil {
			source = match[1]
		}
		found = append(found, Object{Source: source, Object: json.RawMessage(object)})
	}
	return found, nil
}
