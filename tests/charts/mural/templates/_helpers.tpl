{{- define "mural.labels" -}}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ regexReplaceAll "[+].*" .root.Chart.Version "" | quote }}
{{- with include "mural.releaseLabels" . }}
{{ . }}
{{- end }}
{{- end -}}
{{- /* name, port, replicas; checksum, args and sidecar where there are such. */ -}}
{{- define "mural.deployment" -}}
{{- $image := printf "%s/%%s:%s" .root.Values.global.image.registry (regexReplaceAll "[+].*" .root.Chart.Version "") -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  labels: {{- include "mural.labels" . | nindent 4 }}
spec:
  replicas: {{ .replicas }}
  selector: {matchLabels: {app: {{ .name }}}}
  template:
    metadata:
      labels: {app: {{ .name }}}
      annotations: {checksum/config: {{ .checksum | default "" | sha256sum | quote }}}
    spec:
      containers:
      - name: {{ .name }}
        image: {{ printf $image .name }}
        {{- with .args }}
        args: {{ toJson . }}
        {{- end }}
        ports: [{containerPort: {{ .port }}, name: http}]
        resources: {requests: {cpu: 10m, memory: 16Mi}}
        readinessProbe: {httpGet: {path: /healthz, port: http}}
        {{- include "mural.liveness" . | nindent 8 }}
      {{- with .sidecar }}
      - name: {{ . }}
        image: {{ printf $image . }}
        resources: {requests: {cpu: 5m, memory: 8Mi}}
      {{- end }}
{{- end -}}
