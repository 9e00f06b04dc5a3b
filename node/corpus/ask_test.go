package corpus_test

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"concordat/client"
	"concordat/healthcode/intake"
	"concordat/ledger/bundle"
	"concordat/ledger/statement"
	"concordat/recognition"
)

// fatal is what both a test and a property's run can do.
type fatal interface {
	Helper()
	Fatalf(format string, args ...any)
}

// post sends a body to a node's POST /v1/check, for an answer in a language.
func post(t fatal, at, contentType, language string, body []byte) (int, []byte) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, world.URL(at)+"/v1/check", bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%v", err)
	}
	req.Header.Set("Content-Type", contentType)
	if language != "" {
		req.Header.Set("Accept-Language", language)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return resp.StatusCode, answer
}

// form makes a form of a check, or of its fields, and of pictures.
func form(t fatal, fields [][2]string, pictures ...[]byte) (contentType string, body []byte) {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	part := func(name string, data []byte) {
		p, err := w.CreateFormFile(name, "file")
		if err == nil {
			_, err = p.Write(data)
		}
		if err != nil {
			t.Fatalf("%v", err)
		}
	}
	for _, f := range fields {
		part(f[0], []byte(f[1]))
	}
	for _, p := range pictures {
		part("picture", p)
	}
	if err := w.Close(); err != nil {
		t.Fatalf("%v", err)
	}
	return w.FormDataContentType(), out.Bytes()
}

// ask puts a question to a node, as JSON or, where there are pictures, as a form;
// its answer must be of the one size, and is given as it came, too.
func ask(t fatal, at string, q client.Check) (client.CheckAnswer, []byte) {
	t.Helper()
	body, err := json.Marshal(q)
	if err != nil {
		t.Fatalf("%v", err)
	}
	contentType := "application/json"
	if len(q.Pictures) > 0 {
		contentType, body = form(t, [][2]string{{"check", string(body)}}, q.Pictures...)
	}
	status, raw := post(t, at, contentType, q.Language, body)
	if status != http.StatusOK {
		t.Fatalf("%s answers %d: %s", at, status, raw)
	}
	return answered(t, at, raw), raw
}

// answered reads an answer of a node.
func answered(t fatal, at string, raw []byte) client.CheckAnswer {
	t.Helper()
	var a client.CheckAnswer
	if err := json.Unmarshal(raw, &a); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	if a.AsOf.Size != size || a.AsOf.FinalSize != size || a.AsOf.Pending != 0 {
		t.Fatalf("%s answers as of %+v; it should stay at %d", at, a.AsOf, size)
	}
	return a
}

// essence is an answer without asOf: what must be the same everywhere, to the byte.
func essence(t fatal, raw []byte) string {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	var out strings.Builder
	for _, name := range []string{"decision", "reasons", "codes", "region", "at"} {
		if len(members[name]) == 0 {
			t.Fatalf("no %s in %s", name, raw)
		}
		out.WriteString(name + " ")
		out.Write(members[name])
		out.WriteByte('\n')
	}
	return out.String()
}

// decide decides from a state.
type decide func([]recognition.Code, recognition.Query, recognition.State) (recognition.Decision, error)

// offline is the answer of a verifier who has a bundle and no node
// (`concordat check --bundle`).
func offline(t fatal, b *bundle.Bundle, q client.Check, decide decide) []byte {
	t.Helper()
	var things []intake.Shown
	for _, text := range q.Codes {
		things = append(things, intake.Text(text))
	}
	for _, p := range q.Pictures {
		things = append(things, intake.Picture(p))
	}
	readings := intake.Read(things)
	query := recognition.Query{Region: statement.Region(q.Region), At: q.At.UTC(), Arrival: statement.Area(q.Arrival)}
	for _, s := range q.Itinerary {
		query.Itinerary = append(query.Itinerary, recognition.Stay{Area: statement.Area(s.Area), From: s.From, To: s.To})
	}
	if err := query.Validate(len(readings)); err != nil {
		t.Fatalf("%v", err)
	}
	d, err := decide(recognition.CodesOf(readings), query, b.State())
	if err != nil {
		t.Fatalf("%v", err)
	}
	d.Locate(readings)
	raw, err := json.Marshal(client.CheckAnswer{Decision: d, Region: q.Region, At: query.At})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return raw
}

// names gives the names of the reasons with an effect, each with its detail
// where it has one, once and in order.
func names(a client.CheckAnswer, effects ...recognition.Effect) []string {
	var out []string
	for _, r := range a.Reasons {
		if !slices.Contains(effects, r.Effect) || r.Overruled != "" {
			continue
		}
		name := r.Name
		if r.Detail != "" {
			name += " " + r.Detail
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// weighs reports what speaks against a code, and what could not be judged.
func weighs(a client.CheckAnswer) []string { return names(a, recognition.Against, recognition.Unknown) }

// must is what a setup that cannot go wrong gives.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
