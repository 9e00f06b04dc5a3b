package main

import (
	"fmt"
	"io"
	"slices"
)

// comparison is a table: some systems, and ratios to the best of its yardsticks in each round.
type comparison struct {
	title      string
	systems    []string
	yardsticks []string
}

var comparisons = []comparison{
	{"Statements ordered, beside etcd's puts", []string{etcd, etcdShared, concordat, concordatAll}, []string{etcd, etcdShared}},
	{"Statements final, beside ordered, on four nodes", []string{ordered, final}, []string{ordered}},
	{"Checks over HTTP, beside a bare handler", []string{bare, check}, []string{bare}},
}

// printTables prints medians over rounds, in Markdown.
func printTables(w io.Writer, points []point) error {
	for _, c := range comparisons {
		var mine []point
		for _, p := range points {
			if slices.Contains(c.systems, p.System) {
				mine = append(mine, p)
			}
		}
		if len(mine) == 0 {
			continue
		}
		if err := c.print(w, mine); err != nil {
			return err
		}
	}
	return printLag(w, points)
}

// printLag prints how long it takes from ordered to final, where that was measured.
func printLag(w io.Writer, points []point) error {
	points = slices.DeleteFunc(slices.Clone(points), func(p point) bool { return p.Lag == nil || p.Lag.Samples == 0 })
	if len(points) == 0 {
		return nil
	}
	if quiet := slices.DeleteFunc(slices.Clone(points), point.loud); len(quiet) > 0 {
		points = quiet // the table above says whether any is
	}
	if _, err := fmt.Fprint(w, `
From ordered to final, as one more client sees it beside the load (medians of the rounds).

| system | clients | samples | p50 ms | p99 ms | max ms |
|---|---:|---:|---:|---:|---:|
`); err != nil {
		return err
	}
	for _, system := range systems {
		for _, clients := range clientsOf(points) {
			var p50, p99, most []float64
			samples := 0
			for _, p := range points {
				if p.System == system && p.Clients == clients {
					samples += p.Lag.Samples
					p50, p99, most = append(p50, p.Lag.P50), append(p99, p.Lag.P99), append(most, p.Lag.Max)
				}
			}
			if samples == 0 {
				continue
			}
			if _, err := fmt.Fprintf(w, "| %s | %d | %d | %.1f | %.1f | %.1f |\n", system, clients, samples, median(p50), median(p99), median(most)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c comparison) print(w io.Writer, points []point) error {
	quiet := slices.DeleteFunc(slices.Clone(points), point.loud)
	note := fmt.Sprintf("%d of %d points are left out: other processes took more than 0.35 processors.", len(points)-len(quiet), len(points))
	if len(quiet) == 0 {
		quiet, note = points, "Every point is disturbed: other processes took more than 0.35 processors throughout."
	}
	if _, err := fmt.Fprintf(w, `
%s (medians; in brackets the least and the most of the ratios). %s

| system | clients | /s | p50 ms | p99 ms | max ms | ratio | p50 ratio | CPU µs/op servers+load | busy | errors | rounds |
|---|---:|---:|---:|---:|---:|---|---:|---:|---:|---:|---:|
`, c.title, note); err != nil {
		return err
	}
	for _, system := range c.systems {
		for _, clients := range clientsOf(quiet) {
			var own []point
			for _, p := range quiet {
				if p.System == system && p.Clients == clients {
					own = append(own, p)
				}
			}
			if len(own) == 0 {
				continue
			}
			if _, err := fmt.Fprintln(w, c.row(own, quiet)); err != nil {
				return err
			}
		}
	}
	return nil
}

// row is one system's with one number of clients.
func (c comparison) row(own, all []point) string {
	of := func(f func(p point) float64) float64 {
		var xs []float64
		for _, p := range own {
			xs = append(xs, f(p))
		}
		return median(xs)
	}
	errors := 0
	var rates, latencies []float64
	for _, p := range own {
		errors += p.Errors
		if best, ok := c.best(p, all); ok {
			rates = append(rates, p.PerSecond/best.PerSecond)
			latencies = append(latencies, p.P50/best.P50)
		}
	}
	ratio, latency := "-", "-"
	if len(rates) > 0 {
		ratio = fmt.Sprintf("**%.2f** (%.2f–%.2f)", median(rates), slices.Min(rates), slices.Max(rates))
		latency = fmt.Sprintf("%.2f", median(latencies))
	}
	cpu, busy := "-", "-"
	if own[0].CPU != nil {
		cpu = fmt.Sprintf("%.0f+%.0f", of(func(p point) float64 { return p.CPU.Servers / p.PerSecond * 1e6 }), of(func(p point) float64 { return p.CPU.Load / p.PerSecond * 1e6 }))
		busy = fmt.Sprintf("%.2f", of(func(p point) float64 { return p.CPU.Busy }))
	}
	return fmt.Sprintf("| %s | %d | %.0f | %.2f | %.2f | %.2f | %s | %s | %s | %s | %d | %d |", own[0].System, own[0].Clients,
		of(func(p point) float64 { return p.PerSecond }), of(func(p point) float64 { return p.P50 }), of(func(p point) float64 { return p.P99 }),
		of(func(p point) float64 { return p.Max }), ratio, latency, cpu, busy, errors, len(own))
}

// best is the fastest yardstick of the point's round and number of clients.
func (c comparison) best(p point, all []point) (best point, ok bool) {
	for _, q := range all {
		if q.Round == p.Round && q.Clients == p.Clients && slices.Contains(c.yardsticks, q.System) && q.PerSecond > best.PerSecond {
			best, ok = q, true
		}
	}
	return best, ok
}

func clientsOf(points []point) []int {
	var out []int
	for _, p := range points {
		out = append(out, p.Clients)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func median(xs []float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	xs = slices.Sorted(slices.Values(xs))
	if n := len(xs); n%2 == 0 {
		return (xs[n/2-1] + xs[n/2]) / 2
	}
	return xs[len(xs)/2]
}
