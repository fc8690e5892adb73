package hoststack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"
)

// call makes one JSON-RPC 1.0 call over a unix socket. OVSDB servers and the
// control sockets of all OVS and OVN daemons speak it.
func call(ctx context.Context, socket, method string, params ...string) (string, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(5 * time.Second)
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return "", err
	}
	if params == nil {
		params = []string{}
	}
	if err := json.NewEncoder(conn).Encode(map[string]any{"id": 1, "method": method, "params": params}); err != nil {
		return "", err
	}
	dec := json.NewDecoder(conn)
	for {
		var reply struct {
			ID     any             `json:"id"`
			Method string          `json:"method"`
			Result json.RawMessage `json:"result"`
			Error  any             `json:"error"`
		}
		if err := dec.Decode(&reply); err != nil {
			return "", err
		}
		if reply.Method != "" { // the server's own probe
			continue
		}
		if reply.Error != nil {
			return "", fmt.Errorf("%s: %v", method, reply.Error)
		}
		var text string
		if err := json.Unmarshal(reply.Result, &text); err != nil {
			var list []any
			if json.Unmarshal(reply.Result, &list) != nil {
				return "", errors.New(method + ": unexpected reply")
			}
		}
		return text, nil
	}
}
