package bridge

import (
	"cmp"
	"net/http"
	"slices"

	"concordat/client"
	"concordat/ledger/statement"
)

// maxIssuer bounds the URL of an issuer in a request.
const maxIssuer = statement.MaxIssuerURL

// keySet answers GET /.well-known/jwks.json and its like: the keys of SMART
// Health Cards of a region's issuers that have no URL, or of one issuer, be it
// several regions'. Whose codes are recognised is not asked: an issuer's keys
// are its own.
func (b *Bridge) keySet(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Access-Control-Allow-Origin", "*") // the specification wants it
	issuer := cmp.Or(r.PathValue("issuer"), r.URL.Query().Get("iss"))
	if len(issuer) > maxIssuer {
		return client.Fail(client.BadRequest, "the issuer has %d bytes, at most %d", len(issuer), maxIssuer)
	}
	regions := []statement.Region{b.region}
	if name := r.PathValue("region"); name != "" {
		region, err := statement.ParseRegion(name)
		if err != nil {
			return client.Fail(client.UnknownRegion, "region: %v", err)
		}
		regions = []statement.Region{region}
	}
	if issuer != "" {
		var err error
		if regions, err = b.issuedBy(issuer); err != nil {
			return err
		}
		if len(regions) == 0 {
			return client.Fail(client.NotFound, "no authority has registered a key of the issuer %q", clip(issuer)).
				WithHint("an issuer is named as its codes name it, without a slash at the end")
		}
	}
	keys := []jwk{}
	for _, region := range regions {
		its, err := b.roster(region)
		if err != nil {
			return err
		}
		for i := range its.items {
			if one := &its.items[i]; one.shc && one.Region == region && one.Issuer == issuer {
				if keys, err = one.addTo(keys); err != nil {
					return err
				}
			}
		}
	}
	slices.SortStableFunc(keys, func(a, b jwk) int { return cmp.Compare(a.Kid, b.Kid) })
	keys = slices.CompactFunc(keys, func(a, b jwk) bool { return a.Kid == b.Kid })
	if tagged(w, r, keys) {
		return nil
	}
	return reply(w, map[string]any{"keys": keys})
}

// addTo adds the key as SMART Health Cards want it.
func (i *item) addTo(keys []jwk) ([]jwk, error) {
	k, ok := jwkOf(i.public.key)
	if !ok {
		return keys, nil
	}
	kid, err := k.thumbprint()
	if err != nil {
		return nil, err
	}
	k.Kid, k.Use, k.Alg = kid, "sig", "ES256"
	if i.public.leaf {
		k.X5c = []string{b64(i.Certificate)}
	}
	return append(keys, k), nil
}

// issuedBy are the regions whose authorities have registered keys of an issuer, by id.
func (b *Bridge) issuedBy(issuer string) ([]statement.Region, error) {
	own, err := b.roster(b.region)
	if err != nil {
		return nil, err
	}
	var regions []statement.Region
	for i := range own.items {
		if own.items[i].Issuer == issuer {
			regions = append(regions, own.items[i].Region)
		}
	}
	slices.Sort(regions)
	return slices.Compact(regions), nil
}
