package crash_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"larder/internal/fsx"
	"larder/internal/fsx/crash"
)

// outcome is what a caller sees of one call, less the texts of errors.
func outcome(err error, more ...any) string {
	kind := "ok"
	for _, known := range []error{fs.ErrNotExist, fs.ErrExist, fs.ErrClosed, io.EOF} {
		if errors.Is(err, known) {
			kind = known.Error()
		}
	}
	if err != nil && kind == "ok" {
		kind = "another error"
	}
	return fmt.Sprint(append([]any{kind}, more...)...)
}

// With the power on, nobody can tell the crashable file system from the real one.
func TestWithThePowerOnItBehavesAsTheRealOne(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		roots := []string{t.TempDir(), t.TempDir()}
		defer os.RemoveAll(roots[0])
		defer os.RemoveAll(roots[1])
		systems := []fsx.FS{fsx.OS(), crash.New(fsx.OS(), roots[1])}
		open := []map[string]fsx.File{{}, {}}
		defer func() {
			for _, files := range open {
				for _, f := range files {
					_ = f.Close()
				}
			}
		}()
		same := func(op string, do func(fsys fsx.FS, at func(string) string, files map[string]fsx.File) string) {
			var got [2]string
			for i, fsys := range systems {
				got[i] = do(fsys, func(name string) string { return filepath.Join(roots[i], filepath.FromSlash(name)) }, open[i])
			}
			if got[0] != got[1] {
				rt.Fatalf("%s: the real one answers %q, the crashable one %q", op, got[0], got[1])
			}
		}

		name := rapid.SampledFrom([]string{"x", "y", "d", "d/x", "d/e", "d/e/x", "x/below"})
		handle := rapid.SampledFrom([]string{"1", "2", "3"})
		flags := rapid.SampledFrom([]int{os.O_RDONLY, os.O_RDWR, os.O_WRONLY, os.O_RDWR | os.O_CREATE, os.O_WRONLY | os.O_CREATE,
			os.O_WRONLY | os.O_CREATE | os.O_TRUNC, os.O_RDWR | os.O_CREATE | os.O_EXCL, os.O_RDWR | os.O_APPEND | os.O_CREATE, os.O_RDWR | os.O_TRUNC})
		length, offset := rapid.IntRange(1, 700), rapid.Int64Range(0, 1500)
		on := func(op string, do func(f fsx.File) string) func(*rapid.T) {
			return func(*rapid.T) {
				h := handle.Draw(rt, "handle")
				same(op, func(_ fsx.FS, _ func(string) string, files map[string]fsx.File) string {
					if f := files[h]; f != nil {
						return do(f)
					}
					return ""
				})
			}
		}
		var data []byte
		var off int64
		draw := func(op func(*rapid.T)) func(*rapid.T) {
			return func(t *rapid.T) {
				data = bytes.Repeat([]byte{byte(length.Draw(rt, "byte"))}, length.Draw(rt, "length"))
				off = offset.Draw(rt, "offset")
				op(t)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"open": func(*rapid.T) {
				h, n, flag := handle.Draw(rt, "handle"), name.Draw(rt, "name"), flags.Draw(rt, "flags")
				same("open", func(fsys fsx.FS, at func(string) string, files map[string]fsx.File) string {
					if st, err := os.Stat(at(n)); err == nil && st.IsDir() {
						return "" // handles of directories are not modelled
					}
					f, err := fsys.OpenFile(at(n), flag, 0o644)
					if err == nil {
						if old := files[h]; old != nil {
							_ = old.Close()
						}
						files[h] = f
					}
					return outcome(err)
				})
			},
			"read": draw(on("read", func(f fsx.File) string {
				buf := make([]byte, len(data))
				n, err := f.Read(buf)
				return outcome(err, n, buf[:n])
			})),
			"readAt": draw(on("readAt", func(f fsx.File) string {
				buf := make([]byte, len(data))
				n, err := f.ReadAt(buf, off)
				return outcome(err, n, buf[:n])
			})),
			"write":    draw(on("write", func(f fsx.File) string { n, err := f.Write(data); return outcome(err, n) })),
			"writeAt":  draw(on("writeAt", func(f fsx.File) string { n, err := f.WriteAt(data, off); return outcome(err, n) })),
			"truncate": draw(on("truncate", func(f fsx.File) string { return outcome(f.Truncate(off)) })),
			"close":    on("close", func(f fsx.File) string { return outcome(f.Close()) }),
			"sync":     on("sync", func(f fsx.File) string { return outcome(f.Sync()) }),
			"size": on("size", func(f fsx.File) string {
				st, err := f.Stat()
				if err != nil {
					return outcome(err)
				}
				return outcome(err, st.Size(), st.Mode())
			}),
			"mkdirAll": func(*rapid.T) {
				n := name.Draw(rt, "name")
				same("mkdirAll", func(fsys fsx.FS, at func(string) string, _ map[string]fsx.File) string {
					return outcome(fsys.MkdirAll(at(n), 0o755))
				})
			},
			"rename": func(*rapid.T) {
				from, to := name.Draw(rt, "from"), name.Draw(rt, "to")
				same("rename", func(fsys fsx.FS, at func(string) string, _ map[string]fsx.File) string {
					return outcome(fsys.Rename(at(from), at(to)))
				})
			},
			"remove": func(*rapid.T) {
				n := name.Draw(rt, "name")
				same("remove", func(fsys fsx.FS, at func(string) string, _ map[string]fsx.File) string {
					return outcome(fsys.Remove(at(n)))
				})
			},
			"removeAll": func(*rapid.T) {
				n := name.Draw(rt, "name")
				same("removeAll", func(fsys fsx.FS, at func(string) string, _ map[string]fsx.File) string {
					return outcome(fsys.RemoveAll(at(n)))
				})
			},
			"list": func(*rapid.T) {
				n := rapid.SampledFrom([]string{".", "d", "x"}).Draw(rt, "dir")
				same("list", func(fsys fsx.FS, at func(string) string, _ map[string]fsx.File) string {
					entries, err := fsys.ReadDir(at(n))
					syncErr := fsys.SyncDir(at(n))
					if st, statErr := os.Stat(at(n)); statErr == nil && !st.IsDir() {
						syncErr = nil // a file may be synced as a directory on some systems
					}
					return outcome(err, entries, outcome(syncErr))
				})
			},
		})

		var got [2]files
		for i, root := range roots {
			got[i] = tree(t, root)
			for path := range got[i] {
				if strings.HasPrefix(path, ".crash/") {
					delete(got[i], path)
				}
			}
		}
		if diff := cmp.Diff(got[0], got[1]); diff != "" {
			rt.Fatalf("the trees differ (-real +crashable):\n%s", diff)
		}
	})
}
