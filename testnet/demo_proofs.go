package testnet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"concordat/client/authority"
	"concordat/healthcode"
	"concordat/healthcode/hc1"
	"concordat/ledger/bundle"
	"concordat/ledger/checkpoint"
	"concordat/ledger/evidence"
	"concordat/ledger/genesis"
	"concordat/ledger/receipt"
	"concordat/ledger/statement"
	"concordat/recognition"
)

// genesisDocument is all that the verifiers of the next chapters are given.
func (s *story) genesisDocument() (*genesis.Document, error) {
	raw, err := os.ReadFile(s.net.Genesis)
	if err != nil {
		return nil, err
	}
	return genesis.Parse(raw)
}

// prove verifies a receipt with nothing but the genesis.
func (s *story) prove(ctx context.Context) error {
	doc, err := s.genesisDocument()
	if err != nil {
		return err
	}
	raw, err := s.net.Node("DE").Client().Receipt(ctx, fmt.Sprint(s.revocation), false)
	if err != nil {
		return err
	}
	s.say("   Germany's node hands out a receipt of Austria's revocation: %d bytes, a C2SP tlog-proof", len(raw))
	start := time.Now()
	r, err := receipt.ParseTLogProof(raw)
	if err != nil {
		return err
	}
	proved, err := receipt.Verify(doc, r)
	if err != nil {
		return err
	}
	said := proved.Statement.Statement()
	if proved.Index != s.revocation || said.Issuer != "AT" {
		return notAsTold("the receipt proves statement %d of %s", proved.Index, said.Issuer)
	}
	c := proved.Certified
	s.say("   A stranger verifies it with genesis.json alone, in %s:", time.Since(start).Round(10*time.Microsecond))
	s.say("      statement %d: %s", proved.Index, said.Words())
	s.say("      under size %d, root %.16x…, co-signed by %s", c.Checkpoint().Size, c.Checkpoint().Root, names(c.Cosigners()))
	r.Statement = bytes.Clone(r.Statement)
	r.Statement[len(r.Statement)/2] ^= 1
	if _, err = receipt.Verify(doc, r); err == nil {
		return notAsTold("a receipt with one bit flipped was believed")
	}
	s.say("   With one bit flipped, it proves nothing: %v", err)
	return nil
}

func names(cs []checkpoint.Cosignature) string {
	var out []string
	for _, c := range cs {
		out = append(out, string(c.By))
	}
	return strings.Join(out, ", ")
}

// catch lets Sweden's validator sign a second history, and has it caught.
func (s *story) catch(ctx context.Context) error {
	doc, err := s.genesisDocument()
	if err != nil {
		return err
	}
	const culprit = "SE"
	st, err := s.net.Node("AT").Client().Status(ctx)
	if err != nil {
		return err
	}
	dir, err := authority.Open(s.net.Node(culprit).Dir, nil)
	if err != nil {
		return err
	}
	key, err := dir.Key(authority.Cosign)
	if err != nil {
		return err
	}
	other := checkpoint.Checkpoint{Origin: doc.Network, Size: st.Final.Size, Root: sha256.Sum256([]byte("another history"))}
	line, err := checkpoint.Cosign(other, culprit, time.Now(), key.Ed25519())
	if err != nil {
		return err
	}
	s.say("   Whoever has the keys of %s's validator co-signs another history of %d statements, and shows it to somebody", culprit, other.Size)
	note := other.Text() + "\n" + line.Line
	// A monitor hands what it was shown to any validator, as it would to a witness.
	answer, err := post(ctx, s.net.Node("AT").HTTP+"/add-checkpoint", "old 0\n\n"+note)
	if err != nil {
		return err
	}
	s.say("   That somebody posts it to Austria's /add-checkpoint: %s", answer)
	var proof []byte
	if err := waitFor(ctx, "the evidence to be in Germany's ledger", func() bool {
		got, err := s.net.Node("DE").Client().Evidence(ctx)
		if err != nil || len(got.Evidence) != 1 || got.Evidence[0].Statement == nil {
			return false
		}
		proof = got.Evidence[0].Proof
		s.say("   Germany's /v1/evidence: %s: %s [statement %d]", got.Evidence[0].Region, got.Evidence[0].Words, *got.Evidence[0].Statement)
		return true
	}); err != nil {
		return err
	}
	p, network, err := evidence.ParseFile(proof)
	if err != nil {
		return err
	}
	if err := p.Verify(doc.Network, network, receipt.FoundingValidators(doc)); err != nil || network != doc.ID() {
		return notAsTold("the evidence does not verify by itself: %v", err)
	}
	if p.Culprit() != culprit {
		return notAsTold("the evidence names %s", p.Culprit())
	}
	s.say("   A stranger verifies the evidence with genesis.json alone. It names %s, and nobody else", p.Culprit())
	if _, err := s.speak(ctx, "CH", &statement.DeclareRisk{RiskLevel: statement.RiskLevel{
		Area: "CN-44", Scheme: "default", Level: "medium", From: statement.TimeOf(demoTime), Lookback: 14,
	}}, nil); err != nil {
		return err
	}
	st, err = s.net.Node("CH").Client().Status(ctx)
	if err != nil {
		return err
	}
	if strings.Contains(strings.Join(st.Final.Cosigners, " "), culprit) {
		return notAsTold("%s's co-signature still counts", culprit)
	}
	s.say("   %s's word counts no more. The quorum is still %d of 4: %s", culprit, st.Final.Quorum, strings.Join(st.Final.Cosigners, ", "))
	return nil
}

