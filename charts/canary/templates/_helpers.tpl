{{/* The release file as data; everything that is named is read from it. Refuses what could only fail later. */}}
{{- define "canary.file" -}}
{{- $text := .Values.release.file | trim -}}
{{- if not $text -}}
{{- fail "release.file is empty: pass the release file with --set-file release.file=release.yaml" -}}
{{- end -}}
{{- $file := fromYaml $text | default dict -}}
{{- if hasKey $file "Error" -}}
{{- fail (printf "release.file is not YAML: %s" (get $file "Error")) -}}
{{- end -}}
{{- if or (ne (get $file "apiVersion" | toString) "canary/v1") (ne (get $file "kind" | toString) "Release") -}}
{{- fail "release.file is no release: it must begin with apiVersion: canary/v1 and kind: Release; canary validate FILE says more" -}}
{{- end -}}
{{- range $path := list "metadata" "spec" "spec.route" "spec.stable" "spec.canary" "spec.workload" -}}
{{- $part := $file -}}
{{- range splitList "." $path -}}{{- if kindIs "map" $part -}}{{- $part = get $part . -}}{{- end -}}{{- end -}}
{{- if not (or (kindIs "map" $part) (and (not $part) (has $path (list "spec.canary" "spec.workload")))) -}}
{{- fail (printf "release.file has no %s, or it is no mapping; canary validate FILE says more" $path) -}}
{{- end -}}
{{- end -}}
{{- $namespace := dig "metadata" "namespace" "" $file -}}
{{- if ne (toString $namespace) .Release.Namespace -}}
{{- fail (printf "release.file is for namespace %q, and this would go to %q: pass --namespace %s" $namespace .Release.Namespace $namespace) -}}
{{- end -}}
{{- range $path := list (list "route" "name") (list "stable" "service") -}}
{{- if not (dig "spec" (index $path 0) (index $path 1) "" $file) -}}
{{- fail (printf "release.file has no spec.%s.%s; canary validate FILE says more" (index $path 0) (index $path 1)) -}}
{{- end -}}
{{- end -}}
{{- toJson $file -}}
{{- end -}}

{{/*
The names of everything that a release touches, spelled as canary/adapters/kubernetes does. JSON:
route, plural, stable, canaryService, workload, canaryWorkload (empty without one), baselineService, baselineWorkload (empty without a fresh baseline), lease, journal, gate, fullname, account, copies (kinds of which the canary gets copies), template (whether the pod template is a file's), first (whether a first version is made), versioned (kinds of config that are copied by content).
*/}}
{{- define "canary.names" -}}
{{- $spec := dig "spec" dict (include "canary.file" . | fromJson) -}}
{{- $route := dig "route" "name" "" $spec | toString -}}
{{- $stable := dig "stable" "service" "" $spec | toString -}}
{{- $canary := get $spec "canary" | default dict -}}
{{- $workload := get (get $spec "workload" | default dict) "name" | default "" | toString -}}
{{- if and (get $spec "workload") (not $workload) -}}
{{- fail "release.file has no spec.workload.name; canary validate FILE says more" -}}
{{- end -}}
{{- $fresh := and $workload (get (get $spec "workload" | default dict) "baseline") -}}
{{- $plural := get (dict "HTTPRoute" "httproutes" "GRPCRoute" "grpcroutes") (dig "route" "kind" "HTTPRoute" $spec | toString) -}}
{{- if not $plural -}}{{- fail "release.file: spec.route.kind must be HTTPRoute or GRPCRoute" -}}{{- end -}}
{{- $fullname := include "canary.named" (dict "name" (printf "canary-%s" $stable) "limit" 63) -}}
{{- dict
  "route" $route
  "plural" $plural
  "stable" $stable
  "canaryService" (get $canary "service" | default (printf "%s-canary" $stable))
  "workload" $workload
  "canaryWorkload" (ternary (include "canary.named" (dict "name" (printf "%s-canary" $workload) "limit" 240)) "" (ne $workload ""))
  "baselineService" (ternary (printf "%s-baseline" $stable) "" (not (not $fresh)))
  "baselineWorkload" (ternary (include "canary.named" (dict "name" (printf "%s-baseline" $workload) "limit" 240)) "" (not (not $fresh)))
  "copies" (get (get $spec "workload" | default dict) "copy" | default list)
  "template" (ne (get (get $spec "workload" | default dict) "template" | default "live" | toString) "live")
  "versioned" (get (get $spec "workload" | default dict) "versioned" | default list)
  "first" (eq (get $spec "firstRelease" | default "refuse" | toString) "direct")
  "lease" (include "canary.named" (dict "name" (printf "canary-%s" $route) "limit" 253))
  "journal" (include "canary.named" (dict "name" (printf "canary-%s-journal" $route) "limit" 253))
  "gate" (include "canary.named" (dict "name" (printf "canary-%s-gate" $route) "limit" 253))
  "fullname" $fullname
  "account" (.Values.serviceAccount.name | default $fullname)
  | toJson -}}
{{- end -}}

