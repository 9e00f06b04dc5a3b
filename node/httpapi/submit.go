package httpapi

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"strconv"

	"concordat/client"
	"concordat/ledger/statement"
)

// maxSubmission bounds a submission's body: a statement, an attachment, and the form around them.
const maxSubmission = statement.MaxSize + statement.MaxAttachment + 8<<10

// submit answers POST /v1/statements.
func (a *api) submit(w http.ResponseWriter, r *http.Request) error {
	wait := r.URL.Query().Get("wait")
	switch wait {
	case "":
		wait = client.Final
	case client.Accepted, client.Ordered, client.Final:
	default:
		return client.Fail(client.BadRequest, "wait is %q, want accepted, ordered or final", clip(wait))
	}
	if err := a.guests.enter(r.RemoteAddr); err != nil {
		return err
	}
	if err := a.submits.enter(r.Context(), "submissions"); err != nil {
		return err
	}
	defer a.submits.leave()
	size, err := a.bodies.enter(r.Context(), r.ContentLength, maxSubmission, "submissions")
	if err != nil {
		return err
	}
	defer a.bodies.leave(size)
	raw, attachment, err := readSubmission(w, r)
	if err != nil {
		return err
	}
	answer, err := a.node.Submit(r.Context(), raw, attachment, wait)
	if err != nil {
		a.guests.blame(r.RemoteAddr, err)
		return err
	}
	status := http.StatusOK
	if answer.State == client.Accepted || wait == client.Final && answer.State != client.Final {
		status = http.StatusAccepted // there is more to come of it
	}
	return reply(w, status, answer)
}

// readSubmission takes the statement and its attachment out of the body.
func readSubmission(w http.ResponseWriter, r *http.Request) (raw, attachment []byte, err error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		kind = ""
	}
	switch kind {
	case "application/cose", "application/octet-stream":
		if raw, err = io.ReadAll(http.MaxBytesReader(w, r.Body, statement.MaxSize)); err != nil {
			err = brokenBody(err)
		}
		return raw, nil, err
	case "multipart/form-data":
		return readForm(multipart.NewReader(http.MaxBytesReader(w, r.Body, maxSubmission), params["boundary"]))
	}
	return nil, nil, client.Fail(client.WrongContentType, "a statement is application/cose, or multipart/form-data with the parts statement and attachment")
}

func readForm(form *multipart.Reader) (raw, attachment []byte, err error) {
	for {
		part, err := form.NextRawPart() // the bytes as they come: nothing is quoted-printable here
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, brokenBody(err)
		}
		var into *[]byte
		var most int64
		switch name := part.FormName(); name {
		case "statement":
			into, most = &raw, statement.MaxSize
		case "attachment":
			into, most = &attachment, statement.MaxAttachment
		default:
			return nil, nil, client.Fail(client.BadRequest, "the form has a part %q, want statement and attachment", clip(name))
		}
		if *into != nil {
			return nil, nil, client.Fail(client.BadRequest, "the form has the part %s twice", part.FormName())
		}
		data, err := io.ReadAll(io.LimitReader(part, most+1))
		if err != nil {
			return nil, nil, brokenBody(err)
		}
		if int64(len(data)) > most {
			return nil, nil, client.Fail(client.TooLarge, "the %s has more than %d bytes", part.FormName(), most)
		}
		*into = data
	}
	if raw == nil {
		return nil, nil, client.Fail(client.BadRequest, "the form has no part statement")
	}
	return raw, attachment, nil
}

// brokenBody says what is wrong with a body that could not be read to its end.
func brokenBody(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return client.Fail(client.BadRequest, "the body did not come in time")
	}
	return client.Fail(client.BadRequest, "the body cannot be read to its end; was it cut short?")
}

// clip keeps foreign text short in an answer.
func clip(s string) string { return client.Clip(s, 64) }

func itoa[T ~int | ~int64 | ~uint64](n T) string { return strconv.FormatInt(int64(n), 10) }
