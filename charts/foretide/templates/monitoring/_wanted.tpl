{{/* "true" where an object of ours for Prometheus or Grafana is to be there. Call with (list $ .Values.monitoring.dashboard). */}}
{{- define "foretide.isMonitored" -}}
{{- $enabled := toString (index . 1).enabled -}}
{{- if eq $enabled "auto" -}}
{{- if (index . 0).Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}true{{ end -}}
{{- else if eq $enabled "true" }}true{{ end -}}
{{- end }}
