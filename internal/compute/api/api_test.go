package api

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

func TestSchemasCompileInEveryVersion(t *testing.T) {
	for name, s := range map[string]*rest.Schema{
		"create": createSchema, "update": updateSchema, "rebuild": rebuildSchema, "reboot": rebootSchema, "resize": resizeSchema,
		"lock": lockSchema, "unshelve": unshelveSchema, "migrate": migrateSchema, "live": migrateLiveSchema, "evacuate": evacuateSchema,
		"image": createImageSchema, "backup": createBackupSchema, "rescue": rescueSchema, "metadata": metadataSchema, "meta": metaItemSchema,
		"attach": attachSchema, "volume": attachVolumeSchema, "share": attachShareSchema, "console": consoleSchema, "tags": tagsSchema,
		"flavor": createFlavorSchema, "flavor update": updateFlavorSchema, "specs": specsSchema, "spec": specSchema,
		"keypair": createKeypairSchema, "group": createGroupSchema, "quota": updateQuotaSchema, "class": updateClassSchema,
		"aggregate": createAggregateSchema, "aggregate update": updateAggregateSchema, "aggregate metadata": aggregateMetadataSchema,
		"aggregate images": aggregateImagesSchema, "service": updateServiceSchema, "host": updateHostSchema, "events": eventsSchema,
		"security group": groupSchema, "rule": groupRuleSchema, "output": consoleOutputSchema, "state": resetStateSchema,
	} {
		// The versions that change a body.
		for _, minor := range []int{1, 2, 8, 10, 14, 15, 19, 25, 30, 32, 36, 37, 42, 49, 51, 52, 54, 55, 56, 57, 63, 64, 67, 68, 73, 74, 76, 77, 79, 82, 90, 91, 93, 94, 99, 100} {
			if err := s.At(minor).Compile(); err != nil {
				t.Fatalf("%s at 2.%d: %v", name, minor, err)
			}
		}
	}
}

func TestCreateSchema(t *testing.T) {
	const flavor = `"flavorRef": "1", "imageRef": "11111111-1111-4111-8111-111111111111"`
	for _, tc := range []struct {
		minor int
		body  string
		want  string // "" accepts
	}{
		{1, `{"name": "a", ` + flavor + `}`, ""},
		{37, `{"name": "a", ` + flavor + `}`, "'networks' is a required property"},
		{37, `{"name": "a", ` + flavor + `, "networks": "auto"}`, ""},
		{36, `{"name": "a", ` + flavor + `, "networks": "auto"}`, "networks"},
		{1, `{"name": "", ` + flavor + `}`, "server/name"},
		{1, `{"name": " a", ` + flavor + `}`, "server/name"},
		{1, `{"name": "a", ` + flavor + `, "nope": 1}`, "'nope' was unexpected"},
		{1, `{"name": "a", ` + flavor + `, "min_count": 0}`, "server/min_count"},
		{1, `{"name": "a", ` + flavor + `, "min_count": "2"}`, ""},
		{1, `{"name": "a", ` + flavor + `, "min_count": "0"}`, "server/min_count"},
		{1, `{"name": "a", ` + flavor + `, "user_data": "%%"}`, "server/user_data"},
		{1, `{"name": "a", ` + flavor + `, "accessIPv4": "1.1.1"}`, "server/accessIPv4"},
		{1, `{"name": "a", ` + flavor + `, "description": "x"}`, "'description' was unexpected"},
		{19, `{"name": "a", ` + flavor + `, "description": null}`, ""},
		{51, `{"name": "a", ` + flavor + `, "networks": "none", "tags": ["x"]}`, "'tags' was unexpected"},
		{52, `{"name": "a", ` + flavor + `, "networks": "none", "tags": ["x"]}`, ""},
		{57, `{"name": "a", ` + flavor + `, "networks": "none", "personality": []}`, "'personality' was unexpected"},
		{90, `{"name": "a", ` + flavor + `, "networks": "none", "hostname": "a.b"}`, "server/hostname"},
		{94, `{"name": "a", ` + flavor + `, "networks": "none", "hostname": "a.b"}`, ""},
		{1, `{"name": "a", ` + flavor + `, "metadata": {"k": 1}}`, "server/metadata/k"},
		{1, `{"name": "a", "imageRef": "x", "flavorRef": "1"}`, "server/imageRef"},
	} {
		err := createSchema.At(tc.minor).ValidateJSON([]byte(`{"server": ` + tc.body + `}`))
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("2.%d %s: %v", tc.minor, tc.body, err)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("2.%d %s: %v, want %q", tc.minor, tc.body, err, tc.want)
		}
	}
}

func TestEveryRouteNamesARule(t *testing.T) {
	rules := map[string]bool{}
	for _, r := range compute.Rules() {
		rules[r.Name] = true
	}
	for _, r := range New(new(compute.Service)).Routes {
		if r.Policy != "" && !rules[r.Policy] {
			t.Errorf("%s %s#%s: there is no rule %s", r.Method, r.Path, r.Action, r.Policy)
		}
	}
}

// TestInventory compares the table with the list of Nova's operations.
func TestInventory(t *testing.T) {
	f, err := os.Open("../../../docs/api/operations.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	have := map[string]bool{}
	for _, r := range New(new(compute.Service)).Routes {
		for _, key := range keysOf(r) {
			have[key] = true
		}
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		c := strings.Split(lines.Text(), "\t")
		if c[0] != "nova" {
			continue
		}
		key := c[2] + " " + strings.TrimSuffix(c[3], "/")
		if !have[key] {
			t.Errorf("tier %s: %s is not served", c[5], key)
		}
	}
}

func keysOf(r httpx.Route) []string {
	base := r.Method + " " + strings.TrimSuffix(r.Path, "/")
	if r.Action != "" {
		return []string{base, base + "#" + r.Action}
	}
	out := []string{base}
	for _, v := range r.Variants {
		out = append(out, base+"#"+v)
	}
	slices.Sort(out)
	return out
}
