{{/* The Secret of the release, filled by the External Secrets Operator. Arguments: (list $ component template), where template is what
the operator makes the Secret's keys of; empty: of `data` as it is. */}}
{{- define "ml-common.externalsecret" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $template := index . 2 -}}
{{- with $root.Values.externalSecret }}
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  {{- include "ml-common.metadata" (list $root $component $root.Release.Name) | nindent 2 }}
  annotations:
    {{- /* Argo CD waits until the Secret is there before it goes on to what mounts it. */}}
    argocd.argoproj.io/sync-wave: "-1"
spec:
  refreshInterval: {{ .refreshInterval }}
  secretStoreRef:
    name: {{ .storeRef.name }}
    kind: {{ .storeRef.kind }}
  target:
    name: {{ $root.Release.Name }}
    creationPolicy: Owner
    deletionPolicy: Retain
    {{- with $template }}
    template:
      engineVersion: v2
      data:
        {{- . | nindent 8 }}
    {{- end }}
  data:
    {{- range $key, $remote := .data }}
    - secretKey: {{ $key }}
      remoteRef:
        {{- toYaml $remote | nindent 8 }}
    {{- end }}
{{- end }}
{{- end }}
