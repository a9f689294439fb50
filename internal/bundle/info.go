package bundle

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
)

const maxInfo = 1 << 20

var infoNames = []string{"Contents/Info.plist", "Contents/Info.json", "Info.plist", "Info.json"}

// readInfo reads the Info file of the bundle or extension at base. It is not
// found when there is no such file; the dict is without map when there is one
// and it cannot be read, which is a fault. Of several, the first of infoNames
// is read.
func readInfo(root *os.Root, base string, faults *faultList) (dict, bool) {
	var present []string
	for _, name := range infoNames {
		at := path.Join(base, name)
		if _, err := root.Lstat(at); !absent(err) {
			present = append(present, at)
		}
	}
	if len(present) == 0 {
		return dict{}, false
	}
	for _, other := range present[1:] {
		faults.add(Fault{File: other, Problem: present[0] + " is there too; that one is read and this one ignored", Mend: "remove one of them"})
	}
	d := dict{file: present[0], faults: faults}
	data, err := readFile(root, d.file)
	if err != nil {
		faults.add(Fault{File: d.file, Problem: err.Error(), Mend: "make it a readable file of the bundle, at most 1 MiB"})
		return d, true
	}
	parse, mend := parsePlist, "write a property list (XML or binary)"
	if strings.HasSuffix(d.file, ".json") {
		parse, mend = parseJSON, "write one JSON object"
	}
	m, doubles, err := parse(data)
	for _, key := range doubles {
		d.fault(key, "", "it is there twice", "remove one of them")
	}
	var at *keyError
	switch {
	case errors.As(err, &at):
		d.fault(at.key, at.value, at.problem, "write a whole number of at most 64 bits")
	case err != nil:
		d.fault("", "", err.Error(), mend)
	}
	d.m = m
	return d, true
}

func readFile(root *os.Root, name string) ([]byte, error) {
	st, err := root.Stat(name)
	switch {
	case err != nil:
		return nil, errors.New("it cannot be read: " + cause(err))
	case !st.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, errors.New("it cannot be read: " + cause(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxInfo+1))
	if err != nil {
		return nil, errors.New("it cannot be read: " + cause(err))
	}
	if len(data) > maxInfo {
		return nil, errors.New("it is larger than 1 MiB")
	}
	return data, nil
}

// absent reports whether err says that nothing is there. A link that leads out
// of the bundle is there, and wrong.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
