package genesis

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"concordat/ledger/statement"
)

// timeLayout is RFC 3339 in UTC with whole seconds, the one form of Created.
const timeLayout = "2006-01-02T15:04:05Z"

func invalid(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrInvalid, fmt.Errorf(format, a...))
}

// Check checks every field, and reports every fault at once. Errors wrap ErrInvalid.
func (d *Document) Check() error {
	var errs []error
	fault := func(format string, a ...any) { errs = append(errs, invalid(format, a...)) }
	if d.Format != Format {
		fault("format is %q, want %q", d.Format, Format)
	}
	if !validNetwork(d.Network) {
		fault("network is %.80q; want 1 to %d characters of a-z, 0-9, \".\" and \"-\"", d.Network, MaxNetwork)
	}
	if t, err := time.Parse(timeLayout, d.Created); err != nil || t.Format(timeLayout) != d.Created {
		fault("created is %.40q; want a time like 2026-01-31T12:00:00Z (UTC, whole seconds)", d.Created)
	}
	if d.ProtocolLevel < 1 || d.ProtocolLevel > ProtocolLevel {
		fault("protocolLevel is %d; this program knows 1 to %d: use the version that the others use", d.ProtocolLevel, ProtocolLevel)
	}
	errs = append(errs, d.Policy.check())
	if n := len(d.Authorities); n > MaxAuthorities {
		fault("there are %d authorities, at most %d", n, MaxAuthorities)
		return fmt.Errorf("genesis: %w", errors.Join(errs...))
	}
	validators := 0
	for i := range d.Authorities {
		a := &d.Authorities[i]
		switch a.Role {
		case Validator:
			validators++
		case Observer:
		default:
			fault("authority %.40q has the role %.40q; want %q or %q", a.ID, a.Role, Validator, Observer)
		}
		errs = append(errs, a.check())
		if i == 0 {
			continue
		}
		switch before := d.Authorities[i-1].ID; {
		case a.ID == before:
			fault("authority %.40q is there twice; one region has one authority", a.ID)
		case a.ID < before:
			fault("authority %.40q comes after %.40q; want them in ascending order of id", a.ID, before)
		}
	}
	if validators == 0 {
		fault("there is no validator; a network needs at least one, and four to survive a fault")
	}
	if validators > statement.MaxValidators {
		fault("there are %d validators, at most %d; make the others observers", validators, statement.MaxValidators)
	}
	errs = append(errs, checkDistinct(d.Authorities))
	if n := len(d.Encode()); n > MaxSize {
		fault("the document takes %d bytes, at most %d", n, MaxSize)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("genesis: %w", err)
	}
	return nil
}

func validNetwork(s string) bool {
	if len(s) == 0 || len(s) > MaxNetwork {
		return false
	}
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-') {
			return false
		}
	}
	return true
}

// check checks an authority by itself, apart from its role.
func (a *Authority) check() error {
	var errs []error
	fault := func(format string, v ...any) {
		errs = append(errs, invalid("authority %.40q: %w", a.ID, fmt.Errorf(format, v...)))
	}
	if err := a.ID.Validate(); err != nil {
		fault("id: %w", err)
	}
	if err := checkName(a.Name); err != nil {
		fault("name %w", err)
	}
	for _, k := range a.Keys.byRole() {
		if err := statement.CheckPublicKey(k.key.Public()); err != nil {
			fault("%s key: %w", k.role, err)
		}
	}
	if n := len(a.Addresses); n == 0 || n > MaxAddresses {
		fault("it has %d addresses, want 1 to %d", n, MaxAddresses)
	}
	seen := make(map[string]bool)
	for i, s := range a.Addresses {
		if i == MaxAddresses {
			break
		}
		if err := CheckAddress(s); err != nil {
			fault("%w", err)
		}
		if seen[s] {
			fault("address %q is there twice", s)
		}
		seen[s] = true
	}
	if a.HTTP != "" {
		if err := checkURL(a.HTTP); err != nil {
			fault("%w", err)
		}
	}
	return errors.Join(errs...)
}

