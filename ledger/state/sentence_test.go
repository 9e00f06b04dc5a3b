package state

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"testing"

	"concordat/ledger/evidence"
	"concordat/ledger/statement"
)

// words reads a sentence of a script, word by word. A quoted text is one word.
type words struct {
	t    *testing.T
	line string
	rest []string
}

func (p *words) split() {
	for i, part := range strings.Split(p.line, `"`) {
		if i%2 == 1 {
			p.rest = append(p.rest, part)
		} else {
			p.rest = append(p.rest, strings.Fields(part)...)
		}
	}
}

func (p *words) done() bool { return len(p.rest) == 0 }

func (p *words) next() string {
	p.t.Helper()
	if p.done() {
		p.t.Fatalf("%q ends too early", p.line)
	}
	w := p.rest[0]
	p.rest = p.rest[1:]
	return w
}

// skip reads the given words if they come next.
func (p *words) skip(want ...string) bool {
	if len(p.rest) < len(want) || !slices.Equal(p.rest[:len(want)], want) {
		return false
	}
	p.rest = p.rest[len(want):]
	return true
}

// list reads `a and b and c`.
func (p *words) list() []string {
	out := []string{p.next()}
	for p.skip("and") {
		out = append(out, p.next())
	}
	return out
}

func (p *words) kinds() []statement.CodeKind {
	var out []statement.CodeKind
	if len(p.rest) > 1 && p.rest[1] != "another" && p.skip("for") {
		for _, k := range p.list() {
			out = append(out, statement.CodeKind(k))
		}
	}
	return statement.SortKinds(out)
}

func (p *words) time(before ...string) statement.Time {
	if !p.skip(before...) {
		return 0
	}
	return instant(p.t, p.next())
}

func (p *words) text(before string) string {
	if !p.skip(before) {
		return ""
	}
	return p.next()
}

// body reads what a sentence says after who says it. Times are dates or RFC
// 3339; what stands in brackets may be left out.
func (s *script) body(p *words) (statement.Body, []byte) {
	if b := s.governance(p); b != nil {
		return b, nil
	}
	if b := s.rules(p); b != nil {
		return b, nil
	}
	switch {
	case p.skip("registers", "key"): // KEY [for KINDS] [from T] [until T] [of issuer "URL"] [named "…"]
		k := s.testIssuerKey(p.next())
		k.Kinds, k.ValidFrom, k.ValidUntil = p.kinds(), p.time("from"), p.time("until")
		if p.skip("of", "issuer") {
			k.Issuer = p.next()
		}
		k.Name = p.text("named")
		return k, nil
	case p.skip("retires", "key"): // KEY as of T
		return &statement.RetireKey{Key: s.testIssuerKey(p.next()).Thumbprint(), At: p.time("as", "of")}, nil
	case p.skip("declares", "key"): // KEY compromised since T [sparing earlier codes] [because "…"]
		b := &statement.CompromiseKey{Key: s.testIssuerKey(p.next()).Thumbprint()}
		b.Since = p.time("compromised", "since")
		b.SpareEarlier, b.Reason = p.skip("sparing", "earlier", "codes"), p.text("because")
		return b, nil
	case p.skip("revokes"): // TYPE NAMES until T because "…" [where issued before T]
		b, a := s.batch(p)
		b.IssuedBefore = p.time("where", "issued", "before")
		return &statement.Revoke{Batch: b}, a
	case p.skip("reinstates"):
		b, a := s.batch(p)
		return &statement.Reinstate{Batch: b}, a
	case p.skip("declares"): // AREA LEVEL from T [until T] [looking back N days] [refusing] [in scheme S] [citing "…"]
		return &statement.DeclareRisk{RiskLevel: s.level(p)}, nil
	case p.skip("changes", "recognition", "of"):
		return &statement.ChangeGrant{Terms: terms(p)}, nil
	case p.skip("changes"):
		return &statement.ChangeRisk{RiskLevel: s.level(p)}, nil
	case p.skip("lifts"): // AREA as of T [in scheme S] [because "…"]
		b := &statement.LiftRisk{Area: statement.Area(p.next()), Scheme: "default"}
		b.At = p.time("as", "of")
		if p.skip("in", "scheme") {
			b.Scheme = p.next()
		}
		b.Reason = p.text("because")
		return b, nil
	case p.skip("recognises"): // REGION [for KINDS] [from T] [until T] [because "…"] [under "…"] [in FORMATS] [signed with ALGORITHMS] [with the schemes SCHEMES] [by rule set SET]
		return &statement.Grant{Terms: terms(p)}, nil
	case p.skip("suspends", "recognition", "of"):
		b := terms(p)
		return &statement.Suspend{Region: b.Region, Kinds: b.Kinds, From: b.From, Until: b.Until, Reason: b.Reason, LegalRef: b.LegalRef}, nil
	case p.skip("withdraws", "recognition", "of"): // REGION [because "…"]
		return &statement.Withdraw{Region: statement.Region(p.next()), Reason: p.text("because"), LegalRef: p.text("under")}, nil
	case p.skip("seals"): // [size N] as of T [listing REGIONS]
		return s.sealState(p), nil
	case p.skip("reports"): // REGION for two roots|one root twice|two blocks [by the key KEY] [as done by REGION]
		return s.report(p), nil
	}
	p.t.Fatalf("%q: not a sentence that this test knows", p.line)
	return nil, nil
}

