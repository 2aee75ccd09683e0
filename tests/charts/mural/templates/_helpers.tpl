{{- define "mural.labels" -}}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ .root.Chart.Version | quote }}
{{- end -}}
{{- define "mural.deployment" -}}
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
        image: {{ .root.Values.global.image.registry }}/{{ .name }}:{{ .root.Chart.Version }}
        ports: [{containerPort: {{ .port }}, name: http}]
        resources: {requests: {cpu: 10m, memory: 16Mi}}
        readinessProbe: {httpGet: {path: {{ .probe | default "/healthz" }}, port: http}}
{{- end -}}
