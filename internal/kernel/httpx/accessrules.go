package httpx

import (
	"strings"

	"kumoi/internal/kernel/actor"
)

// permitted holds the access rules of a token against a request. The path is
// written anew from the segments that were routed, so that what is compared is
// what is served; a slash inside a segment stays escaped.
func permitted(who *actor.Actor, service, method string, segs []string) bool {
	if who.AccessRules == nil {
		return true
	}
	var path strings.Builder
	for _, s := range segs {
		path.WriteByte('/')
		path.WriteString(strings.ReplaceAll(s, "/", "%2F"))
	}
	return who.Permits(service, method, path.String())
}
