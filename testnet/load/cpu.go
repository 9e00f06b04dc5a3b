package load

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// CPU is how many processors were busy in the window, on average, and with what.
type CPU struct {
	Servers float64 `json:"servers"` // the processes under load together
	Load    float64 `json:"load"`    // this process
	Busy    float64 `json:"busy"`    // the whole machine

	known bool
}

// ticksPerSecond is the unit of /proc: USER_HZ, 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// readCPU gives processor time used so far, in seconds. Where there is no
// /proc it is unknown, and so is what is made of it.
func readCPU(servers []int) CPU {
	busy, ok := machineSeconds()
	if !ok {
		return CPU{}
	}
	c := CPU{Busy: busy, Load: processSeconds("self"), known: true}
	for _, pid := range servers {
		c.Servers += processSeconds(strconv.Itoa(pid))
	}
	return c
}

// since gives the average over the seconds since before; nil where it is unknown.
func (c CPU) since(before CPU, seconds float64) *CPU {
	if !c.known || !before.known || seconds == 0 {
		return nil
	}
	return &CPU{
		Servers: (c.Servers - before.Servers) / seconds,
		Load:    (c.Load - before.Load) / seconds,
		Busy:    (c.Busy - before.Busy) / seconds,
	}
}

// machineSeconds sums user, nice, system, irq and softirq time of /proc/stat.
func machineSeconds() (float64, bool) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, false
	}
	var user, nice, system, idle, iowait, irq, softirq float64
	line, _, _ := bytes.Cut(b, []byte("\n"))
	if _, err := fmt.Sscanf(string(line), "cpu %g %g %g %g %g %g %g", &user, &nice, &system, &idle, &iowait, &irq, &softirq); err != nil {
		return 0, false
	}
	return (user + nice + system + irq + softirq) / ticksPerSecond, true
}

// processSeconds is user and system time of a process; 0 where it has ended.
func processSeconds(pid string) float64 {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0
	}
	// The second field is the command in brackets, and may hold anything.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	const utime, stime = 11, 12
	if len(fields) <= stime {
		return 0
	}
	var sum float64
	for _, f := range fields[utime : stime+1] {
		ticks, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return 0
		}
		sum += ticks
	}
	return sum / ticksPerSecond
}

// Other is what neither the servers nor the load took: other processes, and the kernel's threads.
func (c *CPU) Other() float64 { return c.Busy - c.Servers - c.Load }

// Calm waits, for as long as given, until less than 0.4 processors are busy,
// and reports whether they are. Where the system does not say, it is calm.
func Calm(ctx context.Context, within time.Duration) bool {
	const calm = 0.4
	for end := time.Now().Add(within); ; {
		before, known := machineSeconds()
		if !known {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(time.Second):
		}
		if after, _ := machineSeconds(); after-before < calm {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}
