package purge

import (
	"os"

	"golang.org/x/sys/windows"
)

const openFlags = os.O_RDONLY

// The mark is an alternate data stream, which NTFS keeps with the file when it
// is renamed. Copies carry it too, and are other files by their identity.
func setMark(f *os.File, value string) error {
	path, err := stream(f)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(value), 0o600)
}

func getMark(f *os.File) (string, error) {
	path, err := stream(f)
	if err != nil {
		return "", err
	}
	s, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer s.Close()
	buf := make([]byte, 128)
	n, err := s.Read(buf)
	return string(buf[:n]), err
}

func stream(f *os.File) (string, error) {
	buf := make([]uint16, 512)
	for {
		n, err := windows.GetFinalPathNameByHandle(windows.Handle(f.Fd()), &buf[0], uint32(len(buf)), 0)
		if err != nil {
			return "", err
		}
		if int(n) < len(buf) {
			return windows.UTF16ToString(buf[:n]) + ":" + Attribute, nil
		}
		buf = make([]uint16, n+1)
	}
}

// Supported reports whether the disk of a directory keeps marks.
func Supported(dir string) bool {
	root, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return false
	}
	volume := make([]uint16, windows.MAX_PATH+1)
	if err := windows.GetVolumePathName(root, &volume[0], uint32(len(volume))); err != nil {
		return false
	}
	var flags uint32
	err = windows.GetVolumeInformation(&volume[0], nil, 0, nil, nil, &flags, nil, 0)
	return err == nil && flags&windows.FILE_NAMED_STREAMS != 0
}

// identity names a file on its disk, and tells how many names it has.
func identity(f *os.File) (id, links uint64, err error) {
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &info); err != nil {
		return 0, 0, err
	}
	return uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow), uint64(info.NumberOfLinks), nil
}
