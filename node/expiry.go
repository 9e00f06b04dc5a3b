package node

import (
	"crypto/x509"
	"fmt"
	"slices"
	"sync"
	"time"

	"concordat/client"
	"concordat/ledger"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

const (
	// expiryAhead is how long before something of this authority's ends it is told:
	// long enough to get a new certificate through a ministry.
	expiryAhead = 30 * 24 * time.Hour
	// expiryEvery is how long a look at what ends lasts, and expiryAgain how long
	// one lasts at least where the ledger has grown since.
	expiryEvery = time.Minute
	expiryAgain = 5 * time.Second
)

// expiry remembers what will end soon: looking reads every key of this authority.
type expiry struct {
	mu     sync.Mutex
	looked time.Time
	size   uint64 // of the ledger that was looked at
	list   []client.Expiring
}

// expiring lists what of this node's own authority ends within expiryAhead: the
// first first. What has ended already is not news.
func (n *Node) expiring(view *ledger.View) ([]client.Expiring, error) {
	e := &n.expiry
	e.mu.Lock()
	defer e.mu.Unlock()
	size, ago := view.Head().Size, time.Since(e.looked)
	if e.list != nil && (ago < expiryAgain || size == e.size && ago < expiryEvery) {
		return e.list, nil
	}
	now := wall()
	list := []client.Expiring{}
	add := func(what, id string, at time.Time, hint string) {
		if left := at.Sub(now); left > 0 && left <= expiryAhead {
			list = append(list, client.Expiring{What: what, ID: id, At: at.UTC(), Days: int(left.Hours() / 24), Hint: hint})
		}
	}
	keys, err := view.State().IssuerKeys(state.KeyFilter{Region: n.me.ID, Status: state.Registered})
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		id := fmt.Sprintf("%.16s", k.Thumbprint)
		if k.ValidUntil != 0 {
			add("issuer-key", id, k.ValidUntil.Time(), "register the key that follows it: codes issued later with this one are not good")
		}
		if len(k.Certificate) == 0 {
			continue
		}
		if c, err := x509.ParseCertificate(k.Certificate); err == nil && (k.ValidUntil == 0 || c.NotAfter.Before(k.ValidUntil.Time())) {
			add("certificate", id, c.NotAfter, "get a new certificate, and register its key")
		}
	}
	all, err := view.State().Recognitions()
	if err != nil {
		return nil, err
	}
	for _, g := range all {
		if g.Status == state.Withdrawn || g.Terms.Until == 0 || g.Grantor != n.me.ID && g.Grantee != n.me.ID {
			continue
		}
		add("recognition", string(g.Grantor)+" of "+string(g.Grantee), g.Terms.Until.Time(), renew(g.Grantor, n.me.ID))
	}
	slices.SortStableFunc(list, func(a, b client.Expiring) int { return a.At.Compare(b.At) })
	e.list, e.looked, e.size = list, time.Now(), size
	return list, nil
}

func renew(grantor, me statement.Region) string {
	if grantor == me {
		return "change its terms if it is to go on: concordat recognize change"
	}
	return fmt.Sprintf("ask %s to renew it if your codes are to stay good there", grantor)
}
