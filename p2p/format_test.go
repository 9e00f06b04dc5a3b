package p2p

import (
	"encoding/hex"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
)

// The example in FORMAT.md is what the codec writes.
func TestFormatExample(t *testing.T) {
	doc, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(doc), "## An example")
	_, example, _ = strings.Cut(example, "```\n")
	example, _, _ = strings.Cut(example, "```")
	var want string
	for line := range strings.Lines(example) {
		want += strings.ReplaceAll(regexp.MustCompile(`^([0-9a-f]{2} ?)+`).FindString(line), " ", "")
	}
	frame := frameOf(t, &raft.RequestPreVoteRequest{
		RPCHeader: raft.RPCHeader{ProtocolVersion: 3, ID: []byte("XA"), Addr: []byte("12D3KooWXampl")},
		Term:      8, LastLogIndex: 7, LastLogTerm: 6,
	})
	if got := hex.EncodeToString(frame); got != want {
		t.Errorf("FORMAT.md says\n%s, the codec writes\n%s", want, got)
	}
	// Each reason is in the table, with its number.
	for r := Refusal(1); r < numRefusals; r++ {
		if !regexp.MustCompile(`\| ` + regexp.QuoteMeta(strconv.Itoa(int(r))) + ` \| ` + r.String() + `\b`).Match(doc) {
			t.Errorf("FORMAT.md lacks reason %d, %v", r, r)
		}
	}
}
