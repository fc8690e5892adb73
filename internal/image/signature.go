package image

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha256" // SHA-224 and SHA-256 for signatures
	_ "crypto/sha512" // SHA-384 and SHA-512
	"crypto/x509"
	"encoding/base64"
	"hash"
	"io"

	"kumoi/internal/kernel/errs"
)

// Certificates are kept as secrets by another service.
type Certificates interface {
	// Certificate returns the certificate that the id names, if the context's
	// actor may read it.
	Certificate(ctx context.Context, id string) (*x509.Certificate, error)
}

// The properties of a signed image.
const (
	propSignature   = "img_signature"
	propHashMethod  = "img_signature_hash_method"
	propKeyType     = "img_signature_key_type"
	propCertificate = "img_signature_certificate_uuid"
)

var signatureHashes = map[string]crypto.Hash{
	"SHA-224": crypto.SHA224, "SHA-256": crypto.SHA256, "SHA-384": crypto.SHA384, "SHA-512": crypto.SHA512,
}

// verification follows an image's data and compares it with the signature. A
// nil one verifies nothing.
type verification struct {
	sum       hash.Hash
	algorithm crypto.Hash
	keyType   string
	key       crypto.PublicKey
	signature []byte
}

// verifier prepares the verification of a signed image; an image without the
// four properties is not signed.
func (f *Uploads) verifier(ctx context.Context, img *Image) (*verification, error) {
	for _, p := range []string{propSignature, propHashMethod, propKeyType, propCertificate} {
		if img.Properties[p] == "" {
			return nil, nil
		}
	}
	if f.s.certs == nil {
		return nil, errs.New(errs.Invalid, "The image is signed, but this cloud has no service that keeps certificates; remove the property %s to go without.", propSignature)
	}
	v := &verification{keyType: img.Properties[propKeyType]}
	var ok bool
	if v.algorithm, ok = signatureHashes[img.Properties[propHashMethod]]; !ok {
		return nil, errs.New(errs.Invalid, "Invalid signature hash method: %s", quotable(img.Properties[propHashMethod]))
	}
	var err error
	if v.signature, err = base64.StdEncoding.DecodeString(img.Properties[propSignature]); err != nil {
		return nil, errs.New(errs.Invalid, "The signature data was not properly encoded using base64")
	}
	cert, err := f.s.certs.Certificate(ctx, img.Properties[propCertificate])
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "Unable to retrieve certificate with ID: %s", quotable(img.Properties[propCertificate]))
	}
	if now := f.s.now(); now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return nil, errs.New(errs.Invalid, "The certificate %s is not valid at this time.", quotable(img.Properties[propCertificate]))
	}
	v.key, v.sum = cert.PublicKey, v.algorithm.New()
	return v, v.fits()
}

// fits tells whether the key is of the type that the image claims.
func (v *verification) fits() error {
	ok := false
	switch key := v.key.(type) {
	case *rsa.PublicKey:
		ok = v.keyType == "RSA-PSS"
	case *ecdsa.PublicKey:
		ok = v.keyType == "ECC_SECP"+map[int]string{256: "256", 384: "384", 521: "521"}[key.Curve.Params().BitSize]+"R1"
	}
	if !ok {
		return errs.New(errs.Invalid, "Invalid signature key type: %s; it is not supported or not the certificate's.", quotable(v.keyType))
	}
	return nil
}

func (v *verification) writer() io.Writer {
	if v == nil {
		return nil
	}
	return v.sum
}

func (v *verification) verify() error {
	if v == nil {
		return nil
	}
	sum, ok := v.sum.Sum(nil), false
	switch key := v.key.(type) {
	case *rsa.PublicKey:
		ok = rsa.VerifyPSS(key, v.algorithm, sum, v.signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto}) == nil
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(key, sum, v.signature)
	}
	if !ok {
		return errs.New(errs.Invalid, "Signature verification for the image failed.")
	}
	return nil
}
