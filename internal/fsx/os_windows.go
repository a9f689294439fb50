package fsx

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// renamePatience is how long a rename waits for others to let go of a file.
// Virus scanners and indexers open new files for a moment, without asking.
const renamePatience = 2 * time.Second

func rename(oldname, newname string) error {
	from, err := windows.UTF16PtrFromString(oldname)
	if err != nil {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
	}
	to, err := windows.UTF16PtrFromString(newname)
	if err != nil {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
	}
	// Written through, because a directory cannot be synced here.
	const flags = windows.MOVEFILE_REPLACE_EXISTING | windows.MOVEFILE_WRITE_THROUGH
	end := time.Now().Add(renamePatience)
	for pause := time.Millisecond; ; pause *= 2 {
		err := windows.MoveFileEx(from, to, flags)
		if err == nil {
			return nil
		}
		if !heldByAnother(err) || time.Now().Add(pause).After(end) {
			return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
		}
		time.Sleep(pause)
	}
}

func heldByAnother(err error) bool {
	return errors.Is(err, windows.ERROR_ACCESS_DENIED) ||
		errors.Is(err, windows.ERROR_SHARING_VIOLATION) ||
		errors.Is(err, windows.ERROR_LOCK_VIOLATION)
}

func syncDir(name string) error {
	_, err := os.Stat(name)
	return err
}