// checkName takes what a person can read and what JSON needs not escape: no
// control characters, none that turn the direction of text, and no line
// separators. It asks no table of Unicode, which changes with its version.
func checkName(s string) error {
	switch {
	case s == "":
		return errors.New("is missing")
	case len(s) > MaxName:
		return fmt.Errorf("has %d bytes, at most %d", len(s), MaxName)
	case !utf8.ValidString(s):
		return errors.New("is not UTF-8")
	case strings.Trim(s, " ") != s:
		return errors.New("begins or ends with a space")
	}
	for _, r := range s {
		if r < ' ' || r >= 0x7f && r <= 0x9f || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return fmt.Errorf("holds the control character %U", r)
		}
	}
	return nil
}

// checkDistinct checks that no key occurs twice (G2): a key in two roles could
// be made to sign in one what counts in the other.
func checkDistinct(as []Authority) error {
	var errs []error
	seen := make(map[Key]string)
	for i := range as {
		for _, k := range as[i].Keys.byRole() {
			here := fmt.Sprintf("%s key of %s", k.role, as[i].ID)
			if before, twice := seen[k.key]; twice {
				errs = append(errs, invalid("the %s is also the %s; want a key of its own for each role", here, before))
				continue
			}
			seen[k.key] = here
		}
	}
	return errors.Join(errs...)
}

// CheckAddress checks the form of a libp2p address that others can dial:
// /ip4, /ip6, /dns, /dns4 or /dns6, a host, then /tcp/PORT or
// /udp/PORT/quic-v1. Errors wrap ErrInvalid.
func CheckAddress(s string) error {
	bad := func(why string, v ...any) error {
		return invalid("address %.80q: %s; want one like /ip4/192.0.2.1/tcp/4001 or /dns/node.example/udp/4001/quic-v1", s, fmt.Sprintf(why, v...))
	}
	if len(s) > MaxAddress {
		return bad("%d bytes, at most %d", len(s), MaxAddress)
	}
	part := strings.Split(s, "/")
	if len(part) < 5 || part[0] != "" {
		return bad("it has too few parts")
	}
	network, host, transport, port, rest := part[1], part[2], part[3], part[4], strings.Join(part[5:], "/")
	switch network {
	case "ip4", "ip6":
		ip, err := netip.ParseAddr(host)
		if err != nil || ip.Zone() != "" || ip.Is4() != (network == "ip4") || ip.String() != host {
			return bad("%.64q is not an %s address in its usual form", host, network)
		}
		if ip.IsUnspecified() || ip.IsMulticast() {
			return bad("nobody can dial %s", host)
		}
	case "dns", "dns4", "dns6":
		if !validHost(host) {
			return bad("%.64q is not a host name", host)
		}
	default:
		return bad("%.16q is neither ip4, ip6, dns, dns4 nor dns6", network)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return bad("port %.16q is not 1 to 65535", port)
	}
	for _, p := range part[5:] {
		if p == "p2p" {
			return bad("leave out /p2p: the node key says who answers")
		}
	}
	switch {
	case transport == "tcp" && len(part) == 5, transport == "udp" && rest == "quic-v1":
		return nil
	case transport == "tcp":
		return bad("%.64q after the port is not understood", rest)
	case transport == "udp":
		return bad("after /udp/%s comes /quic-v1 and nothing else", port)
	}
	return bad("%.16q is neither tcp nor udp", transport)
}

// validHost takes host names in lower case (RFC 1123 §2.1), with at most one address for one name.
func validHost(s string) bool {
	if len(s) == 0 || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
				return false
			}
		}
	}
	return true
}

// CheckURL takes the base URL of an API: http or https, a host, no more than a
// path. Errors wrap ErrInvalid.
func CheckURL(s string) error {
	if err := checkURL(s); err != nil {
		return invalid("%w", err)
	}
	return nil
}

func checkURL(s string) error {
	if len(s) > MaxAddress {
		return fmt.Errorf("http has %d bytes, at most %d", len(s), MaxAddress)
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#") || strings.HasSuffix(s, "/") || u.String() != s {
		return fmt.Errorf("http is %.80q; want one like https://node.example:8460 (no user, query or final slash)", s)
	}
	return nil
}
