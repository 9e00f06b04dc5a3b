// Package links carries the connections between the nodes of a test network,
// so that a node can be cut off from the others while its own machine, and who
// asks it there, go on.
//
// It promises that a node which is cut off reaches none of the others and is
// reached by none from the moment that Cut returns until Heal, new connections
// and open ones alike. It expects the nodes to be processes of this machine that
// listen on the loopback, and to dial one another at the addresses that Forward
// gives. Whose a connection is the system tells, which only Linux does here.
package links

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// ErrUnknown: a node is named that Forward was not called for.
var ErrUnknown = errors.New("no link leads to that node")

// Links are the links of one network. The zero value is of one without nodes.
type Links struct {
	mu    sync.Mutex
	nodes map[string]*end
	open  map[*pair]struct{}
	wait  sync.WaitGroup
}

// end is one node as the others dial it.
type end struct {
	name   string
	pid    int // of its newest process; 0: it never ran
	target string
	door   net.Listener
	cut    bool
}

// pair is one connection that is carried.
type pair struct {
	from, to *end // from is nil where nobody knows who dialled
	a, b     net.Conn
}

func (p *pair) close() {
	// Both copies end; what they could still have said is lost, as in a cut.
	_ = p.a.Close()
	_ = p.b.Close()
}

// Forward begins to carry connections to a node, which itself listens on a port
// of the loopback, and gives the port at which the others are to dial it.
func (l *Links) Forward(name string, port int) (int, error) {
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("link to %s: %w", name, err)
	}
	e := &end{name: name, target: fmt.Sprintf("127.0.0.1:%d", port), door: door}
	l.mu.Lock()
	if l.nodes == nil {
		l.nodes, l.open = map[string]*end{}, map[*pair]struct{}{}
	}
	old := l.nodes[name]
	l.nodes[name] = e
	if old != nil {
		e.pid, e.cut = old.pid, old.cut
	}
	l.mu.Unlock()
	if old != nil {
		_ = old.door.Close() // it has moved: nobody is there any more
	}
	l.wait.Go(func() {
		for {
			c, err := door.Accept()
			if err != nil {
				return // the door is closed
			}
			l.wait.Go(func() { l.carry(e, c) })
		}
	})
	return door.Addr().(*net.TCPAddr).Port, nil
}

// Runs says which process a node is from now on: what that dials is the node's.
func (l *Links) Runs(name string, pid int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.nodes[name]; e != nil {
		e.pid = pid
	}
}

// carry carries one connection until it ends or is cut.
func (l *Links) carry(to *end, dialled net.Conn) {
	from := l.dialler(dialled.RemoteAddr().(*net.TCPAddr).Port)
	if from == nil && l.anyCut() {
		_ = dialled.Close() // it may be of one that is cut off: better none than that
		return
	}
	onward, err := net.Dial("tcp", to.target)
	if err != nil {
		_ = dialled.Close() // as if nobody listened
		return
	}
	p := &pair{from: from, to: to, a: dialled, b: onward}
	l.mu.Lock()
	if to.cut || from != nil && from.cut || from == nil && l.anyCutLocked() {
		l.mu.Unlock()
		p.close()
		return
	}
	l.open[p] = struct{}{}
	l.mu.Unlock()
	var wg sync.WaitGroup
	for _, way := range [][2]net.Conn{{dialled, onward}, {onward, dialled}} {
		wg.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // that it ends is all there is to know
			p.close()
		})
	}
	wg.Wait()
	l.mu.Lock()
	delete(l.open, p)
	l.mu.Unlock()
}

func (l *Links) anyCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.anyCutLocked()
}

func (l *Links) anyCutLocked() bool {
	for _, e := range l.nodes {
		if e.cut {
			return true
		}
	}
	return false
}

// dialler is the node that dialled from a local port; nil if that is not known.
func (l *Links) dialler(port int) *end {
	l.mu.Lock()
	byPID := map[int]*end{}
	for _, e := range l.nodes {
		if e.pid != 0 {
			byPID[e.pid] = e
		}
	}
	l.mu.Unlock()
	return byPID[owner(port, byPID)]
}

// Cut cuts a node off from all others.
func (l *Links) Cut(name string) error {
	if !canTell {
		return errors.New("whose a connection is cannot be told on this system: links can be cut on Linux only")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.nodes[name]
	if e == nil {
		return fmt.Errorf("%w: %s", ErrUnknown, name)
	}
	e.cut = true
	for p := range l.open {
		if p.to == e || p.from == e || p.from == nil {
			p.close() // one that nobody knows is dialled again, by who may
		}
	}
	return nil
}

// Heal lets a node that was cut off reach the others again.
func (l *Links) Heal(name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.nodes[name]
	if e == nil {
		return fmt.Errorf("%w: %s", ErrUnknown, name)
	}
	e.cut = false
	return nil
}

// Close ends all connections and returns when nothing is carried any more.
func (l *Links) Close() {
	l.mu.Lock()
	for _, e := range l.nodes {
		_ = e.door.Close() // the only error is that it is closed already
	}
	for p := range l.open {
		p.close()
	}
	l.mu.Unlock()
	l.wait.Wait()
}
