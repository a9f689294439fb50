package transfer

import (
	"errors"
	"syscall"
)

func isNoSpace(err error) bool {
	const diskFull, handleDiskFull, quotaExceeded syscall.Errno = 112, 39, 1295
	return errors.Is(err, diskFull) || errors.Is(err, handleDiskFull) || errors.Is(err, quotaExceeded)
}
