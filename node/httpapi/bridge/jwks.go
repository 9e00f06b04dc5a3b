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

// keySet answers GET /.well-known/jwks.json and its like, with keys of SMART
// Health Cards. Of a region those of its own issuers that have no URL; of an
// issuer, by its URL, those that the region relies on, its own and others': a URL
// is what an authority says of its key, and nobody else holds it to that, so one
// that the region does not recognise would put its keys under any issuer's. Below
// /issuers/{region} either are that region's own alone.
func (b *Bridge) keySet(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Access-Control-Allow-Origin", "*") // the specification wants it
	issuer := cmp.Or(r.PathValue("issuer"), r.URL.Query().Get("iss"))
	if len(issuer) > maxIssuer {
		return client.Fail(client.BadRequest, "the issuer has %d bytes, at most %d", len(issuer), maxIssuer)
	}
	region, err := b.regionOf(r)
	if err != nil {
		return err
	}
	own := issuer == "" // only what the region has registered itself
	if name := r.PathValue("region"); name != "" {
		if region, err = statement.ParseRegion(name); err != nil {
			return client.Fail(client.UnknownRegion, "region: %v", err)
		}
		own = true
	}
	all, err := b.roster(region)
	if err != nil {
		return err
	}
	keys, known := []jwk{}, issuer == ""
	for i := range all.items {
		one := &all.items[i]
		if one.Issuer != issuer || own && one.Region != region {
			continue
		}
		known = true
		if one.shc {
			if keys, err = one.addTo(keys); err != nil {
				return err
			}
		}
	}
	if !known {
		return client.Fail(client.NotFound, "no key of the issuer %q is registered", clip(issuer)).
			WithHint("an issuer is named as its codes name it, without a slash at the end")
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
