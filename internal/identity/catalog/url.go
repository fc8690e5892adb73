package catalog

import (
	"regexp"
	"slices"
	"strings"

	"kumoi/internal/kernel/errs"
)

// urlMark is a place in an endpoint's URL that is filled in for each token.
var urlMark = regexp.MustCompile(`[%$]\(([^)]*)\)(s?)`)

// validTemplate refuses a URL with marks that nobody would fill in: what is in a
// catalogue is for everybody's eyes, and only ids of the token belong into it.
func validTemplate(url string) error {
	rest := urlMark.ReplaceAllStringFunc(url, func(mark string) string {
		m := urlMark.FindStringSubmatch(mark)
		if m[2] == "s" && slices.Contains([]string{"project_id", "tenant_id", "domain_id", "user_id"}, m[1]) {
			return ""
		}
		return mark
	})
	if strings.Contains(rest, "$(") || strings.Contains(rest, "%(") {
		return errs.New(errs.Invalid, "Invalid input for field/attribute url. Value: %.200s. It has a mark that is not one of %%(project_id)s, %%(tenant_id)s, %%(domain_id)s and %%(user_id)s.", url)
	}
	return nil
}
