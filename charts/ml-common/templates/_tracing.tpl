{{/* Traces, where an endpoint is set: OpenTelemetry's own variables. Arguments: $ */}}
{{- define "ml-common.tracingConfig" -}}
{{- with .Values.tracing -}}
{{- if .endpoint -}}
OTEL_EXPORTER_OTLP_ENDPOINT: {{ .endpoint | quote }}
OTEL_SERVICE_NAME: {{ $.Release.Name | quote }}
OTEL_RESOURCE_ATTRIBUTES: {{ printf "k8s.namespace.name=%s" $.Release.Namespace | quote }}
OTEL_TRACES_SAMPLER: parentbased_traceidratio
OTEL_TRACES_SAMPLER_ARG: {{ .sampleRatio | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Egress rules to the collector: those who were named, or the endpoint's port anywhere (a NetworkPolicy knows no host names). */}}
{{- define "ml-common.tracingEgress" -}}
{{- with .Values.tracing -}}
{{- if .endpoint -}}
{{- $url := urlParse .endpoint -}}
- ports:
    - protocol: TCP
      port: {{ regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "443" "80" (eq $url.scheme "https")) }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}
