{{- define "dragoman.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of most objects. 48 characters leave room for endings such as -headless. */}}
{{- define "dragoman.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 48 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 48 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 48 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "dragoman.selector" -}}
app.kubernetes.io/name: {{ include "dragoman.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The selector has a component too, so that the pods of hooks belong to no service. */}}
{{- define "dragoman.pods" -}}
{{ include "dragoman.selector" . }}
app.kubernetes.io/component: gateway
{{- end }}

{{- define "dragoman.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "dragoman.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "dragoman.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "dragoman.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "dragoman.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end }}

{{/* "sqlite", "memory" or "shared": what the operations are kept in. */}}
{{- define "dragoman.store" -}}
{{- $url := dig "operations" "url" "" .Values.settings -}}
{{- if or .Values.database.existingSecret (kindIs "map" $url) -}}
shared
{{- else if hasPrefix "memory:" $url -}}
memory
{{- else if or (empty $url) (hasPrefix "sqlite:" $url) -}}
sqlite
{{- else -}}
shared
{{- end -}}
{{- end }}

{{/* The least number of pods that the release has on purpose. */}}
{{- define "dragoman.replicas" -}}
{{- if .Values.autoscaling.enabled -}}
{{ int .Values.autoscaling.minReplicas }}
{{- else if .Values.keda.enabled -}}
{{ int .Values.keda.minReplicaCount }}
{{- else if hasKey .Values "replicaCount" -}}
{{ int .Values.replicaCount }}
{{- else -}}
{{ ternary 2 1 (eq (include "dragoman.store" .) "shared") }}
{{- end -}}
{{- end }}

{{- define "dragoman.most" -}}
{{- if .Values.autoscaling.enabled -}}
{{ int .Values.autoscaling.maxReplicas }}
{{- else if .Values.keda.enabled -}}
{{ int .Values.keda.maxReplicaCount }}
{{- else -}}
{{ include "dragoman.replicas" . }}
{{- end -}}
{{- end }}

{{/* The port of an address such as [::]:50051. */}}
{{- define "dragoman.port" -}}
{{ regexFind "[0-9]+$" . }}
{{- end }}

{{- define "dragoman.port.grpc" -}}
{{ include "dragoman.port" (dig "server" "grpc" "0.0.0.0:50051" .Values.settings) }}
{{- end }}

{{- define "dragoman.port.http" -}}
{{ include "dragoman.port" (dig "server" "http" "0.0.0.0:8080" .Values.settings) }}
{{- end }}

{{- define "dragoman.port.metrics" -}}
{{ include "dragoman.port" (dig "server" "metrics" "" .Values.settings) }}
{{- end }}
