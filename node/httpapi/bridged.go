package httpapi

import (
	"net/http"

	"concordat/node/httpapi/bridge"
)

// maxLists bounds the answers in formats of existing clients that are under way at once.
const maxLists = 64

// bridged adds the routes of the bridge, if this node has one. Their answers may
// be long, and have to be read at the pace of a bundle.
func (a *api) bridged(all map[string]handler) {
	if a.bridge == nil {
		return
	}
	for pattern, h := range a.bridge.Routes() {
		all[pattern] = a.list(h)
	}
}

func (a *api) list(h bridge.Handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := a.lists.enter(r.Context(), "lists"); err != nil {
			return err
		}
		defer a.lists.leave()
		return h(a.pace.writer(w), r)
	}
}
