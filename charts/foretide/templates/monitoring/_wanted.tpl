{{/*
"true" where an object of ours for Prometheus or Grafana is to be there. Call with
(list $ .Values.monitoring.serviceMonitor "ServiceMonitor"), where the third is the kind that auto looks for: of an API some
clusters have a part.
*/}}
{{- define "foretide.isMonitored" -}}
{{- $enabled := toString (index . 1).enabled -}}
{{- if eq $enabled "auto" -}}
{{- if (index . 0).Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" (index . 2)) }}true{{ end -}}
{{- else if eq $enabled "true" }}true{{ end -}}
{{- end }}

{{/* Labels of ours with those of the values, which win. Call with (list (include "foretide.labels" .) .labels). */}}
{{- define "foretide.labelsWith" -}}
{{- $labels := fromYaml (index . 0) -}}
{{- range $key, $value := index . 1 }}{{ $_ := set $labels $key $value }}{{ end -}}
{{- toYaml $labels -}}
{{- end }}
