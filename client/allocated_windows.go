package client

import "io/fs"

// allocated is what a file takes on the disk: about its size, in clusters of 4 KiB.
func allocated(info fs.FileInfo) int64 {
	if info.IsDir() {
		return 0
	}
	return (info.Size() + 4095) &^ 4095
}
