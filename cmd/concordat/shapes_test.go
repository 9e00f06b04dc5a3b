package main

import (
	"testing"

	"concordat/client"
)

// TestShapes: with --json the lists are what the API gives, to the byte:
// scripts rest on these names, and on empty lists being lists.
func TestShapes(t *testing.T) {
	const asOf = `"asOf":{"size":9,"root":"` + someHash + `","finalSize":0,"cosigners":[],"age":"5ms","ageMillis":5}`
	for _, test := range []struct {
		path, answer string
		args         []string
	}{
		{"/v1/issuers", `{"issuers":[{"id":"` + someHash + `","kid":"2QdaSlJm1AE=","region":"XA","status":"compromised","algorithm":"EC P-256","kinds":["test"],` +
			`"validFrom":"2021-01-01T00:00:00Z","validUntil":"2022-01-01T00:00:00Z","retiredAt":"2021-05-01T00:00:00Z","compromisedSince":"2021-06-01T00:00:00Z",` +
			`"spareEarlier":true,"reason":"r","revision":3,"registeredBy":1,"statement":7,"certificate":"AAE=","publicKey":"AgM="}],` + asOf + `}`, []string{"issuer", "list"}},
		{"/v1/issuers", `{"issuers":[{"id":"` + someHash + `","kid":"2QdaSlJm1AE=","region":"XA","status":"registered","algorithm":"EC P-256","kinds":[],` +
			`"revision":1,"registeredBy":1,"statement":1,"publicKey":"AgM="}],` + asOf + `}`, []string{"issuer", "list"}},
		{"/v1/issuers", `{"issuers":[],` + asOf + `}`, []string{"issuer", "list"}},
		{"/v1/risk-areas", `{"riskAreas":[{"area":"CN-31-0115","authority":"XA","scheme":"default","level":"high","refuse":true,"from":"2021-06-01T00:00:00Z",` +
			`"until":"2021-07-01T00:00:00Z","lookbackDays":14,"legalRef":"l","inForce":true,"standing":true,"revision":1,"statement":2}],` + asOf + `}`, []string{"risk", "list"}},
		{"/v1/risk-areas", `{"riskAreas":[],` + asOf + `}`, []string{"risk", "list"}},
		{"/v1/recognitions", `{"recognitions":[{"grantor":"XB","grantee":"XA","status":"suspended","kinds":[],"from":"2021-06-01T00:00:00Z","until":"2021-07-01T00:00:00Z",` +
			`"reason":"r","suspension":{"kinds":["test"],"from":"2021-06-02T00:00:00Z","reason":"s"},"inForce":true,"kindsInForce":["test"],"mutual":false,"revision":2,"statement":3}],` + asOf + `}`, []string{"recognize", "list"}},
		{"/v1/recognitions", `{"recognitions":[],` + asOf + `}`, []string{"recognize", "list"}},
		{"/v1/rules", `{"rules":[{"id":"VR-XA-0001","version":"1.0.0","authority":"XA","set":"default","type":"acceptance","from":"2021-06-01T00:00:00Z",` +
			`"until":"2022-07-01T00:00:00Z","retiredAt":"2021-07-01T00:00:00Z","reason":"r","inForce":true,"hash":"` + someHash + `","size":7,"revision":2,"statement":3,` +
			`"certificateType":"General","country":"XA","part":"BW","description":"d","language":"en"}],"more":false,` + asOf + `}`, []string{"rules", "list"}},
		{"/v1/rules", `{"rules":[],"more":false,` + asOf + `}`, []string{"rules", "list"}},
		{"/v1/value-sets", `{"valueSets":[{"id":"x","version":"1","authority":"XA","retired":true,"reason":"r","hash":"` + someHash + `","size":7,"revision":2,"statement":3}],` + asOf + `}`,
			[]string{"rules", "list", "--value-sets"}},
		{"/v1/value-sets", `{"valueSets":[],` + asOf + `}`, []string{"rules", "list", "--value-sets"}},
		{"/v1/statements", `{"statements":[{"index":1,"hash":"` + someHash + `","kind":"recognition.grant","authority":"XA","subject":"recognition/XA/XB","revision":1,` +
			`"issuedAt":"2021-06-01T00:00:00Z","words":"w","body":{"region":"XB"},"state":"ordered"}],` + asOf + `}`, []string{"statements"}},
		{"/v1/statements", `{"statements":[],` + asOf + `}`, []string{"statements"}},
	} {
		t.Setenv("CONCORDAT_NODE", liar(t, map[string]string{test.path: test.answer}))
		code, out, errs := typed(t, "", append(test.args, "--json")...)
		if code != client.ExitDone || out != test.answer+"\n" {
			t.Errorf("%v: exit code %d\n%s\nwant\n%s\n%s", test.args, code, out, test.answer, errs)
		}
	}
}
