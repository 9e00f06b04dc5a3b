package bridge

import (
	"crypto/ecdsa"
	"net/http"
	"sync"
	"time"

	"concordat/ledger"
	"concordat/ledger/statement"
)

// Source is what the bridge reads.
type Source interface {
	// View pins the ledger as it stands; the caller closes it.
	View() *ledger.View
	// FinalSize is how many statements are final.
	FinalSize() uint64
	// FinalView is the ledger as it was at the newest final size that is at hand,
	// until release is called; false if none is.
	FinalView() (v *ledger.View, release func(), ok bool)
}

// Config is what a bridge is made of.
type Config struct {
	Source Source
	// Region is the node's own: lists are as that region would judge, unless a
	// request names another.
	Region statement.Region
	// URL is where clients reach this node, without a slash at its end; "": what
	// the ledger has for the region's authority, else the Host of the request.
	URL string
	// Key signs rules and value sets for clients that look for a signature; nil:
	// they come without. It speaks for this node alone.
	Key *ecdsa.PrivateKey
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// Bridge answers existing clients. It may be used by many at once.
type Bridge struct {
	source Source
	region statement.Region
	url    string
	key    *ecdsa.PrivateKey
	clock  func() time.Time

	mu      sync.Mutex // held while a list is made: a second request waits for the first's
	rosters map[statement.Region]*roster
	known   map[name]registered       // the keys in the newest state that was read
	times   map[uint64]statement.Time // of the statements that bear on them
	places  map[statement.Time]uint64 // in the ledger, of the moments that let them in
	shelf   *shelf
	uses    uint64

	reading sync.Mutex
	vain    map[uint64]bool // documents, by their statements, that do not hold what they name
}

// maxRosters bounds the regions whose lists are kept at hand.
const maxRosters = 16

// New makes a bridge.
func New(c Config) *Bridge {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Bridge{
		source: c.Source, region: c.Region, url: c.URL, key: c.Key, clock: c.Now,
		rosters: map[statement.Region]*roster{}, vain: map[uint64]bool{},
	}
}

// Handler answers a request, or returns the failure to answer with: a
// *client.Failure, or an error of the store.
type Handler func(http.ResponseWriter, *http.Request) error

// Routes is every path that the bridge answers, by the pattern of an http.ServeMux.
func (b *Bridge) Routes() map[string]Handler {
	return map[string]Handler{
		"GET /trustList":                                            b.trustList,
		"GET /trustList/{type}":                                     b.trustList,
		"GET /trustList/{type}/{cc}":                                b.trustList,
		"GET /trustList/issuers":                                    b.trustedIssuers,
		"GET /trustList/certificate":                                b.trustedCertificates,
		"GET /trustList/references":                                 b.references,
		"GET /signercertificateUpdate":                              b.nextCertificate,
		"POST /signercertificateUpdate":                             b.certificatesOf,
		"GET /signercertificateStatus":                              b.kids,
		"GET /signercertificateStatus/delta":                        b.kidsSince,
		"GET /trustedissuers":                                       b.trustedIssuers,
		"GET /context":                                              b.context,
		"GET /rules":                                                b.rules,
		"GET /rules/{cc}":                                           b.rules,
		"GET /rules/{cc}/{hash}":                                    b.rule,
		"GET /valuesets":                                            b.valueSets,
		"GET /valuesets/{hash}":                                     b.valueSet,
		"GET /countrylist":                                          b.countries,
		"GET /publickey":                                            b.publicKey,
		"GET /.well-known/jwks.json":                                b.keySet,
		"GET /issuers/{region}/.well-known/jwks.json":               b.keySet,
		"GET /jwks/{issuer}/.well-known/jwks.json":                  b.keySet,
		"GET /v2/trustlist/did.json":                                b.did,
		"GET /v2/trustlist/{domain}/did.json":                       b.did,
		"GET /v2/trustlist/{domain}/{participant}/did.json":         b.did,
		"GET /v2/trustlist/{domain}/{participant}/{usage}/did.json": b.did,
		"POST /authorization":                                       b.authorization,
		"POST /trqp/authorization":                                  b.authorization,
		"POST /recognition":                                         b.recognition,
		"POST /trqp/recognition":                                    b.recognition,
	}
}

// now is the time that windows are judged at, in whole seconds.
func (b *Bridge) now() statement.Time { return statement.TimeOf(b.clock()) }
