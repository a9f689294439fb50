//go:build darwin || freebsd

package fsx

import "golang.org/x/sys/unix"

func free(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	blocks := int64(st.Bavail)
	if blocks < 0 { // the reserve for root is in use
		return 0, nil
	}
	return clamp(uint64(blocks), uint64(st.Bsize)), nil
}
