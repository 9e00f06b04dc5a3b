package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"

	"concordat/client"
	"concordat/healthcode/picture"
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

// mostForm bounds a form: its pictures, the fields, and what is around them.
func (a *api) mostForm() int64 {
	return min(int64(a.maxPictures)*picture.MaxBytes, maxPictureForm) + a.maxBody + 16<<10
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
	f := fields{}
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
// what the body would be without pictures, or fields of the same names.
func (a *api) readCheckForm(form *multipart.Reader) (q client.Check, err error) {
	f, whole := fields{}, []byte(nil)
	var pictures [][]byte
	left := a.maxBody // for all that are not pictures
	for {
		part, err := form.NextRawPart() // the bytes as they come: nothing is quoted-printable here
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return q, brokenBody(err)
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
	case whole != nil && len(f) > 0:
		return q, client.Fail(client.BadRequest, "the form has the part check and fields beside it: give one or the other")
	case whole != nil:
		err = decodeStrictly(bytes.NewReader(whole), &q)
	default:
		q, err = f.check()
	}
	q.Pictures = pictures
	return q, err
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

// fields are those of a question in a form or a query, each as it stands in the
// JSON of one without pictures.
type fields map[string]json.RawMessage

// textFields are the fields that are texts and come once.
var textFields = []string{"region", "at", "arrival", "consistency", "maxAge"}

// add takes one field.
func (f fields) add(name, value string) error {
	switch {
	case name == "codes":
		var all []string
		if f[name] != nil {
			if err := json.Unmarshal(f[name], &all); err != nil {
				return err
			}
		}
		return f.set(name, append(all, value))
	case f[name] != nil:
		return client.Fail(client.BadRequest, "the field %s comes twice", name)
	case name == "itinerary":
		if !json.Valid([]byte(value)) {
			return client.Fail(client.BadRequest, "itinerary is not JSON")
		}
		f[name] = json.RawMessage(value)
		return nil
	case slices.Contains(textFields, name):
		return f.set(name, value)
	}
	return client.Fail(client.BadRequest, "a field is not known; want picture, check, codes, itinerary, %v", textFields)
}

func (f fields) set(name string, value any) (err error) {
	f[name], err = json.Marshal(value)
	return err
}

// check reads the fields as the JSON that they make.
func (f fields) check() (q client.Check, err error) {
	whole, err := json.Marshal(f)
	if err != nil {
		return q, client.Fail(client.BadRequest, "the fields cannot be read")
	}
	err = decodeStrictly(bytes.NewReader(whole), &q)
	return q, err
}
