package demo

import (
	"os/exec"
	"strings"
	"testing"
)

// A shell that reads the openrc has the very password, whatever is in it.
func TestOpenRCSurvivesAnyPassword(t *testing.T) {
	for _, password := range []string{"plain", "with blanks", `it's "quoted" $HOME \ ; true`, "", "tür"} {
		rc := Credentials{AuthURL: "http://127.0.0.1:5000/identity/v3", User: "u", Password: password, Project: "p", Region: "r"}.OpenRC()
		cmd := exec.Command("sh", "-c", rc+`printf %s "$OS_PASSWORD"`)
		out, err := cmd.CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != password {
			t.Errorf("%q reads back as %q, %v", password, out, err)
		}
	}
}
