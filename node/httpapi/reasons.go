package httpapi

import (
	"net/http"
	"strings"

	"concordat/client"
	"concordat/recognition"
	"concordat/recognition/sentence"
)

// reasons answers GET /v1/reasons: what every reason of a decision means, by the
// table of this program, in the language that suits Accept-Language best.
func (a *api) reasons(w http.ResponseWriter, r *http.Request) error {
	l := sentence.Spoken(sentence.Accept(wantedLanguages(r)))
	speak(w, l)
	w.Header().Set("Cache-Control", "no-cache") // another version of the program may have more
	return reply(w, http.StatusOK, client.Reasons{Language: string(l), Reasons: recognition.ReasonsIn(l)})
}

// wantedLanguages is the Accept-Language of a request, however many lines it takes.
func wantedLanguages(r *http.Request) string {
	return strings.Join(r.Header.Values("Accept-Language"), ",")
}

// speak marks an answer as one in a language that was chosen by Accept-Language.
func speak(w http.ResponseWriter, l sentence.Language) {
	w.Header().Set("Content-Language", string(sentence.Spoken(l)))
	w.Header().Set("Vary", "Accept-Language")
}
