package load

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"concordat/client"
	"concordat/ledger/statement"
)

// Submit is a load of statements, signed beforehand, each sent once and waited
// for until it is ordered, or final.
type Submit struct {
	// Nodes are the base URLs that the clients send to, in turn.
	Nodes []string
	// Network are the base URLs of all nodes, for reading back. Default: Nodes.
	Network []string
	// Author says whose statements they are. Its client is not used.
	Author *client.Author
	// Clients is how many send at once.
	Clients int
	// Window is for how long.
	Window Window
	// Wait is client.Ordered (default) or client.Final.
	Wait string
	// Lag has one more client, which sends one statement after the other and
	// measures how long after it is ordered each is final.
	Lag bool
	// ReadBack bounds how many acknowledged statements are read back, evenly
	// among them. Default: all.
	ReadBack int
	// Prepare is how many statements are signed beforehand; when they run out,
	// the measurement ends. Default: more than the clients will need.
	Prepare int
	// Servers are the nodes' process ids, to tell their processor time.
	Servers []int
	// Say tells a person how it goes. Default: nobody.
	Say func(format string, a ...any)
}

// Submitted is the outcome of a Submit.
type Submitted struct {
	Figures
	Wait         string `json:"wait"`           // what was waited for
	Bytes        int    `json:"statementBytes"` // of one statement
	Acknowledged int    `json:"acknowledged"`   // in all, the warm-up and the end included
	ReadBack     int    `json:"readBack"`       // found at another node, by index, with the right hash
	Size         uint64 `json:"size"`           // of every node's ledger in the end
	Root         string `json:"root"`           // of every node's ledger in the end
	Lag          *Lag   `json:"lag,omitempty"`  // from ordered to final
}

// sent is one statement on its way.
type sent struct {
	raw  []byte
	hash statement.Hash
	// Once it is acknowledged:
	acked bool
	index uint64
	node  string // that acknowledged it
}

// Most statements a second that are prepared for: by one client alone, and in all.
const (
	mostByOne = 2_000
	mostByAll = 16_000
)

// Run prepares statements, sends them, and reads them back.
func (s Submit) Run(ctx context.Context) (Submitted, error) {
	if s.Say == nil {
		s.Say = func(string, ...any) {}
	}
	if s.Wait == "" {
		s.Wait = client.Ordered
	}
	if len(s.Network) == 0 {
		s.Network = s.Nodes
	}
	if s.Prepare == 0 {
		seconds := (s.Window.Warm + s.Window.Measured).Seconds()
		s.Prepare = int(float64(min(s.Clients*mostByOne, mostByAll))*seconds) + s.Clients
	}
	all, err := s.prepare(ctx)
	if err != nil {
		return Submitted{}, err
	}
	s.Say("%d statements of %d bytes are signed", len(all), len(all[0].raw))
	out, err := s.send(ctx, all)
	if err != nil {
		return out, err
	}
	var acked []sent
	for _, x := range all {
		if x.acked {
			acked = append(acked, x)
		}
	}
	out.Acknowledged, out.Bytes = len(acked), len(all[0].raw)
	r := readBack{network: s.Network}
	if out.Size, out.Root, err = r.sameRoots(ctx, acked); err != nil {
		return out, err
	}
	again := acked
	if s.ReadBack > 0 && s.ReadBack < len(acked) {
		again = make([]sent, s.ReadBack)
		for i := range again {
			again[i] = acked[i*len(acked)/s.ReadBack]
		}
	}
	s.Say("%d were acknowledged; reading %d back, each from another node", len(acked), len(again))
	out.ReadBack, err = r.all(ctx, again)
	return out, err
}

// prepare signs statements that no other run makes: each declares a risk in an
// area of its own.
func (s Submit) prepare(ctx context.Context) ([]sent, error) {
	// An area's part has letters and digits only, at most 12 of them.
	run := strings.ToUpper(strconv.FormatInt(time.Now().UnixNano(), 36))
	out := make([]sent, s.Prepare)
	workers := runtime.GOMAXPROCS(0)
	faults := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(out) && ctx.Err() == nil; i += workers {
				v, err := s.Author.Compose(ctx, &statement.DeclareRisk{RiskLevel: statement.RiskLevel{
					Area: statement.Area(fmt.Sprintf("XZ-%s-%d", run, i)), Scheme: "default", Level: "high", From: 1_630_000_000,
					Lookback: 14, LegalRef: "made up to measure with; no place of this name is known",
				}}, 1)
				if err != nil {
					faults[w] = err
					return
				}
				out[i] = sent{raw: v.Raw(), hash: v.Hash()}
			}
		})
	}
	wg.Wait()
	for _, err := range append(faults, context.Cause(ctx)) {
		if err != nil {
			return nil, fmt.Errorf("preparing statements: %w", err)
		}
	}
	return out, nil
}

// pool hands out the statements that nobody has sent yet.
type pool struct {
	all  []sent
	next atomic.Int64
}

func (p *pool) take() (*sent, bool) {
	n := p.next.Add(1) - 1
	if n >= int64(len(p.all)) {
		return nil, false
	}
	return &p.all[n], true
}

func (s Submit) send(ctx context.Context, all []sent) (Submitted, error) {
	cs, err := callers(s.Nodes, s.Clients)
	if err != nil {
		return Submitted{}, err
	}
	defer closeAll(cs)
	statements := &pool{all: all}
	ops := make([]operation, len(cs))
	for i, c := range cs {
		var mine *sent // under way: sent again, the same bytes, until it is acknowledged
		again := false
		ops[i] = func(ctx context.Context) error {
			if mine == nil {
				var ok bool
				if mine, ok = statements.take(); !ok {
					return errDry
				}
				again = false
			}
			got, err := c.Submit(ctx, mine.raw, nil, s.Wait)
			if err == nil && got.State != s.Wait && got.State != client.Final {
				err = fmt.Errorf("a statement is %s and not %s: %s", got.State, s.Wait, got.Note)
			}
			if err != nil {
				again = true
				return err
			}
			if err := mine.acknowledge(got, c.Nodes()[0], again); err != nil {
				return err
			}
			mine = nil
			return nil
		}
	}
	stop := s.startLag(ctx, statements)
	f, err := drive(ctx, ops, s.Window, s.Servers)
	f.Mode = "submit"
	out := Submitted{Figures: f, Wait: s.Wait}
	var fault error
	out.Lag, fault = stop()
	return out, errors.Join(err, fault)
}

// acknowledge notes what a node says became of the statement.
func (x *sent) acknowledge(got client.Submitted, node string, again bool) error {
	switch {
	case got.Hash != x.hash.String():
		return fmt.Errorf("%w: %s acknowledged statement %s as %s", ErrWrong, node, x.hash, got.Hash)
	case got.Index == nil || got.State != client.Ordered && got.State != client.Final:
		return fmt.Errorf("%w: %s acknowledged statement %s as %q, want an index and %q or %q", ErrWrong, node, x.hash, got.State, client.Ordered, client.Final)
	case got.Known && !again:
		return fmt.Errorf("%w: %s says that statement %s was in the ledger before it was sent", ErrWrong, node, x.hash)
	}
	x.acked, x.index, x.node = true, *got.Index, node
	return nil
}
