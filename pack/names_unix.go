//go:build unix

package pack

import (
	"io/fs"
	"os"
	"syscall"
)

const canExecute = true

// oneName reports whether a file has no other name (hard link).
func oneName(_ *os.Root, _ string, info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 1
}
