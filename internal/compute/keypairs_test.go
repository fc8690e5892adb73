package compute_test

import (
	"strings"
	"testing"

	"kumoi/internal/compute/computetest"
)

const (
	ed25519Line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO8qNoZlHl5iqZyjZOv4bQOsAIKUosyHHiEvbhCtCUNq"
	ecdsaLine   = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBN2zoajj7r7HSeErDxJQZGMRDPJswYzHfppRgban4A2dlTic324LFonHz6+HfdLx/YJimtuvHKnisu3rxmTE/KA="
	signedLine  = "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAID6FoIA5R3Ecw1JE5ADg4zwyeWZQvz81Y7wO0fJEzm6wAAAAIO8qNoZlHl5iqZyjZOv4bQOsAIKUosyHHiEvbhCtCUNqAAAAAAAAAAAAAAABAAAAAmlkAAAACAAAAARyb290AAAAAAAAAAD//////////wAAAAAAAACCAAAAFXBlcm1pdC1YMTEtZm9yd2FyZGluZwAAAAAAAAAXcGVybWl0LWFnZW50LWZvcndhcmRpbmcAAAAAAAAAFnBlcm1pdC1wb3J0LWZvcndhcmRpbmcAAAAAAAAACnBlcm1pdC1wdHkAAAAAAAAADnBlcm1pdC11c2VyLXJjAAAAAAAAAAAAAAEXAAAAB3NzaC1yc2EAAAADAQABAAABAQD37os6wKrb93u5bHKvzj4ctP0G7Ufc4U7QYwsGG1hv7+A8oOQDtVTyXfNqBy74Tutp+6hH1+4FXexYyUx47LIy7nP8M3fhaVp3zEoek6ELVt+U7tjuEygB0/JbCnFHQ/hzOgnSU7bnuRXtmMa1XgVJrcdyUg2MqnpbXdM2vjqqa13FJW1u4cBYUZjTX6gYmW2sB0jPHSBo9VqpxAM7aFZDyGczxmvjNfGLlKmBDAD56q5gf9iaeqkaIG7nah/xxnJrmQp1Vt0XmH6Y2j5yLE8wZnRHxgkyKgefyP2fMMHqlpBslYp0e5TH8F+aGcL2n5oMRjd6+AnQ3K46RGT18Fl1AAABFAAAAAxyc2Etc2hhMi01MTIAAAEAhBZ2Rcp9VsuEV3ViWpzkwnPnar4gdZNysjpckOjYwgD/r6m1gVwuIAcEjvJfBOenTdXouQ6D4DLOLpuTnyst2ochrfx8aM9h+fXynTwIS/QArma6/eke+W9n/7oDuIWYG5iVknaLJblxzYu6+dfF7/y60VLFmGzt0XQIHE3yOVVTk9ikalTe/anz3HFeltKKZ1QhxZmcI4UNrMoNcZXhdTLQpwtiqoZhmevSTI+qIZqhy1jvex2h40oAkPqbfNt9X3yoyUF7dxWr3yLHmmhmBA1oiN11YapRWGwiGpW4+6pGnzlUZhdbeeNmvEXO3RZiG/Tfo2CSmsJ/ri1SDDinkw=="
)

// A key pair's line reaches sshd in every guest that is made with it: it is one
// bare key, whose fingerprint is what ssh-keygen -E md5 says.
func TestPublicKeysAreBareKeys(t *testing.T) {
	member(t, func(t *testing.T, _ *computetest.Cloud, p *computetest.Client) {
		key := func(name, public string) object { return object{"keypair": object{"name": name, "public_key": public}} }
		for name, tc := range map[string]struct{ line, fingerprint string }{
			"plain":    {ed25519Line, "67:a6:2b:08:0b:59:2d:84:4b:d5:11:30:01:59:4c:e5"},
			"comment":  {ed25519Line + " me@home at night\n", "67:a6:2b:08:0b:59:2d:84:4b:d5:11:30:01:59:4c:e5"},
			"elliptic": {"  " + ecdsaLine, "82:e2:64:cf:f5:bf:67:32:f2:36:7d:a5:af:7e:99:ab"},
		} {
			got := p.Must(201, "POST", "/v2.1/os-keypairs", key(name, tc.line))["keypair"].(object)
			if got["fingerprint"] != tc.fingerprint || got["public_key"] != tc.line {
				t.Errorf("%s: %v", name, got)
			}
		}
		for why, line := range map[string]string{
			"a command":          `command="id>/tmp/x" ` + ed25519Line,
			"an environment":     `environment="LD_PRELOAD=/tmp/x" ` + ed25519Line,
			"a tunnel":           `tunnel="0",no-pty ` + ed25519Line,
			"an authority":       "cert-authority " + ed25519Line,
			"a quiet option":     "no-pty " + ed25519Line,
			"two lines":          ed25519Line + "\n" + ecdsaLine,
			"a carriage return":  ed25519Line + " x\r" + ecdsaLine,
			"a line separator":   ed25519Line + " x\u2028" + ecdsaLine,
			"an escape sequence": ed25519Line + " x\x1b[2Jy",
			"a certificate":      signedLine,
			"another type":       strings.Replace(ed25519Line, "ssh-ed25519", "ssh-rsa", 1),
			"a key without type": strings.Fields(ed25519Line)[1],
			"a comment first":    "# " + ed25519Line,
			"bytes behind":       ed25519Line + "AAAA",
		} {
			p.Fails(400, "Keypair data is invalid", "POST", "/v2.1/os-keypairs", key("bad", line))
			if status, _, _ := p.Do("GET", "/v2.1/os-keypairs/bad", nil); status != 404 {
				t.Fatalf("%s was taken", why)
			}
		}
		// Key pairs are their user's alone.
		q := p.As("q")
		q.Fails(404, "not found", "GET", "/v2.1/os-keypairs/plain", nil)
		for _, path := range []string{"/v2.1/os-keypairs/plain?user_id=u-p", "/v2.1/os-keypairs?user_id=u-p"} {
			q.Fails(403, "os-keypairs", "GET", path, nil)
		}
		q.Fails(403, "os-keypairs", "DELETE", "/v2.1/os-keypairs/plain?user_id=u-p", nil)
		q.Fails(403, "os-keypairs", "POST", "/v2.1/os-keypairs", object{"keypair": object{"name": "x", "user_id": "u-p", "public_key": ed25519Line}})
		q.Fails(400, "Invalid key_name", "POST", "/v2.1/servers", object{"server": object{
			"name": "s", "imageRef": computetest.Image, "flavorRef": "small", "networks": "none", "key_name": "plain",
		}})
	})
}
