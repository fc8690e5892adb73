package httpx

import (
	"encoding/json"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/schema"
)

// withoutSecrets takes the secrets of a request's body out of an error's
// message, whichever service wrote it.
func withoutSecrets(e *errs.Error, body []byte) *errs.Error {
	if len(body) == 0 || e.Msg == "" {
		return e
	}
	var v any
	if json.Unmarshal(body, &v) != nil {
		return e
	}
	msg := e.Msg
	schema.EachSecret(v, func(text string) {
		// A message may quote the beginning alone, and may quote it escaped.
		const least, enough = 6, 40
		if len(text) < least {
			return
		}
		quoted, _ := json.Marshal(text)
		for _, form := range []string{text, strings.Trim(string(quoted), `"`)} {
			if len(form) <= enough {
				msg = strings.ReplaceAll(msg, form, "***")
			} else if i := strings.Index(msg, form[:enough]); i >= 0 {
				end := i + enough
				for end < len(msg) && end-i < len(form) && msg[end] == form[end-i] {
					end++
				}
				msg = msg[:i] + "***" + msg[end:]
			}
		}
	})
	if msg == e.Msg {
		return e
	}
	c := *e
	c.Msg = strings.ToValidUTF8(msg, "")
	return &c
}