func (s *script) sealState(p *words) *statement.SealState {
	b := s.world.sealNow(1)
	if p.skip("size") {
		n, err := strconv.ParseUint(p.next(), 10, 64)
		if err != nil {
			p.t.Fatalf("%q: %v", p.line, err)
		}
		b.Size = n
	}
	b.At = p.time("as", "of")
	if p.skip("listing") {
		listed := p.list()
		b.Validators = slices.DeleteFunc(b.Validators, func(v statement.SealedValidator) bool { return !slices.Contains(listed, string(v.ID)) })
	}
	return b
}

func (s *script) report(p *words) *statement.ReportEvidence {
	culprit := statement.Region(p.next())
	var what string
	for _, w := range []string{"two roots", "one root twice", "two blocks"} {
		if p.skip(append([]string{"for"}, strings.Fields(w)...)...) {
			what = w
		}
	}
	key := string(culprit) + "/cosign"
	if what == "two blocks" {
		key = string(culprit) + "/node"
	}
	if p.skip("by", "the", "key") {
		key = p.next()
	}
	doneBy := culprit
	if p.skip("as", "done", "by") {
		doneBy = statement.Region(p.next())
	}
	var proof evidence.Proof
	switch what {
	case "two roots":
		proof = s.world.twoRoots(doneBy, key)
	case "one root twice":
		one := s.world.cosigned(doneBy, key, 7, "one")
		proof = evidence.TwoRoots(one, one)
	case "two blocks":
		proof = s.world.twoBlocks(doneBy, key)
	default:
		p.t.Fatalf("%q: reports of what?", p.line)
	}
	return &statement.ReportEvidence{Culprit: culprit, Proof: proof.Encode()}
}

func terms(p *words) statement.Terms {
	b := statement.Terms{
		Region: statement.Region(p.next()), Kinds: p.kinds(),
		From: p.time("from"), Until: p.time("until"), Reason: p.text("because"), LegalRef: p.text("under"),
	}
	for _, of := range []struct {
		before string
		to     *[]string
	}{{"in", &b.Formats}, {"signed with", &b.Algorithms}, {"with the schemes", &b.Schemes}} {
		if !strings.Contains(of.before, "signed") || len(p.rest) > 2 && slices.Contains(statement.AlgorithmNames, p.rest[2]) { // not `signed with KEY`
			if p.skip(strings.Fields(of.before)...) {
				*of.to = p.list()
			}
		}
	}
	if p.skip("by", "rule", "set") {
		b.RuleSet = p.next()
	}
	return b
}

func (s *script) level(p *words) statement.RiskLevel {
	b := statement.RiskLevel{Area: statement.Area(p.next()), Scheme: "default"}
	p.skip("to")
	b.Level, b.From, b.Until = p.next(), p.time("from"), p.time("until")
	if p.skip("looking", "back") {
		n, err := strconv.ParseUint(p.next(), 10, 32)
		if err != nil || !p.skip("days") {
			p.t.Fatalf("%q: want `looking back N days`", p.line)
		}
		b.Lookback = n
	}
	b.Refuse = p.skip("refusing")
	if p.skip("in", "scheme") {
		b.Scheme = p.next()
	}
	b.LegalRef = p.text("citing")
	return b
}

func (s *script) batch(p *words) (statement.Batch, []byte) {
	kind := statement.HashType(p.next())
	a := s.attachment(p)
	b := statement.NewBatch(kind, a, p.time("until"), p.text("because"))
	return b, a
}

func (s *script) attachment(p *words) []byte {
	var hashes []statement.RevocationHash
	for _, name := range p.list() {
		h := testHash(name)
		s.names[hex.EncodeToString(h[:])] = "‹" + name + "›"
		hashes = append(hashes, h)
	}
	return statement.NewAttachment(hashes)
}
