package api_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"kumoi/internal/identity/identitytest"
)

// signedV4 exchanges a signature of version 4, with the headers written as given.
func signedV4(c *identitytest.Cloud, token, access, secret, date string, headers object) identitytest.Answer {
	scope := date[:8] + "/region/ec2/aws4_request"
	body := fmt.Sprintf("%x", sha256.Sum256(nil))
	request := strings.Join([]string{"GET", "/", "", "host:ec2.test\nx-amz-date:" + date + "\n", "host;x-amz-date", body}, "\n")
	text := fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s\n%x", date, scope, sha256.Sum256([]byte(request)))
	key := []byte("AWS4" + secret)
	for _, part := range strings.Split(scope, "/") {
		key = mac(key, part)
	}
	signature := fmt.Sprintf("%x", mac(key, text))
	authorization := "AWS4-HMAC-SHA256 Credential=" + access + "/" + scope + ", SignedHeaders=host;x-amz-date, Signature=" + signature
	all := object{"Authorization": authorization}
	for k, v := range headers {
		all[k] = v
	}
	return c.Do("POST", "/v3/ec2tokens", token, object{"credentials": object{
		"access": access, "host": "ec2.test", "verb": "GET", "path": "/", "params": object{}, "headers": all, "body_hash": body, "signature": signature,
	}})
}

// Headers are the same in any letters, and what is signed is the time that counts.
func TestEC2SignaturesHaveATime(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		project := c.Create(admin, "/v3/projects", "project", object{"name": "p"})
		u := c.Persona(admin, "u", "default", "member", "project", project)
		pair := c.Must(201, "POST", "/v3/users/"+u.UserID+"/credentials/OS-EC2", u.Token, object{"tenant_id": project})
		access, secret := pair.Text("credential", "access"), pair.Text("credential", "secret")
		for age, want := range map[time.Duration]int{0: 200, 10 * time.Minute: 200, 16 * time.Minute: 401, -4 * time.Minute: 200, -6 * time.Minute: 401, -24 * time.Hour: 401} {
			at := c.Clock.Now().Add(-age).UTC()
			date := at.Format("20060102T150405Z")
			for _, header := range []string{"X-Amz-Date", "x-amz-date", "X-AMZ-DATE"} {
				if a := signedV4(c, admin, access, secret, date, object{header: date}); a.Status != want {
					t.Errorf("version 4, %s, %v old: %d, want %d: %s", header, age, a.Status, want, a.Raw)
				}
			}
			if a := signedEC2(c, admin, access, secret, at.Format("2006-01-02T15:04:05Z")); a.Status != want {
				t.Errorf("version 2, %v old: %d, want %d: %s", age, a.Status, want, a.Raw)
			}
		}
		// A fresh time that is not signed does not stand in for an old one that is.
		old, now := c.Clock.Now().Add(-time.Hour).UTC().Format("20060102T150405Z"), c.Clock.Now().UTC().Format("20060102T150405Z")
		for want, headers := range map[int]object{400: {"x-amz-date": old, "X-Amz-Date": now}, 401: {"x-amz-date": old, "Date": now}} {
			if a := signedV4(c, admin, access, secret, old, headers); a.Status != want {
				t.Errorf("%v: %d, want %d: %s", headers, a.Status, want, a.Raw)
			}
		}
	})
}

func TestDomainConfigTakesRightTypes(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		domain := c.Create(admin, "/v3/domains", "domain", object{"name": "d"})
		put := func(option string, value any) identitytest.Answer {
			group := "ldap"
			if option == "driver" || option == "list_limit" {
				group = "identity"
			}
			return c.Do("PUT", "/v3/domains/"+domain+"/config", admin, object{"config": object{group: object{option: value}}})
		}
		for option, values := range map[string]struct{ right, wrong []any }{
			"url":                   {[]any{"ldap://x"}, []any{1, true, nil, object{"a": "b"}, []any{"x"}}},
			"driver":                {[]any{"ldap", "another"}, []any{5, object{}}},
			"list_limit":            {[]any{nil, 10, "10"}, []any{"ten", 1.5, true, []any{}}},
			"password":              {[]any{nil, "secret"}, []any{12345678, object{"value": "hunter2"}}},
			"use_tls":               {[]any{true, "True", "no"}, []any{nil, 1, "maybe", object{}}},
			"page_size":             {[]any{0, "5"}, []any{"many", 0.5, nil, 1e99}},
			"pool_retry_delay":      {[]any{0.5, 1, "0.5"}, []any{"soon", true}},
			"user_attribute_ignore": {[]any{[]any{"a"}, "a,b"}, []any{[]any{1}, 3, nil, object{}}},
		} {
			for _, v := range values.right {
				if a := put(option, v); a.Status != 200 && a.Status != 201 {
					t.Errorf("%s = %v: %d %s", option, v, a.Status, a.Raw)
				}
			}
			for _, v := range values.wrong {
				if a := put(option, v); a.Status != 400 || strings.Contains(string(a.Raw), "hunter2") || strings.Contains(string(a.Raw), "12345678") {
					t.Errorf("%s = %v: %d %s", option, v, a.Status, a.Raw)
				}
			}
		}
		if a := put("url", "ldap://y"); a.Status > 201 {
			t.Fatal(a.Status)
		}
		c.Must(400, "PATCH", "/v3/domains/"+domain+"/config/ldap/url", admin, object{"config": object{"url": 3}})
	})
}

// What openstacksdk and others send beyond what Keystone's schemas name.
func TestBodiesThatClientsSend(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		user := c.Must(200, "GET", "/v3/users?name=admin", admin, nil).Body["users"].([]any)[0].(object)["id"].(string)
		rules := []object{{"local": []object{{"user": object{"name": "{0}"}}}, "remote": []object{{"type": "X"}}}}
		a := c.Must(201, "PUT", "/v3/OS-FEDERATION/mappings/m", admin, object{"mapping": object{"id": "m", "rules": rules}})
		if a.Text("mapping", "id") != "m" {
			t.Errorf("%s", a.Raw)
		}
		c.Must(400, "PUT", "/v3/OS-FEDERATION/mappings/n", admin, object{"mapping": object{"id": "other", "rules": rules}})
		c.Must(200, "PATCH", "/v3/OS-FEDERATION/mappings/m", admin, object{"mapping": object{"rules": rules, "links": object{}}})
		c.Must(201, "POST", "/v3/users/"+user+"/application_credentials", admin, object{"application_credential": object{
			"name": "a", "system": nil, "unrestricted": nil, "access_rules": []object{{"service": "compute", "method": "GET", "path": "/x", "links": object{}}},
		}})
	})
}
