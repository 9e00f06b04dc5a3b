package httpapi

import "net/http"

// waiting answers GET /v1/pending: what nodes have accepted and what is not
// ordered, as far as this node knows.
func (a *api) waiting(w http.ResponseWriter, _ *http.Request) error {
	return reply(w, http.StatusOK, a.node.Waiting())
}
