package metadata

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"kumoi/internal/kernel/errs"
)

// maxPassword is the longest encrypted password that a guest may post.
const maxPassword = 1020

func (s *Service) serve(w http.ResponseWriter, r *http.Request) {
	spec, ok := s.guest(r)
	if !ok {
		s.log.Info("unknown guest asked for metadata", "network", r.Context().Value(networkKey{}), "address", r.RemoteAddr)
		http.NotFound(w, r)
		return
	}
	path := strings.FieldsFunc(r.URL.Path, func(c rune) bool { return c == '/' })
	password := len(path) == 3 && path[0] == "openstack" && slices.Contains(Versions, path[1]) && path[1] >= "2013-04-04" && path[2] == "password"
	switch {
	case password:
		s.password(w, r, spec)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "405 Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	body, ok := answer(spec, path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	kind := "text/plain; charset=UTF-8"
	switch {
	case strings.HasSuffix(r.URL.Path, ".json"):
		kind = "application/json"
	case strings.HasSuffix(r.URL.Path, "user_data"), strings.HasSuffix(r.URL.Path, "user-data"), strings.Contains(r.URL.Path, "/content/"):
		kind = "application/octet-stream"
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(body) // a guest that has gone away needs no answer
}

// guest finds out who asks.
func (s *Service) guest(r *http.Request) (Guest, bool) {
	network, _ := r.Context().Value(networkKey{}).(string)
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if network == "" || err != nil {
		return Guest{}, false
	}
	return s.Lookup(network, from.Addr())
}

// answer finds the document of a path.
func answer(spec Guest, path []string) ([]byte, bool) {
	switch {
	case len(path) == 0:
		return listing(EC2Versions), true
	case path[0] == "openstack":
		return openstack(spec, path[1:])
	case slices.Contains(EC2Versions, path[0]):
		return ec2(spec).at(spec, path[1:])
	}
	return nil, false
}

func openstack(spec Guest, path []string) ([]byte, bool) {
	switch {
	case len(path) == 0:
		return listing(Versions), true
	case path[0] == "content" && len(path) == 2:
		body, ok := Content(spec)[path[1]]
		return body, ok
	case !slices.Contains(Versions, path[0]) || len(path) > 2:
		return nil, false
	}
	docs := Documents(spec, path[0])
	if len(path) == 2 {
		body, ok := docs[path[1]]
		return body, ok
	}
	names := slices.Collect(maps.Keys(docs))
	if path[0] >= "2013-04-04" {
		names = append(names, "password")
	}
	slices.Sort(names)
	return listing(names), true
}

// password lets a guest tell its owner, once, a password that only the owner's
// key can read.
func (s *Service) password(w http.ResponseWriter, r *http.Request, spec Guest) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
		_, _ = io.WriteString(w, s.passwords.Password(spec.ID))
	case http.MethodPost:
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPassword))
		var tooLarge *http.MaxBytesError
		switch {
		case errors.As(err, &tooLarge):
			http.Error(w, "Password is too long.", http.StatusBadRequest)
		case err != nil:
			http.Error(w, "The password cannot be read.", http.StatusBadRequest)
		default:
			err := s.passwords.SetPassword(r.Context(), spec.ID, string(body))
			switch {
			case errs.Is(err, errs.Conflict):
				http.Error(w, "The password is set already.", http.StatusConflict)
			case err != nil:
				s.log.Error("password not kept", "server", spec.ID, "error", err)
				http.Error(w, "Try again.", http.StatusServiceUnavailable)
			}
		}
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "405 Method Not Allowed", http.StatusMethodNotAllowed)
	}
}
