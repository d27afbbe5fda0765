package main

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// The interfaces that k8s.io/api generates for every type (zz_generated.prerelease-lifecycle.go).
type (
	deprecated interface {
		APILifecycleDeprecated() (major, minor int)
	}
	removed interface {
		APILifecycleRemoved() (major, minor int)
	}
	replaced interface {
		APILifecycleReplacement() schema.GroupVersionKind
	}
)

// lifecycle tells whether the object's API version is on its way out; nil when it is not, or is no built-in one.
func lifecycle(object map[string]any) *Lifecycle {
	version, _ := object["apiVersion"].(string)
	kind, _ := object["kind"].(string)
	instance, err := scheme.Scheme.New(schema.FromAPIVersionAndKind(version, kind))
	if err != nil {
		return nil
	}
	typed, ok := instance.(deprecated)
	if !ok {
		return nil
	}
	found := &Lifecycle{Deprecated: dotted(typed.APILifecycleDeprecated())}
	if typed, ok := instance.(removed); ok {
		found.Removed = dotted(typed.APILifecycleRemoved())
	}
	if typed, ok := instance.(replaced); ok {
		next := typed.APILifecycleReplacement()
		found.Replacement = fmt.Sprintf("%s %s", next.GroupVersion(), next.Kind)
	}
	return found
}

func dotted(major, minor int) string { return fmt.Sprintf("%d.%d", major, minor) }