func post(ctx context.Context, url, body string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	return fmt.Sprintf("%s, %s", resp.Status, strings.TrimSpace(string(b))), err
}

// carry takes a bundle away, stops every node, and checks codes with it.
func (s *story) carry(ctx context.Context) error {
	doc, err := s.genesisDocument()
	if err != nil {
		return err
	}
	var file bytes.Buffer
	if err := waitFor(ctx, "a bundle of all that was said", func() bool {
		file.Reset()
		if err := s.net.Node("DE").Client().Bundle(ctx, 0, &file, nil); err != nil {
			return false
		}
		u, err := bundle.Parse(file.Bytes())
		return err == nil && u.Header().Receipt.Index > s.last
	}); err != nil {
		return err
	}
	questions := []ask{{code: "AT-1"}, {code: "AT-3"}, {code: "AT-3", spoil: true}}
	online := make([]recognition.Decision, len(questions))
	for i, q := range questions {
		a, err := s.net.Node("DE").Client().Check(ctx, s.question(q))
		if err != nil {
			return err
		}
		online[i] = a.Decision
	}
	if err := s.net.Stop(); err != nil {
		return err
	}
	s.say("   A verifier takes a bundle of %d bytes along. All four nodes are stopped", file.Len())
	start := time.Now()
	u, err := bundle.Parse(file.Bytes())
	if err != nil {
		return err
	}
	b, err := u.Verify(doc)
	if err != nil {
		return err
	}
	s.say("   It verifies the bundle with genesis.json alone, in %s: the state at size %d, co-signed by %s; %s",
		since(start), b.Size(), names(b.Certified().Cosigners()), b.Freshness(time.Now(), bundle.DefaultPolicy).Words)
	for i, q := range questions {
		check := s.question(q)
		u, err := healthcode.Decode(check.Codes[0], hc1.Decoder{})
		code := recognition.Code{Unverified: u, Err: err}
		got, err := recognition.Decide([]recognition.Code{code}, recognition.Query{
			Region: "DE", At: *check.At, Knowledge: recognition.Knowledge{MaxAge: time.Hour},
		}, b.State())
		if err != nil {
			return err
		}
		if got.Decision != online[i].Decision || len(got.Reasons) != len(online[i].Reasons) {
			return notAsTold("offline %s is %s, and was %s online", q.code, got.Decision, online[i].Decision)
		}
		spoilt := ""
		if q.spoil {
			spoilt = " (spoilt)"
		}
		s.say("   Offline, %s%s for Germany: %s, as Germany's node said", q.code, spoilt, strings.ToUpper(string(got.Decision)))
	}
	return nil
}
