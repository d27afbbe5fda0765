{{/* What every pod of these charts has in common; Pod Security `restricted` is met here, once. */}}

{{/* Arguments: the image's values, and the chart's appVersion, which is the tag where values give none: (list .Values.image .Chart.AppVersion) */}}
{{- define "ml-common.image" -}}
{{- $image := index . 0 -}}
{{- if $image.digest -}}
{{ printf "%s@%s" $image.repository $image.digest }}
{{- else -}}
{{ printf "%s:%s" $image.repository ($image.tag | default (index . 1)) }}
{{- end }}
{{- end }}

{{- define "ml-common.containerSecurityContext" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
{{- end }}

{{- define "ml-common.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* The pod's fields beside its containers. Arguments: (list $ component) */}}
{{- define "ml-common.podSpec" -}}
{{- $root := index . 0 -}}
{{- $values := $root.Values -}}
serviceAccountName: {{ $root.Release.Name }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "ml-common.podSecurityContext" $root | nindent 2 }}
{{- with $values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Spread over topologies, counted for each revision alone. Arguments: (list $ component) */}}
{{- define "ml-common.topologySpread" -}}
{{- $context := . -}}
{{- with (index . 0).Values.topologySpread -}}
topologySpreadConstraints:
  {{- range . }}
  - topologyKey: {{ .topologyKey }}
    maxSkew: {{ .maxSkew | default 1 }}
    whenUnsatisfiable: {{ .whenUnsatisfiable | default "ScheduleAnyway" }}
    labelSelector:
      matchLabels:
        {{- include "ml-common.selectorLabels" $context | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end }}

{{/* A pod template's metadata. Arguments: (list $ component annotations): annotations is a dict of those that the chart sets itself. */}}
{{- define "ml-common.podMetadata" -}}
{{- $root := index . 0 -}}
{{- with merge (dict) (index . 2) $root.Values.podAnnotations -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
labels:
  {{- include "ml-common.selectorLabels" (list $root (index . 1)) | nindent 2 }}
  {{- with $root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Start-up, readiness and liveness probes against the service's own endpoints. Arguments: (list .Values.probes portName) */}}
{{- define "ml-common.probes" -}}
{{- $port := index . 1 -}}
{{- with index . 0 -}}
startupProbe:
  httpGet:
    path: /readyz
    port: {{ $port }}
  {{- toYaml .startup | nindent 2 }}
readinessProbe:
  httpGet:
    path: /readyz
    port: {{ $port }}
  {{- toYaml .readiness | nindent 2 }}
livenessProbe:
  httpGet:
    path: /healthz
    port: {{ $port }}
  {{- toYaml .liveness | nindent 2 }}
{{- end }}
{{- end }}

{{/* Room for the sleep before SIGTERM, the second of last answers, the requests or jobs under way, and the process's end. */}}
{{- define "ml-common.terminationGracePeriodSeconds" -}}
{{ add .Values.drain.delaySeconds 1 .Values.drain.timeoutSeconds 5 }}
{{- end }}

{{/* Files of the Secret that the ExternalSecret makes. */}}
{{- define "ml-common.secretsPath" -}}
{{ printf "/run/secrets/%s" .Chart.Name }}
{{- end }}

{{/* The kubelet waits before it sends SIGTERM: time for every proxy to take the pod out. No shell is needed for that. */}}
{{- define "ml-common.preStop" -}}
{{- if gt (int .Values.drain.delaySeconds) 0 -}}
lifecycle:
  preStop:
    sleep:
      seconds: {{ .Values.drain.delaySeconds }}
{{- end }}
{{- end }}
