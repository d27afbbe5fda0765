// Check judges rendered objects without a cluster, by the code that a cluster judges them with: policies by the API
// server's CEL for ValidatingAdmissionPolicy, pods by the Pod Security admission library, API versions by the life
// cycles that the API's own types carry. One JSON request on stdin, one JSON answer on stdout.
//
// Exit code 0: the answer was written. 2: the request or a policy could not be read, said on stderr.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// Request asks what is wrong with some objects.
type Request struct {
	// Policies are files with ValidatingAdmissionPolicy objects.
	Policies []string         `json:"policies"`
	Objects  []map[string]any `json:"objects"`
	// PodSecurity is the level that pods must meet: "restricted", "baseline" or "privileged".
	PodSecurity string `json:"podSecurity"`
}

// Answer holds one judgement for each object, in their order.
type Answer struct {
	Judgements []Judgement `json:"judgements"`
}

// Judgement is what is wrong with one object; nothing, when it is empty.
type Judgement struct {
	Policies    []Violation `json:"policies,omitempty"`
	PodSecurity []string    `json:"podSecurity,omitempty"`
	Lifecycle   *Lifecycle  `json:"lifecycle,omitempty"`
}

// Violation is a policy that an object does not meet.
type Violation struct {
	Policy  string `json:"policy"`
	Message string `json:"message"`
	// Remedy is the policy's annotation of that name.
	Remedy string `json:"remedy,omitempty"`
}

// Lifecycle says when an API version stops being served.
type Lifecycle struct {
	Deprecated  string `json:"deprecated"`
	Removed     string `json:"removed,omitempty"`
	Replacement string `json:"replacement,omitempty"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func run() error {
	var request Request
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	if err := decoder.Decode(&request); err != nil {
		return fmt.Errorf("the request on stdin could not be read: %w", err)
	}
	policies, err := readPolicies(request.Policies)
	if err != nil {
		return err
	}
	pods, err := newPodSecurity(request.PodSecurity)
	if err != nil {
		return err
	}
	answer := Answer{Judgements: make([]Judgement, len(request.Objects))}
	for i, object := range request.Objects {
		object = decoded(object).(map[string]any)
		violations, err := violations(policies, object)
		if err != nil {
			return err
		}
		answer.Judgements[i] = Judgement{
			Policies:    violations,
			PodSecurity: pods.violations(object),
			Lifecycle:   lifecycle(object),
		}
	}
	return json.NewEncoder(os.Stdout).Encode(answer)
}

// decoded gives a value as the API machinery decodes it: whole numbers are int64, and a key that is null is not there.
func decoded(value any) any {
	switch typed := value.(type) {
	case map[string]any:
		for key, child := range typed {
			if child == nil {
				delete(typed, key)
			} else {
				typed[key] = decoded(child)
			}
		}
	case []any:
		for i, child := range typed {
			typed[i] = decoded(child)
		}
	case json.Number:
		if whole, err := typed.Int64(); err == nil {
			return whole
		}
		if number, err := typed.Float64(); err == nil {
			return number
		}
	}
	return value
}
