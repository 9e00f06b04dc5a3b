package testnet

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"concordat/client"
	"concordat/client/authority"
	"concordat/healthcode"
	"concordat/healthcode/hc1"
	"concordat/ledger/statement"
	"concordat/testnet/codes"
)

// DemoOptions say how the demonstration runs.
type DemoOptions struct {
	Dir  string    // where the network is kept; default: a temporary directory
	Keep bool      // leave the directory behind, and say where
	Out  io.Writer // where the story is told
	// Command is the concordat binary. Default: this process's own.
	Command string
}

// ErrNotAsTold: a step of the demonstration did not come out as it should.
var ErrNotAsTold = errors.New("not as told")

// demoRegions issue the codes of the story.
var demoRegions = []string{"AT", "CH", "DE", "SE"}

// demoTime is the time that the story's checks ask about: all its codes are good then.
var demoTime = time.Date(2021, 9, 1, 12, 0, 0, 0, time.UTC)

// Demo tells the main job as a story: four regions, each its own process, on
// real codes. It returns ErrNotAsTold at the first step that is not as told.
func Demo(ctx context.Context, o DemoOptions) (err error) {
	if o.Dir == "" {
		if o.Dir, err = os.MkdirTemp("", "concordat-demo-"); err != nil {
			return fmt.Errorf("demonstration: %w", err)
		}
	}
	s := &story{out: o.Out, authors: map[string]*client.Author{}, codes: map[string]codes.Code{}}
	defer func() {
		if s.net != nil {
			err = errors.Join(err, s.net.Stop())
		}
		if o.Keep {
			s.say("\nKept: %s", o.Dir)
		} else {
			err = errors.Join(err, os.RemoveAll(o.Dir))
		}
	}()
	start := time.Now()
	for _, chapter := range []struct {
		title string
		tell  func(context.Context) error
	}{
		{"Four regions found a network", func(ctx context.Context) error { return s.found(ctx, o) }},
		{"Each registers the certificate that signs its codes", s.register},
		{"A code travels: Germany recognises Austria", s.recognise},
		{"Austria revokes a code, and everybody refuses it", s.revoke},
		{"Germany declares a risk area, and an itinerary is refused", s.risk},
		{"Germany suspends its recognition, and says why", s.suspend},
		{"Germany publishes two rules, and a traveller reads in three languages why", s.rule},
		{"A card from overseas: Sweden vouches for a SMART Health Card issuer", s.overseas},
		{"One health code for all regions: status, declaration, itinerary", s.everywhere},
		{"The leader is killed in the middle of the work", s.kill},
		{"Two of four are gone: no quorum, and still an answer", s.cutOff},
		{"A receipt is verified with nothing but the genesis", s.prove},
		{"A validator signs two histories, and is caught by name", s.catch},
		{"All nodes are stopped, and a code is checked offline", s.carry},
	} {
		s.title(chapter.title)
		if err := chapter.tell(ctx); err != nil {
			return fmt.Errorf("%s: %w", chapter.title, err)
		}
	}
	s.say("\nAll as told, in %s.", time.Since(start).Round(100*time.Millisecond))
	return nil
}

// story holds what the chapters share.
type story struct {
	out     io.Writer
	net     *Network
	authors map[string]*client.Author // by region, each at its own node
	codes   map[string]codes.Code
	chapter int

	revocation uint64 // the index of Austria's
	last       uint64 // the index of what was said last
}

func (s *story) say(format string, a ...any) { fmt.Fprintf(s.out, format+"\n", a...) }

func (s *story) title(t string) {
	s.chapter++
	s.say("\n%d. %s", s.chapter, t)
}

func notAsTold(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrNotAsTold, fmt.Sprintf(format, a...))
}

func (s *story) found(ctx context.Context, o DemoOptions) error {
	start := time.Now()
	// Bundles are made of seals: one a second, so that nobody has to wait for a minute.
	net, err := Up(ctx, Options{Dir: o.Dir, Regions: demoRegions, Command: o.Command, Env: []string{"CONCORDAT_VOUCH_SEAL=1s"}})
	if err != nil {
		return err
	}
	s.net = net
	s.say("   network %s, id %.16s… (sha256 of genesis.json)", net.Name, net.ID)
	for _, n := range net.Nodes {
		dir, err := authority.Open(n.Dir, nil)
		if err != nil {
			return err
		}
		key, err := dir.Key(authority.Statement)
		if err != nil {
			return err
		}
		s.authors[n.Region] = &client.Author{Client: n.Client(), Authority: dir.ID(), Network: net.ID, Key: key.Ed25519()}
		st, err := n.Client().Status(ctx)
		if err != nil {
			return err
		}
		s.say("   %s: process %d at %s, %s, leader %s", n.Region, n.PID(), n.HTTP, st.RaftRole, st.Leader)
	}
	s.say("   keys made, network founded and four nodes ready in %s", since(start))
	return nil
}

