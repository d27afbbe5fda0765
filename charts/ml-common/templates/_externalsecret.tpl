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
  refreshInterval: {{ include "ml-common.duration" .refreshInterval }}
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

{{/* A duration as Go writes it: 15m is 15m0s. The operator writes it so into the object, which would make the field the operator's and
the next upgrade a conflict. What has other units than h, m and s stays as it is. */}}
{{- define "ml-common.duration" -}}
{{- if not (regexMatch "^([0-9]+[hms])+$" .) -}}
{{- . -}}
{{- else -}}
{{- $unit := dict "h" 3600 "m" 60 "s" 1 -}}
{{- $seconds := 0 -}}
{{- range regexFindAll "[0-9]+[hms]" . -1 -}}
{{- $last := regexFind "[hms]" . -}}
{{- $seconds = add $seconds (mul (trimSuffix $last . | atoi) (get $unit $last)) -}}
{{- end -}}
{{- duration $seconds -}}
{{- end -}}
{{- end }}
