// Package logx sets up structured logging. Loggers are made here once and
// handed down by constructors, each with its "component"; what belongs to one
// operation (request, project, saga) travels in the context and is added to
// every record that is logged with that context.
package logx

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"kumoi/internal/kernel/actor"
)

// Config chooses what is logged, and how it is written.
type Config struct {
	Level  string // debug, info (the default), warn or error
	Format string // text, json, or empty: text on a terminal, JSON elsewhere
}

// New makes the process's logger.
func New(w io.Writer, cfg Config) (*slog.Logger, error) {
	level := new(slog.LevelVar)
	if cfg.Level != "" {
		if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
			return nil, fmt.Errorf("log level %q: want debug, info, warn or error", cfg.Level)
		}
	}
	opts := &slog.HandlerOptions{Level: level}
	format := cfg.Format
	if format == "" {
		format = "json"
		if terminal(w) {
			format = "text"
		}
	}
	switch format {
	case "text":
		return slog.New(handler{slog.NewTextHandler(w, opts), level}), nil
	case "json":
		return slog.New(handler{slog.NewJSONHandler(w, opts), level}), nil
	}
	return nil, fmt.Errorf("log format %q: want text or json", cfg.Format)
}

// Discard is a logger for tests and for callers that gave none.
func Discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// Or returns log, or a discarding logger if it is nil.
func Or(log *slog.Logger) *slog.Logger {
	if log == nil {
		return Discard()
	}
	return log
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

type attrsKey struct{}

// With returns a context whose records carry the attributes too.
func With(ctx context.Context, attrs ...slog.Attr) context.Context {
	return context.WithValue(ctx, attrsKey{}, slices.Concat(carried(ctx), attrs))
}

func carried(ctx context.Context) []slog.Attr {
	attrs, _ := ctx.Value(attrsKey{}).([]slog.Attr)
	return attrs
}

// Attrs are the attributes that ctx gives to a record: the actor's request and
// project, and those of With. A later one of the same key wins.
func Attrs(ctx context.Context) []slog.Attr {
	var out []slog.Attr
	set := func(a slog.Attr) {
		out = slices.DeleteFunc(out, func(b slog.Attr) bool { return b.Key == a.Key })
		out = append(out, a)
	}
	a := actor.From(ctx)
	for _, kv := range [][2]string{{"request_id", a.RequestID}, {"project_id", a.ProjectID}, {"system", a.System}} {
		if kv[1] != "" {
			set(slog.String(kv[0], kv[1]))
		}
	}
	for _, attr := range carried(ctx) {
		set(attr)
	}
	return out
}

// Handler wraps h so that records get the attributes of their context.
func Handler(h slog.Handler) slog.Handler { return handler{h, nil} }

type handler struct {
	slog.Handler
	level *slog.LevelVar // of all loggers that come from one of New; nil: it is fixed
}

// LevelOf is the least level that a logger writes.
func LevelOf(log *slog.Logger) slog.Level {
	if h, ok := log.Handler().(handler); ok && h.level != nil {
		return h.level.Level()
	}
	return slog.LevelInfo
}

// SetLevel changes it, for all loggers that come from the same one of New; it
// says whether it could.
func SetLevel(log *slog.Logger, level slog.Level) bool {
	h, ok := log.Handler().(handler)
	if ok = ok && h.level != nil; ok {
		h.level.Set(level)
	}
	return ok
}

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if attrs := Attrs(ctx); len(attrs) > 0 {
		r = r.Clone()
		r.AddAttrs(attrs...)
	}
	return h.Handler.Handle(ctx, r)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs), h.level}
}

func (h handler) WithGroup(name string) slog.Handler {
	if strings.TrimSpace(name) == "" {
		return h
	}
	return handler{h.Handler.WithGroup(name), h.level}
}
