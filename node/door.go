package node

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// door is the API's listener. It can be closed without letting go of the
// address: whoever knocks while the node starts anew waits, and is not turned away.
type door struct {
	*net.TCPListener
	shut atomic.Bool
	keep atomic.Bool // Close leaves the address taken, for the next door
}

func newDoor(l *net.TCPListener) *door { return &door{TCPListener: l} }

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	c, err := d.TCPListener.Accept()
	if err != nil && d.shut.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, net.ErrClosed
	}
	return c, err
}

// Close implements net.Listener.
func (d *door) Close() error {
	if !d.keep.Load() {
		return d.TCPListener.Close()
	}
	d.shut.Store(true)
	return d.SetDeadline(time.Unix(1, 0)) // wakes Accept
}

// reopen gives the next door at the same address.
func (d *door) reopen() (*door, error) { return newDoor(d.TCPListener), d.SetDeadline(time.Time{}) }
