package pack

import (
	"io/fs"
	"os"
	"syscall"
)

const canExecute = false

// oneName reports whether a file has no other name (hard link).
func oneName(root *os.Root, name string, _ fs.FileInfo) bool {
	f, err := root.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	var info syscall.ByHandleFileInformation
	err = syscall.GetFileInformationByHandle(syscall.Handle(f.Fd()), &info)
	return err == nil && info.NumberOfLinks == 1
}
