{{/*
Rules of a release. Everything asks for the labels that the ServiceMonitor gives: namespace, and service, which is the release.
Names of the metrics are the service's own (service/README.md).
*/}}

{{/* Which series are the release's, for a selector in braces. Arguments: $ */}}
{{- define "ml-common.series" -}}
namespace="{{ .Release.Namespace }}", service="{{ .Release.Name }}"
{{- end }}

{{/* Labels that every rule's result carries. Arguments: $ */}}
{{- define "ml-common.ruleLabels" -}}
namespace: {{ .Release.Namespace }}
service: {{ .Release.Name }}
{{- end }}

{{/* An alert. Arguments: (list $ name dict), of which the dict has expr, for, severity, summary, description, and window where it is one of several. */}}
{{- define "ml-common.alert" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- with index . 2 -}}
- alert: {{ $name }}
  expr: {{ .expr | quote }}
  for: {{ .for }}
  labels:
    {{- include "ml-common.ruleLabels" $root | nindent 4 }}
    severity: {{ .severity }}
    {{- with .window }}
    window: {{ . }}
    {{- end }}
  annotations:
    summary: {{ .summary | quote }}
    description: {{ .description | quote }}
    {{- with $root.Values.monitoring.rules.runbookUrl }}
    runbook_url: {{ printf "%s#%s" . ($name | lower) | quote }}
    {{- end }}
{{- end }}
{{- end }}

{{/* Alerts that both charts have: nobody answers Prometheus, and the HPA can do no more. Arguments: (list $ prefix) */}}
{{- define "ml-common.commonAlerts" -}}
{{- $root := index . 0 -}}
{{- $prefix := index . 1 -}}
{{- $name := $root.Release.Name -}}
{{- $limits := $root.Values.monitoring.rules -}}
{{- $hpa := ternary $name "" $root.Values.autoscaling.enabled -}}
{{- $sometimesNone := false -}}
{{- with $root.Values.keda -}}
{{- if .enabled -}}
{{- /* KEDA names its HPA itself, and may leave no pod at all. */ -}}
{{- $hpa = printf "keda-hpa-%s" $name -}}
{{- $sometimesNone = eq (int .minReplicas) 0 -}}
{{- end -}}
{{- end -}}
{{- if not $sometimesNone -}}
{{- $down := dict "for" $limits.downFor "severity" "critical"
    "expr" (printf "absent(up{%s} == 1)" (include "ml-common.series" $root))
    "summary" (printf "%s: no pod answers" $name)
    "description" (printf "Prometheus has got metrics from no pod for %s: none runs, or none can be reached." $limits.downFor) -}}
{{ include "ml-common.alert" (list $root (printf "%sDown" $prefix) $down) }}
{{- end }}
{{- if $hpa }}
{{- $which := printf "namespace=\"%s\", horizontalpodautoscaler=\"%s\"" $root.Release.Namespace $hpa }}
{{- $full := dict "for" $limits.atMaximumFor "severity" "warning"
    "expr" (printf "max(kube_horizontalpodautoscaler_status_current_replicas{%s}) >= max(kube_horizontalpodautoscaler_spec_max_replicas{%s})" $which $which)
    "summary" (printf "%s: as many pods as the HPA may start" $name)
    "description" (printf "The HPA has been at its maximum for %s: more load would not be met. Raise the maximum, or find out what loads it." $limits.atMaximumFor) }}
{{ include "ml-common.alert" (list $root (printf "%sAtMaximum" $prefix) $full) }}
{{- end }}
{{- end }}

{{/* Arguments: (list $ component recording alerts): the last two are YAML lists of rules. */}}
{{- define "ml-common.prometheusrule" -}}
{{- $root := index . 0 -}}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  {{- include "ml-common.monitoringMetadata" (list $root (index . 1)) | nindent 2 }}
spec:
  groups:
    - name: {{ $root.Release.Namespace }}-{{ $root.Release.Name }}-ratios
      rules:
        {{- index . 2 | nindent 8 }}
    - name: {{ $root.Release.Namespace }}-{{ $root.Release.Name }}-alerts
      rules:
        {{- index . 3 | nindent 8 }}
{{- end }}
