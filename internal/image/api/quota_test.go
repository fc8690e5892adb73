package api_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"io"
	"math/big"
	"net/netip"
	"testing"
	"time"

	"kumoi/internal/image"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// limits are the same for all projects.
type limits map[string]int64

func (l limits) Allowances(context.Context, *store.Tx, string, string, string) (map[string]int64, error) {
	return l, nil
}

func (limits) RegionEndpoint(context.Context, *store.Tx, string, string, string) (string, error) {
	return "", nil
}

func TestQuotas(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := limits{"image_count_total": 3, "image_size_total": 2, "image_stage_total": 1, "image_count_uploading": 1}
		c := newCloud(t, db, func(d *image.Deps) {
			d.Identity = l
			d.Config.WebAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		})
		a, b := c.create("alice"), c.create("alice")
		c.As("alice").Want(204, "PUT", "/v2/images/"+a+"/file", noise(1<<20+1))
		c.As("alice").Want(413, "PUT", "/v2/images/"+b+"/file", noise(1<<20)) // announced: too much
		usage := c.As("alice").Want(200, "GET", "/v2/info/usage", nil).Get("usage").(map[string]any)
		size := usage["image_size_total"].(map[string]any)
		if size["usage"] != 2.0 || size["limit"] != 2.0 {
			t.Errorf("usage: %v", usage)
		}
		c.As("alice").Want(204, "PUT", "/v2/images/"+b+"/stage", noise(10))
		third := c.create("alice")
		c.As("alice").Want(413, "PUT", "/v2/images/"+third+"/stage", noise(10)) // one is being uploaded
		c.As("alice").Want(413, "PUT", "/v2/images/"+third+"/file", noise(10))
		c.importBy(413, "alice", third, "web-download", map[string]any{"uri": "http://127.0.0.1:1/"})
		c.As("alice").Want(413, "POST", "/v2/images", map[string]any{})
		c.As("alice").Want(204, "DELETE", "/v2/images/"+third, nil)
		c.create("alice")
		c.create("bob") // another project's usage is its own

		// Each copy in a store counts. Limits hold as they are now.
		c.As("alice").Want(204, "DELETE", "/v2/images/"+b, nil)
		delete(l, "image_count_uploading")
		l["image_count_total"], l["image_size_total"] = 10, 3
		d := c.create("alice")
		unannounced := io.MultiReader(bytes.NewReader(noise(1 << 21)))
		c.As("alice").Want(204, "PUT", "/v2/images/"+d+"/file", unannounced) // goes beyond the limit, once
		e := c.create("alice")
		c.As("alice").Want(413, "PUT", "/v2/images/"+e+"/file", io.MultiReader(bytes.NewReader(noise(10))))
		l["image_size_total"] = -1
		c.As("alice").Want(204, "PUT", "/v2/images/"+e+"/file", noise(10))
	})
}

// A copy in a further store takes from the limit too.
func TestQuotaOfCopies(t *testing.T) {
	t.Parallel()
	twoStores(t, func(t *testing.T, c *cloud) {
		id := c.create("alice")
		c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/file", noise(1<<20))
		c.importBy(413, "admin", id, "copy-image", map[string]any{"stores": []string{"two"}})
		if img := c.show("alice", id); img["status"] != "active" || img["os_glance_import_task"] != nil {
			t.Errorf("after a refused copy: %v", img)
		}
	}, func(d *image.Deps) { d.Identity = limits{"image_size_total": 1} })
}

type certificates map[string]*x509.Certificate

func (c certificates) Certificate(_ context.Context, id string) (*x509.Certificate, error) {
	if cert, ok := c[id]; ok {
		return cert, nil
	}
	return nil, errs.New(errs.NotFound, "no such secret")
}

func certificate(t *testing.T, key crypto.Signer, from time.Time) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "signer"}, NotBefore: from, NotAfter: from.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestSignatures(t *testing.T) {
	t.Parallel()
	data := noise(300_000)
	sum := sha256.Sum256(data)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pss, err := rsa.SignPSS(rand.Reader, rsaKey, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto})
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.SignASN1(rand.Reader, ecKey, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Add(-time.Minute)
	known := certificates{"rsa": certificate(t, rsaKey, now), "ec": certificate(t, ecKey, now), "old": certificate(t, rsaKey, now.Add(-2*time.Hour))}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCloud(t, db, func(d *image.Deps) { d.Certificates = known })
		for _, tc := range []struct {
			name, cert, method, kind string
			signature                []byte
			status                   int
		}{
			{"rsa", "rsa", "SHA-256", "RSA-PSS", pss, 204},
			{"ec", "ec", "SHA-256", "ECC_SECP384R1", ec, 204},
			{"wrong signature", "rsa", "SHA-256", "RSA-PSS", ec, 400},
			{"wrong hash", "rsa", "SHA-512", "RSA-PSS", pss, 400},
			{"unknown hash", "rsa", "MD5", "RSA-PSS", pss, 400},
			{"wrong type", "rsa", "SHA-256", "ECC_SECP384R1", pss, 400},
			{"expired", "old", "SHA-256", "RSA-PSS", pss, 400},
			{"unknown certificate", "none", "SHA-256", "RSA-PSS", pss, 400},
		} {
			id := c.create("alice", "img_signature", base64.StdEncoding.EncodeToString(tc.signature), "img_signature_hash_method", tc.method,
				"img_signature_key_type", tc.kind, "img_signature_certificate_uuid", tc.cert)
			if a := c.As("alice").Do("PUT", "/v2/images/"+id+"/file", data); a.Status != tc.status {
				t.Errorf("%s: %d, want %d: %s", tc.name, a.Status, tc.status, a.Raw)
			}
			if tc.status != 204 && c.show("alice", id)["status"] != "queued" {
				t.Errorf("%s: %v", tc.name, c.show("alice", id))
			}
		}
		c2 := c.create("alice", "img_signature", "x", "img_signature_hash_method", "SHA-256", "img_signature_key_type", "RSA-PSS", "img_signature_certificate_uuid", "rsa")
		c.As("alice").Want(400, "PUT", "/v2/images/"+c2+"/file", data)
	})
}
