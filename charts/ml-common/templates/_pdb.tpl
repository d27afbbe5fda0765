{{/* Arguments: (list $ component) */}}
{{- define "ml-common.pdb" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- with $root.Values.podDisruptionBudget }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "ml-common.metadata" (list $root $component $root.Release.Name) | nindent 2 }}
spec:
  {{- if not (kindIs "invalid" .minAvailable) }}
  minAvailable: {{ .minAvailable }}
  {{- end }}
  {{- if not (kindIs "invalid" .maxUnavailable) }}
  maxUnavailable: {{ .maxUnavailable }}
  {{- end }}
  # A pod that is not ready protects nothing and may always be evicted.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "ml-common.selectorLabels" (list $root $component) | nindent 6 }}
{{- end }}
{{- end }}
