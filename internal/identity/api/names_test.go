package api_test

import (
	"net/url"
	"testing"

	"kumoi/internal/identity/identitytest"
)

// Names compare without case: at login, for uniqueness and in filters.
func TestNamesCompareWithoutCase(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		for path, key := range map[string]string{"users": "user", "projects": "project", "groups": "group", "roles": "role", "domains": "domain"} {
			id := c.Create(admin, "/v3/"+path, key, object{"name": "Ärger Haus", "enabled": false})
			for _, name := range []string{"ärger haus", "ÄRGER HAUS", "Ärger Haus"} {
				c.Must(409, "POST", "/v3/"+path, admin, object{key: object{"name": name}})
				list := c.Must(200, "GET", "/v3/"+path+"?name="+url.QueryEscape(name), admin, nil).Body[path].([]any)
				if len(list) != 1 || list[0].(object)["name"] != "Ärger Haus" {
					t.Errorf("%s?name=%s: %v", path, name, list)
				}
			}
			another := c.Create(admin, "/v3/"+path, key, object{"name": "other", "enabled": false})
			c.Must(409, "PATCH", "/v3/"+path+"/"+another, admin, object{key: object{"name": "ärger HAUS"}})
			c.Must(200, "PATCH", "/v3/"+path+"/"+id, admin, object{key: object{"name": "ÄRGER haus"}}) // its own, in other letters
			if list := c.Must(200, "GET", "/v3/"+path+"?name__icontains="+url.QueryEscape("RGER H"), admin, nil).Body[path].([]any); len(list) != 1 {
				t.Errorf("%s by a part of the name: %v", path, list)
			}
		}
		project := c.Create(admin, "/v3/projects", "project", object{"name": "Home"})
		ann := c.Persona(admin, "Ann", "default", "member", "project", project)
		c.Create(ann.Token, "/v3/users/"+ann.UserID+"/application_credentials", "application_credential", object{"name": "Robot", "secret": "s"})
		c.Must(409, "POST", "/v3/users/"+ann.UserID+"/application_credentials", ann.Token, object{"application_credential": object{"name": "robot"}})
		for _, domain := range []object{{"name": "default"}, {"name": "DEFAULT"}, {"id": "Default"}} {
			user := object{"name": "ANN", "domain": domain}
			c.Must(201, "POST", "/v3/auth/tokens", "", object{"auth": object{
				"identity": object{"methods": []string{"password"}, "password": object{"user": object{"name": "aNN", "domain": domain, "password": "pw-Ann"}}},
				"scope":    object{"project": object{"name": "hOME", "domain": domain}},
			}})
			c.Must(201, "POST", "/v3/auth/tokens", "", object{"auth": object{"identity": object{
				"methods": []string{"application_credential"}, "application_credential": object{"name": "ROBOT", "secret": "s", "user": user},
			}}})
		}
		service := c.Create(admin, "/v3/services", "service", object{"type": "Odd", "name": "Thing"})
		for _, query := range []string{"type=odd", "name=THING"} {
			if list := c.Must(200, "GET", "/v3/services?"+query, admin, nil).Body["services"].([]any); len(list) != 1 || list[0].(object)["id"] != service {
				t.Errorf("services?%s: %v", query, list)
			}
		}
		trust := c.Must(201, "POST", "/v3/OS-TRUST/trusts", ann.Token, object{"trust": object{
			"trustor_user_id": ann.UserID, "trustee_user_id": ann.UserID, "impersonation": false, "project_id": project, "roles": []object{{"name": "MEMBER"}},
		}})
		if roles := trust.Get("trust", "roles").([]any); len(roles) != 1 {
			t.Errorf("a trust with a role named in capitals: %s", trust.Raw)
		}
	})
}
