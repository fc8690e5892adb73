package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/volume"
)

// Log levels of services, since 3.32.

var (
	binaryType   = object{"type": "string", "enum": list{volume.BinaryVolume, volume.BinaryScheduler, volume.BinaryBackup, volume.BinaryAPI, "", "*"}}
	getLogSchema = fixed(closed(nil, object{"binary": binaryType, "server": optionalText, "prefix": optionalText}))
	setLogSchema = fixed(closed(nil, object{"binary": binaryType, "server": optionalText, "prefix": optionalText, "level": optionalText}))
)

type logBody struct{ Binary, Server, Prefix, Level string }

func (a *api) getLog(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[logBody](r, getLogSchema)
	if err != nil {
		return nil, err
	}
	levels, err := a.svc.Operator.LogLevels(ctx, b.Binary, b.Server, b.Prefix)
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.List("log_levels", func() {
				for _, l := range levels {
					w.Object("", func() {
						w.Text("host", l.Host)
						w.Text("binary", l.Binary)
						w.TextMap("levels", l.Levels)
					})
				}
			})
		})
	}), nil
}

func (a *api) setLog(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[logBody](r, setLogSchema)
	if err != nil {
		return nil, err
	}
	return accepted(a.svc.Operator.SetLogLevel(ctx, b.Prefix, b.Level))
}
