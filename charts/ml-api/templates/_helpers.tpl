{{/* The environment variables of the service (service/README.md); the Deployment's checksum is made from them. */}}
{{- define "ml-api.config" -}}
{{- with .Values.config -}}
ML_LOG_LEVEL: {{ .logLevel | quote }}
ML_CONCURRENCY: {{ .concurrency | int64 | quote }}
ML_MAX_BATCH: {{ .maxBatch | int64 | quote }}
ML_MAX_BODY_BYTES: {{ .maxBodyBytes | int64 | quote }}
ML_BODY_TIMEOUT_S: {{ .bodyTimeoutSeconds | quote }}
ML_MAX_QUEUE: {{ .maxQueue | int64 | quote }}
{{- end }}
{{- /* The kubelet sleeps before SIGTERM (preStop). The process then takes a second of requests more, to answer each with
`Connection: close`: a connection that a client keeps would otherwise end with a request on its way. */}}
ML_DRAIN_DELAY_S: {{ min 1 .Values.drain.delaySeconds | quote }}
ML_DRAIN_TIMEOUT_S: {{ .Values.drain.timeoutSeconds | int64 | quote }}
{{- if .Values.externalSecret.enabled }}
ML_API_KEYS_FILE: {{ include "ml-common.secretsPath" . | quote }}
{{- end }}
{{- with include "ml-common.tracingConfig" . }}
{{ . }}
{{- end }}
{{- end }}

{{/* Who carries requests in from outside the cluster, as peers of a NetworkPolicy: the clients' own addresses, or the pods that were named. */}}
{{- define "ml-api.edgePeers" -}}
{{- with .Values.edge -}}
{{- if eq .kind "loadBalancer" }}
{{- range .loadBalancer.sourceRanges }}
- ipBlock:
    cidr: {{ . }}
{{- end }}
{{- else }}
{{- toYaml .from }}
{{- end }}
{{- end }}
{{- end }}
