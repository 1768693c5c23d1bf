{{/* Environment variables of the operator; their meaning stands in docs/operator.md, Configuration. */}}
{{- define "foretide.operatorEnvironment" -}}
- name: FORETIDE_NAMESPACE
  value: {{ .Release.Namespace | quote }}
{{- if .Values.watchNamespaces }}
- name: FORETIDE_WATCH_NAMESPACES
  value: {{ include "foretide.watchNamespaces" . | quote }}
{{- end }}
- name: FORETIDE_SCHEDULER_NAME
  value: {{ include "foretide.schedulerName" . | quote }}
- name: FORETIDE_EXTERNAL_SCHEDULER
  value: {{ eq .Values.scheduler.mode "external" | quote }}
- name: FORETIDE_GATES
  value: {{ .Values.planner.gates | quote }}
- name: FORETIDE_PROFILER_IMAGE_ONNX
  value: {{ include "foretide.image" (list . "profiler" "-onnx" .Values.image.digests.profilerOnnx) }}
- name: FORETIDE_PROFILER_IMAGE_TORCH
  value: {{ include "foretide.image" (list . "profiler" "-torch" .Values.image.digests.profilerTorch) }}
- name: FORETIDE_IMAGE_PULL_POLICY
  value: {{ .Values.image.pullPolicy }}
- name: FORETIDE_PROFILE_MAX_SECONDS
  value: {{ .Values.profiling.maxSeconds | int | quote }}
- name: FORETIDE_PROFILE_MIN_SAMPLES
  value: {{ .Values.profiling.minSamples | int | quote }}
- name: FORETIDE_PROFILE_MIN_SECONDS
  value: {{ .Values.profiling.minSeconds | int | quote }}
- name: FORETIDE_PROFILES_PER_CLASS
  value: {{ .Values.profiling.perClass | int | quote }}
- name: FORETIDE_PROFILE_BUDGET_SECONDS
  value: {{ .Values.profiling.budgetSecondsPerDay | int | quote }}
- name: FORETIDE_PROBE_MAX_SECONDS
  value: {{ .Values.profiling.probeMaxSeconds | int | quote }}
- name: FORETIDE_JOB_DEADLINE_SECONDS
  value: {{ .Values.profiling.jobDeadlineSeconds | int | quote }}
- name: FORETIDE_LOG_LEVEL
  value: {{ .Values.logLevel }}
{{- end }}
