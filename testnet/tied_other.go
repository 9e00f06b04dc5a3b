//go:build !linux

package testnet

import "syscall"

// tied keeps the terminal's interrupt from a child: the parent stops it in its
// own order. Only Linux can also make it die with a parent that is killed.
func tied() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
