{{/*
The extender's container: beside our scheduler it listens on the loopback interface, for the cluster's own scheduler on
all, by TLS with client certificates.
*/}}
{{- define "foretide.extenderContainer" -}}
{{- $external := eq .Values.scheduler.mode "external" -}}
name: extender
image: {{ include "foretide.image" (list . "extender" "" .Values.image.digests.extender) }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command: [python, -m, foretide_extender]
env:
- name: FORETIDE_SCHEDULER_LISTEN
  value: {{ $external | ternary ":8888" "127.0.0.1:8888" | quote }}
{{- if $external }}
- name: FORETIDE_TLS_CERT
  value: /etc/foretide/tls/tls.crt
- name: FORETIDE_TLS_KEY
  value: /etc/foretide/tls/tls.key
- name: FORETIDE_TLS_CLIENT_CA
  value: /etc/foretide/tls/ca.crt
{{- end }}
- name: FORETIDE_OBSERVE_LISTEN
  value: ":8082"
- name: FORETIDE_DECISION_DEADLINE_MILLISECONDS
  value: {{ .Values.extender.decisionDeadlineMilliseconds | int | quote }}
{{- if .Values.watchNamespaces }}
- name: FORETIDE_WATCH_NAMESPACES
  value: {{ include "foretide.watchNamespaces" . | quote }}
{{- end }}
- name: FORETIDE_LOG_LEVEL
  value: {{ .Values.logLevel }}
ports:
{{- if $external }}
- name: scheduler
  containerPort: 8888
{{- end }}
- name: metrics
  containerPort: 8082
startupProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 1
  failureThreshold: 60
  terminationGracePeriodSeconds: 1
# A frozen extender costs the scheduler two timeouts a Pod: found out within 8 s, and killed at once, since what is frozen
# does not heed SIGTERM. kubelet makes two seconds of the one.
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 3
  terminationGracePeriodSeconds: 1
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 5
  timeoutSeconds: 5
{{- if $external }}
# Until the Service has forgotten it, a Pod that ends goes on answering.
lifecycle:
  preStop:
    sleep: {seconds: 5}
{{- end }}
resources:
  {{- toYaml .Values.extender.resources | nindent 2 }}
securityContext:
  {{- include "foretide.containerSecurity" . | nindent 2 }}
{{- if $external }}
volumeMounts:
# The folder, not its files, so that a renewed certificate comes through.
- name: tls
  mountPath: /etc/foretide/tls
  readOnly: true
{{- end }}
{{- end }}
