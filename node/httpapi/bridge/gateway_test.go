package bridge_test

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"
)

type trustItem struct {
	Kid             string  `json:"kid"`
	Timestamp       string  `json:"timestamp"`
	Country         string  `json:"country"`
	CertificateType string  `json:"certificateType"`
	Thumbprint      string  `json:"thumbprint"`
	Signature       *string `json:"signature"`
	RawData         *string `json:"rawData"`
}

// TestNationalBackend asks as the gateway's connector does: the whole list of
// document signers, page by page or at once, and then what changed.
func TestNationalBackend(t *testing.T) {
	w := newWorld(t, "XA", "GR", "XB")
	a, g, b := dsc(t), dsc(t), dsc(t)
	w.says("XA", a)
	w.says("GR", g)
	w.says("XB", b)
	w.says("XA", grant("GR"))
	registered := w.Now
	var all []trustItem
	w.get("/trustList/DSC").into(&all)
	if len(all) != 2 || all[0].Kid != kidOf(a) || all[1].Kid != kidOf(g) {
		t.Fatalf("%+v", all)
	}
	sum := g.Thumbprint()
	if i := all[1]; i.Country != "EL" || i.CertificateType != "DSC" || i.Thumbprint != hex.EncodeToString(sum[:]) || *i.RawData != rawOf(g) || *i.Signature != "" || i.Timestamp != registered.Format("2006-01-02T15:04:05Z") {
		t.Errorf("%+v", i)
	}
	for path, want := range map[string]int{
		"/trustList": 2, "/trustList/dsc": 2, "/trustList/CSCA": 0, "/trustList/UPLOAD": 0, "/trustList/AUTHENTICATION": 0,
		"/trustList/DSC/EL": 1, "/trustList/DSC/GR": 1, "/trustList/DSC/xa": 1, "/trustList/DSC/XB": 0, "/trustList/CSCA/XA": 0,
		"/trustList/DSC?page=0&pagesize=1": 1, "/trustList/DSC?page=1&pagesize=1": 1, "/trustList/DSC?page=2&pagesize=1": 0, "/trustList?pagesize=10": 2,
		"/trustList/references": 0,
	} {
		var got []trustItem
		if w.get(path).into(&got); got == nil || len(got) != want {
			t.Errorf("%s: %d, want %d", path, len(got), want)
		}
	}
	for _, path := range []string{
		"/trustList/NOTHING", "/trustList/DSC/!", "/trustList?page=-1&pagesize=1", "/trustList?page=0", "/trustList?page=0&pagesize=0", "/trustList?page=x&pagesize=1",
		"/trustList?page=1&pagesize=100001", "/trustList/certificate?country=!", "/trustList/certificate?pagesize=x",
	} {
		w.get(path).is(http.StatusBadRequest)
	}

	// What changed, after a compromise and a grant; what is deleted has no data.
	w.Now = w.Now.Add(time.Hour)
	w.now = w.Now
	w.says("XA", compromise(a))
	w.says("XA", grant("XB"))
	for _, since := range []string{"2026-01-31T12:30:00Z", "Sat, 31 Jan 2026 12:30:00 GMT", "2026-01-31T13:30:00+01:00"} {
		var changed []trustItem
		w.get("/trustList/DSC", "If-Modified-Since", since).into(&changed)
		if len(changed) != 2 || changed[0].Kid != kidOf(a) || changed[0].Signature != nil || changed[0].RawData != nil || changed[1].Kid != kidOf(b) || *changed[1].RawData != rawOf(b) {
			t.Errorf("since %s: %+v", since, changed)
		}
	}
	w.get("/trustList", "If-Modified-Since", "yesterday").is(http.StatusBadRequest)
	got := w.get("/trustList/DSC")
	w.get("/trustList/DSC", "If-None-Match", got.Header().Get("ETag")).is(http.StatusNotModified)

	var certificates []map[string]any
	w.get("/trustList/certificate?group=DSC&country=EL&domain=DCC").into(&certificates)
	if len(certificates) != 1 || certificates[0]["certificate"] != rawOf(g) || certificates[0]["kid"] != kidOf(g) || certificates[0]["group"] != "DSC" {
		t.Errorf("%v", certificates)
	}
	if w.get("/trustList/certificate?group=CSCA").into(&certificates); len(certificates) != 0 {
		t.Errorf("%v", certificates)
	}
}

// TestPagesAreWhole: all pages together are the list.
func TestPagesAreWhole(t *testing.T) {
	w := newWorld(t, "XA")
	var want []string
	for range 7 {
		k := dsc(t)
		w.says("XA", k)
		want = append(want, kidOf(k))
	}
	for size := 1; size < 9; size++ {
		var got []string
		for page := 0; ; page++ {
			var items []trustItem
			w.get(fmt.Sprintf("/trustList/DSC?page=%d&pagesize=%d", page, size)).into(&items)
			if len(items) == 0 {
				break
			}
			for _, i := range items {
				got = append(got, i.Kid)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %v, want %v", size, got, want)
		}
	}
}
