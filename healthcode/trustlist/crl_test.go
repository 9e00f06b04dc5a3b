package trustlist

import (
	"fmt"
	"strings"
	"testing"
)

// issuersOf makes a VCI snapshot.
func issuersOf(infos ...any) []byte {
	return object(map[string]any{"directory": "d", "time": "t", "issuerInfo": infos})
}

// TestRevokingByAnothersKey: who lists another's public key neither revokes its
// cards nor takes its URL away (T8).
func TestRevokingByAnothersKey(t *testing.T) {
	type object = map[string]any
	shared := jwkOf(p256().Public())
	own := jwkOf(p256().Public())
	kidOf := func(j object) string { return must(jwkPrint(j)) }
	list := func(j object, ctr int, rids ...string) object {
		return object{"kid": kidOf(j), "method": "rid", "ctr": ctr, "rids": rids}
	}
	issuer := func(name string, keys []any, crls ...any) any {
		return object{"issuer": object{"iss": "https://" + name + ".example", "name": name}, "keys": keys, "crls": crls}
	}
	honest := list(shared, 1, "revoked")
	evil := list(shared, 2, "revokeme")
	for _, test := range []struct {
		name    string
		infos   []any
		crls    string // whose are taken
		remarks string // "": none on revocation lists
	}{
		{"one issuer's", []any{issuer("victim", []any{shared}, honest)}, "victim", ""},
		{"by a copy of the key", []any{issuer("victim", []any{shared}), issuer("evil", []any{shared, own}, evil)}, "", "its key is on the list for https://victim.example too"},
		{"by a copy that is listed first", []any{issuer("evil", []any{shared}, evil), issuer("victim", []any{shared})}, "", "its key is on the list for https://victim.example too"},
		{"each its own", []any{issuer("victim", []any{shared}, honest), issuer("evil", []any{shared, own}, evil, list(own, 1, "mine"))}, "evil", "its key is on the list for https://evil.example too"},
		{"both the same", []any{issuer("one", []any{shared}, honest), issuer("two", []any{shared}, honest)}, "one two", ""},
		{"two of three", []any{issuer("one", []any{shared}, honest), issuer("two", []any{shared}, honest), issuer("three", []any{shared})}, "", "its key is on the list for https://three.example too"},
		{"the victim's key is refused", []any{issuer("victim", []any{with(shared, "kid", kidOf(shared), "use", "enc")}), issuer("evil", []any{shared}, evil)}, "", "its key is on the list for https://victim.example too"},
		{"a key of nobody's", []any{issuer("victim", []any{own}), issuer("evil", []any{own}, evil)}, "", "not one of that issuer's"},
	} {
		l := read(t, issuersOf(test.infos...), Options{})
		var took []string
		for _, c := range l.CRLs {
			took = append(took, strings.TrimSuffix(strings.TrimPrefix(c.Issuer, "https://"), ".example"))
		}
		if got := strings.Join(took, " "); got != test.crls {
			t.Errorf("%s: revocation lists of %q, want %q", test.name, got, test.crls)
		}
		if said := strings.Join(l.Remarks, "\n"); !strings.Contains(said, test.remarks) || test.remarks == "" && strings.Contains(said, "revocation list") {
			t.Errorf("%s: %s", test.name, said)
		}
		first := test.infos[0].(object)["issuer"].(object)["iss"]
		if m := Merge(l.Entries); test.name != "the victim's key is refused" && m[0].Issuer != first {
			t.Errorf("%s: registered as that of %q", test.name, m[0].Issuer)
		}
	}
}

// TestManyWhoListOneKey: what it costs grows as the list does.
func TestManyWhoListOneKey(t *testing.T) {
	j := jwkOf(p256().Public())
	kid := must(jwkPrint(j))
	var infos []any
	for i := range 3000 {
		infos = append(infos, map[string]any{"issuer": map[string]any{"iss": fmt.Sprintf("https://%d.example", i)}, "keys": []any{j},
			"crls": []any{map[string]any{"kid": kid, "ctr": i}}})
	}
	l := read(t, issuersOf(infos...), Options{})
	if m := Merge(l.Entries); len(l.CRLs) != 0 || len(m) != 1 || m[0].Issuer != "https://0.example" {
		t.Errorf("%d revocation lists, %d keys", len(l.CRLs), len(m))
	}
	remarked(t, l.Remarks, "its key is on the list for https://0.example and 2998 more too")
}
