// Package webget fetches from the web on behalf of users without becoming
// their way into the cloud's own networks.
//
// What may be reached is decided when a connection is made, on the address
// that the name has resolved to, for the first request and for every redirect.
// So neither a name that changes its address nor a redirect gets around it.
package webget

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"kumoi/internal/kernel/errs"
)

// Rules say what may be reached.
type Rules struct {
	// Allow lists networks that may be reached, on any port, although they are
	// not public.
	Allow []netip.Prefix
	// Hosts, if not empty, are the only names that may be asked.
	Hosts []string
}

// ports that may be reached in public.
var ports = []string{"", "80", "443"}

// special are networks that are not the public internet's and that net/netip
// does not call private.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
}

// address tells why an address must not be reached; nil: it may.
func (r Rules) address(ip netip.Addr, port string) error {
	ip = ip.Unmap()
	if slices.ContainsFunc(r.Allow, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return nil
	}
	inner := slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(ip) })
	if inner || ip.Zone() != "" || !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return errs.New(errs.Forbidden, "The address %s is not one that this cloud may fetch from.", ip)
	}
	if !slices.Contains(ports, port) {
		return errs.New(errs.Forbidden, "Port %s is not one that this cloud may fetch from.", port)
	}
	return nil
}

// Check refuses a URL that can be told to be wrong without asking anybody.
func (r Rules) Check(text string) (*url.URL, error) {
	bad := func(why string) error {
		return errs.New(errs.Invalid, "URI for web-download does not pass filtering: %.255q: %s.", text, why)
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || len(text) > 4096 {
		return nil, bad("it is not a URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, bad("only http and https are allowed")
	}
	if u.User != nil {
		return nil, bad("it must not carry a password")
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if len(r.Hosts) > 0 && !slices.Contains(r.Hosts, host) {
		return nil, bad("its host is not on the operator's list")
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if err := r.address(ip, u.Port()); err != nil {
			return nil, bad(errs.As(err).Msg)
		}
		return u, nil
	}
	if numeric(host) {
		return nil, bad("its host is a number that is no address")
	}
	if (host == "localhost" || strings.HasSuffix(host, ".localhost")) && r.address(netip.MustParseAddr("127.0.0.1"), "") != nil {
		return nil, bad("its host is this machine")
	}
	if len(r.Allow) == 0 && !slices.Contains(ports, u.Port()) {
		return nil, bad("its port is not allowed")
	}
	return u, nil
}

// numeric tells whether resolvers may read a name as an IPv4 address in one of
// the older forms, such as 2130706433, 0x7f.1 or 0177.0.0.1.
func numeric(host string) bool {
	last := host[strings.LastIndex(host, ".")+1:]
	_, err := strconv.ParseUint(last, 0, 64)
	return err == nil || last != "" && strings.Trim(last, "0123456789") == ""
}

// Client returns an HTTP client that keeps the rules. It uses no proxy, which
// would resolve names by itself.
func (r Rules) Client() *http.Client {
	dialer := &net.Dialer{
		Timeout: 15 * time.Second,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			return r.address(ap.Addr(), fmt.Sprint(ap.Port()))
		},
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: 15 * time.Second,
			ResponseHeaderTimeout: 60 * time.Second, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
			IdleConnTimeout: 30 * time.Second, MaxIdleConns: 16,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) >= 5 {
				return errs.New(errs.Invalid, "The server redirects too often.")
			}
			_, err := r.Check(req.URL.String())
			return err
		},
	}
}

// Get opens a URL for reading; size is -1 if the server does not tell.
func Get(ctx context.Context, c *http.Client, u string, header http.Header) (body io.ReadCloser, size int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, 0, errs.Wrap(errs.Invalid, err, "The URL %.255q cannot be fetched.", u)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, 0, translate(err, u)
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent {
		resp.Body.Close()
		kind := errs.Invalid
		if resp.StatusCode >= 500 {
			kind = errs.Unavailable
		}
		return nil, 0, errs.New(kind, "The server at %.255q answered %s.", u, resp.Status)
	}
	return resp.Body, resp.ContentLength, nil
}

// translate says in words what went wrong between here and the server.
func translate(err error, u string) error {
	var typed *errs.Error
	if errors.As(err, &typed) {
		return typed
	}
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return errs.Wrap(errs.Invalid, err, "The host of %.255q is not known.", u)
	}
	return errs.Wrap(errs.Unavailable, err, "The server at %.255q could not be reached.", u)
}
