package main

import (
	"slices"
	"strings"
	"testing"

	"concordat/testnet/load"
)

func at(round int, system string, clients int, perSecond, p50, other float64) point {
	return point{Round: round, System: system, Clients: clients, Figures: load.Figures{
		PerSecond: perSecond, P50: p50, CPU: &load.CPU{Servers: 1, Load: 0.5, Busy: 1.5 + other},
	}}
}

func TestRatiosAreToTheBestYardstickOfTheSameRound(t *testing.T) {
	var b strings.Builder
	err := printTables(&b, []point{
		at(1, etcd, 64, 1000, 10, 0), at(1, etcdShared, 64, 2000, 5, 0), at(1, concordat, 64, 1000, 10, 0),
		at(2, etcd, 64, 4000, 2, 0), at(2, concordat, 64, 1000, 10, 0),
		at(3, etcd, 64, 1000, 2, 0), at(3, concordat, 64, 9000, 1, 1.2), // disturbed: left out
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| concordat | 64 | 1000 | 10.00 | 0.00 | 0.00 | **0.38** (0.25–0.50) | 3.50 | 1000+500 | 1.50 | 0 | 2 |",
		"| etcd-1conn | 64 | 2000 | 5.00 | 0.00 | 0.00 | **1.00** (1.00–1.00) | 1.00 | 500+250 | 1.50 | 0 | 1 |",
		"1 of 7 points are left out",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("want %q in\n%s", want, &b)
		}
	}
	if strings.Contains(b.String(), "bare") {
		t.Errorf("a table of nothing:\n%s", &b)
	}
}

func TestLagIsOfTheQuietPoints(t *testing.T) {
	quiet, loud := at(1, final, 64, 1000, 10, 0), at(2, final, 64, 1000, 10, 1.2)
	quiet.Lag, loud.Lag = &load.Lag{Samples: 7, P50: 5, P99: 8, Max: 9}, &load.Lag{Samples: 7, P50: 50, P99: 80, Max: 90}
	for _, c := range []struct {
		points []point
		want   string
	}{
		{[]point{quiet, loud}, "| final | 64 | 7 | 5.0 | 8.0 | 9.0 |"},
		{[]point{loud}, "| final | 64 | 7 | 50.0 | 80.0 | 90.0 |"},
	} {
		var b strings.Builder
		if err := printLag(&b, c.points); err != nil || !strings.Contains(b.String(), c.want) {
			t.Errorf("want %q in\n%s%v", c.want, &b, err)
		}
	}
	var b strings.Builder
	if err := printLag(&b, []point{at(1, check, 64, 1, 1, 0)}); err != nil || b.Len() > 0 {
		t.Errorf("a table of nothing: %v\n%s", err, &b)
	}
}

func TestTurn(t *testing.T) {
	m := &measurer{options: options{systems: []string{etcd, etcdShared, concordat}}, etcd: &etcdPeer{}}
	alone := &measurer{options: m.options}
	for _, c := range []struct {
		m              *measurer
		round, clients int
		want           []string
	}{
		{m, 1, 64, []string{etcd, etcdShared, concordat}},
		{m, 2, 64, []string{concordat, etcdShared, etcd}},
		{m, 1, 1, []string{etcd, concordat}},
		{alone, 1, 64, []string{concordat}},
	} {
		if got := c.m.turn(c.round, c.clients); !slices.Equal(got, c.want) {
			t.Errorf("round %d, %d clients: %v, want %v", c.round, c.clients, got, c.want)
		}
	}
}

func TestParseLoad(t *testing.T) {
	got, err := parseLoad([]byte(`{"name":"etcd","mode":"etcd-put","clients":16,"secs":2,"ops_per_s":100,"p50_ms":1,"p99_ms":2,"max_ms":3,"errors":0,"cpu":{"busy":1.9,"load":0.4,"server0":0.5,"server1":0.25,"other":0.1}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got.Clients != 16 || got.Done != 200 || got.PerSecond != 100 || got.P99 != 2 || got.CPU.Servers != 0.75 || got.CPU.Load != 0.4 || got.CPU.Busy != 1.9 {
		t.Errorf("%+v, CPU %+v", got, got.CPU)
	}
	if _, err := parseLoad([]byte("not calm")); err == nil {
		t.Error("text is taken for figures")
	}
}

func TestParseRefuses(t *testing.T) {
	for _, args := range [][]string{{"-clients", "0"}, {"-clients", "1,x"}, {"-what", "redis"}, {"-catchup", "-1"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}
