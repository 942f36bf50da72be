{{/* The settings of the service as TOML. Helm's own toToml turns every number into a float. */}}
{{- define "dragoman.settings" -}}
{{- $settings := deepCopy .Values.settings -}}
{{- if .Values.tls.existingSecret -}}
{{- $tls := dict "certificate" "/etc/dragoman/tls/tls.crt" "key" "/etc/dragoman/tls/tls.key" -}}
{{- $_ := set $settings "server" (merge (dict "tls" $tls) (default dict $settings.server)) -}}
{{- end -}}
{{ include "dragoman.toml" (dict "path" "" "table" $settings) | trim }}
{{- end }}

{{/* A table: its values first, then the tables in it, each under its header. */}}
{{- define "dragoman.toml" -}}
{{- $path := .path -}}
{{- $table := .table -}}
{{- range $key := keys $table | sortAlpha -}}
{{- $value := get $table $key -}}
{{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) }}
{{ include "dragoman.toml.key" $key }} = {{ include "dragoman.toml.value" $value }}
{{- end -}}
{{- end -}}
{{- range $key := keys $table | sortAlpha -}}
{{- $value := get $table $key -}}
{{- if kindIs "map" $value -}}
{{- $inside := printf "%s%s" (ternary "" (printf "%s." $path) (empty $path)) (include "dragoman.toml.key" $key) }}

[{{ $inside }}]
{{- include "dragoman.toml" (dict "path" $inside "table" $value) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "dragoman.toml.key" -}}
{{ if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ toRawJson . }}{{ end }}
{{- end }}

{{/* A value in one line. Strings, numbers and booleans of JSON are those of TOML. */}}
{{- define "dragoman.toml.value" -}}
{{- if kindIs "map" . -}}
{{- $pairs := list -}}
{{- range $key, $value := . -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $pairs = append $pairs (printf "%s = %s" (include "dragoman.toml.key" $key) (include "dragoman.toml.value" $value)) -}}
{{- end -}}
{{- end -}}
{ {{ join ", " $pairs }} }
{{- else if kindIs "slice" . -}}
{{- $values := list -}}
{{- range $value := . -}}
{{- $values = append $values (include "dragoman.toml.value" $value) -}}
{{- end -}}
[{{ join ", " $values }}]
{{- else -}}
{{ toRawJson . }}
{{- end -}}
{{- end }}

{{/* A duration of the settings, such as 250ms, 5s, 10m or a number, in whole seconds. */}}
{{- define "dragoman.seconds" -}}
{{- $text := toString . | nospace | lower -}}
{{- $number := regexFind "^[0-9.]+" $text | float64 -}}
{{- $unit := regexFind "[a-z]*$" $text -}}
{{- $seconds := dict "" 1.0 "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0 -}}
{{- if not (and (regexMatch "^[0-9]+([.][0-9]+)?[a-z]*$" $text) (hasKey $seconds $unit)) -}}
{{- fail (printf "settings: %q is not a duration. Write 250ms, 20s, 5m, 24h, or seconds." $text) -}}
{{- end -}}
{{ mulf $number (get $seconds $unit) | ceil | int64 }}
{{- end }}

{{/* How long a pod may take to end: the drain, and what several workers may take after it. */}}
{{- define "dragoman.grace" -}}
{{- $server := default dict .Values.settings.server -}}
{{- $delay := include "dragoman.seconds" (dig "drain_delay" "5s" $server) | int -}}
{{- $grace := include "dragoman.seconds" (dig "grace" "20s" $server) | int -}}
{{ add $delay $grace 20 }}
{{- end }}

{{/* Startup probes that may fail: opening plugins takes plugins.open_timeout at most, and the rest a minute. */}}
{{- define "dragoman.startupFailures" -}}
{{- $open := include "dragoman.seconds" (dig "plugins" "open_timeout" "60s" .Values.settings) | int -}}
{{ divf (add $open 60) .Values.probes.startup.periodSeconds | ceil | int }}
{{- end }}
