//go:build unix

package crash

import (
	"io/fs"
	"syscall"
)

func hasOtherNames(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Nlink > 1
}
