package genesis_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

var update = flag.Bool("update", false, "write the golden files anew; never after a release")

var created = time.Date(2026, 1, 31, 12, 0, 0, 999, time.FixedZone("CET", 3600))

// testKeys gives the same four keys for the same name, always.
func testKeys(name string) genesis.PrivateKeys {
	key := func(role string) ed25519.PrivateKey {
		seed := sha256.Sum256([]byte("concordat test key " + name + " " + role))
		return ed25519.NewKeyFromSeed(seed[:])
	}
	return genesis.PrivateKeys{Governance: key("governance"), Statement: key("statement"), Node: key("node"), Cosign: key("cosign")}
}

func authority(id string) genesis.Authority {
	return genesis.Authority{
		ID: statement.Region(id), Name: "Health Authority of <" + id + "> & sons",
		Addresses: []string{"/dns/" + strings.ToLower(id) + ".example/tcp/4001", "/ip4/192.0.2.1/udp/4001/quic-v1"},
		HTTP:      "https://" + strings.ToLower(id) + ".example:8460",
	}
}

func descriptor(t testing.TB, id string) *genesis.Descriptor {
	t.Helper()
	d, err := genesis.SignDescriptor(authority(id), testKeys(id))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// document founds a network of XA to XD, given in another order.
func document(t testing.TB) *genesis.Document {
	t.Helper()
	var ds []genesis.Descriptor
	for _, id := range []string{"XC", "XA", "XD", "XB"} {
		ds = append(ds, *descriptor(t, id))
	}
	d, err := genesis.New("test.concordat.example", created, ds)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s:\n%s", path, got)
	}
}

// A founding document is the identity of a network: its bytes may never change.
// This one is of protocol level 1, which newer programs found no more and read for ever.
func TestGolden(t *testing.T) {
	d := document(t)
	if d.ProtocolLevel != genesis.ProtocolLevel {
		t.Errorf("founded at level %d, want the newest, %d", d.ProtocolLevel, genesis.ProtocolLevel)
	}
	d.ProtocolLevel = 1
	raw := d.Encode()
	golden(t, "testdata/genesis.json", raw)
	golden(t, "testdata/genesis.id", []byte(d.ID().String()+"\n"))
	if want := statement.NetworkID(sha256.Sum256(raw)); d.ID() != want {
		t.Errorf("ID is %s, want the SHA-256 of the file, %s", d.ID(), want)
	}
	read, err := genesis.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if read.ID() != d.ID() || !bytes.Equal(read.Encode(), raw) {
		t.Error("reading and writing changes the document")
	}
	golden(t, "testdata/descriptor.json", descriptor(t, "XA").Encode())
	desc, err := genesis.ParseDescriptor(descriptor(t, "XA").Encode())
	if err != nil {
		t.Fatal(err)
	}
	if desc.Authority.Keys.Node != genesis.Key(testKeys("XA").Node.Public().(ed25519.PublicKey)) {
		t.Error("the node key is another")
	}
}

func TestAuthorities(t *testing.T) {
	d := document(t)
	if a, ok := d.Authority("XB"); !ok || a.ID != "XB" || a.Role != genesis.Validator {
		t.Errorf("XB: %+v, %v", a, ok)
	}
	if _, ok := d.Authority("XE"); ok {
		t.Error("found XE")
	}
	d.Authorities[1].Role = genesis.Observer
	if err := d.Check(); err != nil {
		t.Errorf("with an observer: %v", err)
	}
	var ids []string
	for _, a := range d.Validators() {
		ids = append(ids, string(a.ID))
	}
	if fmt.Sprint(ids) != "[XA XC XD]" || len(d.Authorities) != 4 {
		t.Errorf("validators %v of %d authorities", ids, len(d.Authorities))
	}
}

