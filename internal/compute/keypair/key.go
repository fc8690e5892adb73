package keypair

import (
	"crypto/md5" //nolint:gosec // the fingerprint format that clients compare
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the fingerprint format of X.509 key pairs
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"strings"
	"time"
	"unicode"

	"golang.org/x/crypto/ssh"

	"kumoi/internal/kernel/errs"
)

// fingerprint checks a public key and gives its fingerprint as Nova writes it.
func fingerprint(kind, public string) (string, error) {
	if kind == "x509" {
		block, _ := pem.Decode([]byte(public))
		if block == nil {
			return "", errs.New(errs.Invalid, "Keypair data is invalid: failed to generate X509 fingerprint: the data is no PEM certificate.")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return "", errs.New(errs.Invalid, "Keypair data is invalid: failed to generate X509 fingerprint: %s", err)
		}
		sum := sha1.Sum(cert.Raw) //nolint:gosec // as above
		return colons(sum[:]), nil
	}
	key, err := parsePublicKey(public)
	if err != nil {
		return "", err
	}
	sum := md5.Sum(key.Marshal()) //nolint:gosec // as above
	return colons(sum[:]), nil
}

// parsePublicKey reads "TYPE BASE64 COMMENT". What sshd would take beside it in
// a list of keys is refused: options, which run commands or set the environment
// at each login, certificates, and further lines. The line is given to guests
// as it is.
func parsePublicKey(text string) (ssh.PublicKey, error) {
	invalid := func(why string) error {
		return errs.New(errs.Invalid, "Keypair data is invalid: failed to generate fingerprint: %s.", why)
	}
	text = strings.TrimSpace(text)
	if strings.ContainsFunc(text, func(r rune) bool { return r != '\t' && (unicode.IsControl(r) || r == '\u2028' || r == '\u2029') }) {
		return nil, invalid("it must be a single line without control characters")
	}
	fields := strings.Fields(text)
	if len(fields) < 2 {
		return nil, invalid("it is no SSH public key")
	}
	raw, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return nil, invalid("it does not read as a type and a key in base64; options before the type are not allowed")
	}
	key, err := ssh.ParsePublicKey(raw)
	if err != nil {
		return nil, invalid("it is no SSH public key")
	}
	if key.Type() != fields[0] {
		return nil, invalid("the key is of the type " + key.Type() + ", but another stands before it")
	}
	if _, signed := key.(*ssh.Certificate); signed {
		return nil, invalid("it is a certificate; the bare public key is needed")
	}
	return key, nil
}

func colons(sum []byte) string {
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = hex.EncodeToString([]byte{b})
	}
	return strings.Join(parts, ":")
}

// generateKey makes an RSA key pair, as Nova does: a Windows guest's password is
// encrypted with it, and programs that are handed the key look for PKCS #1.
func generateKey() (public, private string, err error) {
	priv, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", "", err
	}
	key, err := ssh.NewPublicKey(priv.Public())
	if err != nil {
		return "", "", err
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(priv)}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) + " Generated-by-Kumoi", string(pem.EncodeToMemory(block)), nil
}

// generateCertificate makes a self-signed certificate for remote management of
// Windows guests, and its key.
func generateCertificate(userID string) (certificate, private string, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", "", err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: userID}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().AddDate(10, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, EmailAddresses: []string{userID + "@localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return "", "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})), nil
}