{{/* A name that is not too long: cut, and ended by a hash of the whole; `named` of canary/adapters/kubernetes/paths.py. */}}
{{- define "canary.named" -}}
{{- if le (len .name) (int .limit) -}}
{{- .name -}}
{{- else -}}
{{- printf "%s-%s" (trunc (sub .limit 9 | int) .name | trimAll "-." ) (sha256sum .name | trunc 8) -}}
{{- end -}}
{{- end -}}

{{/* Seconds of a duration such as 90s, 2m, 1h30m. */}}
{{- define "canary.seconds" -}}
{{- $total := 0 -}}
{{- range regexFindAll "[0-9]+(ms|[dhms])" (toString .) -1 -}}
{{- $unit := regexFind "[a-z]+" . -}}
{{- $number := regexFind "[0-9]+" . | int64 -}}
{{- if eq $unit "ms" -}}{{- $total = add $total 1 -}}
{{- else -}}{{- $total = add $total (mul $number (get (dict "d" 86400 "h" 3600 "m" 60 "s" 1) $unit)) -}}
{{- end -}}
{{- end -}}
{{- $total -}}
{{- end -}}

{{/* The Job's deadline: see job.activeDeadlineSeconds in values.yaml. */}}
{{- define "canary.activeDeadline" -}}
{{- $spec := dig "spec" dict (include "canary.file" . | fromJson) -}}
{{- $release := include "canary.seconds" (hasKey $spec "deadline" | ternary (get $spec "deadline") "2h") | int64 -}}
{{- $drain := include "canary.seconds" (hasKey $spec "drain" | ternary (get $spec "drain") "30s") | int64 -}}
{{- $least := add $release 600 $drain 600 -}}
{{- $given := .Values.job.activeDeadlineSeconds | int64 -}}
{{- if and $given (lt $given $least) -}}
{{- fail (printf "job.activeDeadlineSeconds is %d, and this release file needs at least %d: the engine must end a release before the Job does" $given $least) -}}
{{- end -}}
{{- $given | default $least -}}
{{- end -}}

{{/* The new version; empty when the release has no workload of its own. */}}
{{- define "canary.image" -}}
{{- $spec := dig "spec" dict (include "canary.file" . | fromJson) -}}
{{- $image := .Values.release.image | default (get $spec "image" | default "") -}}
{{- if and (get $spec "workload") (not $image) -}}
{{- fail "release.image is empty: pass the new version with --set release.image=REPOSITORY@sha256:..." -}}
{{- end -}}
{{- if and $image (not .Values.release.allowMutableTags) (not (regexMatch "@sha256:[0-9a-f]{64}$" $image)) -}}
{{- fail (printf "release.image %q is not pinned: write REPOSITORY@sha256:..., or set release.allowMutableTags=true" $image) -}}
{{- end -}}
{{- $image -}}
{{- end -}}

{{/* The pod template beside the release file; empty when the release has none. */}}
{{- define "canary.template" -}}
{{- $spec := dig "spec" dict (include "canary.file" . | fromJson) -}}
{{- $named := get (get $spec "workload" | default dict) "template" | default "live" | toString -}}
{{- if and (ne $named "live") (not (trim .Values.release.template)) -}}
{{- fail (printf "release.template is empty, and the release file names %s: pass it with --set-file release.template=%s" $named $named) -}}
{{- end -}}
{{- if and (eq $named "live") (trim .Values.release.template) -}}
{{- fail "release.template is given, and the release file names none: write its path in spec.workload.template" -}}
{{- end -}}
{{- .Values.release.template -}}
{{- end -}}

{{/* Name of the ConfigMap with the release file: by content, so that a running Job keeps the file it began with. */}}
{{- define "canary.fileName" -}}
{{- $names := include "canary.names" . | fromJson -}}
{{- $content := print .Values.release.file (include "canary.template" .) -}}
{{- printf "%s-%s" (trunc 52 $names.fullname | trimSuffix "-") (sha256sum $content | trunc 10) -}}
{{- end -}}

{{/* Name of the Job: service, hash of what is released, attempt. The same release has the same name. */}}
{{- define "canary.jobName" -}}
{{- $names := include "canary.names" . | fromJson -}}
{{- $what := list .Release.Namespace .Values.release.file (include "canary.image" .) -}}
{{- with include "canary.template" . -}}{{- $what = append $what . -}}{{- end -}}
{{- $what = $what | toJson | sha256sum | trunc 10 -}}
{{- printf "%s-%s-%d" (trunc 45 $names.fullname | trimSuffix "-") $what (int .Values.release.attempt) -}}
{{- end -}}

{{/* Labels of the release file and the Job: the same whatever chart rendered them, so that applying again changes nothing. */}}
{{- define "canary.releaseLabels" -}}
{{- $names := include "canary.names" . | fromJson -}}
app.kubernetes.io/name: canary-engine
app.kubernetes.io/managed-by: {{ .Release.Service }}
canary-engine.io/service: {{ $names.stable | quote }}
{{- end -}}

{{/* Labels of the rest. */}}
{{- define "canary.labels" -}}
{{ include "canary.releaseLabels" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}
