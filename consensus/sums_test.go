package consensus

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"

	"concordat/ledger"
)

// flip changes one byte of what is in the file, wherever it is there.
func flip(t *testing.T, path string, what []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for at := 0; ; found++ {
		i := bytes.Index(b[at:], what)
		if i < 0 {
			break
		}
		at += i + len(what)/2
		if _, err := f.WriteAt([]byte{b[at] ^ 1}, int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil || found == 0 {
		t.Fatalf("%d places in %s: %v", found, path, err)
	}
}

func (m *member) raftFile() string { return filepath.Join(m.dir, "data", logFile) }

// TestFlippedByteIsNeverApplied is the review's case: a byte of an old block
// changes on the disk, and the ledger is lost, so that the block is read again.
func TestFlippedByteIsNeverApplied(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC")
	said := map[uint64]ledger.Candidate{}
	for i := range 6 {
		cand := c.net.risk(t, "XA", i)
		said[c.must(cand)[0]] = cand
	}
	c.agree(said)
	m := c.followers()[0]
	m.stop()
	flip(t, m.raftFile(), said[2].Raw)
	whole := m.disk
	m.disk = vfs.NewMem()
	err := m.tryStart()
	if !errors.Is(err, ErrCorrupt) || !errors.Is(err, ErrStorage) {
		t.Fatalf("replaying a block with a flipped byte: %v, want ErrCorrupt", err)
	}
	for _, want := range []string{"entry ", m.raftFile(), "checksum", "never put an older copy", "put it back"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	// What it advises works: with its ledger, the node need not read that entry.
	m.disk = whole
	m.start()
	cand := c.net.risk(t, "XB", 0)
	said[c.must(cand)[0]] = cand
	c.agree(said)
}

// TestFlippedByteStopsItsLeader: a follower that was away needs an entry that
// is not in the leader's memory any more, and no longer what it was on its disk.
func TestFlippedByteStopsItsLeader(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC")
	said := map[uint64]ledger.Candidate{}
	say := func(i int) {
		cand := c.net.risk(t, "XA", i)
		said[c.must(cand)[0]] = cand
	}
	say(0)
	c.agree(said)
	away, leader := c.followers()[0], c.leader()
	away.stop()
	for i := range cachedLogs + 10 {
		say(1 + i)
	}
	c.agree(said)
	if c.leader() != leader {
		t.Fatal("leadership moved without need")
	}
	flip(t, leader.raftFile(), said[3].Raw)
	away.start()
	if err := faultOf(t, leader); !errors.Is(err, ErrCorrupt) {
		t.Errorf("fault: %v, want ErrCorrupt", err)
	}
	c.leader(leader)
	leader.stop()
	say(1000)
	c.agree(said)
}

// TestRaftCannotReadItsLog: Raft itself would panic.
func TestRaftCannotReadItsLog(t *testing.T) {
	f := newFault()
	under := raft.NewInmemStore()
	logs := &raftsLog{&sealedLog{LogStore: under}, f}
	if err := under.StoreLog(&raft.Log{Index: 1, Term: 1, Data: []byte("without a seal")}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan bool)
	go func() {
		defer close(ended)
		var l raft.Log
		err := logs.GetLog(2, &l)
		ended <- errors.Is(err, raft.ErrLogNotFound)
		_ = logs.GetLog(1, &l) // ends the goroutine
		ended <- false
	}()
	if notFound := <-ended; !notFound {
		t.Error("what is not there is not said to be not found")
	}
	if _, went := <-ended; went {
		t.Error("Raft goes on with an entry that nobody wrote")
	}
	if err := f.get(); !errors.Is(err, ErrCorrupt) {
		t.Errorf("fault: %v, want ErrCorrupt", err)
	}
}

func TestSealedLog(t *testing.T) {
	under := raft.NewInmemStore()
	logs := &sealedLog{LogStore: under, path: "raft.db"}
	in := []*raft.Log{
		{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: []byte("membership")},
		{Index: 2, Term: 1, Type: raft.LogNoop},
		{Index: 3, Term: 2, Type: raft.LogCommand, Data: bytes.Repeat([]byte("block"), 100), Extensions: []byte("more")},
		{Index: 4, Term: 2, Type: raft.LogCommand, Data: []byte("x")},
	}
	if err := logs.StoreLogs(in); err != nil {
		t.Fatal(err)
	}
	if string(in[3].Data) != "x" {
		t.Error("storing an entry changed it under those who send it")
	}
	for _, want := range in {
		var got raft.Log
		if err := logs.GetLog(want.Index, &got); err != nil {
			t.Fatal(err)
		}
		if got.Index != want.Index || got.Term != want.Term || got.Type != want.Type || !bytes.Equal(got.Data, want.Data) || !bytes.Equal(got.Extensions, want.Extensions) {
			t.Errorf("stored %+v, got %+v", want, got)
		}
	}
	var stored raft.Log
	if err := under.GetLog(3, &stored); err != nil {
		t.Fatal(err)
	}
	damage := map[string]func(*raft.Log){
		"term":       func(l *raft.Log) { l.Term ^= 1 },
		"type":       func(l *raft.Log) { l.Type = raft.LogNoop },
		"extensions": func(l *raft.Log) { l.Extensions = nil },
		"index":      func(l *raft.Log) { l.Index = 4 }, // in the place of another
		"no data":    func(l *raft.Log) { l.Data = nil },
		"cut short":  func(l *raft.Log) { l.Data = l.Data[:len(l.Data)-1] },
		"no seal":    func(l *raft.Log) { l.Data = l.Data[:len(l.Data)-sealSize] },
	}
	for i := range stored.Data {
		damage["byte "+string(rune('a'+i%26))+string(rune('a'+i/26))] = func(l *raft.Log) {
			l.Data = bytes.Clone(l.Data)
			l.Data[i] ^= 1 << (i % 8)
		}
	}
	for name, do := range damage {
		bad := stored
		do(&bad)
		if err := under.StoreLog(&bad); err != nil {
			t.Fatal(err)
		}
		var got raft.Log
		if err := logs.GetLog(bad.Index, &got); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s changed: %v, want ErrCorrupt", name, err)
		}
		if err := under.StoreLog(&stored); err != nil {
			t.Fatal(err)
		}
	}
}

// holes is a log with one entry gone, as when a bit of its key has flipped.
type holes struct {
	raft.LogStore
	gone uint64
	then func()
}

func (h *holes) GetLog(index uint64, l *raft.Log) error {
	if index == h.gone {
		if h.then != nil {
			h.then()
		}
		return raft.ErrLogNotFound
	}
	return h.LogStore.GetLog(index, l)
}

func TestHoleInTheLog(t *testing.T) {
	under := &holes{LogStore: raft.NewInmemStore(), gone: 2}
	logs := &sealedLog{LogStore: under}
	for i := uint64(1); i <= 3; i++ {
		if err := logs.StoreLog(&raft.Log{Index: i, Term: 1}); err != nil {
			t.Fatal(err)
		}
	}
	var l raft.Log
	if err := logs.GetLog(2, &l); !errors.Is(err, ErrCorrupt) {
		t.Errorf("an entry that is gone: %v, want ErrCorrupt", err)
	}
	if err := logs.GetLog(4, &l); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("an entry that never was: %v, want raft.ErrLogNotFound", err)
	}
	// Written between the look for it and the look at the log's ends.
	under.then = func() { logs.writes.Add(2) }
	if err := logs.GetLog(2, &l); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("an entry that was being written: %v, want raft.ErrLogNotFound", err)
	}
}

