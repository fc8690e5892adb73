package saga

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"kumoi/internal/kernel/errs"
)

// Whatever happens to a saga, in any order: its log, read again, leads to the
// same position; a step is undone only if it had begun; it never runs forward
// again after it was done, unless it was undone or the saga went back over it;
// and when all is undone, nothing that had begun is left.
func TestCursorProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "steps")
		def := &definition{kind: "k", version: 1}
		skips := make([]bool, n)
		for i := range n {
			name := string(rune('a' + i))
			skips[i] = rapid.IntRange(0, 4).Draw(t, "skip "+name) == 0
			st := step{name: name, skip: func(any) bool { return skips[i] }}
			if rapid.IntRange(0, 4).Draw(t, "undoable "+name) > 0 {
				st.undo = func(context.Context, any) error { return nil }
			}
			def.steps = append(def.steps, st)
		}
		c := newCursor(def)
		log, err := c.advance(def, nil, false, event{name: evStart, data: []byte("{}")})
		if err != nil {
			t.Fatal(err)
		}
		cancel := false
		failure := errs.As(errors.New("x"))
		for range 200 {
			if c.state.Ended() && c.state != Stuck {
				break
			}
			cancel = cancel || rapid.IntRange(0, 30).Draw(t, "cancel") == 0
			var outcome event
			if i := c.current(); c.state == Stuck {
				outcome = event{name: evRetry}
			} else if i < 0 {
				t.Fatalf("nothing to do in %+v", c)
			} else if name := def.steps[i].name; c.state == Running {
				outcome = rapid.SampledFrom([]event{
					{name: evDone, step: name},
					{name: evDone, step: name},
					{name: evDone, step: name},
					{name: evFail, step: name, err: failure},
					{name: evAttempt, step: name, err: failure},
					{name: evRewind, step: name, err: failure, target: def.steps[rapid.IntRange(0, i).Draw(t, "target")].name},
				}).Draw(t, "do")
			} else {
				outcome = rapid.SampledFrom([]event{
					{name: evUndone, step: name},
					{name: evUndone, step: name},
					{name: evUndone, step: name},
					{name: evStuck, step: name, err: failure},
				}).Draw(t, "undo")
			}
			events, err := c.advance(def, nil, cancel, outcome)
			if err != nil {
				t.Fatal(err)
			}
			log = append(log, events...)

			records := make([]record, len(log))
			for i, ev := range log {
				records[i] = record{event: ev, seq: int64(i)}
			}
			again, next, err := replay(def, records)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(again, c) || next != int64(len(log)) {
				t.Fatalf("the log leads to %+v, its writer is at %+v", again, c)
			}
		}
		checkLog(t, def, log, c)
	})
}

// checkLog reads a whole log as an outsider would.
func checkLog(t *rapid.T, def *definition, log []event, c cursor) {
	there, isDone := map[string]bool{}, map[string]bool{}
	for i, ev := range log {
		switch ev.name {
		case evBegin:
			if isDone[ev.step] {
				t.Fatalf("event %d: %s runs forward again", i, ev.step)
			}
			there[ev.step] = true
		case evDone:
			isDone[ev.step] = true
		case evUndo:
			if !there[ev.step] {
				t.Fatalf("event %d: %s is undone and never began", i, ev.step)
			}
		case evUndone:
			delete(there, ev.step)
			delete(isDone, ev.step)
		case evRewind: // what cannot be undone is gone over again
			for j := def.index(ev.target); j < len(def.steps); j++ {
				if def.steps[j].undo == nil {
					delete(isDone, def.steps[j].name)
				}
			}
		}
	}
	if c.state != Undone {
		return
	}
	for name := range there {
		if def.steps[def.index(name)].undo != nil {
			t.Fatalf("all is undone, but not %s", name)
		}
	}
}

func TestReplayRefusesAForeignLog(t *testing.T) {
	def := &definition{kind: "k", version: 1, steps: []step{{name: "a"}}}
	for name, ev := range map[string]event{
		"step":   {name: evBegin, step: "z"},
		"target": {name: evRewind, step: "a", target: "z"},
		"event":  {name: "dance"},
	} {
		if _, _, err := replay(def, []record{{event: ev}}); err == nil {
			t.Errorf("an unknown %s was accepted", name)
		}
	}
}
