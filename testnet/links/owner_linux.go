package links

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// canTell reports that owner works on this system.
const canTell = true

// owner is the process, of those given, that has a TCP connection of 127.0.0.1
// from a local port; 0 if none has.
func owner[T any](port int, pids map[int]T) int {
	inode := socketAt(port)
	if inode == "" {
		return 0
	}
	want := "socket:[" + inode + "]"
	for pid := range pids {
		fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil {
			continue // the pattern is right, so there is no error
		}
		for _, fd := range fds {
			// A descriptor may be closed, or a process gone, between the two looks.
			if at, err := os.Readlink(fd); err == nil && at == want {
				return pid
			}
		}
	}
	return 0
}

// socketAt is the inode of the socket with that local port that has a peer.
func socketAt(port int) string {
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		return ""
	}
	defer f.Close()
	local := fmt.Sprintf("0100007F:%04X", port)
	const established = "01"
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode …
		if w := strings.Fields(lines.Text()); len(w) > 9 && w[1] == local && w[3] == established {
			return w[9]
		}
	}
	return ""
}
