{{/*
A dashboard for Grafana's sidecar: the file as it is (it can be imported by hand too), with the release filled in.
Arguments: (list $ component file)
*/}}
{{- define "ml-common.dashboard" -}}
{{- $root := index . 0 -}}
{{- $name := printf "%s-dashboard" $root.Release.Name -}}
{{- $board := $root.Files.Get (index . 2) | fromJson -}}
{{- $known := dict "namespace" $root.Release.Namespace "service" $root.Release.Name -}}
{{- range $board.templating.list }}
{{- if hasKey $known .name }}{{ $_ := set . "query" (get $known .name) }}{{ end }}
{{- end }}
{{- /* Grafana knows a dashboard by its uid, of which there may be one, and 40 characters at most. */}}
{{- $_ := set $board "uid" (printf "%s/%s" $root.Release.Namespace $root.Release.Name | sha256sum | trunc 40) }}
{{- $_ := set $board "title" (printf "%s (%s)" $root.Release.Name $root.Release.Namespace) }}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "ml-common.metadata" (list $root (index . 1) $name) | nindent 2 }}
    {{- toYaml $root.Values.monitoring.dashboard.labels | nindent 4 }}
data:
  {{ $name }}.json: |
    {{- $board | toPrettyJson | nindent 4 }}
{{- end }}
