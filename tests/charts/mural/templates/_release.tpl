{{- /* What one release of the application has and another has not: 1.1.0-rc.3 brings its own copy of this file. */ -}}
{{- define "mural.releaseLabels" -}}
{{- end -}}
{{- define "mural.liveness" -}}
livenessProbe: {tcpSocket: {port: http}}
{{- end -}}
