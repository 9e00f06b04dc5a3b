package httpapi

import (
	"bytes"
	"errors"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"concordat/client"
	"concordat/ledger/statement"
)

// FuzzCheckBody: whatever is sent, a check is decoded or the failure is a
// short one that the client is to blame for.
func FuzzCheckBody(f *testing.F) {
	for _, s := range []string{
		`{"codes":["HC1:"],"region":"XB","at":"2021-06-01T12:00:00Z","itinerary":[{"area":"CN-31","from":"2021-06-01T12:00:00Z","to":"2021-06-01T12:00:00Z"}],"consistency":"local","maxAge":"60s"}`,
		`{}`, `null`, `[]`, `{"codes":`, `{"codes":[1]}`, `{"x":1}`, `{} {}`, strings.Repeat("[", 200),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var q client.Check
		err := decodeStrictly(bytes.NewReader(body), &q)
		if err == nil {
			return
		}
		var fail *client.Failure
		if !errors.As(err, &fail) || fail.Status() != http.StatusBadRequest {
			t.Fatalf("%v", err)
		}
		if len(fail.Message) > 300 {
			t.Errorf("the failure has %d bytes", len(fail.Message))
		}
	})
}

// FuzzForm: whatever is sent as a form, its parts are within their bounds, or
// the failure is one that the client is to blame for.
func FuzzForm(f *testing.F) {
	for _, s := range []string{
		"--b\r\nContent-Disposition: form-data; name=\"statement\"\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data; name=\"attachment\"\r\n\r\ny\r\n--b--\r\n",
		"--b\r\nContent-Disposition: form-data; name=\"statement\"\r\n\r\nx", "--b--\r\n", "", "--b\r\n\r\n", "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n\r\n--b--",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		raw, attachment, err := readForm(multipart.NewReader(bytes.NewReader(body), "b"))
		if err != nil {
			var fail *client.Failure
			if !errors.As(err, &fail) || fail.Status()/100 != 4 {
				t.Fatalf("%v", err)
			}
			return
		}
		if raw == nil || len(raw) > statement.MaxSize || len(attachment) > statement.MaxAttachment {
			t.Errorf("a statement of %d bytes with an attachment of %d", len(raw), len(attachment))
		}
	})
}
