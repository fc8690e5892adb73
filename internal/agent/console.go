package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"kumoi/internal/hostapi"
)

// maxConsole is the most of a console's log that is given out.
const maxConsole = 512 << 10

// ConsoleLog reads the end of the server's console.
func (a *Agent) ConsoleLog(_ context.Context, r *hostapi.ConsoleLogRequest) (*hostapi.ConsoleLog, error) {
	s, err := a.known(r.ServerID)
	if err != nil {
		return nil, err
	}
	data, err := tail(s.path("console.log"), maxConsole)
	if err == nil && len(data) < maxConsole { // the log may just have been rotated
		var older []byte
		older, err = tail(s.path("console.log.0"), maxConsole-len(data))
		data = append(older, data...)
	}
	if err != nil {
		return nil, fmt.Errorf("console log of server %s: %w", s.id, err)
	}
	text := strings.ToValidUTF8(string(lastLines(data, r.Lines)), "\uFFFD")
	return &hostapi.ConsoleLog{Text: text}, nil
}

// tail reads the last bytes of a file; one that is not there is empty.
func tail(path string, limit int) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	at := max(0, size-int64(limit))
	return io.ReadAll(io.NewSectionReader(f, at, size-at))
}

// lastLines are the last n lines; all if n is zero. As in Nova, what follows the
// last line's end counts as a line, though it be empty.
func lastLines(data []byte, n int) []byte {
	if n <= 0 {
		return data
	}
	at := len(data)
	for ; n > 0 && at >= 0; n-- {
		at = bytes.LastIndexByte(data[:at], '\n')
	}
	return data[at+1:]
}