func TestSealedVotes(t *testing.T) {
	under := raft.NewInmemStore()
	votes := &sealedStable{StableStore: under, path: "raft.db"}
	term, cand := []byte("CurrentTerm"), []byte("LastVoteCand")
	if _, err := votes.GetUint64(term); err == nil || err.Error() != "not found" {
		t.Errorf("a term that is not there: %v; Raft compares the text", err)
	}
	if err := votes.SetUint64(term, 7); err != nil {
		t.Fatal(err)
	}
	if err := votes.Set(cand, []byte("XA")); err != nil {
		t.Fatal(err)
	}
	if got, err := votes.GetUint64(term); err != nil || got != 7 {
		t.Errorf("term %d, %v; want 7", got, err)
	}
	if got, err := votes.Get(cand); err != nil || string(got) != "XA" {
		t.Errorf("vote %q, %v; want XA", got, err)
	}
	stored, err := under.Get(term)
	if err != nil {
		t.Fatal(err)
	}
	for i := range stored {
		bad := bytes.Clone(stored)
		bad[i] ^= 4
		if err := under.Set(term, bad); err != nil {
			t.Fatal(err)
		}
		if got, err := votes.GetUint64(term); !errors.Is(err, ErrCorrupt) {
			t.Errorf("byte %d flipped: term %d, %v; want ErrCorrupt", i, got, err)
		}
	}
	// One value in the place of another.
	if err := under.Set(cand, stored); err != nil {
		t.Fatal(err)
	}
	if _, err := votes.Get(cand); !errors.Is(err, ErrCorrupt) {
		t.Errorf("the term in the vote's place: %v, want ErrCorrupt", err)
	}
	f := newFault()
	if _, err := (&stableStore{votes, &guard{fault: f}}).Get(cand); err == nil || !errors.Is(f.get(), ErrCorrupt) {
		t.Errorf("a vote that cannot be read: %v, and the fault is %v", err, f.get())
	}
}

