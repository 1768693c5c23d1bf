{{/*
kube-scheduler's configuration. httpTimeout bounds what a frozen extender can cost; ignorable lets the scheduler go on
without it; all nodes are scored, because the fastest may be any of them.
*/}}
{{- define "foretide.schedulerConfiguration" -}}
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection:
  leaderElect: {{ gt (int .Values.scheduler.replicas) 1 }}
  resourceName: foretide-scheduler
  resourceNamespace: {{ .Release.Namespace | quote }}
enableProfiling: false
percentageOfNodesToScore: 100
profiles:
- schedulerName: foretide-scheduler
extenders:
- urlPrefix: http://127.0.0.1:8888
  {{- include "foretide.asked" . | nindent 2 }}
{{- end }}

{{/* How a scheduler asks the extender, wherever that is. */}}
{{- define "foretide.asked" -}}
filterVerb: filter
prioritizeVerb: prioritize
weight: {{ int .Values.scheduler.weight }}
nodeCacheCapable: true
ignorable: true
httpTimeout: 300ms
{{- end }}

{{/*
The configuration of the cluster's own scheduler. Call with (list $ FOLDER KUBECONFIG): where its certificate lies, and how
it reaches the API server, since with --config it does not heed --kubeconfig.
*/}}
{{- define "foretide.externalConfiguration" -}}
{{- $root := index . 0 -}}
{{- $folder := index . 1 -}}
{{- $address := $root.Values.scheduler.external.clusterIP | default "CLUSTER-IP" -}}
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
clientConnection:
  kubeconfig: {{ index . 2 }}
percentageOfNodesToScore: 100
extenders:
- urlPrefix: https://{{ contains ":" $address | ternary (printf "[%s]" $address) $address }}:8888
  enableHTTPS: true
  tlsConfig:
    serverName: foretide-extender.{{ $root.Release.Namespace }}.svc
    certFile: {{ $folder }}/tls.crt
    keyFile: {{ $folder }}/tls.key
    caFile: {{ $folder }}/ca.crt
  {{- include "foretide.asked" $root | nindent 2 }}
  managedResources:
  - name: foretide.dev/task
    ignoredByScheduler: true
{{- end }}
