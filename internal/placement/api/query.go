package api

import (
	"slices"
	"strconv"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/placement"
)

func badValue(format string, args ...any) error {
	return errs.New(errs.Invalid, format, args...).WithCode("placement.query.bad_value")
}

// constraints reads the query parameters of one group; the names of a suffixed
// group's end in its suffix.
func constraints(r *httpx.Request, suffix string) (placement.Constraints, error) {
	var c placement.Constraints
	var err error
	if r.Query.Has("resources" + suffix) {
		if c.Resources, err = resources(param(r, "resources"+suffix)); err != nil {
			return c, err
		}
	}
	if err := requiredTraits(r, "required"+suffix, &c); err != nil {
		return c, err
	}
	if err := memberOf(r, "member_of"+suffix, &c); err != nil {
		return c, err
	}
	if name := "in_tree" + suffix; r.Query.Has(name) {
		text := strings.TrimSpace(param(r, name))
		if !ids.IsUUID(text) {
			return c, badValue("Invalid query string parameters: Expected 'in_tree' parameter to be a format of uuid. Got: %.100s", text)
		}
		c.InTree = dashed(text)
	}
	return c, nil
}

// resources reads "VCPU:2,MEMORY_MB:1024".
func resources(text string) (map[string]int64, error) {
	out := map[string]int64{}
	for part := range strings.SplitSeq(text, ",") {
		class, amount, ok := strings.Cut(part, ":")
		if !ok || class == "" {
			return nil, errs.New(errs.Invalid, "Badly formed resources parameter. Expected resources query string parameter in form: ?resources=VCPU:2,MEMORY_MB:1024. Got: %.100q.", part)
		}
		n, err := strconv.ParseInt(strings.TrimSpace(amount), 10, 64)
		if err != nil || n > placement.MaxAmount {
			return nil, errs.New(errs.Invalid, "Requested resource %.100s expected positive integer amount. Got: %.100s.", class, amount)
		}
		if n < 1 {
			return nil, errs.New(errs.Invalid, "Requested resource %.100s requires amount >= 1. Got: %d.", class, n)
		}
		out[class] = n
	}
	return out, nil
}

// requiredTraits reads "A,!B" and, from version 1.39 on, "in:A,B" and
// repetitions; before, the last of several counts.
func requiredTraits(r *httpx.Request, name string, c *placement.Constraints) error {
	values := r.Query[name]
	if len(values) > 1 && !r.AtLeast(1, 39) {
		values = values[len(values)-1:]
	}
	for _, value := range values {
		list, anyOf := strings.CutPrefix(value, "in:")
		if anyOf && !r.AtLeast(1, 39) {
			return errs.New(errs.Invalid, "Invalid query string parameters: The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' only supported since microversion 1.39. Got: %.200s", value)
		}
		required, forbidden, err := traits(r, name, list)
		if err != nil {
			return err
		}
		if anyOf {
			if len(forbidden) > 0 {
				return errs.New(errs.Invalid, "Invalid query string parameters: The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' does not support forbidden traits. Got: %.200s", value)
			}
			c.Required = append(c.Required, required)
			continue
		}
		for _, t := range required {
			c.Required = append(c.Required, []string{t})
		}
		c.Forbidden = append(c.Forbidden, forbidden...)
	}
	for _, anyOf := range c.Required {
		if !slices.ContainsFunc(anyOf, func(t string) bool { return !slices.Contains(c.Forbidden, t) }) {
			return errs.New(errs.Invalid, "Conflicting required and forbidden traits found in the following traits keys: %s: (%s)", name, strings.Join(anyOf, ", "))
		}
	}
	return nil
}

// traits splits "A,!B".
func traits(r *httpx.Request, name, list string) (required, forbidden []string, err error) {
	for t := range strings.SplitSeq(list, ",") {
		t = strings.TrimSpace(t)
		not := strings.HasPrefix(t, "!")
		if t = strings.TrimLeft(t, "!"); t == "" {
			return nil, nil, errs.New(errs.Invalid, "Invalid query string parameters: Expected '%s' parameter value of the form: HW_CPU_X86_VMX,!CUSTOM_MAGIC. Got an empty trait in: %.200q", name, list)
		}
		switch {
		case !not:
			required = append(required, t)
		case !r.AtLeast(1, 22):
			return nil, nil, errs.New(errs.Invalid, "Invalid query string parameters: Expected '%s' parameter value of the form: HW_CPU_X86_VMX,CUSTOM_MAGIC; forbidden traits come with version 1.22. Got: %.200q", name, list)
		default:
			forbidden = append(forbidden, t)
		}
	}
	return required, forbidden, nil
}

// memberOf reads "UUID" and "in:UUID,UUID", several of them from version 1.24
// on, and those with "!" before from 1.32 on.
func memberOf(r *httpx.Request, name string, c *placement.Constraints) error {
	values := r.Query[name]
	if len(values) > 1 && !r.AtLeast(1, 24) {
		return errs.New(errs.Invalid, "Multiple %s parameters are not supported before version 1.24.", name).WithCode("placement.query.duplicate_key")
	}
	for _, value := range values {
		rest, not := strings.CutPrefix(value, "!")
		if not && !r.AtLeast(1, 32) {
			return errs.New(errs.Invalid, "Forbidden %s parameters are not supported in the specified microversion. Got: %.200s", name, value)
		}
		list, many := strings.CutPrefix(rest, "in:")
		aggregates := strings.Split(list, ",")
		if !many && len(aggregates) > 1 {
			return errs.New(errs.Invalid, "Multiple values for 'member_of' must be prefixed with the 'in:' or '!in:' keyword using the valid microversion. Got: %.200s", value)
		}
		for i, id := range aggregates {
			if !ids.IsUUID(id) {
				return errs.New(errs.Invalid, "Invalid query string parameters: Expected 'member_of' parameter to contain valid UUID(s). Got: %.100q", id)
			}
			aggregates[i] = dashed(id)
		}
		if not {
			c.NotMemberOf = append(c.NotMemberOf, aggregates...)
		} else {
			c.MemberOf = append(c.MemberOf, aggregates)
		}
	}
	return nil
}
