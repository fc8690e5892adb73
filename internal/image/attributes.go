package image

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"kumoi/internal/kernel/errs"
)

// Attributes that a record shows but nobody sets.
var (
	readOnly = []string{
		"created_at", "updated_at", "status", "checksum", "size", "virtual_size",
		"direct_url", "self", "file", "schema", "id", "os_hash_algo", "os_hash_value", "stores",
	}
	reserved = []string{"location", "deleted", "deleted_at"}
)

// reservedPrefix begins the names of properties that the service itself sets.
const reservedPrefix = "os_glance_"

var imageID = regexp.MustCompile(`^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)

// checkSettable refuses names that no request may set.
func checkSettable(name string) error {
	switch {
	case slices.Contains(readOnly, name):
		return errs.New(errs.Forbidden, "Attribute '%s' is read-only.", name)
	case slices.Contains(reserved, name), strings.HasPrefix(name, reservedPrefix):
		return errs.New(errs.Forbidden, "Attribute '%s' is reserved.", quotable(name))
	}
	return nil
}

// IsAttribute tells whether name is an attribute of every image, not a property.
func IsAttribute(name string) bool { return base(name) }

func base(name string) bool {
	switch name {
	case "name", "owner", "visibility", "container_format", "disk_format", "min_disk", "min_ram",
		"protected", "os_hidden", "tags", "locations":
		return true
	}
	return slices.Contains(readOnly, name)
}

func mismatch(name, want string) error {
	return errs.New(errs.Invalid, "Provided object does not match schema 'image': the value of '%s' must be %s.", quotable(name), want)
}

// set gives an attribute or property a value as it came from JSON, or from Go.
func (img *Image) set(name string, v any) error {
	switch name {
	case "name":
		return setText(&img.Name, name, v)
	case "owner":
		return setText(&img.Owner, name, v)
	case "visibility":
		vis, _ := v.(string)
		if !slices.Contains([]Visibility{Private, Shared, Community, Public}, Visibility(vis)) {
			return mismatch(name, "one of community, public, private, shared")
		}
		img.Visibility = Visibility(vis)
	case "container_format":
		return img.setFormat(&img.ContainerFormat, name, v, ContainerFormats)
	case "disk_format":
		return img.setFormat(&img.DiskFormat, name, v, DiskFormats)
	case "min_disk":
		return setSize(&img.MinDisk, name, v)
	case "min_ram":
		return setSize(&img.MinRAM, name, v)
	case "protected":
		return setBool(&img.Protected, name, v)
	case "os_hidden":
		return setBool(&img.Hidden, name, v)
	case "tags":
		return img.setTags(v)
	default:
		return img.setProperty(name, v)
	}
	return nil
}

func setText(dst *string, name string, v any) error {
	if v == nil {
		*dst = ""
		return nil
	}
	text, ok := v.(string)
	if !ok || utf8.RuneCountInString(text) > 255 {
		return mismatch(name, "a string of at most 255 characters, or null")
	}
	if err := checkText(name, text); err != nil {
		return err
	}
	*dst = text
	return nil
}

// checkText refuses what a database cannot keep.
func checkText(name, text string) error {
	if strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
		return mismatch(name, "valid UTF-8 text without null characters")
	}
	return nil
}

func (img *Image) setFormat(dst *string, name string, v any, known []string) error {
	if img.Status != Queued && img.Status != Importing {
		return errs.New(errs.Forbidden, "Attribute %s can be only replaced for a queued image.", name)
	}
	if v == nil {
		*dst = ""
		return nil
	}
	text, ok := v.(string)
	if !ok || !slices.Contains(known, text) {
		return mismatch(name, "one of "+strings.Join(known, ", ")+", or null")
	}
	*dst = text
	return nil
}

func setSize(dst *int64, name string, v any) error {
	var n int64
	var err error
	switch v := v.(type) {
	case json.Number:
		n, err = v.Int64()
	case int:
		n = int64(v)
	case int64:
		n = v
	default:
		return mismatch(name, "an integer")
	}
	if err != nil || n < 0 || n > 1<<31-1 {
		return mismatch(name, "an integer from 0 to 2147483647")
	}
	*dst = n
	return nil
}

func setBool(dst *bool, name string, v any) error {
	b, ok := v.(bool)
	if !ok {
		return mismatch(name, "true or false")
	}
	*dst = b
	return nil
}

func (img *Image) setTags(v any) error {
	list, ok := v.([]any)
	if texts, plain := v.([]string); plain {
		ok = true
		for _, t := range texts {
			list = append(list, t)
		}
	}
	if !ok {
		return mismatch("tags", "a list of strings")
	}
	tags := []string{}
	for _, v := range list {
		tag, ok := v.(string)
		if !ok || utf8.RuneCountInString(tag) > 255 {
			return mismatch("tags", "a list of strings of at most 255 characters")
		}
		if err := checkText("tags", tag); err != nil {
			return err
		}
		if !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	img.Tags = tags
	return nil
}

func (img *Image) setProperty(name string, v any) error {
	if utf8.RuneCountInString(name) > 255 {
		return errs.New(errs.Invalid, "Custom property should not be greater than 255 characters.")
	}
	if err := checkText("name of a property", name); err != nil {
		return err
	}
	if name == "" {
		return errs.New(errs.Invalid, "The name of a property must not be empty.")
	}
	if v == nil && slices.Contains([]string{"kernel_id", "ramdisk_id", "instance_uuid"}, name) {
		delete(img.Properties, name)
		return nil
	}
	text, ok := v.(string)
	if !ok {
		return mismatch(name, "a string")
	}
	if err := checkText(name, text); err != nil {
		return err
	}
	if (name == "kernel_id" || name == "ramdisk_id") && !imageID.MatchString(text) {
		return mismatch(name, "the id of an image, or null")
	}
	if len(text) > 65535 {
		return mismatch(name, "at most 65535 bytes long")
	}
	img.Properties[name] = text
	return nil
}
