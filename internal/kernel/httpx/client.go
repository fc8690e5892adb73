package httpx

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"time"

	"kumoi/internal/kernel/errs"
)

// NewClient makes a client for servers outside. caFile, unless it is empty, has
// the authorities of their certificates, in PEM form, in place of the system's.
func NewClient(caFile string, timeout time.Duration) (*http.Client, error) {
	c := &http.Client{Timeout: timeout}
	if caFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errs.New(errs.Invalid, "%s holds no certificate in PEM form", caFile)
	}
	c.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	return c, nil
}
