package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Wire sends one prepared request again and again over connections that stay
// open, and reads no more of the answers than their length. Where client and
// cloud share the cores, a full HTTP client would measure itself.
type Wire struct {
	addr    string
	request []byte
	want    string
	idle    chan *wireConn
}

type wireConn struct {
	net.Conn
	in *bufio.Reader
}

// NewWire prepares a request; an answer must have the status.
func (c *Client) NewWire(status int, method, path string, body []byte, headers ...string) *Wire {
	addr := strings.TrimPrefix(c.URL, "http://")
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, addr)
	if c.Token != "" {
		fmt.Fprintf(&b, "X-Auth-Token: %s\r\n", c.Token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", headers[i], headers[i+1])
	}
	if body != nil {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	b.Write(body)
	return &Wire{addr: addr, request: b.Bytes(), want: fmt.Sprintf("HTTP/1.1 %d ", status), idle: make(chan *wireConn, 64)}
}

// Do sends the request and waits for the whole answer.
func (w *Wire) Do(ctx context.Context) error {
	var c *wireConn
	select {
	case c = <-w.idle:
	default:
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", w.addr)
		if err != nil {
			return err
		}
		c = &wireConn{conn, bufio.NewReaderSize(conn, 16<<10)}
	}
	if err := c.exchange(w.request, w.want); err != nil {
		c.Close()
		return err
	}
	select {
	case w.idle <- c:
	default:
		c.Close()
	}
	return nil
}

// Close closes the idle connections.
func (w *Wire) Close() {
	for {
		select {
		case c := <-w.idle:
			c.Close()
		default:
			return
		}
	}
}

func (c *wireConn) exchange(request []byte, want string) error {
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	if _, err := c.Write(request); err != nil {
		return err
	}
	first, err := c.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(first, []byte(want)) {
		return fmt.Errorf("the answer was %q, want %q", first, want)
	}
	length := -1
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		const name = "Content-Length: "
		if len(line) > len(name) && string(line[:len(name)]) == name {
			if length, err = strconv.Atoi(strings.TrimSpace(string(line[len(name):]))); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return fmt.Errorf("the answer has no length")
	}
	_, err = c.in.Discard(length)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
