{{- define "ml-batch.queueName" -}}
{{ .Release.Name }}-redis
{{- end }}

{{- define "ml-batch.queueUrl" -}}
{{- if .Values.queue.bundled.enabled -}}
redis://{{ include "ml-batch.queueName" . }}:6379/0
{{- else -}}
{{ .Values.queue.url }}
{{- end }}
{{- end }}

{{/* What KEDA's triggers have to know of the queue; its operator asks from another namespace. */}}
{{- define "ml-batch.kedaRedis" -}}
{{- $url := urlParse (include "ml-batch.queueUrl" .) -}}
{{- $host := ternary (printf "%s.%s.svc:6379" (include "ml-batch.queueName" .) .Release.Namespace) $url.host .Values.queue.bundled.enabled -}}
address: {{ regexMatch ":[0-9]+$" $host | ternary $host (printf "%s:6379" $host) | quote }}
databaseIndex: {{ trimPrefix "/" $url.path | default "0" | quote }}
{{- if eq $url.scheme "rediss" }}
enableTLS: "true"
{{- end }}
stream: {{ .Values.queue.stream | quote }}
{{- end }}

{{/* Where KEDA finds the queue's password; nothing where there is none. */}}
{{- define "ml-batch.kedaRedisAuthentication" -}}
{{- if .Values.externalSecret.enabled -}}
authenticationRef:
  name: {{ .Release.Name }}
{{- end }}
{{- end }}

{{/* Egress rules to the queue: the bundled one's pods, or the URL's port anywhere (a NetworkPolicy knows no host names). */}}
{{- define "ml-batch.queueEgress" -}}
{{- $port := regexFind ":[0-9]+$" (urlParse (include "ml-batch.queueUrl" .)).host | trimPrefix ":" | default "6379" -}}
- ports:
    - protocol: TCP
      port: {{ $port }}
  {{- if .Values.queue.bundled.enabled }}
  to:
    - podSelector:
        matchLabels:
          {{- include "ml-common.selectorLabels" (list . "queue") | nindent 10 }}
  {{- end }}
{{- end }}

{{/* The environment variables of the service (service/README.md); the pods' checksum is made from them. */}}
{{- define "ml-batch.config" -}}
{{- with .Values.config -}}
ML_LOG_LEVEL: {{ .logLevel | quote }}
ML_MAX_BATCH: {{ .maxBatch | int64 | quote }}
ML_BATCH_JOBS: {{ .batchJobs | int64 | quote }}
ML_CLAIM_IDLE_S: {{ .claimIdleSeconds | quote }}
ML_MAX_DELIVERIES: {{ .maxDeliveries | int64 | quote }}
ML_RESULT_TTL_S: {{ .resultTtlSeconds | int64 | quote }}
{{- end }}
ML_DRAIN_TIMEOUT_S: {{ .Values.drain.timeoutSeconds | int64 | quote }}
ML_REDIS_URL: {{ include "ml-batch.queueUrl" . | quote }}
ML_STREAM: {{ .Values.queue.stream | quote }}
ML_GROUP: {{ .Values.queue.group | quote }}
{{- if .Values.externalSecret.enabled }}
ML_REDIS_PASSWORD_FILE: {{ printf "%s/redis-password" (include "ml-common.secretsPath" .) | quote }}
{{- end }}
{{- with include "ml-common.tracingConfig" . }}
{{ . }}
{{- end }}
{{- end }}

{{/*
What the operator makes of the store's redis-password, which may hold several, one a line: clients use the first, Redis accepts all of them,
so that a new one can come before the old one goes. Redis gets their hashes alone. Its second user can do one thing, which its readiness
probe does: have the file read again.
*/}}
{{- define "ml-batch.secretTemplate" -}}
redis-password: {{ `'{{ $all := index . "redis-password" | trim }}{{ if not $all }}{{ fail "redis-password is empty" }}{{ end }}{{ $all | splitList "\n" | first | trim }}'` }}
{{- if .Values.queue.bundled.enabled }}
users.acl: |
  {{ `user default on ~* &* +@all{{ range index . "redis-password" | trim | splitList "\n" }} #{{ . | trim | sha256sum }}{{ end }}` }}
  user reader on nopass -@all +acl|load
{{- end }}
{{- end }}

{{/* The pod that works: the same in a Deployment and in a CronJob. Arguments: (list $ arguments) */}}
{{- define "ml-batch.container" -}}
{{- $root := index . 0 -}}
- name: worker
  image: {{ include "ml-common.image" (list $root.Values.image $root.Chart.AppVersion) | quote }}
  imagePullPolicy: {{ $root.Values.image.pullPolicy }}
  args: {{ index . 1 | toJson }}
  envFrom:
    - configMapRef:
        name: {{ $root.Release.Name }}
  ports:
    - name: metrics
      containerPort: 9090
      protocol: TCP
  resources:
    {{- toYaml $root.Values.resources | nindent 4 }}
  securityContext:
    {{- include "ml-common.containerSecurityContext" $root | nindent 4 }}
  {{- with include "ml-batch.volumeMounts" $root }}{{ . | nindent 2 }}{{ end }}
{{- end }}

{{- define "ml-batch.volumeMounts" -}}
{{- if .Values.externalSecret.enabled -}}
volumeMounts:
  - name: secrets
    mountPath: {{ include "ml-common.secretsPath" . }}
    readOnly: true
{{- end }}
{{- end }}

{{- define "ml-batch.volumes" -}}
{{- if .Values.externalSecret.enabled -}}
volumes:
  - name: secrets
    secret:
      secretName: {{ .Release.Name }}
      defaultMode: 0440
      items:
        - key: redis-password
          path: redis-password
{{- end }}
{{- end }}
