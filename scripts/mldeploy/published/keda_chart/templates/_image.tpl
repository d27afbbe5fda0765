{{/* Arguments: (list .Values.image.<part> .Chart.AppVersion) */}}
{{- define "keda.image" -}}
{{- $version := index . 1 -}}
{{- with index . 0 -}}
{{ with .registry }}{{ . }}/{{ end }}{{ .repository }}:{{ .tag | default $version }}
{{- end }}
{{- end }}
