{{- define "ocs.name" -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "ocs.selector" -}}
app.kubernetes.io/name: ocs
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ocs.labels" -}}
{{ include "ocs.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
