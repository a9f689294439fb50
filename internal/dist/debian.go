package main

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"fmt"
	"path"
	"strings"
	"time"
)

// debianFiles says where a Debian system has the parts of a release. There are
// no maintainer scripts: installing starts nothing and removing asks nothing.
func debianFiles(program, notices []byte, generated []file) []file {
	files := []file{
		{name: "usr/bin/larder", data: program, exec: true},
		{name: "usr/share/doc/larder/copyright", data: notices},
	}
	places := map[string]string{
		"completions/larder.bash": "usr/share/bash-completion/completions/larder",
		"completions/_larder":     "usr/share/zsh/vendor-completions/_larder",
		"completions/larder.fish": "usr/share/fish/vendor_completions.d/larder.fish",
		"systemd/larder.service":  "usr/lib/systemd/user/larder.service",
	}
	for _, f := range generated {
		if to, ok := places[f.name]; ok {
			files = append(files, file{name: to, data: f.data})
		}
		if path.Dir(f.name) == "man" {
			files = append(files, file{name: "usr/share/man/man1/" + path.Base(f.name) + ".gz", data: gzipped(f.data)})
		}
	}
	return files
}

func gzipped(data []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // a buffer takes all, and the level is one that exists
	}
	return b.Bytes()
}

// debianPackage is a package as deb(5) has it: an archive of ar(5) with a version,
// the control files and the files themselves.
func debianPackage(version, arch string, files []file, date time.Time) ([]byte, error) {
	var size int
	var sums strings.Builder
	for _, f := range sorted(files) {
		size += (len(f.data) + 1023) / 1024
		fmt.Fprintf(&sums, "%x  %s\n", md5.Sum(f.data), f.name) // what dpkg --verify reads
	}
	control := fmt.Sprintf(`Package: larder
Version: %s
Architecture: %s
Maintainer: The Larder authors
Installed-Size: %d
Recommends: ca-certificates
Section: utils
Priority: optional
Description: stocks the large assets of apps before the apps need them
 A small service notices that an app was installed or updated, asks the app's
 own extension what to fetch, and fetches it in the background. The app opens
 when the essential part is there.
 .
 Nothing is started by installing this package. The commands start the service
 when they need it; "larder service install" starts it at each login.
`, version, arch, size)
	var controls, data bytes.Buffer
	err := writeTarGz(&controls, []file{{name: "control", data: []byte(control)}, {name: "md5sums", data: []byte(sums.String())}}, date)
	if err != nil {
		return nil, err
	}
	if err := writeTarGz(&data, files, date); err != nil {
		return nil, err
	}
	var deb bytes.Buffer
	deb.WriteString("!<arch>\n")
	for _, m := range []struct {
		name string
		data []byte
	}{{"debian-binary", []byte("2.0\n")}, {"control.tar.gz", controls.Bytes()}, {"data.tar.gz", data.Bytes()}} {
		fmt.Fprintf(&deb, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", m.name, date.Unix(), 0, 0, 0o100644, len(m.data))
		deb.Write(m.data)
		if len(m.data)%2 == 1 {
			deb.WriteByte('\n')
		}
	}
	return deb.Bytes(), nil
}
