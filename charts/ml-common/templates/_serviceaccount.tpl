{{/* An account with no rights and no token: the services never speak to the API server. Arguments: (list $ component) */}}
{{- define "ml-common.serviceaccount" -}}
{{- $root := index . 0 -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "ml-common.metadata" (list $root (index . 1) $root.Release.Name) | nindent 2 }}
  {{- with $root.Values.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}
