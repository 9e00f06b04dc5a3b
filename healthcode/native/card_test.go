package native

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"concordat/healthcode"
	"concordat/healthcode/internal/cwt"
)

// drawCard gives any card that is valid.
func drawCard(t *rapid.T) *Card {
	moment := func(what string) time.Time {
		return at(rapid.Int64Range(cwt.Earliest+1, cwt.Latest).Draw(t, what))
	}
	after := func(what string, t0 time.Time) time.Time {
		return at(rapid.Int64Range(t0.Unix(), cwt.Latest).Draw(t, what))
	}
	c := &Card{
		Region:    rapid.StringMatching(`[A-Z]{2}(-[A-Z0-9]{1,4})?`).Draw(t, "region"),
		IssuedAt:  at(rapid.Int64Range(cwt.Earliest+1, cwt.Latest-1).Draw(t, "iat")),
		BirthDate: rapid.SampledFrom([]string{"", "1957", "1957-03", "1957-03-29"}).Draw(t, "dob"),
	}
	c.ExpiresAt = at(rapid.Int64Range(c.IssuedAt.Unix()+1, cwt.Latest).Draw(t, "exp"))
	if rapid.Bool().Draw(t, "nbf given") {
		c.NotBefore = at(c.ExpiresAt.Unix() - 1)
	}
	copy(c.ID[:], rapid.SliceOfN(rapid.Byte(), IDSize, IDSize).Draw(t, "id"))
	c.ID[0] |= 1
	if rapid.Bool().Draw(t, "itinerary") {
		c.Itinerary = &Itinerary{}
		c.Itinerary.Covered.From = moment("covered from")
		c.Itinerary.Covered.To = after("covered to", c.Itinerary.Covered.From)
		for range rapid.IntRange(0, MaxStays).Draw(t, "stays") {
			s := healthcode.Stay{Area: rapid.StringMatching(`[A-Z]{2}(-[A-Z0-9]{1,12}){0,4}`).Draw(t, "area"), From: moment("from")}
			s.To = after("to", s.From)
			c.Itinerary.Stays = append(c.Itinerary.Stays, s)
		}
		return c
	}
	c.Health = &Health{Status: healthcode.Status{
		Scheme:      rapid.StringMatching(`[a-z0-9.-]{1,32}`).Draw(t, "scheme"),
		Level:       rapid.StringMatching(`[a-z0-9.-]{1,32}`).Draw(t, "level"),
		LegalGround: rapid.StringMatching(`(§ \d+ \p{L}{0,20})?`).Draw(t, "ground"),
	}}
	if rapid.Bool().Draw(t, "until given") {
		c.Health.Status.Until = moment("until")
	}
	if rapid.Bool().Draw(t, "declared") {
		d := &healthcode.Declaration{At: moment("declared"), Audit: rapid.SampledFrom(audits).Draw(t, "audit"), Auditor: rapid.StringMatching(`\p{L}{0,20}`).Draw(t, "auditor")}
		if d.Audit != healthcode.AuditPending {
			d.AuditedAt = after("audited", d.At)
		}
		c.Health.Declared = d
	}
	return c
}

// TestWrittenIsRead: every valid card is read as it was written, and has one
// encoding.
func TestWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawCard(t)
		payload, err := want.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseCard(payload)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("a card changed on its way:\n%#v\n%#v", *got.Health, *want.Health)
		}
		again, err := got.Encode()
		if err != nil || !bytes.Equal(again, payload) {
			t.Fatalf("a second encoding, %v", err)
		}
	})
}

// TestBadCardsAreNotWritten: Encode refuses what a reader would.
func TestBadCardsAreNotWritten(t *testing.T) {
	good := func() *Card {
		return &Card{Region: "XA", IssuedAt: at(forgedIAT), ExpiresAt: at(forgedEXP), ID: forgedID, Health: &Health{Status: healthcode.Status{Scheme: "default", Level: "green"}}}
	}
	if _, err := good().Encode(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Card){
		"no kind":                 func(c *Card) { c.Health = nil },
		"two kinds":               func(c *Card) { c.Itinerary = &Itinerary{} },
		"a fraction of a second":  func(c *Card) { c.IssuedAt = c.IssuedAt.Add(time.Millisecond) },
		"before 1970":             func(c *Card) { c.IssuedAt = at(-1) },
		"after 9999":              func(c *Card) { c.ExpiresAt = at(cwt.Latest + 1) },
		"no id":                   func(c *Card) { c.ID = ID{} },
		"an audit without a word": func(c *Card) { c.Health.Declared = &healthcode.Declaration{At: at(1)} },
		"no UTF-8":                func(c *Card) { c.Health.Status.LegalGround = "\xff" },
	} {
		c := good()
		change(c)
		if _, err := c.Encode(); !errors.Is(err, healthcode.ErrUnreadable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseID(t *testing.T) {
	if id, err := ParseID(forgedID.Text()); err != nil || id != forgedID {
		t.Errorf("%v, %v", id, err)
	}
	for _, text := range []string{"", "deadbeef", strings.ToUpper(forgedID.Text()), forgedID.Text() + "00", strings.Repeat("x", 32)} {
		if _, err := ParseID(text); !errors.Is(err, healthcode.ErrClaims) || strings.Contains(err.Error(), "deadbeef") {
			t.Errorf("%d characters: %v", len(text), err)
		}
	}
}

// TestFullCardFitsAQRCode: as many stays as may be, in areas as they are, are one
// QR code (4,296 alphanumeric characters, ISO/IEC 18004).
func TestFullCardFitsAQRCode(t *testing.T) {
	c := &Card{Region: "CN-31", IssuedAt: at(forgedIAT), ExpiresAt: at(forgedEXP), ID: forgedID, Itinerary: &Itinerary{
		Covered: healthcode.Span{From: at(forgedIAT - 32*86400), To: at(forgedIAT)},
	}}
	for n := range MaxStays {
		from := int64(forgedIAT - 32*86400 + n*43200 + n*n%3600)
		c.Itinerary.Stays = append(c.Itinerary.Stays, healthcode.Stay{Area: fmt.Sprintf("CN-%02d-%04d", 11+n%50, n*n%9999), From: at(from), To: at(from + 40000)})
	}
	payload, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	text := sign(t, keyRSA(), payload) // the longest signature that is common
	if len(text) > 4296 {
		t.Errorf("%d characters; a QR code holds 4296", len(text))
	}
	t.Logf("%d stays: a payload of %d bytes, a text of %d characters", MaxStays, len(payload), len(text))
	mustVerify(t, text, keyRSA().Public())
}
