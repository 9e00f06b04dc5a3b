package httpapi

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"concordat/client"
	"concordat/ledger"
	"concordat/ledger/statement"
)

// maxBundles is how many bundles are written at once: each reads the whole state.
const maxBundles = 8

// transparency answers GET /checkpoint and GET /tile/…: the ledger as a
// transparency log, for tools that know nothing else of us.
func (a *api) transparency(w http.ResponseWriter, r *http.Request) error {
	a.tiles.ServeHTTP(w, r)
	return nil
}

// addCheckpoint answers POST /add-checkpoint, as a witness.
func (a *api) addCheckpoint(w http.ResponseWriter, r *http.Request) error {
	a.witness.ServeHTTP(w, r)
	return nil
}

// receipt answers GET /v1/statements/{index or hash}/receipt: a C2SP tlog-proof
// or, to Accept: application/cose, the statement with an RFC 9942 receipt.
func (a *api) receipt(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Vary", "Accept")
	index, err := a.indexOf(r.PathValue("ref"))
	if err != nil {
		return err
	}
	proof, err := a.node.Receipt(index, wantsCOSE(r))
	if err != nil {
		return err
	}
	kind, name := "text/plain; charset=utf-8", fmt.Sprintf("statement-%d.tlog-proof", index)
	if wantsCOSE(r) {
		kind, name = "application/cose", fmt.Sprintf("statement-%d.cose", index)
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename=%q`, name))
	w.Header().Set("Cache-Control", "no-cache") // a later one has a newer checkpoint
	_, err = w.Write(proof)
	return err
}

// indexOf finds a statement's index by what a path calls it.
func (a *api) indexOf(ref string) (uint64, error) {
	if b, err := hex.DecodeString(ref); err == nil && len(b) == len(statement.Hash{}) {
		view := a.node.View()
		defer closeView(a, view)
		index, err := view.IndexOf(statement.Hash(b))
		if errors.Is(err, ledger.ErrNotFound) {
			return 0, client.Fail(client.NotFound, "%v", err)
		}
		return index, err
	}
	index, err := strconv.ParseUint(ref, 10, 63)
	if err != nil {
		return 0, client.Fail(client.BadRequest, "%q is no statement: want its index, or its hash in 64 hex digits", clip(ref))
	}
	return index, nil
}

// evidence answers GET /v1/evidence.
func (a *api) evidence(w http.ResponseWriter, r *http.Request) error {
	view := a.node.View()
	defer closeView(a, view)
	list, err := a.node.Evidence(view)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, client.EvidenceList{Evidence: list, AsOf: a.node.AsOf(view)})
}

// bundle answers GET /v1/bundle: what a check needs, for a verifier without a network.
func (a *api) bundle(w http.ResponseWriter, r *http.Request) error {
	var since uint64
	if s := r.URL.Query().Get("since"); s != "" {
		var err error
		if since, err = strconv.ParseUint(s, 10, 63); err != nil || since == 0 {
			return client.Fail(client.BadRequest, "since is %q, want the size of a bundle that you have", clip(s))
		}
	}
	if err := a.bundles.enter(r.Context(), "bundles"); err != nil {
		return err
	}
	defer a.bundles.leave()
	return a.node.Bundle(a.pace.writer(w), since, func(size uint64, vouched time.Time) bool {
		// While nothing is said the bundle stays what it is, but for the proof of
		// how fresh it is: whoever has an ageing one is to get it.
		etag := fmt.Sprintf(`"%d-%d"`, size, vouched.Unix())
		w.Header().Set("ETag", etag)
		w.Header().Set("Cache-Control", "no-cache")
		if matches(r.Header.Get("If-None-Match"), etag) {
			w.WriteHeader(http.StatusNotModified)
			return false
		}
		w.Header().Set("Content-Type", "application/vnd.concordat.bundle")
		w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="concordat-%d.bundle"`, size))
		return r.Method != http.MethodHead
	})
}