// Each fault alone: the error says what is wrong and names the place.
func TestCheck(t *testing.T) {
	type change = func(*genesis.Document)
	at := func(i int, f func(*genesis.Authority)) change {
		return func(d *genesis.Document) { f(&d.Authorities[i]) }
	}
	for _, c := range []struct {
		name   string
		change change
		want   string
	}{
		{"format", func(d *genesis.Document) { d.Format = "concordat-genesis/2" }, `format is "concordat-genesis/2", want "concordat-genesis/1"`},
		{"network", func(d *genesis.Document) { d.Network = "Test" }, `network is "Test"; want 1 to 64 characters`},
		{"long network", func(d *genesis.Document) { d.Network = strings.Repeat("a", 65) }, "network is"},
		{"no network", func(d *genesis.Document) { d.Network = "" }, "network is"},
		{"created", func(d *genesis.Document) { d.Created = "2026-01-31T12:00:00+01:00" }, "created is"},
		{"fractions", func(d *genesis.Document) { d.Created = "2026-01-31T12:00:00.5Z" }, "created is"},
		{"level", func(d *genesis.Document) { d.ProtocolLevel = genesis.ProtocolLevel + 1 }, fmt.Sprintf("protocolLevel is %d; this program knows 1 to %d", genesis.ProtocolLevel+1, genesis.ProtocolLevel)},
		{"no level", func(d *genesis.Document) { d.ProtocolLevel = 0 }, "protocolLevel is 0; this program knows 1"},
		{"policy", func(d *genesis.Document) { d.Policy.Expel = "most" }, `policy.expel is "most"`},
		{"no policy", func(d *genesis.Document) { d.Policy = genesis.Policy{} }, `policy.admitObserver is ""`},
		{"order", func(d *genesis.Document) { slices.Reverse(d.Authorities) }, `"XC" comes after "XD"`},
		{"twice", func(d *genesis.Document) { d.Authorities[1] = d.Authorities[0] }, `"XA" is there twice`},
		{"role", at(0, func(a *genesis.Authority) { a.Role = "king" }), `has the role "king"`},
		{"no validator", func(d *genesis.Document) {
			for i := range d.Authorities {
				d.Authorities[i].Role = genesis.Observer
			}
		}, "there is no validator"},
		{"nobody", func(d *genesis.Document) { d.Authorities = nil }, "there is no validator"},
		{"many", func(d *genesis.Document) { d.Authorities = make([]genesis.Authority, 513) }, "there are 513 authorities, at most 512"},
		{"id", at(3, func(a *genesis.Authority) { a.ID = "Xd" }), `not a region id: "Xd"`},
		{"no name", at(0, func(a *genesis.Authority) { a.Name = "" }), "name is missing"},
		{"long name", at(0, func(a *genesis.Authority) { a.Name = strings.Repeat("é", 101) }), "name has 202 bytes, at most 200"},
		{"name of two lines", at(0, func(a *genesis.Authority) { a.Name = "a\nb" }), "control character U+000A"},
		{"separator in a name", at(0, func(a *genesis.Authority) { a.Name = "a\u2028b" }), "control character U+2028"},
		{"name turned round", at(0, func(a *genesis.Authority) { a.Name = "a\u202eb" }), "control character U+202E"},
		{"spaced name", at(0, func(a *genesis.Authority) { a.Name = " a" }), "begins or ends with a space"},
		{"name not UTF-8", at(0, func(a *genesis.Authority) { a.Name = "\xff" }), "is not UTF-8"},
		{"no key", at(0, func(a *genesis.Authority) { a.Keys.Cosign = genesis.Key{} }), "cosign key: unfit key"},
		{"small-order key", at(0, func(a *genesis.Authority) { a.Keys.Node = genesis.Key{1} }), "node key: unfit key: not a point of the prime-order group"},
		{"key twice in one authority", at(0, func(a *genesis.Authority) { a.Keys.Cosign = a.Keys.Statement }), "the cosign key of XA is also the statement key of XA"},
		{"key of another authority", func(d *genesis.Document) { d.Authorities[2].Keys.Governance = d.Authorities[1].Keys.Node }, "the governance key of XC is also the node key of XB"},
		{"no address", at(0, func(a *genesis.Authority) { a.Addresses = nil }), "it has 0 addresses, want 1 to 16"},
		{"many addresses", at(0, func(a *genesis.Authority) { a.Addresses = make([]string, 17) }), "it has 17 addresses"},
		{"address twice", at(0, func(a *genesis.Authority) { a.Addresses[1] = a.Addresses[0] }), "is there twice"},
		{"address", at(0, func(a *genesis.Authority) { a.Addresses[0] = "192.0.2.1:4001" }), "it has too few parts; want one like /ip4/192.0.2.1/tcp/4001"},
		{"http", at(0, func(a *genesis.Authority) { a.HTTP = "xa.example:8460" }), "http is"},
		{"http with a query", at(0, func(a *genesis.Authority) { a.HTTP = "https://xa.example?a" }), "http is"},
		{"http with a slash", at(0, func(a *genesis.Authority) { a.HTTP = "https://xa.example/" }), "http is"},
		{"http with a password", at(0, func(a *genesis.Authority) { a.HTTP = "https://u:p@xa.example" }), "http is"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := document(t)
			c.change(d)
			err := d.Check()
			if !errors.Is(err, genesis.ErrInvalid) || !strings.Contains(fmt.Sprint(err), c.want) {
				t.Errorf("got %v, want it to say %q", err, c.want)
			}
			if _, err := genesis.Parse(d.Encode()); err == nil {
				t.Error("Parse takes it")
			}
		})
	}
}

