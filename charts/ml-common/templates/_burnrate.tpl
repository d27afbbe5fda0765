{{/*
Alerts on how fast an error budget is used, over a long and a short window together (Google's Site Reliability Workbook, chapter 5):
the long one says that it matters, the short one that it still goes on, so that an alert ends soon after its cause.
*/}}

{{/*
The share of bad events over each window, and the share that the objective allows. Arguments: (list $ record objective expression): the
expression has %[1]s where the window goes, and no result while there are no events.
*/}}
{{- define "ml-common.burnRatios" -}}
{{- $root := index . 0 -}}
{{- $record := index . 1 -}}
{{- $objective := index . 2 -}}
{{- $expression := index . 3 -}}
{{- $windows := list -}}
{{- range $root.Values.monitoring.rules.burnRates }}{{ $windows = append (append $windows .long) .short }}{{ end -}}
- record: service:{{ $record }}:budget
  expr: {{ printf "vector(1 - %v / 100)" $objective | quote }}
  labels:
    {{- include "ml-common.ruleLabels" $root | nindent 4 }}
{{- range $windows | uniq }}
- record: service:{{ $record }}:ratio_rate{{ . }}
  expr: {{ printf $expression . | quote }}
  labels:
    {{- include "ml-common.ruleLabels" $root | nindent 4 }}
{{- end }}
{{- end }}

{{/* Arguments: (list $ alert record objective what): what the bad events are, for people. */}}
{{- define "ml-common.burnAlerts" -}}
{{- $root := index . 0 -}}
{{- $alert := index . 1 -}}
{{- $record := index . 2 -}}
{{- $objective := index . 3 -}}
{{- $what := index . 4 -}}
{{- $series := include "ml-common.series" $root -}}
{{- range $root.Values.monitoring.rules.burnRates }}
{{- $limit := printf "%v * (1 - %v / 100)" .factor $objective }}
{{- $expression := printf "service:%s:ratio_rate%s{%s} > %s and service:%s:ratio_rate%s{%s} > %s" $record .long $series $limit $record .short $series $limit }}
{{- $burn := dict "expr" $expression "for" .for "severity" .severity "window" .long
    "summary" (printf "%s: %s, %v times as fast as %v %% allows" $root.Release.Name $what .factor $objective)
    "description" (printf "%s of the last %s were so, and it goes on." `{{ $value | humanizePercentage }}` .long) }}
{{ include "ml-common.alert" (list $root $alert $burn) }}
{{- end }}
{{- end }}
