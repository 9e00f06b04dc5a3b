package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"

	"concordat/client"
	"concordat/healthcode/picture"
	"concordat/recognition"
)

// mediaType gives what a request says its body is, without parameters.
func mediaType(r *http.Request) string {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return kind
}

// checkPictures answers POST /v1/check for a form with pictures, and for a body
// that is one. Like the codes in them, pictures are neither kept nor logged.
func (a *api) checkPictures(w http.ResponseWriter, r *http.Request, kind string) error {
	most := int64(picture.MaxBytes)
	if kind == "multipart/form-data" {
		most = a.mostForm()
	}
	size, err := a.pictures.enter(r.Context(), r.ContentLength, most, "pictures")
	if err != nil {
		return err
	}
	defer a.pictures.leave(size)
	body := http.MaxBytesReader(w, r.Body, most)
	q, err := a.readPictures(r, kind, body)
	if err != nil {
		return err
	}
	// Reading pictures is the dearest thing that strangers may ask for. Those who
	// wait for it take no room from those who show texts.
	if err := a.eyes.enter(r.Context(), "checks of pictures"); err != nil {
		return err
	}
	defer a.eyes.leave()
	return a.decide(w, r, q)
}

// maxPictureForm bounds the pictures of one form together, in bytes: some
// photographs as telephones take them.
const maxPictureForm = 24 << 20

// maxHeaders bounds the headers of a form's parts together, in bytes.
const maxHeaders = 16 << 10

// mostForm bounds a form: its pictures, the fields, and what is around them.
func (a *api) mostForm() int64 {
	return min(int64(a.maxPictures)*picture.MaxBytes, maxPictureForm) + a.maxBody + maxHeaders
}

// readPictures takes the question and its pictures out of the body.
func (a *api) readPictures(r *http.Request, kind string, body io.Reader) (q client.Check, err error) {
	if kind == "multipart/form-data" {
		_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || params["boundary"] == "" {
			return q, client.Fail(client.BadRequest, "the Content-Type of the form names no boundary")
		}
		return a.readCheckForm(multipart.NewReader(body, params["boundary"]))
	}
	var f fields
	asked, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return q, client.Fail(client.BadRequest, "the query cannot be read")
	}
	for name, values := range asked {
		if name == "codes" {
			return q, client.Fail(client.BadRequest, "codes do not belong in a URL, which others log: send them in the body, in a form")
		}
		for _, v := range values {
			if err := f.add(name, v); err != nil {
				return q, err
			}
		}
	}
	if q, err = f.check(); err != nil {
		return q, err
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return q, brokenPicture(err)
	}
	q.Pictures = [][]byte{data}
	return q, nil
}

// readCheckForm reads a form: parts picture, and either the part check, which is
// what the body would be without pictures, or fields of the same names. However
// small the parts are, there are only so many of them: codes are counted, as
// pictures are, every other name comes once, and one that is not known ends the
// reading.
func (a *api) readCheckForm(form *multipart.Reader) (q client.Check, err error) {
	var f fields
	var whole []byte
	var pictures [][]byte
	left, headers := a.maxBody, maxHeaders // for all that are not pictures, and for what is said of each
	for {
		part, err := form.NextRawPart() // the bytes as they come: nothing is quoted-printable here
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return q, brokenBody(err)
		}
		if headers -= sizeOf(part.Header); headers < 0 {
			return q, client.Fail(client.TooLarge, "the headers of the form's parts have more than %d bytes", maxHeaders)
		}
		name := part.FormName()
		if name == "picture" {
			if len(pictures) == a.maxPictures {
				return q, client.Fail(client.BadRequest, "more than %d pictures at once", a.maxPictures)
			}
			data, err := readPart(part, picture.MaxBytes)
			if err != nil {
				return q, brokenPicture(err)
			}
			pictures = append(pictures, data)
			continue
		}
		data, err := readPart(part, left)
		if err != nil {
			return q, brokenBody(err)
		}
		left -= int64(len(data))
		if name != "check" {
			if err := f.add(name, string(data)); err != nil {
				return q, err
			}
			continue
		}
		if whole != nil {
			return q, client.Fail(client.BadRequest, "the form has the part check twice")
		}
		whole = data
	}
	switch {
	case whole != nil && !f.empty():
		return q, client.Fail(client.BadRequest, "the form has the part check and fields beside it: give one or the other")
	case whole != nil:
		err = decodeStrictly(bytes.NewReader(whole), &q)
	default:
		q, err = f.check()
	}
	q.Pictures = pictures
	return q, err
}

// sizeOf gives the bytes of a part's header, about.
func sizeOf(header textproto.MIMEHeader) (n int) {
	for name, values := range header {
		for _, v := range values {
			n += len(name) + len(v)
		}
	}
	return n
}

// readPart reads a part, and fails as a body does that has more than most bytes.
func readPart(part io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(part, most+1))
	if err == nil && int64(len(data)) > most {
		err = &http.MaxBytesError{Limit: most}
	}
	return data, err
}

// brokenPicture is brokenBody for a picture.
func brokenPicture(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return client.Fail(client.PictureTooLarge, "a picture, or what is sent of them at once, has more than %d bytes", tooLarge.Limit)
	}
	return brokenBody(err)
}

// fields are those of a question in a form or a query.
type fields struct {
	codes []string
	once  map[string]json.RawMessage // the others, each as it stands in the JSON of a question without pictures
}

func (f *fields) empty() bool { return len(f.codes) == 0 && len(f.once) == 0 }

// textFields are the fields that are texts and come once.
var textFields = []string{"region", "at", "arrival", "consistency", "maxAge"}

// add takes one field.
func (f *fields) add(name, value string) error {
	switch {
	case name == "codes":
		if len(f.codes) == recognition.MaxCodes {
			return client.Fail(client.BadRequest, "more than %d codes at once", recognition.MaxCodes)
		}
		f.codes = append(f.codes, value)
		return nil
	case f.once[name] != nil:
		return client.Fail(client.BadRequest, "the field %s comes twice", name)
	case name == "itinerary":
		if !json.Valid([]byte(value)) {
			return client.Fail(client.BadRequest, "itinerary is not JSON")
		}
		f.put(name, json.RawMessage(value))
		return nil
	case slices.Contains(textFields, name):
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		f.put(name, text)
		return nil
	}
	return client.Fail(client.BadRequest, "a field is not known; want picture, check, codes, itinerary, %v", textFields)
}

func (f *fields) put(name string, value json.RawMessage) {
	if f.once == nil {
		f.once = map[string]json.RawMessage{}
	}
	f.once[name] = value
}

// check reads the fields as the JSON that they make.
func (f *fields) check() (q client.Check, err error) {
	whole, err := json.Marshal(f.once)
	if err != nil {
		return q, client.Fail(client.BadRequest, "the fields cannot be read")
	}
	err = decodeStrictly(bytes.NewReader(whole), &q)
	q.Codes = f.codes
	return q, err
}
