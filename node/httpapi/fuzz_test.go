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

// FuzzCheckForm: whatever is sent as a form with pictures, its parts are within
// their bounds, or the failure is one that the client is to blame for and that
// does not quote the form at length.
func FuzzCheckForm(f *testing.F) {
	part := func(name, data string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + data + "\r\n"
	}
	for _, s := range []string{
		part("picture", "\x89PNG\r\n\x1a\n") + part("region", "XA") + part("codes", "HC1:A") + part("codes", "HC1:B") + "--b--\r\n",
		part("check", `{"codes":["HC1:"],"arrival":"XA-1"}`) + part("picture", "x") + "--b--\r\n",
		part("itinerary", `[{"area":"CN-31","from":"2021-06-01T12:00:00Z","to":"2021-06-01T12:00:00Z"}]`) + part("at", "now") + "--b--",
		part("picture", "") + part("picture", "") + part("picture", ""), "--b--\r\n", "",
	} {
		f.Add([]byte(s))
	}
	a := &api{maxBody: 256, maxPictures: 2}
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := a.readCheckForm(multipart.NewReader(bytes.NewReader(body), "b"))
		if err != nil {
			if fail := asFailure(err); fail.Status()/100 != 4 || len(fail.Message) > 300 {
				t.Fatalf("status %d, a message of %d bytes", fail.Status(), len(fail.Message))
			}
			return
		}
		size := 0
		for _, c := range q.Codes {
			size += len(c)
		}
		if len(q.Pictures) > a.maxPictures || size > 4*int(a.maxBody) { // what is not UTF-8 grows
			t.Errorf("%d pictures and codes of %d bytes", len(q.Pictures), size)
		}
	})
}
