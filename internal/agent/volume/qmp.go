package volume

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"time"

	"kumoi/internal/kernel/errs"
)

// qmp is a conversation with a storage daemon. A daemon has one at a time, so
// it is short: whoever holds the volume's turn opens one and closes it.
type qmp struct {
	conn net.Conn
	in   *bufio.Reader
}

// object is a command's arguments, or an answer, in QEMU's words.
type object = map[string]any

// qmpError is what the daemon answers to a command that it does not carry out.
type qmpError struct {
	Class string `json:"class"`
	Desc  string `json:"desc"`
}

func (e *qmpError) Error() string { return "storage daemon: " + e.Desc }

func dialQMP(ctx context.Context, socket string) (*qmp, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, errs.Wrap(errs.Unavailable, err, "The storage daemon does not answer.")
	}
	q := &qmp{conn: conn, in: bufio.NewReader(conn)}
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err = q.in.ReadBytes('\n'); err == nil { // the greeting
		err = q.do(ctx, "qmp_capabilities", nil, nil)
	}
	if err != nil {
		_ = conn.Close()
		return nil, errs.Wrap(errs.Unavailable, err, "The storage daemon does not answer.")
	}
	return q, nil
}

func (q *qmp) close() { _ = q.conn.Close() }

// commandTime is how long a command may take; jobs are waited for apart.
const commandTime = 30 * time.Second

// do has the daemon carry out a command. Events are passed over: what they
// tell is asked for, so that none can be missed.
func (q *qmp) do(ctx context.Context, command string, args object, out any) error {
	deadline := time.Now().Add(commandTime)
	if end, ok := ctx.Deadline(); ok && end.Before(deadline) {
		deadline = end
	}
	_ = q.conn.SetDeadline(deadline)
	m := object{"execute": command}
	if args != nil {
		m["arguments"] = args
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if _, err = q.conn.Write(append(text, '\n')); err != nil {
		return errs.Wrap(errs.Unavailable, err, "The storage daemon has ended.")
	}
	for {
		line, err := q.in.ReadBytes('\n')
		if err != nil {
			return errs.Wrap(errs.Unavailable, err, "The storage daemon has ended.")
		}
		var answer struct {
			Return json.RawMessage `json:"return"`
			Error  *qmpError       `json:"error"`
		}
		switch err := json.Unmarshal(line, &answer); {
		case err != nil:
			return fmt.Errorf("storage daemon: %w", err)
		case answer.Error != nil:
			return translate(command, answer.Error)
		case answer.Return == nil: // an event
		case out != nil:
			return json.Unmarshal(answer.Return, out)
		default:
			return nil
		}
	}
}

// translate names the errors that somebody can do something about.
func translate(command string, err *qmpError) error {
	switch {
	case strings.Contains(err.Desc, "No space left"), strings.Contains(err.Desc, "Disk quota exceeded"):
		return errs.Wrap(errs.NoCapacity, err, "The host's disk is full.")
	case strings.Contains(err.Desc, "Invalid password"):
		return errs.Wrap(errs.Invalid, err, "The key does not open the volume.")
	}
	return fmt.Errorf("%s: %w", command, err)
}

// job is a job as the daemon describes it.
type job struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Error  string `json:"error"`
}

func (q *qmp) job(ctx context.Context, id string) (*job, error) {
	var jobs []job
	if err := q.do(ctx, "query-jobs", nil, &jobs); err != nil {
		return nil, err
	}
	for _, j := range jobs {
		if j.ID == id {
			return &j, nil
		}
	}
	return nil, nil // there is none, and that is no fault
}

// finish waits for a job until it is in one of the states or has ended. A job
// that has ended is dismissed. When ctx ends, so does the job.
func (q *qmp) finish(ctx context.Context, id string, states ...string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		j, err := q.job(context.WithoutCancel(ctx), id)
		switch {
		case err != nil:
			return err
		case j == nil:
			return fmt.Errorf("the storage daemon has lost job %s", id)
		case j.Status == "concluded":
			err := q.do(context.WithoutCancel(ctx), "job-dismiss", object{"id": id}, nil)
			if j.Error != "" {
				return translate(id, &qmpError{Desc: j.Error})
			}
			return err
		}
		for _, s := range states {
			if j.Status == s {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errs.Wrap(errs.Unavailable, context.Cause(ctx), "The work was given up.")
		case <-tick.C:
		}
	}
}

// complete ends a mirror that is ready, with both sides equal.
func (q *qmp) complete(ctx context.Context, id string) error {
	if err := q.do(ctx, "block-job-cancel", object{"device": id}, nil); err != nil { // without turning to the target
		return err
	}
	return q.finish(ctx, id)
}

// end cancels a job, if there is one, and waits until it is gone.
func (q *qmp) end(ctx context.Context, id string) error {
	j, err := q.job(ctx, id)
	if err != nil || j == nil {
		return err
	}
	if j.Status != "concluded" {
		if err := q.do(ctx, "block-job-cancel", object{"device": id, "force": true}, nil); err != nil {
			return err
		}
	}
	if err := q.finish(ctx, id); err != nil && !strings.Contains(err.Error(), "cancel") {
		return err
	}
	return nil
}

// nodes are the names of the daemon's block nodes.
func (q *qmp) nodes(ctx context.Context) (map[string]bool, error) {
	var list []struct {
		Name string `json:"node-name"`
	}
	if err := q.do(ctx, "query-named-block-nodes", object{"flat": true}, &list); err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, n := range list {
		out[n.Name] = true
	}
	return out, nil
}

// size is how large a node's disk is.
func (q *qmp) size(ctx context.Context, node string) (int64, error) {
	var list []struct {
		Name  string `json:"node-name"`
		Image struct {
			Size int64 `json:"virtual-size"`
		} `json:"image"`
	}
	if err := q.do(ctx, "query-named-block-nodes", object{"flat": true}, &list); err != nil {
		return 0, err
	}
	for _, n := range list {
		if n.Name == node {
			return n.Image.Size, nil
		}
	}
	return 0, fmt.Errorf("the storage daemon has no node %s", node)
}

// exports are the ids of what the daemon exports.
func (q *qmp) exports(ctx context.Context) (map[string]bool, error) {
	var list []struct {
		ID string `json:"id"`
	}
	if err := q.do(ctx, "query-block-exports", nil, &list); err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, e := range list {
		out[e.ID] = true
	}
	return out, nil
}

// unexport ends an export, if there is one, and waits until it has.
func (q *qmp) unexport(ctx context.Context, id string) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for asked := false; ; asked = true {
		have, err := q.exports(ctx)
		if err != nil || !have[id] {
			return err
		}
		if !asked {
			if err := q.do(ctx, "block-export-del", object{"id": id, "mode": "hard"}, nil); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return errs.Wrap(errs.Unavailable, context.Cause(ctx), "The storage daemon does not let its clients go.")
		case <-tick.C:
		}
	}
}

// remove deletes nodes, the upper before the lower. Those that are not there
// are gone.
func (q *qmp) remove(ctx context.Context, names ...string) error {
	have, err := q.nodes(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !have[name] {
			continue
		}
		if err := q.do(ctx, "blockdev-del", object{"node-name": name}, nil); err != nil {
			return err
		}
	}
	return nil
}
