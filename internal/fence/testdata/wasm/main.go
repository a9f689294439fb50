// Wasm is a hostile module: module_test.go runs it.
package main

import (
	"errors"
	"os"
)

func main() {
	container, inbox := os.Getenv("LARDER_GROUP_CONTAINER"), os.Getenv("INBOX")
	read := func(path string) func() error { return func() error { _, err := os.ReadFile(path); return err } }
	write := func(path string) func() error { return func() error { return os.WriteFile(path, []byte("x"), 0o600) } }
	list := func(path string) func() error { return func() error { _, err := os.ReadDir(path); return err } }
	for _, try := range []struct {
		name string
		do   func() error
	}{
		{"secret", read(os.Getenv("SECRET"))}, {"dots", read(container + "/../../../../home/secret")}, {"etc", read("/etc/passwd")},
		{"root", read("../../../../../../../../../../etc/passwd")}, {"other", read("/inbox/other/theirs")}, {"list", list("/inbox/other")},
		{"write root", write("/new")}, {"write beside", write(container + "/../new")}, {"write other", write("/inbox/other/new")},
		{"follow", read(container + "/planted")}, {"follow directory", read(container + "/planteddir/secret")},
		{"write through", write(container + "/planted")}, {"sideways", read(container + "/sideways/theirs")},
		{"link", func() error { return os.Symlink("/etc/passwd", container+"/l") }},
		{"hard link", func() error { return os.Link(container+"/planteddir/secret", container+"/h") }},
		{"rename in", func() error { return os.Rename("/inbox/other/theirs", container+"/theirs") }},
		{"rename out", func() error {
			return errors.Join(write(container+"/mine")(), os.Rename(container+"/mine", "/inbox/other/mine"))
		}},
		{"remove", func() error { return os.RemoveAll("/inbox/other") }}, {"chmod", func() error { return os.Chmod("/inbox/other/theirs", 0o777) }},
		{"start", func() error {
			_, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
			return err
		}},
	} {
		if err := try.do(); err != nil {
			println("held:", try.name, err.Error())
		} else {
			println("ESCAPED", try.name)
		}
	}
	for _, work := range []struct {
		name string
		do   func() error
	}{
		{"list", list(container)}, {"list root", list("/")}, {"list inbox", list("/inbox")},
		{"move", func() error { return os.Rename(inbox+"/arrived", container+"/arrived") }}, {"read", read(container + "/arrived")},
		{"write", write("relative")}, {"inside", read(container + "/inside")},
	} {
		if err := work.do(); err != nil {
			println("BROKEN", work.name, err.Error())
		}
	}
	if entries, err := os.ReadDir("/"); err != nil || len(entries) != 2 {
		println("BROKEN the root has", len(entries))
	}
	var hoard [][]byte
	for len(hoard) < 60 {
		block := make([]byte, 8<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		hoard = append(hoard, block)
	}
	println("ESCAPED memory", len(hoard))
}
