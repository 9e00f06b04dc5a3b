package node

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// door is the API's listener. It can be closed without letting go of the
// address: whoever knocks while the node starts anew waits, and is not turned away.
type door struct {
	*net.TCPListener
	shut atomic.Bool
	keep atomic.Bool // Close leaves the address taken, for the next door

	guests  sync.Map // connections that have not asked anything yet
	emptied chan struct{}
	closed  chan struct{}
	empty   sync.Once
	close   sync.Once
}

func newDoor(l *net.TCPListener) *door {
	return &door{TCPListener: l, emptied: make(chan struct{}), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	c, err := d.TCPListener.Accept()
	if err != nil && d.shut.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		d.empty.Do(func() { close(d.emptied) }) // whoever was let in is known by now
		<-d.closed
		return nil, net.ErrClosed
	}
	return c, err
}

// Close implements net.Listener.
func (d *door) Close() error {
	defer d.close.Do(func() { close(d.closed) })
	if !d.keep.Load() {
		return d.TCPListener.Close()
	}
	return d.hold()
}

// hold lets nobody in any more; they wait outside.
func (d *door) hold() error {
	d.shut.Store(true)
	return d.SetDeadline(time.Unix(1, 0)) // wakes Accept
}

// reopen gives the next door at the same address.
func (d *door) reopen() (*door, error) { return newDoor(d.TCPListener), d.SetDeadline(time.Time{}) }

// guestPatience is how long a guest may take to ask, once the door is shut.
const guestPatience = 250 * time.Millisecond

// usher shuts the door and returns when everybody who was let in has asked what
// they came for: from the moment that it is told to stop, net/http hangs up on
// who has not.
func (d *door) usher() error {
	if err := d.hold(); err != nil {
		return err
	}
	enough := time.After(guestPatience)
	select {
	case <-d.emptied:
	case <-enough:
		return nil
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		waiting := false
		d.guests.Range(func(any, any) bool { waiting = true; return false })
		if !waiting {
			return nil
		}
		select {
		case <-tick.C:
		case <-enough:
			return nil
		}
	}
}

type guestKey struct{}

// watch keeps the list of guests up to date.
func (d *door) watch(s *http.Server) {
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		d.guests.Store(c, nil)
		return context.WithValue(ctx, guestKey{}, c)
	}
	s.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateClosed || state == http.StateHijacked {
			d.guests.Delete(c)
		}
	}
}

// asked says that the guest of a request is none any more.
func (d *door) asked(r *http.Request) {
	if c := r.Context().Value(guestKey{}); c != nil {
		d.guests.Delete(c)
	}
}
