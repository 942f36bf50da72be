{{/* The pod of the gateway. `volume` is the name of a claim for its data; without it they live as long as the pod. */}}
{{- define "dragoman.pod" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
metadata:
  labels:
    {{- include "dragoman.labels" $root | nindent 4 }}
    app.kubernetes.io/component: gateway
    {{- with $values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    kubectl.kubernetes.io/default-container: dragoman
    {{- if not $values.existingConfigMap }}
    checksum/config: {{ include "dragoman.settings" $root | sha256sum }}
    {{- end }}
    {{- with $values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "dragoman.serviceAccount" $root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "dragoman.grace" $root }}
  {{- include "dragoman.pod.common" $root | trim | nindent 2 }}
  {{- with $values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- if $values.topologySpreadConstraints }}
    {{- toYaml $values.topologySpreadConstraints | nindent 4 }}
    {{- else }}
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "dragoman.pods" $root | nindent 10 }}
    {{- end }}
  containers:
    - name: dragoman
      image: {{ include "dragoman.image" $root | quote }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      args: [serve, --config, /etc/dragoman/settings/dragoman.toml]
      {{- with include "dragoman.env" $root | trim }}
      env: {{- . | nindent 8 }}
      {{- end }}
      ports:
        - name: grpc
          containerPort: {{ include "dragoman.port.grpc" $root }}
        - name: http
          containerPort: {{ include "dragoman.port.http" $root }}
        {{- with include "dragoman.port.metrics" $root }}
        - name: metrics
          containerPort: {{ . }}
        {{- end }}
      startupProbe:
        httpGet: {path: /livez, port: http}
        timeoutSeconds: 2
        periodSeconds: {{ $values.probes.startup.periodSeconds }}
        failureThreshold: {{ include "dragoman.startupFailures" $root }}
      livenessProbe:
        httpGet: {path: /livez, port: http}
        {{- toYaml $values.probes.liveness | nindent 8 }}
      readinessProbe:
        httpGet: {path: /readyz, port: http}
        {{- toYaml $values.probes.readiness | nindent 8 }}
      resources: {{- toYaml $values.resources | nindent 8 }}
      securityContext: {{- toYaml $values.securityContext | nindent 8 }}
      volumeMounts:
        - {name: settings, mountPath: /etc/dragoman/settings, readOnly: true}
        - {name: data, mountPath: /var/lib/dragoman}
        - {name: tmp, mountPath: /tmp}
        {{- with include "dragoman.mounts" $root | trim }}{{ . | nindent 8 }}{{ end }}
        {{- with $values.tls.existingSecret }}
        - {name: tls, mountPath: /etc/dragoman/tls, readOnly: true}
        {{- end }}
        {{- with $values.extraVolumeMounts }}{{ toYaml . | nindent 8 }}{{ end }}
  volumes:
    - name: settings
      configMap:
        name: {{ $values.existingConfigMap | default (include "dragoman.fullname" $root) }}
    {{- if not .volume }}
    - {name: data, emptyDir: {}}
    {{- end }}
    - name: tmp
      emptyDir: {medium: Memory, sizeLimit: 64Mi}
    {{- with include "dragoman.volumes" $root | trim }}{{ . | nindent 4 }}{{ end }}
    {{- with $values.tls.existingSecret }}
    - name: tls
      secret: {secretName: {{ . | quote }}, defaultMode: 0440}
    {{- end }}
    {{- with $values.extraVolumes }}{{ toYaml . | nindent 4 }}{{ end }}
{{- end }}

{{/* What all pods of the release have: those of the gateway, of the migration and of the test. */}}
{{- define "dragoman.pod.common" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- end }}

{{/* The store's URLs are read from files, and its tables are upgraded by the job alone. */}}
{{- define "dragoman.env" -}}
{{- if .Values.database.existingSecret }}
- name: DRAGOMAN_OPERATIONS__URL
  value: '{ file = "/etc/dragoman/database/{{ .Values.database.key }}" }'
{{- with .Values.database.directKey }}
- name: DRAGOMAN_OPERATIONS__DIRECT_URL
  value: '{ file = "/etc/dragoman/database/{{ . }}" }'
{{- end }}
{{- if .Values.migrate.enabled }}
- name: DRAGOMAN_OPERATIONS__MIGRATE
  value: never
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "dragoman.mounts" -}}
{{- with .Values.database.existingSecret }}
- {name: database, mountPath: /etc/dragoman/database, readOnly: true}
{{- end }}
{{- with .Values.secrets.existingSecret }}
- {name: secrets, mountPath: /etc/dragoman/secrets, readOnly: true}
{{- end }}
{{- end }}

{{- define "dragoman.volumes" -}}
{{- with .Values.database.existingSecret }}
- name: database
  secret: {secretName: {{ . | quote }}, defaultMode: 0440}
{{- end }}
{{- with .Values.secrets.existingSecret }}
- name: secrets
  secret: {secretName: {{ . | quote }}, defaultMode: 0440}
{{- end }}
{{- end }}
