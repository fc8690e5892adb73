package apptest

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"kumoi/internal/app"
	"kumoi/internal/kernel/audit"
)

// TestAuditTrailOfAllServices changes something in every service and reads the
// trail as the operator does.
func TestAuditTrailOfAllServices(t *testing.T) {
	Each(t, func(t *testing.T, c *Cloud) {
		admin := c.Admin()
		user := c.NewUser(admin, "ann")
		operator, err := app.NewAdminClient(&c.Config)
		if err != nil {
			t.Fatal(err)
		}
		trail := func(q url.Values) []audit.Event {
			t.Helper()
			var list []audit.Event
			if err := operator.Call(t.Context(), http.MethodGet, "/audit?"+q.Encode(), nil, &list); err != nil {
				t.Fatal(err)
			}
			return list
		}
		base := strings.TrimSuffix(c.AuthURL(), "/identity/v3")
		token := user.Identity.TokenID
		send := func(method, path, token string, body any, want int) (int, object) {
			t.Helper()
			status, _, out := ask(t, method, base+path, token, body)
			if status != want {
				t.Fatalf("%s %s: %d %v", method, path, status, out)
			}
			return status, out
		}
		_, network := send("POST", "/network/v2.0/networks", token, object{"network": object{"name": "n"}}, 201)
		id := network["network"].(object)["id"].(string)
		send("PUT", "/network/v2.0/networks/"+id, token, object{"network": object{"name": "m"}}, 200)
		send("DELETE", "/network/v2.0/networks/"+id, token, nil, 204)
		send("POST", "/compute/v2.1/os-keypairs", token, object{"keypair": object{"name": "key"}}, 200)
		_, img := send("POST", "/image/v2/images", token, object{"name": "i", "disk_format": "raw", "container_format": "bare"}, 201)
		need := Prepare(admin, user)
		server := user.NewServer("s", need)
		user.WaitServer(server, "ACTIVE")
		send("POST", "/compute/v2.1/servers/"+server+"/action", token, object{"reboot": object{"type": "HARD"}}, 202)
		send("POST", "/placement/resource_providers", token, object{"name": "gold"}, 403)
		send("POST", "/identity/v3/users", token, object{"user": object{"name": "x", "password": "a secret"}}, 403)
		send("POST", "/network/v2.0/networks", token, object{"network": object{"mtu": "x"}}, 400)
		send("POST", "/network/v2.0/networks", "", object{"network": object{}}, 401)

		found := map[string]bool{}
		for _, e := range trail(url.Values{"initiator": {"ann"}}) {
			if e.Initiator.Name != "ann" || e.Initiator.ProjectID == "" || e.Initiator.Host.Address != "127.0.0.1" || e.RequestPath == "" {
				t.Errorf("%+v", e)
			}
			line := e.Action + " " + e.Target.TypeURI + " " + e.Target.ID + " " + e.Outcome
			if e.Reason != nil {
				line += " " + e.Reason.ReasonCode
			}
			found[line] = true
		}
		for _, want := range []string{
			"create service/network/networks " + id + " success", "update service/network/networks " + id + " success",
			"delete service/network/networks " + id + " success", "create service/compute/os-keypairs key success",
			"create service/image/images " + img["id"].(string) + " success", "create service/compute/servers " + server + " success",
			"update/reboot service/compute/servers " + server + " success",
			"create service/placement/resource_providers unknown failure 403", "create service/identity/users unknown failure 403",
		} {
			if !found[want] {
				t.Errorf("%q is not in the trail", want)
			}
			delete(found, want)
		}
		for line := range found {
			if strings.Contains(line, "failure") || strings.Contains(line, "networks") && !strings.HasPrefix(line, "create") {
				t.Errorf("unexpected: %s", line)
			}
		}
		one := trail(url.Values{"target": {server}, "limit": {"1"}})[0]
		var again audit.Event
		if err := operator.Call(t.Context(), http.MethodGet, "/audit/"+one.ID, nil, &again); err != nil || again.Target.ID != server {
			t.Errorf("%v %v", again, err)
		}

		// What an operator does on the machine itself is in it too.
		if err := operator.Call(t.Context(), http.MethodPost, "/identity/bootstrap", app.BootstrapRequest{User: "admin", Password: "another"}, nil); err != nil {
			t.Fatal(err)
		}
		reset := trail(url.Values{"action": {"reset_password.user"}})
		if len(reset) != 1 || reset[0].Initiator.TypeURI != audit.OperatorType || reset[0].Initiator.Name != "admin" {
			t.Errorf("%+v", reset)
		}
		if status, _, _ := ask(t, "POST", c.AuthURL()+"/auth/tokens", "", object{"auth": object{"identity": object{
			"methods":  []string{"password"},
			"password": object{"user": object{"name": "admin", "domain": object{"id": "default"}, "password": "another"}},
		}}}); status != 201 {
			t.Errorf("the password of bootstrap: %d", status)
		}
	})
}