// TestRuinedFile: whatever happens to the file, opening and reading it end with
// an error or with what was written, and never with the process.
func TestRuinedFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := openBolt(dir, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	logs := &sealedLog{LogStore: store}
	votes := &sealedStable{StableStore: store}
	want := map[uint64][]byte{}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := uint64(1); i <= 200; i++ {
		want[i] = make([]byte, rng.IntN(1000)) // some entries, and pages, are large
		if i%50 == 0 {
			want[i] = make([]byte, 20000)
		}
		for j := range want[i] {
			want[i][j] = byte(rng.Uint32())
		}
		if err := logs.StoreLog(&raft.Log{Index: i, Term: i / 10, Data: want[i]}); err != nil {
			t.Fatal(err)
		}
		if err := votes.SetUint64([]byte("CurrentTerm"), i/10); err != nil {
			t.Fatal(err)
		}
	}
	// As where a leader's word replaces what was here: pages become free, and are used again.
	if err := logs.DeleteRange(120, 200); err != nil {
		t.Fatal(err)
	}
	for i := uint64(120); i <= 200; i++ {
		if err := logs.StoreLog(&raft.Log{Index: i, Term: 30, Data: want[i]}); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, logFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := preflight(filepath.Join(dir, logFile), nil); err != nil {
		t.Errorf("a good file: %v", err)
	}
	work := t.TempDir()
	n := 0
	refused, told, unharmed := 0, 0, 0
	try := func(what string, content []byte) {
		t.Helper()
		n++
		// A directory for each: bbolt keeps its lock where it panics.
		d := filepath.Join(work, what)
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(d)
		if err := os.WriteFile(filepath.Join(d, logFile), content, 0o600); err != nil {
			t.Fatal(err)
		}
		store, err := openBolt(d, true, nil)
		if err != nil {
			refused++
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: %v, want ErrCorrupt", what, err)
			}
			return
		}
		logs := &sealedLog{LogStore: store}
		bad := false
		last, err := logs.LastIndex()
		for i := uint64(1); i <= last && i <= 400 && err == nil; i++ {
			var l raft.Log
			if err := logs.GetLog(i, &l); err != nil {
				bad = true
			} else if !bytes.Equal(l.Data, want[i]) {
				t.Errorf("%s: entry %d is read and is not what was written", what, i)
			}
		}
		if bad || last < 200 {
			told++
		} else {
			unharmed++
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
	try("half", whole[:len(whole)/2])
	if refused != 1 {
		t.Error("half of a file is opened")
	}
	for cut := 4096; cut < len(whole); cut += len(whole) / 20 &^ 4095 {
		try("cut at "+string(rune('a'+n%26)), whole[:cut])
	}
	try("one byte", whole[:1])
	for range 400 {
		content := bytes.Clone(whole)
		at := rng.IntN(len(content))
		if n%2 == 0 {
			at = at&^4095 + rng.IntN(64) // where a page's head and its list are
		}
		content[at] ^= 1 << rng.IntN(8)
		try("flip", content)
	}
	t.Logf("of %d ruined files, %d are refused at the start, %d when they are read, %d were hit where nothing is", n, refused, told, unharmed)
	if refused == 0 || told == 0 {
		t.Error("the test does not reach what it is for")
	}
}

func TestVotesAreGone(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA")
	m := c.member("XA")
	c.fill(2)
	m.stop() // makes an anchor
	if err := os.Remove(m.raftFile()); err != nil {
		t.Fatal(err)
	}
	gone := func(what string) {
		t.Helper()
		err := m.tryStart()
		if !errors.Is(err, ErrStateLost) {
			t.Fatalf("%s: %v, want ErrStateLost", what, err)
		}
		for _, want := range []string{m.raftFile(), "votes for nobody", "catches up"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error does not say %q: %v", what, want, err)
			}
		}
	}
	gone("raft.db is missing, the rest is there")
	if err := os.Truncate(m.raftFile(), 0); err != nil {
		t.Fatal(err)
	}
	gone("raft.db is empty")
	if err := os.Remove(filepath.Join(m.dir, "founded")); err != nil {
		t.Fatal(err)
	}
	gone("the marker is missing too")
	m.disk = vfs.NewMem()
	gone("only anchors are left")
}
