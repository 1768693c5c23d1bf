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
  resourceNamespace: {{ .Release.Namespace }}
percentageOfNodesToScore: 100
profiles:
- schedulerName: foretide-scheduler
extenders:
- urlPrefix: http://127.0.0.1:8888
  filterVerb: filter
  prioritizeVerb: prioritize
  weight: {{ int .Values.scheduler.weight }}
  nodeCacheCapable: true
  ignorable: true
  httpTimeout: 300ms
{{- end }}
