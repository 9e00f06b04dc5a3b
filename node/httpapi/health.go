package httpapi

import (
	_ "embed"
	"net/http"

	"concordat/client"
)

// openapi describes the whole API to programs.
//
//go:embed openapi.json
var openapiJSON []byte

func (a *api) openapi(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, err := w.Write(openapiJSON)
	return err
}

// healthz says whether the process does its work; whoever restarts processes asks it.
func (a *api) healthz(w http.ResponseWriter, _ *http.Request) error {
	if err := a.node.Healthy(); err != nil {
		return err
	}
	return reply(w, http.StatusOK, map[string]string{"status": "ok"})
}

// readyz says whether the node is up to date; whoever spreads load asks it. A
// node that is not ready still answers checks, with its age.
func (a *api) readyz(w http.ResponseWriter, _ *http.Request) error {
	if err := a.node.Ready(); err != nil {
		return err
	}
	return reply(w, http.StatusOK, map[string]string{"status": "ready"})
}

func (a *api) status(w http.ResponseWriter, _ *http.Request) error {
	return reply(w, http.StatusOK, a.node.Status())
}

func (a *api) peers(w http.ResponseWriter, _ *http.Request) error {
	return reply(w, http.StatusOK, client.Peers{Peers: a.node.Peers()})
}
