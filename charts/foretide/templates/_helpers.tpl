{{/*
Names are fixed, not derived from the release: one installation serves a whole cluster, and the operator finds its own
Deployment by name.
*/}}

{{- define "foretide.labels" -}}
app.kubernetes.io/name: foretide
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: foretide
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* What selects the Pods of one component. Call with (list $ "operator"). */}}
{{- define "foretide.selector" -}}
app.kubernetes.io/name: foretide
app.kubernetes.io/instance: {{ (index . 0).Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Labels of everything that belongs to one component. Call with (list $ "operator"). */}}
{{- define "foretide.componentLabels" -}}
{{ include "foretide.labels" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/*
An image of ours. Call with (list $ "operator" "" .Values.image.digests.operator), where the third is what stands behind
the tag. A tag beside a digest says which version it is; what is pulled goes by the digest.
*/}}
{{- define "foretide.image" -}}
{{- $root := index . 0 -}}
{{- $registry := $root.Values.image.registry -}}
{{- if $registry }}{{ trimSuffix "/" $registry }}/{{ end -}}
foretide/{{ index . 1 }}:{{ default $root.Chart.AppVersion $root.Values.image.tag }}{{ index . 2 }}{{ include "foretide.atDigest" (index . 3) }}
{{- end }}

{{- define "foretide.atDigest" -}}
{{- with . }}@{{ . }}{{ end -}}
{{- end }}

{{/* Security of every Pod and container: what pod security "restricted" asks, and a read-only root. */}}
{{- define "foretide.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "foretide.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Where the Pod may run. Call with (list $ .Values.operator). */}}
{{- define "foretide.placement" -}}
{{- $values := index . 1 -}}
{{- with $values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The namespaces that are watched, the installation's own among them, separated by commas; empty means all. */}}
{{- define "foretide.watchNamespaces" -}}
{{- with .Values.watchNamespaces }}{{ append . $.Release.Namespace | uniq | sortAlpha | join "," }}{{ end -}}
{{- end }}

{{/*
The rule to ask whether the chosen namespaces are there still: in one that is gone a list is refused as by a missing right.
*/}}
{{- define "foretide.askForNamespaces" -}}
{{- with include "foretide.watchNamespaces" . }}
- apiGroups: [""]
  resources: [namespaces]
  resourceNames: {{ splitList "," . | toJson }}
  verbs: [get]
{{- end }}
{{- end }}

{{/*
Binds a ClusterRole of rights on what lies in namespaces: in those that are watched, or everywhere. Call with
(list $ COMPONENT ROLE ACCOUNT).
*/}}
{{- define "foretide.bindInNamespaces" -}}
{{- $root := index . 0 -}}
{{- $watched := include "foretide.watchNamespaces" $root -}}
{{- range $namespace := splitList "," $watched }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ empty $watched | ternary "ClusterRoleBinding" "RoleBinding" }}
metadata:
  {{- if $watched }}
  name: {{ index $ 2 }}-namespaced
  namespace: {{ $namespace | quote }}
  {{- else }}
  name: {{ index $ 2 }}
  {{- end }}
  labels:
    {{- include "foretide.componentLabels" (list $root (index $ 1)) | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ index $ 2 }}
subjects:
- kind: ServiceAccount
  name: {{ index $ 3 }}
  namespace: {{ $root.Release.Namespace | quote }}
{{- end }}
{{- end }}

{{/* Minor versions of Kubernetes that kube-scheduler and the extender were tested on together. */}}
{{- define "foretide.testedVersions" -}}
1.35 1.36
{{- end }}

{{- define "foretide.schedulerName" -}}
{{- if eq .Values.scheduler.mode "secondary" }}foretide-scheduler{{ end }}
{{- end }}

{{/* The stock scheduler, of the cluster's own version: v1.36.2 out of v1.36.2+k3s1. */}}
{{- define "foretide.schedulerImage" -}}
{{- $version := regexFind "^v[0-9]+\\.[0-9]+\\.[0-9]+" .Capabilities.KubeVersion.Version -}}
{{ .Values.scheduler.image.repository }}:{{ default $version .Values.scheduler.image.tag }}{{ include "foretide.atDigest" .Values.scheduler.image.digest }}
{{- end }}
