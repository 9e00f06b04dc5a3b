package testnet

import "syscall"

// tied makes a child die with its parent, even if the parent is killed, and
// keeps the terminal's interrupt from it: the parent stops it in its own order.
func tied() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
