package fsx

import "golang.org/x/sys/unix"

func free(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	size := st.Frsize // the unit of the counts; Bsize is a hint and differs on FUSE and NFS
	if size <= 0 {
		size = st.Bsize
	}
	return clamp(st.Bavail, uint64(size)), nil
}
