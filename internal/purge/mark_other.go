//go:build !linux && !darwin && !windows

package purge

import (
	"errors"
	"os"
)

const openFlags = os.O_RDONLY

func setMark(*os.File, string) error { return errors.ErrUnsupported }

func getMark(*os.File) (string, error) { return "", errors.ErrUnsupported }

// Supported reports whether the disk of a directory keeps marks.
func Supported(string) bool { return false }

func identity(*os.File) (id, links uint64, err error) { return 0, 0, errors.ErrUnsupported }
