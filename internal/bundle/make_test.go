package bundle

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

type obj = map[string]any

// classic is a bundle of the classic kind without fault.
func classic() obj {
	return obj{
		"CFBundleIdentifier":         "org.example.game",
		"CFBundleName":               "Game",
		"CFBundleShortVersionString": "1.2",
		"CFBundleVersion":            "42",
		"CFBundleExecutable":         "game",
		"BAManifestURL":              "https://assets.example.org/manifest.json",
		"BAInitialDownloadRestrictions": obj{
			"BADownloadAllowance":          1000,
			"BAEssentialDownloadAllowance": 2000,
			"BADownloadDomainAllowList":    []any{"*.example.org", "127.0.0.1"},
		},
		"BAMaxInstallSize":          3000,
		"BAEssentialMaxInstallSize": 4000,
	}
}

func downloader() obj {
	return obj{
		"CFBundleIdentifier":       "org.example.game.downloader",
		"CFBundleExecutable":       "dl",
		"EXAppExtensionAttributes": obj{"EXExtensionPointIdentifier": extensionPoint},
	}
}

// files are the contents of a bundle by path; a name ending in ".x" stands for
// an executable without that ending, "->" in a value for a symbolic link.
type files map[string]string

func classicFiles() files {
	return files{"Info.json": asJSON(classic()), "bin/game.x": "", "Extensions/dl.appex/Info.json": asJSON(downloader()), "Extensions/dl.appex/dl.x": ""}
}

func write(t testing.TB, fs files) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range slices.Sorted(maps.Keys(fs)) {
		mode := os.FileMode(0o644)
		if strings.HasSuffix(name, ".x") {
			mode = 0o755
		}
		at := filepath.Join(dir, filepath.FromSlash(strings.TrimSuffix(name, ".x")))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(fs[name], "->"); ok {
			err = os.Symlink(target, at)
		} else {
			err = os.WriteFile(at, []byte(fs[name]), mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

const xmlHead = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
`

func asXML(v any) string { return xmlHead + `<plist version="1.0">` + xmlValue(v) + "</plist>\n" }

func xmlValue(v any) string {
	switch v := v.(type) {
	case string:
		return "<string>" + strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(v) + "</string>"
	case bool:
		return fmt.Sprintf("<%t/>", v)
	case int:
		return fmt.Sprintf("<integer>%d</integer>", v)
	case []any:
		s := "<array>"
		for _, e := range v {
			s += xmlValue(e)
		}
		return s + "</array>"
	case obj:
		s := "<dict>\n"
		for _, k := range slices.Sorted(maps.Keys(v)) {
			s += "<key>" + k + "</key>" + xmlValue(v[k]) + "\n"
		}
		return s + "</dict>"
	}
	panic(fmt.Sprintf("%T", v))
}

// binaryList collects the objects of a binary property list; references are two
// bytes wide and the first object is the root.
type binaryList struct{ objects [][]byte }

func asBinary(v any) string {
	var l binaryList
	l.add(v)
	return l.String()
}

func (l *binaryList) add(v any) uint16 {
	at := len(l.objects)
	l.objects = append(l.objects, nil)
	switch v := v.(type) {
	case string:
		l.objects[at] = append(head(0x50, len(v)), v...)
		if strings.ContainsFunc(v, func(r rune) bool { return r > 0x7f }) {
			units := utf16.Encode([]rune(v))
			l.objects[at] = head(0x60, len(units))
			for _, u := range units {
				l.objects[at] = binary.BigEndian.AppendUint16(l.objects[at], u)
			}
		}
	case bool:
		l.objects[at] = []byte{0x08}
		if v {
			l.objects[at] = []byte{0x09}
		}
	case int:
		l.objects[at] = binary.BigEndian.AppendUint64([]byte{0x13}, uint64(v))
	case []any:
		var refs []uint16
		for _, e := range v {
			refs = append(refs, l.add(e))
		}
		l.objects[at] = list(0xa0, len(v), refs...)
	case obj:
		var keys, values []uint16
		for _, k := range slices.Sorted(maps.Keys(v)) {
			keys, values = append(keys, l.add(k)), append(values, l.add(v[k]))
		}
		l.objects[at] = list(0xd0, len(v), append(keys, values...)...)
	default:
		panic(fmt.Sprintf("%T", v))
	}
	return uint16(at)
}

func head(marker byte, n int) []byte {
	if n < 15 {
		return []byte{marker | byte(n)}
	}
	return binary.BigEndian.AppendUint32([]byte{marker | 0xf, 0x12}, uint32(n))
}

func list(marker byte, n int, refs ...uint16) []byte {
	b := head(marker, n)
	for _, r := range refs {
		b = binary.BigEndian.AppendUint16(b, r)
	}
	return b
}

func (l *binaryList) String() string {
	out := []byte("bplist00")
	var table []byte
	for _, o := range l.objects {
		table = binary.BigEndian.AppendUint32(table, uint32(len(out)))
		out = append(out, o...)
	}
	start := uint64(len(out))
	out = append(out, table...)
	out = append(out, 0, 0, 0, 0, 0, 0, 4, 2)
	for _, n := range []uint64{uint64(len(l.objects)), 0, start} {
		out = binary.BigEndian.AppendUint64(out, n)
	}
	return string(out)
}
