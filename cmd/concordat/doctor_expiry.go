package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"time"
)

// expiryAhead is how long before a certificate ends it is told.
const expiryAhead = 30 * 24 * time.Hour

// certificate looks when the certificate of a node's HTTPS address ends. Whether
// it is trusted the request itself has found out.
func (d *diagnosis) certificate(ctx context.Context, node string, now time.Time) {
	u, err := url.Parse(node)
	if err != nil || u.Scheme != "https" {
		return
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), "443")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := (&tls.Dialer{Config: &tls.Config{ServerName: u.Hostname(), InsecureSkipVerify: true}}).DialContext(ctx, "tcp", host) // only its dates are read
	if err != nil {
		return // that it cannot be reached is said already
	}
	defer c.Close()
	for _, cert := range c.(*tls.Conn).ConnectionState().PeerCertificates {
		switch left := cert.NotAfter.Sub(now); {
		case left <= 0:
			d.add(finding{node, "certificate-expired", fmt.Sprintf("the certificate %q of its HTTPS address ended at %s", cert.Subject, stamp(&cert.NotAfter)), "renew it in the proxy before the node", stops})
		case left <= expiryAhead:
			d.add(finding{node, "certificate-expires", fmt.Sprintf("the certificate %q of its HTTPS address ends at %s, in %d days", cert.Subject, stamp(&cert.NotAfter), int(left.Hours()/24)), "renew it in the proxy before the node", weakens})
		}
	}
}
