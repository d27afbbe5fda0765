package main

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/pod-security-admission/api"
	podpolicy "k8s.io/pod-security-admission/policy"
)

// Where each kind has its pod template; a Pod is one itself.
var podTemplates = map[string][]string{
	"Deployment":            {"spec", "template"},
	"StatefulSet":           {"spec", "template"},
	"DaemonSet":             {"spec", "template"},
	"ReplicaSet":            {"spec", "template"},
	"ReplicationController": {"spec", "template"},
	"Job":                   {"spec", "template"},
	"CronJob":               {"spec", "jobTemplate", "spec", "template"},
	"Pod":                   {},
}

type podSecurity struct {
	level     api.LevelVersion
	evaluator podpolicy.Evaluator
}

func newPodSecurity(level string) (*podSecurity, error) {
	parsed, err := api.ParseLevel(level)
	if err != nil {
		return nil, err
	}
	evaluator, err := podpolicy.NewEvaluator(podpolicy.DefaultChecks(), nil)
	if err != nil {
		return nil, err
	}
	return &podSecurity{api.LevelVersion{Level: parsed, Version: api.LatestVersion()}, evaluator}, nil
}

// violations says what a namespace with the level enforced would refuse the object's pods for.
func (p *podSecurity) violations(object map[string]any) []string {
	content := unstructured.Unstructured{Object: object}
	path, ok := podTemplates[content.GetKind()]
	if !ok {
		return nil
	}
	template, found, err := unstructured.NestedMap(object, path...)
	if len(path) == 0 {
		template, found, err = object, true, nil
	}
	if err != nil || !found {
		return nil // the schema says so
	}
	var pod struct {
		Metadata metav1.ObjectMeta `json:"metadata"`
		Spec     corev1.PodSpec    `json:"spec"`
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(template, &pod); err != nil {
		return nil // the schema says so
	}
	var reasons []string
	for _, result := range p.evaluator.EvaluatePod(p.level, &pod.Metadata, &pod.Spec) {
		if !result.Allowed {
			reasons = append(reasons, fmt.Sprintf("%s: %s", result.ForbiddenReason, result.ForbiddenDetail))
		}
	}
	return reasons
}
