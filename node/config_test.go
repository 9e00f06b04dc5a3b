package node

import (
	"strings"
	"testing"
	"time"
)

func TestConfigDefaults(t *testing.T) {
	c := Config{Dir: "x"}.Defaults()
	if err := c.Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	if c.Limits.SubmitTimeout != 30*time.Second || c.Check.MaxAge != time.Hour {
		t.Errorf("defaults are %v and %v", c.Limits.SubmitTimeout, c.Check.MaxAge)
	}
	// A submission outlasts the search for a leader, whatever the profile.
	if c := (Config{Profile: "continents"}).Defaults(); c.Limits.SubmitTimeout != time.Minute {
		t.Errorf("between continents a submission waits %v", c.Limits.SubmitTimeout)
	}
}

// TestConfigFaults: every fault is told, at once, with its bound.
func TestConfigFaults(t *testing.T) {
	c := Config{HTTP: "nowhere", Profile: "moon", Listen: []string{"127.0.0.1:80"}}.Defaults()
	c.Check = CheckConfig{MaxAge: 500 * time.Millisecond, MaxCodes: 17, MaxStays: 257, Concurrent: -1}
	c.Limits = LimitsConfig{Submissions: -1, Held: -1, Connections: -1, SubmitTimeout: time.Hour, Events: -1, QuotaStatements: -1, QuotaBytes: 1}
	c.Order.CensorAfter = time.Millisecond
	c.Storage = StorageConfig{Cache: 1, WriteDeadline: time.Millisecond}
	c.Log = LogConfig{Level: "loud", Format: "xml"}
	c.Bridge.URL = "node.example"
	err := c.Validate()
	if err == nil {
		t.Fatal("no fault was found")
	}
	for _, want := range []string{
		"dir is missing", "http is \"nowhere\"", "moon", "127.0.0.1:80", "check.max_age is 500ms, want 1s", "check.max_codes is 17, want 1 to 16", "check.max_stays is 257, want 1 to 256",
		"check.concurrent", "limits.submissions", "limits.held", "limits.connections", "limits.submit_timeout is 1h0m0s", "limits.events",
		"limits.quota_statements is -1", "limits.quota_bytes is 1", "order.censor_after is 1ms",
		"storage.cache", "storage.write_deadline is 1ms", "log.level", "log.format", "bridge.url is \"node.example\"",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing is said of %q in\n%v", want, err)
		}
	}
	if c.HTTP = "127.0.0.1:http"; !strings.Contains(c.Validate().Error(), "127.0.0.1:http") {
		t.Error("a port by name is taken")
	}
}
