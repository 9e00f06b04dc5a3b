package bridge

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"concordat/client"
	"concordat/ledger/statement"
)

// regionOf is whose lists a request asks for: ?region=, else the node's own.
func (b *Bridge) regionOf(r *http.Request) (statement.Region, error) {
	s := r.URL.Query().Get("region")
	if s == "" {
		return b.region, nil
	}
	region, err := statement.ParseRegion(s)
	if err != nil {
		return "", client.Fail(client.UnknownRegion, "region: %v", err)
	}
	return region, nil
}

// asked gives the roster of the region that a request asks for.
func (b *Bridge) asked(r *http.Request) (*roster, error) {
	region, err := b.regionOf(r)
	if err != nil {
		return nil, err
	}
	return b.roster(region)
}

// tagged gives an answer its entity tag, made of what it depends on, and
// answers 304 to a client that has it already.
func tagged(w http.ResponseWriter, r *http.Request, of ...any) (answered bool) {
	h := sha256.New()
	for _, o := range of {
		fmt.Fprintf(h, "%v\x00", o) // a hash never fails
	}
	etag := `"` + hex.EncodeToString(h.Sum(nil)[:16]) + `"`
	w.Header().Set("ETag", etag)
	w.Header().Set("Cache-Control", "no-cache")
	if !matches(r.Header.Get("If-None-Match"), etag) {
		return false
	}
	w.WriteHeader(http.StatusNotModified)
	return true
}

// matches reports whether an If-None-Match names the entity tag (RFC 9110
// §13.1.2). Verifier apps send it without its quotes too.
func matches(header, etag string) bool {
	for _, tag := range strings.Split(header, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == "*" || tag == etag || tag != "" && tag == strings.Trim(etag, `"`) {
			return true
		}
	}
	return false
}

// tag is what the answers from a roster depend on, beside the request.
func (r *roster) tag() string { return hex.EncodeToString(r.digest[:]) }

// listed writes a JSON array, one element after the other.
func listed[T any](w http.ResponseWriter, all []T, give func(*T) any) error {
	w.Header().Set("Content-Type", "application/json")
	out := bufio.NewWriterSize(w, 64<<10)
	_ = out.WriteByte('[') // Flush tells of any fault
	for i := range all {
		if i > 0 {
			_, _ = out.WriteString(",\n")
		}
		one, err := json.Marshal(give(&all[i]))
		if err != nil {
			return fmt.Errorf("encoding the answer: %w", err)
		}
		if _, err := out.Write(one); err != nil {
			return err // the client is gone
		}
	}
	_, _ = out.WriteString("]\n")
	return out.Flush()
}

// reply writes a value as JSON.
func reply(w http.ResponseWriter, v any) error {
	return replyAs(w, http.StatusOK, "application/json", v)
}

func replyAs(w http.ResponseWriter, status int, contentType string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	w.Header().Set("Content-Type", contentType)
	if w.Header().Get("Cache-Control") == "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	_, err = w.Write(append(raw, '\n'))
	return err
}

// reads writes bytes as they are.
func reads(w http.ResponseWriter, contentType string, raw []byte) error {
	w.Header().Set("Content-Type", contentType)
	_, err := w.Write(raw)
	return err
}

// stamp gives a time as the gateway does, yyyy-MM-dd'T'HH:mm:ssXXX.
func stamp(t statement.Time) string { return t.Time().UTC().Format(time.RFC3339) }

// countryOf is a region's country as the EU's systems write it: EL for Greece.
func countryOf(r statement.Region) string {
	if c := r.Country(); c != "GR" {
		return string(c)
	}
	return "EL"
}

// isCountry reports whether a region is, or is a part of, the country that a request names.
func isCountry(name string) (func(statement.Region) bool, error) {
	want, err := statement.ParseRegion(name)
	if err != nil {
		return nil, client.Fail(client.BadRequest, "country: %v", err)
	}
	return func(r statement.Region) bool { return r == want || r.Country() == want }, nil
}

// clip keeps foreign text short in an answer.
func clip(s string) string { return client.Clip(s, 64) }
