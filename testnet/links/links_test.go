package links

import (
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"testing"
	"time"
)

// echo is a node that says back what it is told.
func echo(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func said(c net.Conn) error {
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := c.Write([]byte("x")); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

// TestCut: what is cut is cut both ways, for open and for new connections; what
// is not goes on; and what is healed is there again.
func TestCut(t *testing.T) {
	var l Links
	defer l.Close()
	dial := func(port int) net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	// This process is XA, and dials XB and XC.
	if _, err := l.Forward("XA", echo(t)); err != nil {
		t.Fatal(err)
	}
	l.Runs("XA", os.Getpid())
	ports := map[string]int{}
	for _, name := range []string{"XB", "XC"} {
		port, err := l.Forward(name, echo(t))
		if err != nil {
			t.Fatal(err)
		}
		ports[name] = port
	}
	b, c := dial(ports["XB"]), dial(ports["XC"])
	if err := errors.Join(said(b), said(c)); err != nil {
		t.Fatal(err)
	}
	if err := l.Cut("XB"); err != nil {
		t.Fatal(err)
	}
	if said(b) == nil || said(dial(ports["XB"])) == nil {
		t.Error("XB is cut off, and answers")
	}
	if err := said(c); err != nil {
		t.Errorf("XC is not cut off: %v", err)
	}
	if err := errors.Join(l.Heal("XB"), said(dial(ports["XB"]))); err != nil {
		t.Errorf("XB is healed: %v", err)
	}
	// Who dials is cut off: XC is not, and hears nothing of it.
	if err := l.Cut("XA"); err != nil {
		t.Fatal(err)
	}
	if said(c) == nil || said(dial(ports["XC"])) == nil {
		t.Error("XA is cut off, and reaches XC")
	}
	if err := errors.Join(l.Heal("XA"), said(dial(ports["XC"]))); err != nil {
		t.Errorf("XA is healed: %v", err)
	}
	if err := l.Cut("XZ"); !errors.Is(err, ErrUnknown) {
		t.Errorf("cutting off a stranger: %v", err)
	}
}
