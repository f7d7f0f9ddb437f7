{{/* Whether this installation is for a service; without a release file it may be for the watchdog alone. */}}
{{- define "canary.forService" -}}
{{- if or .Values.release.file (not .Values.watchdog.create) -}}true{{- end -}}
{{- end -}}

{{/* Name of everything of the watchdog's. */}}
{{- define "canary.watchdogName" -}}
{{- include "canary.named" (dict "name" (printf "%s-canary-watchdog" .Release.Name) "limit" 52) -}}
{{- end -}}

{{- define "canary.watchdogSelector" -}}
app.kubernetes.io/name: canary-watchdog
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "canary.watchdogLabels" -}}
{{ include "canary.watchdogSelector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The pod, for the Deployment and the CronJob alike. */}}
{{- define "canary.watchdogPod" -}}
{{- $dog := .Values.watchdog -}}
{{- if not $dog.image -}}
{{- fail "watchdog.image is empty: pass the engine's image with --set watchdog.image=REPOSITORY@sha256:..., built from the Containerfile" -}}
{{- end -}}
metadata:
  labels:
    {{- include "canary.watchdogSelector" . | nindent 4 }}
    sidecar.istio.io/inject: "false"
  annotations:
    linkerd.io/inject: disabled
spec:
  serviceAccountName: {{ include "canary.watchdogName" . }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  terminationGracePeriodSeconds: 20
  {{- if eq $dog.mode "CronJob" }}
  restartPolicy: Never
  {{- else }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: {{ $dog.spread }} # two on one node die with it
      matchLabelKeys: [pod-template-hash]
      labelSelector:
        matchLabels:
          {{- include "canary.watchdogSelector" . | nindent 10 }}
  {{- end }}
  {{- with $dog.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $dog.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $dog.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  tolerations:
    {{- range $taint := list "node.kubernetes.io/not-ready" "node.kubernetes.io/unreachable" }}
    - key: {{ $taint }}
      operator: Exists
      effect: NoExecute
      tolerationSeconds: 30
    {{- end }}
    {{- with $dog.tolerations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: {{ $dog.user | int64 }}
    runAsGroup: {{ $dog.user | int64 }}
    seccompProfile:
      type: RuntimeDefault
  containers:
    - name: watchdog
      image: {{ $dog.image | quote }}
      imagePullPolicy: {{ $dog.imagePullPolicy }}
      args:
        - watchdog
        {{- if $dog.allNamespaces }}
        - --all-namespaces
        {{- else }}
        - --namespace={{ .Release.Namespace }}
        {{- end }}
        {{- if eq $dog.mode "CronJob" }}
        - --once
        {{- else }}
        - --replicas={{ $dog.replicas }}
        - --listen=0.0.0.0
        - --port={{ $dog.port }}
        {{- end }}
      {{- if ne $dog.mode "CronJob" }}
      ports:
        - name: metrics
          containerPort: {{ $dog.port }}
      livenessProbe:
        httpGet:
          path: /healthz
          port: metrics
        initialDelaySeconds: 10
        timeoutSeconds: 5
      readinessProbe:
        httpGet:
          path: /healthz
          port: metrics
        timeoutSeconds: 5
      {{- end }}
      resources:
        {{- toYaml $dog.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop:
            - ALL
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        - name: tmp
          mountPath: /tmp
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: 16Mi
{{- end -}}
