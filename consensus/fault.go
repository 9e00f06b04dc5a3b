package consensus

import "sync"

// fault is the first failure that this node cannot live with (C11). It stays.
type fault struct {
	mu   sync.Mutex
	err  error
	done chan struct{} // closed when err is set
	told chan error    // of one element, for the owner; closed when the node is
	shut bool
}

func newFault() *fault { return &fault{done: make(chan struct{}), told: make(chan error, 1)} }

func (f *fault) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return
	}
	f.err = err
	close(f.done)
	if !f.shut {
		f.told <- err
	}
}

func (f *fault) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *fault) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.shut {
		f.shut = true
		close(f.told)
	}
}
