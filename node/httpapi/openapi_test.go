package httpapi

import (
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"concordat/node/httpapi/bridge"
)

// document is as much of openapi.json as these tests read.
type document struct {
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	Summary   string `json:"summary"`
	Responses map[string]struct {
		Content map[string]struct {
			Schema schema `json:"schema"`
		} `json:"content"`
	} `json:"responses"`
}

type schema struct {
	Ref string `json:"$ref"`
}

func readOpenAPI(t testing.TB) document {
	t.Helper()
	var d document
	if err := json.Unmarshal(openapiJSON, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestEveryRouteIsDocumented, and every documented one is there.
func TestEveryRouteIsDocumented(t *testing.T) {
	d := readOpenAPI(t)
	a := &api{log: slog.New(slog.DiscardHandler), metrics: newMetrics(prometheus.NewRegistry(), nil), bridge: bridge.New(bridge.Config{})}
	served := []string{"GET /metrics"}
	for pattern := range a.routes() {
		served = append(served, strings.ReplaceAll(pattern, "...}", "}"))
	}
	var documented []string
	for path, operations := range d.Paths {
		for method, o := range operations {
			documented = append(documented, strings.ToUpper(method)+" "+path)
			if o.Summary == "" || len(o.Responses) == 0 {
				t.Errorf("%s %s says little", method, path)
			}
			for status, r := range o.Responses {
				for _, c := range r.Content {
					if name := strings.TrimPrefix(c.Schema.Ref, "#/components/schemas/"); name != "" {
						if _, is := d.Components.Schemas[name]; !is {
							t.Errorf("%s %s, %s: there is no schema %s", method, path, status, name)
						}
					}
				}
			}
		}
	}
	slices.Sort(served)
	slices.Sort(documented)
	if !slices.Equal(served, documented) {
		t.Errorf("served:     %v\ndocumented: %v", served, documented)
	}
}
