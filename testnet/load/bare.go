package load

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"

	"concordat/client"
	"concordat/recognition"
)

// maxBareBody bounds a request to the bare handler, in bytes.
const maxBareBody = 1 << 16

// Bare is the least that a code check over HTTP can be, to measure checks
// beside: it reads the JSON of POST /v1/check, verifies one ECDSA P-256
// signature, the same every time, and answers "recognized". It decodes no
// code, knows no ledger, and gives no reason.
func Bare() (http.Handler, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("bare handler: %w", err)
	}
	digest := sha256.Sum256([]byte("a code"))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		return nil, fmt.Errorf("bare handler: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/check", func(w http.ResponseWriter, r *http.Request) {
		var q client.Check
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBareBody)).Decode(&q); err != nil {
			http.Error(w, "no check", http.StatusBadRequest)
			return
		}
		if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
			http.Error(w, "wrong signature", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		// A client that has gone needs no answer.
		_ = json.NewEncoder(w).Encode(struct {
			Decision recognition.Outcome `json:"decision"`
		}{recognition.Recognized})
	})
	return mux, nil
}
