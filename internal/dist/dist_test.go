package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var date = time.Unix(1700000000, 0).UTC()

var made = []file{{name: "man/larder.1", data: []byte(".TH LARDER 1\n")}, {name: "completions/_larder", data: []byte("#compdef larder\n")},
	{name: "completions/larder.ps1", data: []byte("x")}, {name: "systemd/larder.service", data: []byte("[Unit]\n")}}

func debian(t *testing.T) []byte {
	t.Helper()
	deb, err := debianPackage("1.2.3", "amd64", debianFiles([]byte("program"), []byte("licences"), made), date)
	if err != nil {
		t.Fatal(err)
	}
	return deb
}

// entries reads a .tar.gz as name and mode, folders with a slash.
func entries(t *testing.T, archive []byte) (list []string) {
	t.Helper()
	zr, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || !h.ModTime.Equal(date) {
			t.Errorf("%s: owner %d:%d, date %s", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		list = append(list, h.FileInfo().Mode().String()+" "+h.Name)
	}
}

// members takes an ar archive apart.
func members(t *testing.T, deb []byte) map[string][]byte {
	t.Helper()
	rest, ok := bytes.CutPrefix(deb, []byte("!<arch>\n"))
	if !ok {
		t.Fatal("no ar archive")
	}
	out := map[string][]byte{}
	for len(rest) > 0 {
		var size int
		for _, digit := range bytes.TrimSpace(rest[48:58]) {
			size = size*10 + int(digit-'0')
		}
		name := string(bytes.TrimSpace(rest[:16]))
		out[name] = rest[60 : 60+size]
		rest = rest[60+size+size%2:]
	}
	return out
}

func TestTheDebianPackageHasEachPartInItsPlaceAndNoScripts(t *testing.T) {
	parts := members(t, debian(t))
	if got, want := entries(t, parts["control.tar.gz"]), []string{"-rw-r--r-- control", "-rw-r--r-- md5sums"}; !slices.Equal(got, want) {
		t.Errorf("control: %q, want %q", got, want)
	}
	var files []string
	for _, e := range entries(t, parts["data.tar.gz"]) {
		if !strings.HasPrefix(e, "d") {
			files = append(files, e)
		}
	}
	want := []string{"-rwxr-xr-x usr/bin/larder", "-rw-r--r-- usr/lib/systemd/user/larder.service", "-rw-r--r-- usr/share/doc/larder/copyright",
		"-rw-r--r-- usr/share/man/man1/larder.1.gz", "-rw-r--r-- usr/share/zsh/vendor-completions/_larder"}
	if !slices.Equal(files, want) {
		t.Errorf("files: %q, want %q", files, want)
	}
}

func TestDpkgReadsThePackage(t *testing.T) {
	dpkg, err := exec.LookPath("dpkg-deb")
	if err != nil {
		t.Log("there is no dpkg-deb here; the package is read by the test above alone")
		return
	}
	name := filepath.Join(t.TempDir(), "larder.deb")
	if err := os.WriteFile(name, debian(t), 0o644); err != nil {
		t.Fatal(err)
	}
	info, err := exec.Command(dpkg, "--field", name, "Package", "Version", "Architecture").CombinedOutput()
	if want := "Package: larder\nVersion: 1.2.3\nArchitecture: amd64\n"; err != nil || string(info) != want {
		t.Errorf("dpkg-deb --field: %v, %q, want %q", err, info, want)
	}
	if list, err := exec.Command(dpkg, "--contents", name).CombinedOutput(); err != nil || !strings.Contains(string(list), "usr/bin/larder") {
		t.Errorf("dpkg-deb --contents: %v\n%s", err, list)
	}
}

func TestArchivesDoNotDependOnTheOrderOfFiles(t *testing.T) {
	files := []file{{name: "a/b/c", data: []byte("1"), exec: true}, {name: "a/a", data: []byte("2")}, {name: "z", data: nil}}
	turned := slices.Clone(files)
	slices.Reverse(turned)
	for name, write := range map[string]func(io.Writer, []file, time.Time) error{"tar.gz": writeTarGz, "zip": writeZip} {
		var one, other bytes.Buffer
		if err := errors.Join(write(&one, files, date), write(&other, turned, date)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(one.Bytes(), other.Bytes()) {
			t.Errorf("%s: other bytes for another order", name)
		}
		if name == "tar.gz" {
			if got, want := entries(t, one.Bytes()), []string{"drwxr-xr-x a/", "-rw-r--r-- a/a", "drwxr-xr-x a/b/", "-rwxr-xr-x a/b/c", "-rw-r--r-- z"}; !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		}
	}
}

func TestVersionsFollowFromWhatGitSays(t *testing.T) {
	for said, want := range map[string]string{
		"v1.2.3": "1.2.3", "v1.2.3.changed": "1.2.3+changed", "v1.2.3-4-gabc": "1.2.3+4.gabc", "v1.2.3-4-gabc.changed": "1.2.3+4.gabc.changed",
		"abc1234": "0.0.0+gabc1234", "abc1234.changed": "0.0.0+gabc1234.changed",
	} {
		if got := described(said); got != want || !plain.MatchString(got) {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}

func TestTheInventoryComesFromTheProgram(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var v inventory
	if err := v.add(self); err != nil {
		t.Fatal(err)
	}
	v.modules["example.org/a"] = module{"example.org/a", "v1.0.0+incompatible", "h1:x"}
	text, err := v.sbom("1.2.3", date)
	if err != nil {
		t.Fatal(err)
	}
	var b bom
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	if b.Format != "CycloneDX" || b.Metadata.Component.Version != "1.2.3" || b.Metadata.Timestamp != "2023-11-14T22:13:20Z" {
		t.Errorf("%+v", b.Metadata)
	}
	if last := b.Components[len(b.Components)-1]; b.Components[0].Name != "std" || last.PURL != "pkg:golang/example.org/a@v1.0.0%2Bincompatible" {
		t.Errorf("components: %+v", b.Components)
	}
}

func TestTheNoticesHoldTheTextOfEachLicence(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	v := inventory{toolchain: "go1", modules: map[string]module{"github.com/spf13/cobra": {path: "github.com/spf13/cobra", version: "v1"}}}
	text, err := v.notices()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Larder: LICENSE", "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION", "Neither the name of Google LLC", "github.com/spf13/cobra v1: LICENSE.txt"} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the notices lack %q", want)
		}
	}
	if n := bytes.Count(text, []byte("TERMS AND CONDITIONS")); n < 2 {
		t.Errorf("the notices hold %d texts of the Apache licence, want ours and cobra's", n)
	}
}
