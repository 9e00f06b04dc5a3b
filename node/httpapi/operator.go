package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"concordat/client"
	"concordat/ledger/statement"
)

// operator refuses whoever does not have the operator's token, which is in no log
// and no answer.
func (a *api) operator(w http.ResponseWriter, r *http.Request, what string) error {
	token, is := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !is || !a.node.Operator(token) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		return client.Fail(client.NotOperator, "%s is for this node's operator", what)
	}
	return nil
}

// transfer answers POST /v1/operator/transfer.
func (a *api) transfer(w http.ResponseWriter, r *http.Request) error {
	if err := a.operator(w, r, "moving leadership"); err != nil {
		return err
	}
	var t client.Transfer
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(&t); err != nil && !errors.Is(err, io.EOF) {
		return client.Fail(client.BadRequest, `the body is not understood, want {"to":"XB"} or nothing`)
	}
	if t.To != "" {
		if err := statement.Region(t.To).Validate(); err != nil {
			return client.Fail(client.BadRequest, "to: %v", err)
		}
	}
	answer, err := a.node.Transfer(r.Context(), t.To)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, answer)
}
