package patching

import (
	"bytes"
	"path"
	"slices"
	"strings"
)

// packedNames are the endings of files that are usually compressed as a whole or in
// parts. Pictures, sound and films are not among them: nothing better can be done
// with these.
var packedNames = []string{".zip", ".gz", ".tgz", ".xz", ".txz", ".bz2", ".zst", ".lz4", ".br", ".7z", ".rar", ".pak", ".jar", ".apk", ".pk3", ".pk4", ".cab", ".whl", ".nupkg", ".unitypackage", ".love"}

func packedName(name string) bool {
	return slices.Contains(packedNames, strings.ToLower(path.Ext(name)))
}

// solid formats are compressed in one stream; the key is how the file begins.
var solid = []struct{ magic, name string }{
	{"7z\xbc\xaf\x27\x1c", "7z archive"},
	{"Rar!\x1a\x07", "rar archive"},
	{"\xfd7zXZ\x00", "xz stream"},
	{"BZh", "bzip2 stream"},
	{"\x28\xb5\x2f\xfd", "zstd stream"},
	{"\x04\x22\x4d\x18", "lz4 stream"},
	{"MSCF", "cabinet"},
}

func solidFormat(head []byte) string {
	for _, s := range solid {
		if bytes.HasPrefix(head, []byte(s.magic)) {
			return s.name
		}
	}
	return ""
}

// litter is what desktops and editors leave behind.
func litter(name string) bool {
	base := path.Base(name)
	return slices.Contains([]string{".DS_Store", "Thumbs.db", "desktop.ini", ".directory"}, base) || strings.HasPrefix(base, "._") ||
		strings.HasSuffix(base, "~") || strings.HasSuffix(base, ".swp")
}
