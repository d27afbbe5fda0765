{{/* Whether the cluster has the kinds of Prometheus's operator; without them what needs them is left out. Empty is no. */}}
{{- define "ml-common.hasOperator" -}}
{{- if .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}yes{{ end }}
{{- end }}

{{/* Says in the notes of a release that something was left out. Arguments: $ */}}
{{- define "ml-common.monitoringNote" -}}
{{- if and .Values.monitoring.serviceMonitor.enabled (not (include "ml-common.hasOperator" .)) }}

NOT MONITORED: the cluster has no monitoring.coreos.com/v1, so there is neither ServiceMonitor nor PrometheusRule. Install
Prometheus's operator, then deploy this release again.
{{- end }}
{{- end }}

{{/* Metadata of what Prometheus's operator picks by its labels. Arguments: (list $ component) */}}
{{- define "ml-common.monitoringMetadata" -}}
{{- $root := index . 0 -}}
{{ include "ml-common.metadata" (list $root (index . 1) $root.Release.Name) }}
{{- with $root.Values.monitoring.labels }}
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Arguments: (list $ component portName) */}}
{{- define "ml-common.servicemonitor" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  {{- include "ml-common.monitoringMetadata" (list $root $component) | nindent 2 }}
spec:
  selector:
    matchLabels:
      {{- include "ml-common.selectorLabels" (list $root $component) | nindent 6 }}
  endpoints:
    - port: {{ index . 2 }}
      path: /metrics
      interval: {{ $root.Values.monitoring.serviceMonitor.interval }}
{{- end }}
