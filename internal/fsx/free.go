package fsx

import (
	"io/fs"
	"math"
)

// Free is how many bytes an unprivileged user may still write in the file system
// that holds the existing directory dir.
func Free(dir string) (int64, error) {
	n, err := free(dir)
	if err != nil {
		return 0, &fs.PathError{Op: "free space", Path: dir, Err: err}
	}
	return n, nil
}

// clamp holds what a file system claims within int64.
func clamp(blocks, size uint64) int64 {
	if size != 0 && blocks > math.MaxInt64/size {
		return math.MaxInt64
	}
	return int64(blocks * size)
}
