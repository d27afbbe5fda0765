package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	celgo "github.com/google/cel-go/cel"
	celtypes "github.com/google/cel-go/common/types"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"sigs.k8s.io/yaml"
)

const remedyAnnotation = "mldeploy/remedy"

// policy is a ValidatingAdmissionPolicy, compiled as the API server compiles it.
type policy struct {
	name       string
	remedy     string
	rules      []admissionv1.NamedRuleWithOperations
	conditions plugincel.ConditionEvaluator
	tests      plugincel.ConditionEvaluator
	messages   plugincel.ConditionEvaluator
	written    []admissionv1.Validation
}

func readPolicies(paths []string) ([]policy, error) {
	var policies []policy
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var declared admissionv1.ValidatingAdmissionPolicy
		if err := yaml.UnmarshalStrict(text, &declared); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if declared.Kind != "ValidatingAdmissionPolicy" || declared.Name == "" || len(declared.Spec.Validations) == 0 {
			return nil, fmt.Errorf("%s: not a ValidatingAdmissionPolicy with a name and validations", path)
		}
		compiled, err := compile(declared)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		policies = append(policies, compiled)
	}
	return policies, nil
}

func compile(declared admissionv1.ValidatingAdmissionPolicy) (policy, error) {
	if declared.Spec.ParamKind != nil || declared.Spec.MatchConstraints == nil {
		return policy{}, errors.New("a policy here has matchConstraints and no paramKind")
	}
	base := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
	compiler, err := plugincel.NewCompositedCompiler(base)
	if err != nil {
		return policy{}, err
	}
	options := plugincel.OptionalVariableDeclarations{}
	for _, variable := range declared.Spec.Variables {
		accessor := &validating.Variable{Name: variable.Name, Expression: variable.Expression}
		result := compiler.CompileAndStoreVariable(accessor, options, environment.NewExpressions)
		if result.Error != nil {
			return policy{}, fmt.Errorf("variable %s: %s", variable.Name, result.Error.Detail)
		}
	}
	condition := func(accessors []plugincel.ExpressionAccessor) (plugincel.ConditionEvaluator, error) {
		evaluator := compiler.CompileCondition(accessors, options, environment.NewExpressions)
		return evaluator, errors.Join(evaluator.CompilationErrors()...)
	}
	conditions := make([]plugincel.ExpressionAccessor, len(declared.Spec.MatchConditions))
	for i, each := range declared.Spec.MatchConditions {
		conditions[i] = &matchconditions.MatchCondition{Name: each.Name, Expression: each.Expression}
	}
	tests := make([]plugincel.ExpressionAccessor, len(declared.Spec.Validations))
	messages := make([]plugincel.ExpressionAccessor, len(declared.Spec.Validations))
	for i, each := range declared.Spec.Validations {
		tests[i] = &validating.ValidationCondition{Expression: each.Expression}
		messages[i] = &messageExpression{each.MessageExpression}
	}
	compiled := policy{
		name:    declared.Name,
		remedy:  declared.Annotations[remedyAnnotation],
		rules:   declared.Spec.MatchConstraints.ResourceRules,
		written: declared.Spec.Validations,
	}
	var failures [3]error
	compiled.conditions, failures[0] = condition(conditions)
	compiled.tests, failures[1] = condition(tests)
	compiled.messages, failures[2] = condition(messages)
	return compiled, errors.Join(failures[:]...)
}

// messageExpression is an expression that gives a message; an empty one gives an empty message.
type messageExpression struct{ expression string }

func (m *messageExpression) GetExpression() string {
	if m.expression == "" {
		return "''"
	}
	return m.expression
}

func (m *messageExpression) ReturnTypes() []*celgo.Type { return []*celgo.Type{celgo.StringType} }

// violations judges an object as if it were created.
func violations(policies []policy, object map[string]any) ([]Violation, error) {
	content := &unstructured.Unstructured{Object: object}
	kind := content.GroupVersionKind()
	resource, _ := meta.UnsafeGuessKindToResource(kind)
	attributes := admission.NewAttributesRecord(
		content, nil, kind, content.GetNamespace(), content.GetName(), resource, "",
		admission.Create, &metav1.CreateOptions{}, true, nil,
	)
	versioned := &admission.VersionedAttributes{Attributes: attributes, VersionedObject: content, VersionedKind: kind}
	request := plugincel.CreateAdmissionRequest(attributes, metav1.GroupVersionResource(resource), metav1.GroupVersionKind(kind))
	var found []Violation
	for _, each := range policies {
		if !each.matches(resource) {
			continue
		}
		evaluate := func(condition plugincel.ConditionEvaluator) ([]plugincel.EvaluationResult, error) {
			results, _, err := condition.ForInput(
				context.Background(), versioned, request, plugincel.OptionalVariableBindings{}, nil,
				celconfig.RuntimeCELCostBudget,
			)
			return results, err
		}
		own, err := each.judge(evaluate)
		if err != nil {
			return nil, fmt.Errorf("policy %s on %s %s: %w", each.name, kind.Kind, content.GetName(), err)
		}
		found = append(found, own...)
	}
	return found, nil
}

func (p policy) judge(evaluate func(plugincel.ConditionEvaluator) ([]plugincel.EvaluationResult, error)) ([]Violation, error) {
	conditions, err := evaluate(p.conditions)
	if err != nil {
		return nil, err
	}
	for _, result := range conditions {
		if result.Error != nil {
			return nil, result.Error
		}
		if result.EvalResult != celtypes.True {
			return nil, nil
		}
	}
	tests, err := evaluate(p.tests)
	if err != nil {
		return nil, err
	}
	messages, err := evaluate(p.messages)
	if err != nil {
		return nil, err
	}
	var found []Violation
	for i, result := range tests {
		if result.Error != nil {
			return nil, result.Error
		}
		if result.EvalResult == celtypes.True {
			continue
		}
		found = append(found, Violation{Policy: p.name, Message: p.message(i, messages[i]), Remedy: p.remedy})
	}
	return found, nil
}

func (p policy) message(index int, computed plugincel.EvaluationResult) string {
	if computed.Error == nil {
		if text, ok := computed.EvalResult.Value().(string); ok && strings.TrimSpace(text) != "" {
			return strings.TrimSpace(text)
		}
	}
	if text := strings.TrimSpace(p.written[index].Message); text != "" {
		return text
	}
	return "failed expression: " + strings.TrimSpace(p.written[index].Expression)
}

func (p policy) matches(resource schema.GroupVersionResource) bool {
	has := func(listed []string, wanted string) bool {
		return slices.Contains(listed, wanted) || slices.Contains(listed, "*")
	}
	for _, rule := range p.rules {
		if has(rule.APIGroups, resource.Group) && has(rule.APIVersions, resource.Version) && has(rule.Resources, resource.Resource) {
			return true
		}
	}
	return false
}