// Every fault is reported at once: whoever writes a genesis file by hand mends it in one go.
func TestCheckReportsAll(t *testing.T) {
	d := document(t)
	d.Network, d.Authorities[0].Name, d.Authorities[1].HTTP = "", "", "x"
	text := fmt.Sprint(d.Check())
	for _, want := range []string{"network is", `"XA": name is missing`, `"XB": http is`} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
}

// G1: the file is read only as it was written.
func TestParseStrictly(t *testing.T) {
	good := string(document(t).Encode())
	for _, c := range []struct{ name, old, new, want string }{
		{"duplicated field", `  "network": "test.concordat.example",`, `  "network": "x", "network": "test.concordat.example",`, `field "network" is there twice`},
		{"duplicated field inside", `      "id": "XA",`, `      "id": "XA", "id": "XA",`, `field "id" is there twice`},
		{"unknown field", `  "network":`, `  "motto": "x",` + "\n" + `  "network":`, `unknown field "motto"`},
		{"other case", `  "network":`, `  "Network":`, "line 3 is not in canonical form"},
		{"other order", fmt.Sprintf("  \"protocolLevel\": %d,\n", genesis.ProtocolLevel), "", "protocolLevel is 0"},
		{"tabs", `  "network"`, "\t" + `"network"`, "line 3 is not in canonical form"},
		{"escape", `"test.concordat.example"`, `"\u0074est.concordat.example"`, "line 3 is not in canonical form"},
		{"HTML escape", `<XA>`, `\u003cXA\u003e`, "is not in canonical form"},
		{"float", fmt.Sprintf(`"protocolLevel": %d`, genesis.ProtocolLevel), fmt.Sprintf(`"protocolLevel": %d.0`, genesis.ProtocolLevel), "protocolLevel"},
		{"key without padding", `="`, `"`, "is not base64 with padding"},
		{"null", `"id": "XA"`, `"id": null`, "not a region id"},
		{"windows", "\n", "\r\n", "is not in canonical form"},
		{"another format", `concordat-genesis/1`, `concordat-genesis/9`, `format is "concordat-genesis/9"; this program reads "concordat-genesis/1"`},
		{"a descriptor", `concordat-genesis/1`, `concordat-descriptor/1`, `format is "concordat-descriptor/1"; this program reads`},
		{"no format", `  "format": "concordat-genesis/1",` + "\n", "", "format is missing"},
		{"not UTF-8", `<XA>`, "<\xff>", "not UTF-8"},
		{"role left out", `      "role": "validator",` + "\n", "", `has the role ""`},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := strings.Replace(good, c.old, c.new, 1)
			if bad == good {
				t.Fatal("nothing is changed")
			}
			if _, err := genesis.Parse([]byte(bad)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it to say %q", err, c.want)
			}
		})
	}
	for name, bad := range map[string]string{
		"nothing": "", "cut": good[:len(good)/2], "no last line end": strings.TrimSuffix(good, "\n"), "more after it": good + "{}",
		"an empty line more": good + "\n", "byte order mark": "\ufeff" + good, "a list": "[]", "null": "null", "deep": strings.Repeat("[", 10_000),
	} {
		if _, err := genesis.Parse([]byte(bad)); !errors.Is(err, genesis.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
	_, err := genesis.Parse(make([]byte, genesis.MaxSize+1))
	if !errors.Is(err, genesis.ErrTooLarge) || !strings.Contains(err.Error(), "1048577 bytes, at most 1048576") {
		t.Errorf("too large: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for _, good := range []string{
		"/ip4/127.0.0.1/tcp/4001", "/ip4/192.0.2.1/udp/1/quic-v1", "/ip6/::1/tcp/65535", "/ip6/2001:db8::1/udp/4001/quic-v1",
		"/dns/node.example/tcp/4001", "/dns4/node-1.example/tcp/4001", "/dns6/n/udp/4001/quic-v1",
	} {
		if err := genesis.CheckAddress(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "/", "/ip4", "ip4/127.0.0.1/tcp/4001", "/ip4/127.0.0.1/tcp", "/ip4/127.0.0.1/tcp/", "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/65536",
		"/ip4/127.0.0.1/tcp/04001", "/ip4/127.0.0.1/tcp/4001/", "/ip4/127.0.0.1/tcp/4001/ws", "/ip4/127.0.0.1/udp/4001", "/ip4/127.0.0.1/udp/4001/quic",
		"/ip4/127.0.0.1/sctp/4001", "/ip4/127.0.0.01/tcp/4001", "/ip4/::1/tcp/4001", "/ip6/127.0.0.1/tcp/4001", "/ip6/::0001/tcp/4001", "/ip6/fe80::1%eth0/tcp/4001",
		"/ip6/::ffff:192.0.2.1/udp/4001", "/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/4001", "/ip4/224.0.0.1/tcp/4001", "/dns/Node.example/tcp/4001", "/dns/-a/tcp/4001",
		"/dns/a..b/tcp/4001", "/dns/a_b/tcp/4001", "/dnsaddr/node.example", "/dnsaddr/node.example/tcp/4001", "/unix/a/tcp/1",
		"/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWGC", "/dns/" + strings.Repeat("a", 300) + "/tcp/1",
	} {
		if err := genesis.CheckAddress(bad); !errors.Is(err, genesis.ErrInvalid) {
			t.Errorf("%.80s: got %v, want ErrInvalid", bad, err)
		}
	}
	if err := genesis.CheckAddress("/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWGC"); !strings.Contains(fmt.Sprint(err), "leave out /p2p") {
		t.Errorf("with /p2p: %v", err)
	}
}

// G3: every field is under every proof, and a proof is good for its role alone.
func TestDescriptorProofs(t *testing.T) {
	good := descriptor(t, "XA")
	roles := func(p *genesis.Proofs) []*genesis.Signature {
		return []*genesis.Signature{&p.Governance, &p.Statement, &p.Node, &p.Cosign}
	}
	names := []string{"governance", "statement", "node", "cosign"}
	for i, name := range names {
		d := *good
		roles(&d.Proofs)[i][5] ^= 1
		if err := d.Check(); !errors.Is(err, genesis.ErrProof) || !strings.Contains(err.Error(), "proof "+name+" of XA") {
			t.Errorf("proof %s changed: %v", name, err)
		}
		d = *good
		*roles(&d.Proofs)[i] = *roles(&d.Proofs)[(i+1)%4]
		if err := d.Check(); !errors.Is(err, genesis.ErrProof) {
			t.Errorf("proof %s from another role: %v", name, err)
		}
	}
	for name, change := range map[string]func(*genesis.Authority){
		"id": func(a *genesis.Authority) { a.ID = "XB" }, "name": func(a *genesis.Authority) { a.Name = "Another" },
		"address": func(a *genesis.Authority) { a.Addresses = a.Addresses[:1] }, "http": func(a *genesis.Authority) { a.HTTP = "" },
		"key": func(a *genesis.Authority) { a.Keys.Node, a.Keys.Cosign = a.Keys.Cosign, a.Keys.Node },
	} {
		d := *good
		change(&d.Authority)
		err := d.Check()
		if !errors.Is(err, genesis.ErrProof) || strings.Count(err.Error(), "proof ") != 4 {
			t.Errorf("%s changed: %v", name, err)
		}
		if _, err := genesis.ParseDescriptor(d.Encode()); !errors.Is(err, genesis.ErrProof) {
			t.Errorf("%s changed: ParseDescriptor: %v", name, err)
		}
		if _, err := genesis.New("n", created, []genesis.Descriptor{d}); !errors.Is(err, genesis.ErrProof) {
			t.Errorf("%s changed: New: %v", name, err)
		}
	}
}

// A key held in two roles could be asked in one for what counts in the other.
func TestSignDescriptorRefuses(t *testing.T) {
	for name, change := range map[string]func(*genesis.Authority, *genesis.PrivateKeys){
		"one key in two roles": func(_ *genesis.Authority, k *genesis.PrivateKeys) { k.Cosign = k.Node },
		"no key":               func(_ *genesis.Authority, k *genesis.PrivateKeys) { k.Cosign = nil },
		"role":                 func(a *genesis.Authority, _ *genesis.PrivateKeys) { a.Role = genesis.Validator },
		"address":              func(a *genesis.Authority, _ *genesis.PrivateKeys) { a.Addresses = []string{"localhost:1"} },
	} {
		a, k := authority("XA"), testKeys("XA")
		change(&a, &k)
		if _, err := genesis.SignDescriptor(a, k); !errors.Is(err, genesis.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	xa, xb := *descriptor(t, "XA"), *descriptor(t, "XB")
	stolen, err := genesis.SignDescriptor(authority("XE"), testKeys("XA"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		ds   []genesis.Descriptor
		want string
	}{
		"nobody":             {nil, "there is no validator"},
		"one twice":          {[]genesis.Descriptor{xa, xb, xa}, `"XA" is there twice`},
		"two with one's key": {[]genesis.Descriptor{xa, *stolen}, "the node key of XE is also the node key of XA"},
	} {
		if _, err := genesis.New("n", created, c.ds); !errors.Is(err, genesis.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want it to say %q", name, err, c.want)
		}
	}
}

func TestThresholds(t *testing.T) {
	for _, c := range []struct {
		t    genesis.Threshold
		want string
	}{
		{genesis.Majority, "[1 2 2 3 3 4 4]"}, {genesis.TwoThirds, "[1 2 3 3 4 5 5]"}, {genesis.All, "[1 2 3 4 5 6 7]"}, {"none", "[0 0 0 0 0 0 0]"},
	} {
		var got []int
		for n := 1; n <= 7; n++ {
			got = append(got, c.t.Votes(n))
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s of 1 to 7: %v, want %s", c.t, got, c.want)
		}
	}
}

// The largest document that may be is one that Parse reads back.
func TestManyAuthorities(t *testing.T) {
	d := document(t)
	base := d.Authorities[0]
	d.Authorities = nil
	for i := range genesis.MaxAuthorities {
		a := base
		k := testKeys(fmt.Sprint(i))
		a.ID = statement.Region(fmt.Sprintf("XA-%04d", i))
		for at, key := range map[*genesis.Key]ed25519.PrivateKey{&a.Keys.Governance: k.Governance, &a.Keys.Statement: k.Statement, &a.Keys.Node: k.Node, &a.Keys.Cosign: k.Cosign} {
			*at = genesis.Key(key.Public().(ed25519.PublicKey))
		}
		if i >= statement.MaxValidators {
			a.Role = genesis.Observer
		}
		d.Authorities = append(d.Authorities, a)
	}
	if _, err := genesis.Parse(d.Encode()); err != nil {
		t.Error(err)
	}
	d.Authorities[statement.MaxValidators].Role = genesis.Validator
	if _, err := genesis.Parse(d.Encode()); !errors.Is(err, genesis.ErrInvalid) {
		t.Errorf("one validator more than may be: %v", err)
	}
}

// FuzzParse: neither parser panics, and what they take is canonical JSON.
func FuzzParse(f *testing.F) {
	f.Add(document(f).Encode())
	f.Add(descriptor(f, "XA").Encode())
	f.Add([]byte(`{"format":"concordat-genesis/1","format":1}`))
	f.Add([]byte(`[[[[`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if d, err := genesis.Parse(raw); err == nil {
			if !bytes.Equal(d.Encode(), raw) || !json.Valid(raw) {
				t.Fatal("took what it would not write")
			}
		} else if !errors.Is(err, genesis.ErrMalformed) && !errors.Is(err, genesis.ErrInvalid) {
			t.Fatalf("an error of no name: %v", err)
		}
		if d, err := genesis.ParseDescriptor(raw); err == nil && !bytes.Equal(d.Encode(), raw) {
			t.Fatal("took a descriptor that it would not write")
		}
	})
}
