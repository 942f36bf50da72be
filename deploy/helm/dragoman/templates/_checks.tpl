{{/* What the schema of the values cannot say. Each refusal says what to do. */}}
{{- define "dragoman.check" -}}
{{- $server := default dict .Values.settings.server -}}
{{- if not .Values.image.repository -}}
{{- fail "image.repository is required: the registry and repository that you pushed the image to, such as registry.example/dragoman." -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled .Values.keda.enabled -}}
{{- fail "autoscaling and keda are both enabled, and each would undo what the other does. Disable one of them: KEDA makes an HPA of its own." -}}
{{- end -}}
{{- include "dragoman.check.store" . -}}
{{- if not .Values.existingConfigMap -}}
{{- include "dragoman.check.access" . -}}
{{- end -}}
{{- if hasKey $server "data_dir" -}}
{{- fail "settings.server.data_dir is fixed in the image (/var/lib/dragoman). Remove it." -}}
{{- end -}}
{{- range $section := list "providers" "filters" -}}
{{- range $name, $table := default dict (get $.Values.settings $section) -}}
{{- range $key := list "api_key" "iam_token" "access_token" -}}
{{- include "dragoman.check.secret" (dict "path" (printf "settings.%s.%s" $section $name) "key" $key "table" $table) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $key := list "url" "direct_url" -}}
{{- $value := dig "operations" $key "" $.Values.settings -}}
{{- if and (kindIs "string" $value) (regexMatch "://[^/@]*:[^/@]*@|[?&](ssl)?password=" $value) -}}
{{- fail (printf "settings.operations.%s contains a password, which everybody who may read ConfigMaps would see. Put the URL into a Secret and name it in database.existingSecret." $key) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* A secret written into the settings, at any depth below a provider or a filter. */}}
{{- define "dragoman.check.secret" -}}
{{- $path := .path -}}
{{- $wanted := .key -}}
{{- range $key, $value := .table -}}
{{- if and (eq $key $wanted) (kindIs "string" $value) -}}
{{- fail (printf "%s.%s is written into the settings, which everybody who may read ConfigMaps would see. Put it into a Secret, name that in secrets.existingSecret, and write %s: {file: /etc/dragoman/secrets/KEY}." $path $key $key) -}}
{{- else if kindIs "map" $value -}}
{{- include "dragoman.check.secret" (dict "path" (printf "%s.%s" $path $key) "key" $wanted "table" $value) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "dragoman.check.store" -}}
{{- $store := include "dragoman.store" . -}}
{{- if and .Values.database.existingSecret (dig "operations" "url" "" .Values.settings) -}}
{{- fail "database.existingSecret and settings.operations.url both name the store. Remove one of them." -}}
{{- end -}}
{{- if and (ne $store "shared") (gt (include "dragoman.most" . | int) 1) -}}
{{- fail "More than one replica needs PostgreSQL: each pod would keep its operations and limits for itself. Put its URL into a Secret and name it in database.existingSecret, or set replicaCount to 1." -}}
{{- end -}}
{{- if and (ne $store "shared") (or .Values.autoscaling.enabled .Values.keda.enabled) -}}
{{- fail "autoscaling and keda need PostgreSQL: name the Secret that holds its URL in database.existingSecret." -}}
{{- end -}}
{{- if .Values.keda.enabled -}}
{{- if and (gt (int .Values.keda.operations) 0) (not .Values.database.existingSecret) -}}
{{- fail "keda.operations asks the database, whose URL KEDA reads from database.existingSecret. Set that, or set keda.operations to 0 and write keda.triggers." -}}
{{- end -}}
{{- if not (or (gt (int .Values.keda.operations) 0) .Values.keda.triggers) -}}
{{- fail "keda is enabled and has nothing to scale by. Set keda.operations or keda.triggers." -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Pods listen on all addresses, which the service refuses without a decision about who may call. */}}
{{- define "dragoman.check.access" -}}
{{- $access := default dict .Values.settings.access -}}
{{- if not (or $access.anonymous $access.keys) -}}
{{- fail "Nobody may call the service yet. Make a key with `dragoman keys create NAME` and write it into settings.access.keys, or allow everybody who reaches it with settings.access.anonymous=true." -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled (not (or $access.anonymous $access.open_metrics .Values.serviceMonitor.credentials.existingSecret)) -}}
{{- fail "The service has keys, so /metrics needs one that may use all models. Name a Secret that holds it in serviceMonitor.credentials.existingSecret, or set settings.access.open_metrics=true." -}}
{{- end -}}
{{- end }}
