package api

import (
	"fmt"
	"regexp"
	"strings"
)

var label = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$`)

// toDomain reads a DNS domain, which ends with a dot.
func toDomain(v any) (string, error) {
	s, err := toText(255)(v)
	if err != nil || s == "" {
		return s, err
	}
	if !strings.HasSuffix(s, ".") {
		return "", fmt.Errorf("'%s' is not a FQDN: it must end with a dot", s)
	}
	return s, eachLabel(strings.TrimSuffix(s, "."))
}

// toDNSName reads a host name, with or without a domain.
func toDNSName(v any) (string, error) {
	s, err := toText(255)(v)
	if err != nil || s == "" {
		return s, err
	}
	return s, eachLabel(strings.TrimSuffix(s, "."))
}

func eachLabel(s string) error {
	for l := range strings.SplitSeq(s, ".") {
		if !label.MatchString(l) {
			return fmt.Errorf("'%s' not a valid PQDN or FQDN. Reason: Name '%s' must be 1-63 characters long, each of which can only be alphanumeric or a hyphen", s, l)
		}
	}
	return nil
}

// toTag reads a tag: 1 to 255 characters without a comma or slash.
func toTag(v any) (string, error) {
	s, err := toText(255)(v)
	if err != nil {
		return "", err
	}
	if s == "" || strings.ContainsAny(s, ",") {
		return "", fmt.Errorf("'%s' is not a valid tag", s)
	}
	return s, nil
}
