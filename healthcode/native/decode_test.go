package native

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"concordat/healthcode"
	"concordat/healthcode/internal/cwt"
)

func at(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

// TestHealthCode: everything that a health code says comes out where it belongs.
func TestHealthCode(t *testing.T) {
	for name, key := range map[string]crypto.Signer{"ES256": keyEC(), "PS256": keyRSA(), "EdDSA": keyEd} {
		t.Run(name, func(t *testing.T) {
			v := mustVerify(t, sign(t, key, enc(t, healthClaims())), key.Public())
			if v.Format() != healthcode.FormatNative || v.Kind() != healthcode.Health || string(v.Algorithm()) != name ||
				v.Issuer() != "XA" || !bytes.Equal(v.KeyID(), forgedKeyID) || !v.IssuedAt().Equal(at(forgedIAT)) ||
				!v.ExpiresAt().Equal(at(forgedEXP)) || !v.NotBefore().IsZero() {
				t.Errorf("got %s %s %s", v, v.Algorithm(), v.Issuer())
			}
			if got, want := v.Holder(), (healthcode.Holder{ID: forgedID.Text(), BirthDate: forgedDOB}); got != want {
				t.Error("the holder is another")
			}
			status, ok := v.Status()
			if want := (healthcode.Status{Scheme: "default", Level: forgedLevel, LegalGround: forgedGround, Until: at(forgedEXP)}); !ok || status != want {
				t.Errorf("status %v, want %v", status, want)
			}
			declared, ok := v.Declared()
			if want := (healthcode.Declaration{At: at(forgedIAT - 7200), Audit: healthcode.AuditPassed, AuditedAt: at(forgedIAT - 3600), Auditor: forgedAuditor}); !ok || declared != want {
				t.Errorf("declaration %v, want %v", declared, want)
			}
			if len(v.Stays()) != 0 || !v.Covered().IsZero() {
				t.Error("a health code has an itinerary")
			}
		})
	}
}

func TestItineraryCard(t *testing.T) {
	v := mustVerify(t, forged(t, itineraryClaims()), keyEd.Public())
	if v.Kind() != healthcode.Itinerary || v.Covered() != (healthcode.Span{From: at(forgedIAT - 14*86400), To: at(forgedIAT)}) || v.Holder().BirthDate != "" {
		t.Errorf("got %s covering %s", v, v.Covered())
	}
	want := []healthcode.Stay{
		{Area: forgedArea, From: at(forgedIAT - 10*86400), To: at(forgedIAT - 9*86400)},
		{Area: "CN-31-0115", From: at(forgedIAT - 9*86400), To: at(forgedIAT - 86400)},
	}
	if got := v.Stays(); !slices.Equal(got, want) {
		t.Errorf("stays %v, want %v", got, want)
	}
	if _, ok := v.Status(); ok {
		t.Error("an itinerary card gives a status")
	}
	if _, ok := v.Declared(); ok {
		t.Error("an itinerary card tells of a declaration")
	}
}

// TestRevocationHashes computes them by another path.
func TestRevocationHashes(t *testing.T) {
	short := func(kind healthcode.HashType, data []byte) healthcode.RevocationHash {
		sum := sha256.Sum256(data)
		return healthcode.RevocationHash{Type: kind, Hash: [16]byte(sum[:])}
	}
	id := short(healthcode.HashUCI, []byte("deadbeef05060708090a0b0c0d0e0f10"))
	for name, key := range map[string]crypto.Signer{"ES256": keyEC(), "PS256": keyRSA(), "EdDSA": keyEd} {
		text := sign(t, key, enc(t, itineraryClaims()))
		message, err := cwt.DecodeBase45(text[len(Prefix):])
		if err != nil {
			t.Fatal(err)
		}
		if message, err = cwt.Inflate(message); err != nil {
			t.Fatal(err)
		}
		var tag struct {
			_         struct{} `cbor:",toarray"`
			Protected []byte
			Headers   map[any]any
			Payload   []byte
			Signature []byte
		}
		if err := cbor.Unmarshal(message[1:], &tag); err != nil {
			t.Fatal(err)
		}
		signed := tag.Signature
		if name != "PS256" {
			signed = signed[:32]
		}
		want := []healthcode.RevocationHash{short(healthcode.HashSignature, signed), id}
		if got := mustVerify(t, text, key.Public()).RevocationHashes(); !slices.Equal(got, want) {
			t.Errorf("%s: %x, want %x", name, got, want)
		}
	}
	if forgedID.RevocationHash() != id {
		t.Error("an issuer revokes the id under another hash than the code has")
	}
}

// TestPayload: the JSON form of docs/formats/health-code.md.
func TestPayload(t *testing.T) {
	c := healthClaims()
	c[5] = forgedIAT + 60
	want := map[string]any{
		"kind": "health", "iss": "XA", "iat": "2022-11-16T00:00:00Z", "nbf": "2022-11-16T00:01:00Z", "exp": "2022-11-23T00:00:00Z",
		"id": forgedID.Text(), "dob": forgedDOB,
		"health": map[string]any{
			"scheme": "default", "level": forgedLevel, "legalGround": forgedGround, "until": "2022-11-23T00:00:00Z",
			"declaration": map[string]any{"at": "2022-11-15T22:00:00Z", "audit": "passed", "auditedAt": "2022-11-15T23:00:00Z", "auditor": forgedAuditor},
		},
	}
	v := mustVerify(t, forged(t, c), keyEd.Public())
	got := v.Payload()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	got.(map[string]any)["health"].(map[string]any)["level"] = "changed"
	if !reflect.DeepEqual(v.Payload(), want) {
		t.Error("the payload was changed from outside")
	}
	want = map[string]any{
		"kind": "itinerary", "iss": "XA", "iat": "2022-11-16T00:00:00Z", "exp": "2022-11-23T00:00:00Z", "id": forgedID.Text(),
		"itinerary": map[string]any{
			"covered": map[string]any{"from": "2022-11-02T00:00:00Z", "to": "2022-11-16T00:00:00Z"},
			"stays": []any{
				map[string]any{"area": forgedArea, "from": "2022-11-06T00:00:00Z", "to": "2022-11-07T00:00:00Z"},
				map[string]any{"area": "CN-31-0115", "from": "2022-11-07T00:00:00Z", "to": "2022-11-15T00:00:00Z"},
			},
		},
	}
	if got := mustVerify(t, forged(t, itineraryClaims()), keyEd.Public()).Payload(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestFields: what is shown, each name once, and never the id.
func TestFields(t *testing.T) {
	for _, test := range []struct {
		claims m
		want   []string
	}{
		{healthClaims(), []string{"dateOfBirth", "status", "scheme", "legalGround", "statusUntil", "declaredAt", "audit", "auditedAt", "auditor"}},
		{itineraryClaims(), []string{"coveredFrom", "coveredTo", "stay1", "stay2"}},
	} {
		var names []string
		for _, f := range mustVerify(t, forged(t, test.claims), keyEd.Public()).Fields() {
			names = append(names, f.Name)
			if f.Value == "" || strings.Contains(f.Value, forgedID.Text()) {
				t.Errorf("field %s is empty, or shows the id", f.Name)
			}
		}
		if !slices.Equal(names, test.want) {
			t.Errorf("fields %v, want %v", names, test.want)
		}
	}
}

// TestTolerated: what another issuer may write and we do not.
func TestTolerated(t *testing.T) {
	change := func(base func() m, f func(m)) []byte {
		c := base()
		f(c)
		return enc(t, c)
	}
	for name, payload := range map[string][]byte{
		"claims that are not ours (N2)":     change(healthClaims, func(c m) { c[7] = []byte{1}; c["x"] = m{"y": 1}; c[-70000] = 1 }),
		"keys in the card (N2)":             change(healthClaims, func(c m) { card(c)[9] = "x"; card(c)["more"] = 1; health(c)[9] = 1; declaration(c)[9] = 1 }),
		"keys in the itinerary (N2)":        change(itineraryClaims, func(c m) { itinerary(c)[9] = m{} }),
		"null for none":                     change(healthClaims, func(c m) { c[5] = nil; card(c)[2] = nil; card(c)[4] = nil; health(c)[3] = nil }),
		"not canonical (N3)":                append([]byte{0xbf, 0x18, 0x06, 0x1a, 0x63, 0x74, 0x2a, 0x80}, append(change(healthClaims, func(c m) { delete(c, 6) })[1:], 0xff)...),
		"no stays (N7)":                     change(itineraryClaims, func(c m) { itinerary(c)[3] = []any{} }),
		"no declaration, ground or end":     change(healthClaims, func(c m) { delete(health(c), 5); delete(health(c), 4); delete(health(c), 3) }),
		"audit pending":                     change(healthClaims, func(c m) { health(c)[5] = m{1: forgedIAT, 2: 0} }),
		"audit failed":                      change(healthClaims, func(c m) { declaration(c)[2] = 2 }),
		"a year of birth":                   change(healthClaims, func(c m) { card(c)[2] = "1957" }),
		"a stay of no length":               change(itineraryClaims, func(c m) { itinerary(c)[3] = []any{[]any{"XA", forgedIAT, forgedIAT}} }),
		"an area that is no id of an area":  change(itineraryClaims, func(c m) { itinerary(c)[3] = []any{[]any{"somewhere", forgedIAT, forgedIAT}} }),
		"as many stays as may be":           change(itineraryClaims, func(c m) { itinerary(c)[3] = slices.Repeat(itinerary(c)[3].([]any)[:1], MaxStays) }),
		"issued in 1970, expires in 9999":   change(healthClaims, func(c m) { c[6], c[4] = 0, cwt.Latest }),
		"a day that is not in every year":   change(healthClaims, func(c m) { card(c)[2] = "1956-02-29" }),
		"scheme and level at their longest": change(healthClaims, func(c m) { health(c)[1], health(c)[2] = strings.Repeat("a", MaxScheme), strings.Repeat("b", MaxLevel) }),
	} {
		t.Run(name, func(t *testing.T) {
			mustVerify(t, sign(t, keyEd, payload), keyEd.Public())
		})
	}
}

// TestRefusedUnread: each must be refused before any key is asked.
func TestRefusedUnread(t *testing.T) {
	h := func(f func(m)) any { c := healthClaims(); f(c); return c }
	i := func(f func(m)) any { c := itineraryClaims(); f(c); return c }
	long := strings.Repeat("x", 300)
	stay := func(cells ...any) any {
		return i(func(c m) { itinerary(c)[3] = []any{cells} })
	}
	for name, test := range map[string]struct {
		claims any
		want   error
	}{
		"nothing":                     {m{}, healthcode.ErrClaims},
		"an array":                    {[]any{}, healthcode.ErrClaims},
		"no card":                     {h(func(c m) { delete(c, claimCard) }), healthcode.ErrClaims},
		"card as bytes":               {h(func(c m) { c[claimCard] = enc(t, c[claimCard]) }), healthcode.ErrClaims},
		"card twice":                  {h(func(c m) { c[claimCard] = raw(0xa2, 1, 0, 1, 0) }), healthcode.ErrCBOR},
		"no region":                   {h(func(c m) { delete(c, 1) }), healthcode.ErrClaims},
		"region empty":                {h(func(c m) { c[1] = "" }), healthcode.ErrClaims},
		"region too long":             {h(func(c m) { c[1] = long }), healthcode.ErrClaims},
		"region a number":             {h(func(c m) { c[1] = 5 }), healthcode.ErrClaims},
		"region with a space":         {h(func(c m) { c[1] = "X A" }), healthcode.ErrClaims},
		"region not UTF-8":            {h(func(c m) { c[1] = raw(0x62, 0xff, 0xfe) }), healthcode.ErrClaims},
		"no iat":                      {h(func(c m) { delete(c, 6) }), healthcode.ErrClaims},
		"no exp":                      {h(func(c m) { delete(c, 4) }), healthcode.ErrClaims},
		"iat a float":                 {h(func(c m) { c[6] = 1.5e9 }), healthcode.ErrClaims},
		"iat tagged":                  {h(func(c m) { c[6] = cbor.Tag{Number: 1, Content: forgedIAT} }), healthcode.ErrClaims},
		"iat a text":                  {h(func(c m) { c[6] = "2022-11-16T00:00:00Z" }), healthcode.ErrClaims},
		"iat negative":                {h(func(c m) { c[6] = -1 }), healthcode.ErrClaims},
		"exp beyond 9999":             {h(func(c m) { c[4] = uint64(math.MaxUint64) }), healthcode.ErrClaims},
		"exp at iat":                  {h(func(c m) { c[4] = forgedIAT }), healthcode.ErrClaims},
		"exp before nbf":              {h(func(c m) { c[5] = forgedEXP + 1 }), healthcode.ErrClaims},
		"no id":                       {h(func(c m) { delete(card(c), 1) }), healthcode.ErrClaims},
		"id of 15 bytes":              {h(func(c m) { card(c)[1] = forgedID[:15] }), healthcode.ErrClaims},
		"id of 17 bytes":              {h(func(c m) { card(c)[1] = make([]byte, 17) }), healthcode.ErrClaims},
		"id zero":                     {h(func(c m) { card(c)[1] = make([]byte, 16) }), healthcode.ErrClaims},
		"id a text":                   {h(func(c m) { card(c)[1] = forgedID.Text() }), healthcode.ErrClaims},
		"both kinds (N1)":             {h(func(c m) { card(c)[4] = itinerary(itineraryClaims()) }), healthcode.ErrEntries},
		"neither kind (N1)":           {h(func(c m) { delete(card(c), 3) }), healthcode.ErrEntries},
		"birth date no date":          {h(func(c m) { card(c)[2] = "Zwetschke" }), healthcode.ErrClaims},
		"birth date not in that year": {h(func(c m) { card(c)[2] = "1957-02-29" }), healthcode.ErrClaims},
		"birth date with a time":      {h(func(c m) { card(c)[2] = forgedDOB + "T00:00:00Z" }), healthcode.ErrClaims},
		"no scheme":                   {h(func(c m) { delete(health(c), 1) }), healthcode.ErrClaims},
		"no level":                    {h(func(c m) { delete(health(c), 2) }), healthcode.ErrClaims},
		"level in capitals":           {h(func(c m) { health(c)[2] = "ZWETSCHKE" }), healthcode.ErrClaims},
		"level too long":              {h(func(c m) { health(c)[2] = strings.Repeat("a", MaxLevel+1) }), healthcode.ErrClaims},
		"scheme too long":             {h(func(c m) { health(c)[1] = strings.Repeat("a", MaxScheme+1) }), healthcode.ErrClaims},
		"legal ground too long":       {h(func(c m) { health(c)[3] = long }), healthcode.ErrClaims},
		"legal ground with a newline": {h(func(c m) { health(c)[3] = "Zwetschke\n" }), healthcode.ErrClaims},
		"until a text":                {h(func(c m) { health(c)[4] = "x" }), healthcode.ErrClaims},
		"declaration an array":        {h(func(c m) { health(c)[5] = []any{} }), healthcode.ErrClaims},
		"declaration without a time":  {h(func(c m) { delete(declaration(c), 1) }), healthcode.ErrClaims},
		"declaration without audit":   {h(func(c m) { delete(declaration(c), 2) }), healthcode.ErrClaims},
		"audit of no known result":    {h(func(c m) { declaration(c)[2] = 3 }), healthcode.ErrClaims},
		"audit result a text":         {h(func(c m) { declaration(c)[2] = "passed" }), healthcode.ErrClaims},
		"passed, and not when":        {h(func(c m) { delete(declaration(c), 3) }), healthcode.ErrClaims},
		"audited before declared":     {h(func(c m) { declaration(c)[3] = forgedIAT - 86400 }), healthcode.ErrClaims},
		"pending, with a time":        {h(func(c m) { declaration(c)[2] = 0 }), healthcode.ErrClaims},
		"auditor too long":            {h(func(c m) { declaration(c)[4] = long }), healthcode.ErrClaims},
		"covered: no beginning":       {i(func(c m) { delete(itinerary(c), 1) }), healthcode.ErrClaims},
		"covered: no end":             {i(func(c m) { delete(itinerary(c), 2) }), healthcode.ErrClaims},
		"covered: wrong way round":    {i(func(c m) { itinerary(c)[1] = forgedIAT + 1 }), healthcode.ErrClaims},
		"no list of stays":            {i(func(c m) { delete(itinerary(c), 3) }), healthcode.ErrClaims},
		"stays a map":                 {i(func(c m) { itinerary(c)[3] = m{} }), healthcode.ErrClaims},
		"too many stays": {i(func(c m) {
			itinerary(c)[3] = slices.Repeat(itinerary(c)[3].([]any)[:1], MaxStays+1)
		}), healthcode.ErrClaims},
		"a stay of two":         {stay("XA", forgedIAT), healthcode.ErrClaims},
		"a stay of four":        {stay("XA", forgedIAT, forgedIAT, 0), healthcode.ErrClaims},
		"a stay that is a text": {i(func(c m) { itinerary(c)[3] = []any{forgedArea} }), healthcode.ErrClaims},
		"a stay backwards":      {stay(forgedArea, forgedIAT, forgedIAT-1), healthcode.ErrClaims},
		"an area without name":  {stay("", forgedIAT, forgedIAT), healthcode.ErrClaims},
		"an area too long":      {stay(long, forgedIAT, forgedIAT), healthcode.ErrClaims},
		"an area of a number":   {stay(310115, forgedIAT, forgedIAT), healthcode.ErrClaims},
		"deep":                  {raw(append(bytes.Repeat([]byte{0x81}, 40), 0)...), healthcode.ErrClaims},
	} {
		t.Run(name, func(t *testing.T) {
			text := forged(t, test.claims)
			u, err := Decoder{}.Decode(text)
			if u != nil || !errors.Is(err, test.want) || !errors.Is(err, healthcode.ErrUnreadable) {
				t.Fatalf("got %v, %v; want %v", u, err, test.want)
			}
			checkDiscreet(t, err, text)
		})
	}
}

// TestPipeline: the layers are HC1's, whose tests say what each refuses; these
// hold that they are the same, and that the formats keep apart.
func TestPipeline(t *testing.T) {
	good := forged(t, healthClaims())
	for name, test := range map[string]struct {
		text string
		want error
	}{
		"another prefix":   {"HC1:" + good[len(Prefix):], healthcode.ErrPrefix},
		"a later version":  {"CHC2:" + good[len(Prefix):], healthcode.ErrPrefix},
		"small letters":    {strings.ToLower(good[:5]) + good[5:], healthcode.ErrPrefix},
		"nothing in it":    {Prefix, healthcode.ErrCompression},
		"Base45":           {good + "!", healthcode.ErrBase45},
		"too long":         {good + strings.Repeat("0", MaxText), healthcode.ErrTooLarge},
		"zlib":             {Prefix + cwt.EncodeBase45([]byte{1, 2, 3}), healthcode.ErrCompression},
		"bomb":             {Prefix + cwt.EncodeBase45(cwt.Deflate(make([]byte, 4<<20))), healthcode.ErrTooLarge},
		"CBOR":             {Prefix + cwt.EncodeBase45(cwt.Deflate([]byte{0x84})), healthcode.ErrCBOR},
		"COSE":             {Prefix + cwt.EncodeBase45(cwt.Deflate([]byte{0x80})), healthcode.ErrCOSE},
		"payload is empty": {sign(t, keyEd, nil), healthcode.ErrClaims},
	} {
		u, err := Decoder{}.Decode(test.text)
		if u != nil || !errors.Is(err, test.want) || !errors.Is(err, healthcode.ErrUnreadable) {
			t.Errorf("%s: %v, %v; want %v", name, u, err, test.want)
		}
	}
	if _, err := healthcode.Decode("  "+good+"\n", Decoder{}); err != nil {
		t.Errorf("with white space around it: %v", err)
	}
}

// TestRefusedByKey: codes that decode, and whose signature must not pass.
func TestRefusedByKey(t *testing.T) {
	_, other, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	ed, ec, rs := forged(t, healthClaims()), sign(t, keyEC(), enc(t, healthClaims())), sign(t, keyRSA(), enc(t, healthClaims()))
	payload := enc(t, healthClaims())
	short := cwt.CHC1.Seal(cwt.Protected(healthcode.EdDSA, forgedKeyID), payload, make([]byte, 63))
	empty := cwt.CHC1.Seal(cwt.Protected(healthcode.EdDSA, forgedKeyID), payload, nil)
	for name, test := range map[string]struct {
		text string
		key  crypto.PublicKey
		want error
	}{
		"another key":                {ed, other.Public(), healthcode.ErrSignature},
		"EdDSA code, EC key":         {ed, keyEC().Public(), healthcode.ErrKeyUnsuitable},
		"EdDSA code, RSA key":        {ed, keyRSA().Public(), healthcode.ErrKeyUnsuitable},
		"ES256 code, Ed25519 key":    {ec, keyEd.Public(), healthcode.ErrKeyUnsuitable},
		"PS256 code, Ed25519 key":    {rs, keyEd.Public(), healthcode.ErrKeyUnsuitable},
		"an Ed25519 key of 31 bytes": {ed, keyEd.Public().(ed25519.PublicKey)[:31], healthcode.ErrKeyUnsuitable},
		"no key":                     {ed, nil, healthcode.ErrKeyUnsuitable},
		"a nil Ed25519 key":          {ed, ed25519.PublicKey(nil), healthcode.ErrKeyUnsuitable},
		"a private key":              {ed, keyEd, healthcode.ErrKeyUnsuitable},
		"63 bytes":                   {short, keyEd.Public(), healthcode.ErrSignature},
		"0 bytes":                    {empty, keyEd.Public(), healthcode.ErrSignature},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := Decoder{}.Decode(test.text)
			if err != nil {
				t.Fatal(err)
			}
			v, err := u.Verify(test.key)
			if v != nil || !errors.Is(err, test.want) || errors.Is(err, healthcode.ErrUnreadable) {
				t.Fatalf("got %v, %v; want %v", v, err, test.want)
			}
			checkDiscreet(t, err, test.text)
		})
	}
}

// TestPrintingIsDiscreet: a card or a code in a log line shows no person.
func TestPrintingIsDiscreet(t *testing.T) {
	text := forged(t, healthClaims())
	u, err := Decoder{}.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	c, err := parseCard(enc(t, healthClaims()))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, u); got != "unverified native code (health, key id 0102030405060708)" {
			t.Errorf("%s gives %s", verb, got)
		}
		for _, v := range []any{c, *c} {
			var log bytes.Buffer
			slog.New(slog.NewJSONHandler(&log, nil)).Info("issued", "card", v)
			if !strings.Contains(log.String(), `"card":"native card (health)"`) {
				t.Errorf("slog writes %s", &log)
			}
			if got := fmt.Sprintf(verb, v); got != "native card (health)" {
				t.Errorf("%s gives %s", verb, got)
			}
		}
	}
}
