package bus

import (
	"encoding/json"
	"fmt"

	"kumoi/internal/kernel/errs"
)

// credentials are all that a host needs to reach the bus, in one file.
type credentials struct {
	Host string `json:"host"`
	URL  string `json:"url"`
	CA   string `json:"ca,omitempty"` // PEM; empty without TLS
	Seed string `json:"seed"`         // the host's private nkey
}

func (c credentials) marshal() ([]byte, error) {
	data, err := json.MarshalIndent(c, "", "  ")
	return append(data, '\n'), err
}

func parseCredentials(data []byte) (credentials, error) {
	var c credentials
	if err := json.Unmarshal(data, &c); err != nil {
		return c, errs.Wrap(errs.Invalid, err, "The host's credentials cannot be read.")
	}
	if c.Host == "" || c.Seed == "" {
		return c, errs.New(errs.Invalid, "The host's credentials lack its name or its key.")
	}
	return c, nil
}

// CredentialsHost tells which host credentials were issued to.
func CredentialsHost(creds []byte) (string, error) {
	c, err := parseCredentials(creds)
	if err != nil {
		return "", fmt.Errorf("read credentials: %w", err)
	}
	return c.Host, nil
}
