{{/* Contradictions between keys that both charts have: key, reason, remedy. Arguments: $ */}}
{{- define "ml-common.validate" -}}
{{- $values := .Values -}}
{{- with $values.autoscaling }}
{{- if .enabled }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
{{- fail (printf "autoscaling.minReplicas: %d is above autoscaling.maxReplicas (%d); lower the first or raise the second" (int .minReplicas) (int .maxReplicas)) }}
{{- end }}
{{- if not (dig "requests" "cpu" "" $values.resources) }}
{{- fail "resources.requests.cpu: not set, and the HPA measures CPU use against it; set it, or set autoscaling.enabled to false" }}
{{- end }}
{{- end }}
{{- end }}
{{- $replicas := ternary $values.autoscaling.minReplicas $values.replicaCount $values.autoscaling.enabled | int }}
{{- with $values.keda }}
{{- if .enabled }}
{{- $replicas = int .minReplicas }}
{{- end }}
{{- end }}
{{- with $values.podDisruptionBudget }}
{{- if .enabled }}
{{- $hasMin := not (kindIs "invalid" .minAvailable) }}
{{- $hasMax := not (kindIs "invalid" .maxUnavailable) }}
{{- if eq $hasMin $hasMax }}
{{- fail "podDisruptionBudget: exactly one of minAvailable and maxUnavailable counts; set the other one to null" }}
{{- end }}
{{- if $hasMin }}
{{- if eq (toString .minAvailable) "100%" }}
{{- fail "podDisruptionBudget.minAvailable: 100% blocks every node drain; lower it, or set podDisruptionBudget.maxUnavailable to 1 instead" }}
{{- end }}
{{- if and (not (kindIs "string" .minAvailable)) (ge (int .minAvailable) $replicas) }}
{{- fail (printf "podDisruptionBudget.minAvailable: %d of at least %d replicas blocks every node drain; set it below the number of replicas, or run more of them" (int .minAvailable) $replicas) }}
{{- end }}
{{- end }}
{{- if and $hasMax (has (toString .maxUnavailable) (list "0" "0%")) }}
{{- fail "podDisruptionBudget.maxUnavailable: 0 blocks every node drain; set it to at least 1" }}
{{- end }}
{{- end }}
{{- end }}
{{- $startup := $values.probes.startup }}
{{- $budget := add (mul (int $startup.periodSeconds | default 10) (int $startup.failureThreshold | default 3)) (int $startup.initialDelaySeconds) }}
{{- if le (int $values.progressDeadlineSeconds) (int $budget) }}
{{- fail (printf "progressDeadlineSeconds: %d is over before the start-up probe gives up (%d s); raise the first or lower probes.startup.failureThreshold" (int $values.progressDeadlineSeconds) (int $budget)) }}
{{- end }}
{{- with $values.externalSecret }}
{{- if .enabled }}
{{- if not .storeRef.name }}
{{- fail "externalSecret.storeRef.name: not set, and externalSecret.enabled is true; name the SecretStore of the namespace" }}
{{- end }}
{{- if not .data }}
{{- fail "externalSecret.data: empty, and externalSecret.enabled is true; name at least one key, or set externalSecret.enabled to false" }}
{{- end }}
{{- end }}
{{- end }}
{{- /* Not by the schema: Helm prints the value that one refuses. */}}
{{- range $key, $url := dict "queue.url" ($values.queue | default dict).url "tracing.endpoint" $values.tracing.endpoint }}
{{- if contains "@" ($url | default "") }}
{{- fail (printf "%s: has a user or a password in it, for everybody who may read the values; take them out, and replace the password" $key) }}
{{- end }}
{{- end }}
{{- with $values.tracing }}
{{- if and .to (not .endpoint) }}
{{- fail "tracing.to: set, and tracing.endpoint is empty, so that there are no traces; set tracing.endpoint, or take tracing.to away" }}
{{- end }}
{{- end }}
{{- with $values.monitoring }}
{{- if and .rules.enabled (not .serviceMonitor.enabled) }}
{{- fail "monitoring.rules.enabled: true, and monitoring.serviceMonitor.enabled is false, so that the alerts would have nothing to go by; set both" }}
{{- end }}
{{- range $key := list "availability" "latency" }}
{{- with get $values.monitoring.rules $key }}
{{- $budget := divf (subf 100 .objective) 100 }}
{{- range $values.monitoring.rules.burnRates }}
{{- if ge (mulf .factor $budget) 1.0 }}
{{- fail (printf "monitoring.rules.burnRates: %v times as fast as monitoring.rules.%s.objective allows is more than everything, so that it would never alert; lower the factor or raise the objective" .factor $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
