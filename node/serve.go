package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/net/netutil"

	"concordat/node/httpapi"
	"concordat/node/tiles"
)

func (n *Node) serveHTTP() {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	api := httpapi.New(n, httpapi.Config{
		Logger: n.log, Registry: registry, Stop: n.stop,
		Log: n.transparency(), Witness: n.witness, Bridge: n.bridge,
		Checks: n.cfg.Check.Concurrent, Pictures: n.cfg.Check.Pictures, MaxPictures: n.cfg.Check.MaxPictures, Submits: n.cfg.Limits.Submissions, Events: n.cfg.Limits.Events,
	})
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.requests.Add(1)
		defer n.requests.Done()
		n.listener.asked(r)
		api.ServeHTTP(w, r)
	})
	timeouts := httpapi.DefaultTimeouts
	timeouts.Answer += max(n.cfg.Limits.SubmitTimeout, n.order.Patience())
	n.server = httpapi.NewServer(counted, timeouts, n.log)
	n.listener.watch(n.server)
	n.wg.Go(func() {
		if err := n.server.Serve(netutil.LimitListener(n.listener, n.cfg.Limits.Connections)); !errors.Is(err, http.ErrServerClosed) {
			n.fail(fmt.Errorf("HTTP: %w", err))
		}
	})
}

// transparency serves the ledger to tools for transparency logs.
func (n *Node) transparency() http.Handler {
	return tiles.New(tiles.Config{Certified: n.certified, View: func() tiles.View { return n.ledger.View() }, Logger: n.log})
}

// drainWithin is how long requests under way may take to end when the node stops.
const drainWithin = 5 * time.Second

// Close stops the node in the order that the package's comment gives. It may
// be called more than once, and on a node that did not start whole.
func (n *Node) Close() error {
	n.closeOnce.Do(func() { n.closeErr = n.close() })
	return n.closeErr
}

func (n *Node) close() error {
	n.stopping.Store(true)
	n.stopNow() // streams of events end
	var faults []error
	if n.server != nil {
		faults = append(faults, n.closeHTTP())
	} else if n.listener != nil {
		faults = append(faults, n.listener.Close())
	}
	if n.keeper != nil {
		n.keeper.close()
	}
	if n.courier != nil {
		n.courier.close()
	}
	if n.feeder != nil {
		n.feeder.Close()
	}
	if n.order != nil {
		faults = append(faults, n.order.close())
	}
	if n.certifier != nil {
		faults = append(faults, n.certifier.Close())
	}
	if n.host != nil {
		faults = append(faults, n.host.Close())
	}
	n.wg.Wait()
	if n.ledger != nil {
		faults = append(faults, n.ledger.Close())
	}
	n.log.Info("node stopped")
	return errors.Join(faults...)
}

// closeHTTP lets requests end, and cuts off those that do not. It returns when
// none is under way: what they read is closed next.
func (n *Node) closeHTTP() error {
	if n.listener.keep.Load() {
		if err := n.listener.usher(); err != nil {
			n.log.Warn("the API's door was not shut in order", "err", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainWithin)
	defer cancel()
	err := n.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = n.server.Close() // which ends their contexts
	}
	n.requests.Wait()
	return err
}
