package main

import (
	"archive/tar"
	"archive/zip"
	"cmp"
	"compress/gzip"
	"io"
	"path"
	"slices"
	"time"
)

// file is a file of an archive; its name has slashes and is relative.
type file struct {
	name string
	data []byte
	exec bool
}

func (f file) mode() int64 {
	if f.exec {
		return 0o755
	}
	return 0o644
}

// writeTarGz writes files in the order of their names, with the folders they are
// in, owned by root, all of one date.
func writeTarGz(w io.Writer, files []file, date time.Time) error {
	zw, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(zw)
	seen := map[string]bool{}
	for _, f := range sorted(files) {
		if err := folders(tw, path.Dir(f.name), seen, date); err != nil {
			return err
		}
		err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Size: int64(len(f.data)), Mode: f.mode(), ModTime: date, Uname: "root", Gname: "root", Format: tar.FormatGNU})
		if err != nil {
			return err
		}
		if _, err := tw.Write(f.data); err != nil {
			return err
		}
	}
	if err := tw.Close(); err != nil {
		return err
	}
	return zw.Close()
}

func folders(tw *tar.Writer, dir string, seen map[string]bool, date time.Time) error {
	if dir == "." || seen[dir] {
		return nil
	}
	seen[dir] = true
	if err := folders(tw, path.Dir(dir), seen, date); err != nil {
		return err
	}
	return tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: date, Uname: "root", Gname: "root", Format: tar.FormatGNU})
}

func writeZip(w io.Writer, files []file, date time.Time) error {
	zw := zip.NewWriter(w)
	for _, f := range sorted(files) {
		fw, err := zw.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: date})
		if err != nil {
			return err
		}
		if _, err := fw.Write(f.data); err != nil {
			return err
		}
	}
	return zw.Close()
}

func sorted(files []file) []file {
	return slices.SortedFunc(slices.Values(files), func(a, b file) int { return cmp.Compare(a.name, b.name) })
}