// register registers, for every region, the certificate of each code of the story.
func (s *story) register(ctx context.Context) error {
	done := map[string]bool{}
	for _, name := range codes.Names() {
		c, err := codes.Get(name)
		if err != nil {
			return err
		}
		s.codes[name] = c
		if region := name[:2]; !done[string(c.Certificate)] {
			done[string(c.Certificate)] = true
			body, err := registration(c.Certificate)
			if err != nil {
				return fmt.Errorf("certificate of %s: %w", name, err)
			}
			if _, err := s.speak(ctx, region, body, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// registration makes the statement that registers a document signer certificate.
func registration(der []byte) (*statement.RegisterKey, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	kid := hc1.KeyID(der)
	body := &statement.RegisterKey{
		PublicKey: cert.RawSubjectPublicKeyInfo, KeyID: kid[:], Certificate: der, ValidUntil: statement.TimeOf(cert.NotAfter),
	}
	for _, k := range hc1.Kinds(cert) {
		body.Kinds = append(body.Kinds, statement.CodeKind(k))
	}
	body.Kinds = statement.SortKinds(body.Kinds)
	return body, nil
}

func (s *story) recognise(ctx context.Context) error {
	if err := s.check(ctx, "DE", ask{code: "AT-1"}, "refused", "recognition-missing"); err != nil {
		return err
	}
	if _, err := s.speak(ctx, "DE", &statement.Grant{Terms: statement.Terms{Region: "AT", Reason: "agreement of 2021-06-09"}}, nil); err != nil {
		return err
	}
	for _, name := range []string{"AT-1", "AT-3"} {
		if err := s.check(ctx, "DE", ask{code: name}, "recognized", "recognition-granted"); err != nil {
			return err
		}
	}
	for _, r := range []string{"CH", "SE"} {
		if _, err := s.speak(ctx, r, &statement.Grant{Terms: statement.Terms{Region: "AT"}}, nil); err != nil {
			return err
		}
	}
	s.say("   A code that was tampered with is nobody's:")
	return s.check(ctx, "DE", ask{code: "AT-1", spoil: true}, "refused", "")
}

func (s *story) revoke(ctx context.Context) error {
	at, err := healthcode.Decode(s.codes["AT-1"].Text, hc1.Decoder{})
	if err != nil {
		return err
	}
	var uci []statement.RevocationHash
	for _, h := range at.RevocationHashes() {
		if string(h.Type) == string(statement.HashUCI) {
			uci = append(uci, statement.RevocationHash(h.Hash))
		}
	}
	attachment := statement.NewAttachment(uci)
	batch := statement.NewBatch(statement.HashUCI, attachment, statement.TimeOf(time.Now().AddDate(1, 0, 0)), "issued in error")
	start := time.Now()
	index, err := s.speak(ctx, "AT", &statement.Revoke{Batch: batch}, attachment)
	if err != nil {
		return err
	}
	s.revocation = index
	for _, region := range []string{"DE", "CH", "SE"} {
		took, err := s.until(ctx, region, ask{code: "AT-1"}, "refused")
		if err != nil {
			return err
		}
		s.say("   %s refuses it %s after Austria began to say so", region, (took.Sub(start)).Round(time.Millisecond))
		if err := s.check(ctx, region, ask{code: "AT-1"}, "refused", "revoked"); err != nil {
			return err
		}
	}
	s.say("   The other codes of the same key stay good:")
	return s.check(ctx, "DE", ask{code: "AT-3"}, "recognized", "recognition-granted")
}

func (s *story) risk(ctx context.Context) error {
	from := statement.TimeOf(demoTime.AddDate(0, 0, -20))
	if _, err := s.speak(ctx, "DE", &statement.DeclareRisk{RiskLevel: statement.RiskLevel{
		Area: "CN-31", Scheme: "default", Level: "high", From: from, Lookback: 14, Refuse: true, LegalRef: "CoronaEinreiseV §2",
	}}, nil); err != nil {
		return err
	}
	stay := func(area string, daysAgo int) []client.Stay {
		from := demoTime.AddDate(0, 0, -daysAgo)
		return []client.Stay{{Area: area, From: from, To: from.Add(20 * time.Hour)}}
	}
	if err := s.check(ctx, "DE", ask{code: "AT-3", stays: stay("CN-31-0115", 5), place: "in CN-31-0115, a district of CN-31, five days before"}, "refused", "risk-area"); err != nil {
		return err
	}
	if err := s.check(ctx, "DE", ask{code: "AT-3", stays: stay("CN-31-0115", 18), place: "there eighteen days before, outside the look-back of fourteen"}, "recognized", ""); err != nil {
		return err
	}
	return s.check(ctx, "DE", ask{code: "AT-3", stays: stay("CN-11", 5), place: "in CN-11 five days before"}, "recognized", "")
}

func (s *story) suspend(ctx context.Context) error {
	why := "forged certificates reported on 27 October; under review"
	if _, err := s.speak(ctx, "DE", &statement.Suspend{Region: "AT", Reason: why}, nil); err != nil {
		return err
	}
	if err := s.check(ctx, "DE", ask{code: "AT-3"}, "refused", "recognition-suspended"); err != nil {
		return err
	}
	s.say("   Germany's word binds Germany alone:")
	if _, err := s.until(ctx, "CH", ask{code: "AT-3"}, "recognized"); err != nil {
		return err
	}
	if err := s.check(ctx, "CH", ask{code: "AT-3"}, "recognized", "recognition-granted"); err != nil {
		return err
	}
	if _, err := s.speak(ctx, "DE", &statement.ChangeGrant{Terms: statement.Terms{Region: "AT", Reason: "review closed"}}, nil); err != nil {
		return err
	}
	return s.check(ctx, "DE", ask{code: "AT-3"}, "recognized", "recognition-granted")
}
