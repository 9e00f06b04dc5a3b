package main

import (
	"strings"
	"testing"

	"concordat/client"
)

func TestMatrix(t *testing.T) {
	all := []string{"vaccination", "test", "recovery", "health", "itinerary"}
	list := client.Recognitions{Recognitions: []client.Recognition{
		{Grantor: "XA", Grantee: "XB", Status: "granted", InForce: true, KindsInForce: all},
		{Grantor: "XB", Grantee: "XA", Status: "granted", InForce: true, KindsInForce: all[:1]},
		{Grantor: "XA", Grantee: "XC", Status: "suspended", Suspension: &client.Suspension{Reason: "lost a key"}},
		{Grantor: "XC", Grantee: "XA", Status: "granted", InForce: true, KindsInForce: all[1:2]},
		{Grantor: "XC", Grantee: "XD", Status: "withdrawn"},
	}}
	members := client.Authorities{Authorities: []client.Authority{{ID: "XE"}, {ID: "XA"}, {ID: "XF", Standing: client.StandingExpelled}}}
	for kind, want := range map[string]string{
		"": `
    XA  XB  XC  XD  XE
XA  -   =   !   .   .
XB  =v  -   .   .   .
XC  >t  .   -   .   .
XD  .   .   .   -   .
XE  .   .   .   .   -
mutual: XA and XB`,
		"test": `
    XA  XB  XC  XD  XE
XA  -   >   !   .   .
XB  .   -   .   .   .
XC  >   .   -   .   .
XD  .   .   .   -   .
XE  .   .   .   .   -
mutual: none`,
	} {
		again := list
		again.Recognitions = append([]client.Recognition(nil), list.Recognitions...)
		var out strings.Builder
		if err := matrixOf(again, members, kind).print(&out); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(out.String(), strings.TrimPrefix(want, "\n")) {
			t.Errorf("for %q:\n%s\nwant\n%s", kind, out.String(), want)
		}
	}
}
