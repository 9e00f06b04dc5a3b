package main

import (
	"strings"
	"testing"

	"concordat/client"
	"concordat/recognition/sentence"
)

// TestStandingIsPrinted: what an answer is worth of a node whose authority is no
// member in good standing is the last line below it, and of no other's.
func TestStandingIsPrinted(t *testing.T) {
	for standing, want := range map[string]string{
		"":                       "as of 9 statements",
		client.StandingSuspended: "the node's own authority is suspended",
		client.StandingExpelled:  "the node's own authority was expelled",
		client.StandingApplicant: "the node's own authority is not a member of the network yet",
	} {
		var out strings.Builder
		if err := explainDecision(&out, client.CheckAnswer{AsOf: client.AsOf{Size: 9, Age: "1s", Standing: standing}}, sentence.English); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, want) {
			t.Errorf("standing %q ends with %q, want %q", standing, last, want)
		}
	}
}
