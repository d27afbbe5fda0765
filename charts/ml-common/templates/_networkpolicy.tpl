{{/*
Only what is named may come in; only DNS and what is named may go out.
Arguments: (list $ component name port ingressFrom egress): egress is a list of further egress rules.
*/}}
{{- define "ml-common.networkpolicy" -}}
{{- $root := index . 0 -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "ml-common.metadata" (list $root (index . 1) (index . 2)) | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "ml-common.selectorLabels" (list $root (index . 1)) | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- with index . 4 }}
    - from:
        {{- toYaml . | nindent 8 }}
      ports:
        - protocol: TCP
          port: {{ index $ 3 }}
    {{- else }}
    []
    {{- end }}
  egress:
    - to:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: kube-system
          podSelector:
            matchLabels:
              k8s-app: kube-dns
      ports:
        - protocol: UDP
          port: 53
        - protocol: TCP
          port: 53
    {{- with index . 5 }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
