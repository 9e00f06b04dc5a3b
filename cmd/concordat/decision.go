package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"strings"

	"concordat/client"
	"concordat/healthcode/trustlist"
	"concordat/recognition"
	"concordat/recognition/sentence"
)

// signs mark how a reason bears on the decision.
var signs = map[recognition.Effect]string{
	recognition.For: "+", recognition.Against: "-", recognition.Unknown: "?", recognition.Note: "*",
}

// explainDecision tells a decision in the order in which it was reached, and in a
// language what the traveller can do; its messages are in that language already.
func explainDecision(w io.Writer, a client.CheckAnswer, l sentence.Language) error {
	p := &printer{w: w}
	p.decision(a, l)
	p.asOf(a.AsOf)
	return p.err
}

// decision prints all of an answer but what it knows.
func (p *printer) decision(a client.CheckAnswer, l sentence.Language) {
	p.line("%s by %s, for %s", a.Decision.Decision, a.Region, stamp(&a.At))
	for i, c := range a.Codes {
		p.line("")
		p.code(i, c, len(a.Codes) > 1)
	}
	p.line("")
	for _, r := range a.Reasons {
		about := ""
		if r.Code != nil && len(a.Codes) > 1 {
			about = fmt.Sprintf("code %d: ", *r.Code+1)
		}
		name := r.Name
		if r.Detail != "" {
			name += " (" + r.Detail + ")"
		}
		rests := ""
		if r.Statement != nil {
			rests = fmt.Sprintf(" [statement %d]", *r.Statement)
		}
		sign := signs[r.Effect]
		if r.Overruled != "" {
			sign, rests = "~", rests+fmt.Sprintf(" (overruled by special case %s)", r.Overruled)
		}
		p.line("  %s %s%s: %s%s", sign, about, name, r.Message, rests)
		if do := recognition.Advice(r, l); do != "" {
			p.line("      %s", do)
		}
	}
	p.line("")
}

// code says what a code is and what it says. Nothing is believed, and so
// nothing is shown, of a code that no registered key verifies.
func (p *printer) code(i int, c recognition.CodeReport, several bool) {
	what := "code"
	if several {
		what = fmt.Sprintf("code %d", i+1)
	}
	switch {
	case c.Format == "":
		p.line("%s: unreadable", what)
		return
	case c.Region == "":
		p.line("%s: %s, not verified; it names key %s", what, c.Format, keyInWords(c.Key))
		return
	}
	p.line("%s: %s of %s (%s), key %s, issued %s, expires %s", what, c.Kind, c.Region, c.Format, keyInWords(c.Key), stamp(c.IssuedAt), stamp(c.ExpiresAt))
	for _, f := range c.Fields {
		p.line("    %s: %s", f.Name, f.Value)
	}
}

// keyInWords gives a key id as trust lists have it and as issuer list has it.
func keyInWords(kid string) string {
	b, err := trustlist.Base64(kid)
	switch {
	case err != nil || len(b) == 0:
		return "none"
	case len(b) == sha256.Size:
		return kid // a thumbprint, which nobody writes in hex
	}
	return fmt.Sprintf("%s (%x)", kid, b)
}

// asOf says what an answer knows.
func (p *printer) asOf(a client.AsOf) {
	root := a.Root
	if root == "" {
		root = "-"
	}
	final := ""
	switch {
	case a.FinalSize > 0 && a.FinalSize == a.Size:
		final = ", all final"
	case a.FinalSize > 0:
		final = fmt.Sprintf(", %d of them final", a.FinalSize)
	}
	if len(a.Cosigners) > 0 {
		final += " on the word of " + strings.Join(a.Cosigners, ", ")
	}
	p.line("as of %d statements (root %s)%s, knowledge %s old", a.Size, short(root), final, a.Age)
	if words, bad := standings[a.Standing]; bad {
		p.line("%s", words)
	}
}

// standings say what an answer is worth of a node whose authority is no member
// in good standing.
var standings = map[string]string{
	client.StandingSuspended: "the node's own authority is suspended by the others: what it said stands, and it vouches for nothing new",
	client.StandingExpelled:  "the node's own authority was expelled from the network: nothing newer reaches this node; ask another region's",
	client.StandingApplicant: "the node's own authority is not a member of the network yet; ask a member's node for what counts",
}

// asOf prints what an answer knows, below it.
func asOf(w io.Writer, a client.AsOf) error {
	p := &printer{w: w}
	p.asOf(a)
	return p.err
}
