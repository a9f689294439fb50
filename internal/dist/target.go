package main

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
)

// target is a system that the program is built for.
type target struct{ os, arch string }

var targets = []target{
	{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}, {"windows", "arm64"},
}

func (t target) program() string {
	if t.os == "windows" {
		return "larder.exe"
	}
	return "larder"
}

func (r *release) binary(t target) string {
	return filepath.Join(r.work, t.os+"-"+t.arch, t.program())
}

// build leaves nothing of this machine in the program: no paths, no C compiler,
// no level of the processor, no state of the working tree.
func (r *release) build(t target) error {
	return r.command([]string{"CGO_ENABLED=0", "GOOS=" + t.os, "GOARCH=" + t.arch, "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=", "GOWORK=off"},
		"go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid= -X main.version="+r.version, "-o", r.binary(t), "./cmd/larder")
}

// pack makes the archive of a target, and of Linux the Debian package too.
func (r *release) pack(t target) error {
	program, err := os.ReadFile(r.binary(t))
	if err != nil {
		return err
	}
	generated, err := r.generated()
	if err != nil {
		return err
	}
	name := fmt.Sprintf("larder_%s_%s_%s", r.version, t.os, t.arch)
	files := []file{{name: t.program(), data: program, exec: true}, {name: "LICENSES.txt", data: r.notices}}
	for _, name := range []string{"README.md", "doc/guide/service.md"} {
		data, err := os.ReadFile(filepath.FromSlash(name))
		if err != nil {
			return err
		}
		files = append(files, file{name: path.Base(name), data: data})
	}
	for _, f := range generated {
		if dir := path.Dir(f.name); dir == "completions" || dir == "man" && t.os != "windows" {
			files = append(files, f)
		}
	}
	for i := range files {
		files[i].name = name + "/" + files[i].name
	}
	var archive bytes.Buffer
	if t.os == "windows" {
		name += ".zip"
		err = writeZip(&archive, files, r.date)
	} else {
		name += ".tar.gz"
		err = writeTarGz(&archive, files, r.date)
	}
	if err != nil {
		return err
	}
	if err := r.write(name, archive.Bytes()); err != nil || t.os != "linux" {
		return err
	}
	deb, err := debianPackage(r.version, t.arch, debianFiles(program, r.notices, generated), r.date)
	if err != nil {
		return err
	}
	return r.write(fmt.Sprintf("larder_%s_%s.deb", r.version, t.arch), deb)
}

// generated are the files that the program wrote, by name, with slashes.
func (r *release) generated() (list []file, err error) {
	dir := filepath.Join(r.work, "generated")
	names, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		name, err = filepath.Rel(dir, name)
		if err != nil {
			return nil, err
		}
		list = append(list, file{name: filepath.ToSlash(name), data: data})
	}
	return list, nil
}
