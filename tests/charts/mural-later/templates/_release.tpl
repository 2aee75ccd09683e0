{{- /* New in 1.1.0-rc.3: a label, and a probe that asks instead of only connecting. */ -}}
{{- define "mural.releaseLabels" -}}
app.kubernetes.io/part-of: palette-ai
{{- end -}}
{{- define "mural.liveness" -}}
livenessProbe: {httpGet: {path: /livez, port: http}, initialDelaySeconds: 10}
{{- end -}}
