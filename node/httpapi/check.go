package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"regexp"
	"strings"

	"concordat/client"
	"concordat/recognition"
	"concordat/recognition/sentence"
)

// check answers POST /v1/check.
func (a *api) check(w http.ResponseWriter, r *http.Request) error {
	kind := mediaType(r)
	if kind == "multipart/form-data" || kind == "image/png" || kind == "image/jpeg" {
		return a.checkPictures(w, r, kind)
	}
	if !saysJSON(r.Header.Get("Content-Type")) {
		return client.Fail(client.WrongContentType, "a check is application/json, or multipart/form-data with pictures, or one picture as image/png or image/jpeg")
	}
	// The body comes first: a client that sends slowly takes a connection, and
	// none of the room for checks.
	var q client.Check
	if err := decodeStrictly(http.MaxBytesReader(w, r.Body, a.maxBody), &q); err != nil {
		return err
	}
	return a.decide(w, r, q)
}

// decide has the node decide, and answers.
func (a *api) decide(w http.ResponseWriter, r *http.Request, q client.Check) error {
	q.Language = wantedLanguages(r)
	if err := a.checks.enter(r.Context(), "checks"); err != nil {
		return err
	}
	defer a.checks.leave()
	answer, err := a.node.Check(r.Context(), q)
	if err != nil {
		return err
	}
	a.metrics.decided(answer)
	a.metrics.pictures.Add(float64(len(q.Pictures)))
	speak(w, sentence.Accept(q.Language))
	return reply(w, http.StatusOK, answer)
}

// saysJSON reports whether a body may be read as JSON: it says so, or nothing,
// or what curl and many libraries say of a body that they were told nothing of.
func saysJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && (t == "application/json" || t == "application/x-www-form-urlencoded")
}

// decodeStrictly reads one JSON object, with no field that is not known, no more
// values than a question may have, and nothing after it. What it says of a fault
// never quotes the body.
func decodeStrictly(body io.Reader, into any) error {
	d := json.NewDecoder(&sparing{in: body, left: maxValues})
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errMore
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) || errors.Is(err, os.ErrDeadlineExceeded) {
		return brokenBody(err)
	}
	return client.Fail(client.BadRequest, "the body is not the JSON object wanted: %s", whatIsWrong(err))
}

var (
	errMore   = errors.New("there is more after the object")
	errValues = errors.New("it has more values than any question needs; codes and stays are to be asked about in parts")
)

// maxValues bounds the values in a question: some times those of the most codes
// and the longest itinerary. Beyond it, a body of a few letters for each would
// take twenty times its size in memory, before there is room for a check.
const maxValues = 8 * (recognition.MaxCodes + recognition.MaxStays)

// sparing reads JSON up to a number of values: of commas that are in no string.
type sparing struct {
	in              io.Reader
	left            int
	quoted, escaped bool
}

func (s *sparing) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	for _, c := range p[:n] {
		switch {
		case s.escaped:
			s.escaped = false
		case c == '"':
			s.quoted = !s.quoted
		case s.quoted:
			s.escaped = c == '\\'
		case c == ',':
			if s.left--; s.left < 0 {
				return 0, errValues
			}
		}
	}
	return n, err
}

// whatIsWrong describes a decoding fault without the values, which may be a person's.
func whatIsWrong(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF):
		return "it is empty"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends in the middle; was it cut short?"
	case errors.As(err, &syntax):
		return "no JSON at byte " + itoa(syntax.Offset)
	case errors.As(err, &kind):
		return "field " + kind.Field + " holds a " + strings.Fields(kind.Value)[0] + ", want " + kind.Type.String()
	case strings.HasPrefix(err.Error(), "parsing time"), strings.HasPrefix(err.Error(), "Time.UnmarshalJSON"):
		return "a time is not RFC 3339 like 2021-06-01T12:00:00Z"
	case strings.HasPrefix(err.Error(), "json: unknown field"):
		return unknownField(err)
	case errors.Is(err, errMore), errors.Is(err, errValues):
		return err.Error()
	}
	return "it cannot be read"
}

// fieldName is what a name in a request of ours looks like. Anything else may
// be a code in the wrong place, and is not repeated.
var fieldName = regexp.MustCompile(`^json: unknown field "([A-Za-z][A-Za-z0-9_-]{0,31})"$`)

func unknownField(err error) string {
	if m := fieldName.FindStringSubmatch(err.Error()); m != nil {
		return "unknown field " + m[1]
	}
	return "unknown field"
}
