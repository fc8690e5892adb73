package identity

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"time"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/store"
)

// signingKey is the purpose of the key pair that signs SAML assertions. Unlike
// the other keys it signs, and its public half is in others' configuration:
// it is not rotated with them.
const signingKey = "saml"

const (
	signingBits = 3072
	signingLife = 10 * 365 * 24 * time.Hour
)

// sealedPair is how the pair is kept.
type sealedPair struct{ Key, Certificate []byte }

// signingPair returns the pair that signs assertions, making it when it is
// first needed. All processes find the same one.
func (f *sealer) signingPair(ctx context.Context) (tls.Certificate, error) {
	find := func(tx *store.Tx) ([]Key, error) {
		return family.Find(ctx, tx, f.s.store.Keys, store.Eq("purpose", signingKey))
	}
	rows, err := family.Read(ctx, f.s.db, find)
	if err != nil {
		return tls.Certificate{}, err
	}
	if len(rows) == 0 {
		made, err := f.newSigningPair()
		if err != nil {
			return tls.Certificate{}, err
		}
		rows, err = family.Write(ctx, f.s.db, func(tx *store.Tx) ([]Key, error) {
			if have, err := find(tx); err != nil || len(have) > 0 {
				return have, err // another process was first
			}
			return []Key{made}, f.s.store.Keys.Insert(ctx, tx, &made)
		})
		if err != nil {
			return tls.Certificate{}, err
		}
	}
	return f.openPair(rows[0])
}

func (f *sealer) newSigningPair() (Key, error) {
	private, err := rsa.GenerateKey(rand.Reader, signingBits)
	if err != nil {
		return Key{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return Key{}, err
	}
	now := f.s.now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Kumoi SAML"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(signingLife),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return Key{}, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return Key{}, err
	}
	text, err := json.Marshal(sealedPair{secret, certificate})
	if err != nil {
		return Key{}, err
	}
	k := Key{ID: opaque(keyIDLen), Purpose: signingKey, CreatedAt: now}
	k.Sealed = seal(f.s.keys.master, text, k.Purpose+k.ID)
	return k, nil
}

func (f *sealer) openPair(k Key) (tls.Certificate, error) {
	text, err := unseal(f.s.keys.master, k.Sealed, k.Purpose+k.ID)
	if err != nil {
		return tls.Certificate{}, err
	}
	var p sealedPair
	if err := json.Unmarshal(text, &p); err != nil {
		return tls.Certificate{}, err
	}
	private, err := x509.ParsePKCS8PrivateKey(p.Key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(p.Certificate)
	return tls.Certificate{Certificate: [][]byte{p.Certificate}, PrivateKey: private, Leaf: leaf}, err
}
