package volume

import (
	"context"
	"log/slog"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/logx"
)

// BinaryAPI is what answers requests.
const BinaryAPI = "cinder-api"

// logName is what the levels are of: the process logs everything at one level.
const logName = "kumoi"

// LogLevel is at what level a service logs.
type LogLevel struct {
	Host, Binary string
	Levels       map[string]string
}

// LogLevels says at what level services of this process log; those of other
// hosts have agents that log for themselves.
func (o *Operator) LogLevels(ctx context.Context, binary, server, prefix string) ([]LogLevel, error) {
	if err := o.s.Check(ctx, "volume_extension:services:update"); err != nil {
		return nil, err
	}
	all, err := o.services(ctx)
	if err != nil {
		return nil, err
	}
	self := all[0].Host
	levels := map[string]string{}
	if strings.HasPrefix(logName, prefix) {
		levels[logName] = logx.LevelOf(o.s.log).String()
	}
	var out []LogLevel
	for _, b := range []string{BinaryAPI, BinaryScheduler, BinaryVolume, BinaryBackup} {
		if (binary == "" || binary == "*" || binary == b) && (server == "" || server == self) {
			out = append(out, LogLevel{self, b, levels})
		}
	}
	return out, nil
}

// SetLogLevel changes the level at which this process logs.
func (o *Operator) SetLogLevel(ctx context.Context, prefix, level string) error {
	if err := o.s.Check(ctx, "volume_extension:services:update"); err != nil {
		return err
	}
	words := map[string]slog.Level{
		"DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo, "WARNING": slog.LevelWarn, "WARN": slog.LevelWarn,
		"ERROR": slog.LevelError, "CRITICAL": slog.LevelError + 4,
	}
	l, known := words[strings.ToUpper(level)]
	if !known {
		return errs.New(errs.Invalid, "Invalid input received: %s is not a valid log level.", level)
	}
	if strings.HasPrefix(logName, prefix) && !logx.SetLevel(o.s.log, l) {
		return errs.New(errs.Unsupported, "The level of this log is fixed.")
	}
	return nil
}
