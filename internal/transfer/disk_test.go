package transfer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"larder/asset"
	"larder/internal/fault"
	"larder/internal/fsx"
)

var faultFile = fault.File{Content: small}

// spy is the real file system, with a say before each write, a look after each
// change, and a list of what was synced.
type spy struct {
	fsx.FS
	write func(off int64) error
	look  func()

	mu     sync.Mutex
	synced []string
}

func (s *spy) sync(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.synced = append(s.synced, filepath.Base(name))
}

func (s *spy) SyncDir(name string) error {
	s.sync("folder")
	return s.FS.SyncDir(name)
}

func (f spyFile) Sync() error {
	f.spy.sync("file")
	return f.File.Sync()
}

type spyFile struct {
	fsx.File
	spy *spy
}

func (s *spy) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	f, err := s.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return spyFile{f, s}, nil
}

func (f spyFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.spy.write(off); err != nil {
		n, _ := f.File.WriteAt(p[:len(p)/2], off)
		return n, err
	}
	defer f.spy.look()
	return f.File.WriteAt(p, off)
}

func (f spyFile) Truncate(size int64) error {
	defer f.spy.look()
	return f.File.Truncate(size)
}

func TestFullDiskIsSaidAndKeepsWhatFits(t *testing.T) {
	for _, c := range []struct {
		err  error
		kind Kind
		code asset.Code
	}{{syscall.ENOSPC, KindSpace, asset.CodeNoSpace}, {syscall.EDQUOT, KindSpace, asset.CodeNoSpace}, {syscall.EIO, KindDisk, asset.CodeInternal}} {
		r := newRig(t)
		r.Put("/a", faultFile)
		r.fetcher.FS = &spy{FS: fsx.OS(), look: func() {}, write: func(off int64) error {
			if off > 100<<10 {
				return &fs.PathError{Op: "write", Path: "p", Err: c.err}
			}
			return nil
		}}
		held, fail := r.fetch(r.job("/a", Held{}))
		wantFailure(t, fail, c.kind)
		if fail.Err.Code != c.code || !errors.Is(fail, c.err) || fail.Err.Subject != r.path {
			t.Errorf("%v", fail)
		}
		if held.Bytes <= 100<<10 {
			t.Errorf("held %+v", held)
		}
		r.wantFile(small, held.Bytes)
	}
}

func TestPathThatIsNoFileIsADiskFailure(t *testing.T) {
	r := newRig(t)
	r.Put("/a", faultFile)
	j := r.job("/a", Held{})
	j.Path = t.TempDir()
	_, fail := r.fetch(j)
	wantFailure(t, fail, KindDisk)
	j.Path += "/missing/part"
	_, fail = r.fetch(j)
	wantFailure(t, fail, KindDisk)
}

func TestSyncComesBeforeTheRecordAndCoversTheName(t *testing.T) {
	for _, c := range []struct {
		name string
		held int64
		want []string
	}{
		{"new file", 0, []string{"record 0", "file", "folder", "record 307200"}},
		{"resumed after kill -9", 100 << 10, []string{"file", "folder", "record 102400", "file", "record 307200"}},
		{"complete after kill -9", small.Size, []string{"file", "folder", "record 307200"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.Put("/a", faultFile)
			s := &spy{FS: fsx.OS(), look: func() {}, write: func(int64) error { return nil }}
			r.fetcher.FS = s
			r.fetcher.Journal = &Journal{MaxAge: time.Hour, Record: func(m []Mark) error {
				s.sync("record " + decimal(m[0].Held.Bytes))
				return nil
			}}
			held := Held{}
			if c.held > 0 {
				held = r.hold(small, c.held)
			}
			if _, fail := r.fetch(r.job("/a", held)); fail != nil {
				t.Fatal(fail)
			}
			if diff := cmp.Diff(c.want, s.synced); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBytesTheOwnerDoesNotTrustAreGoneBeforeTheFirstWrite(t *testing.T) {
	r := newRig(t)
	r.Put("/a", fault.File{Content: small, Script: "drop@110KiB"})
	held := r.hold(small, 100<<10)
	r.write(io.MultiReader(io.NewSectionReader(small, 0, held.Bytes), io.LimitReader(zeros{}, 150<<10)))
	got, fail := r.fetch(r.job("/a", held))
	wantFailure(t, fail, KindConnectivity)
	if got.Bytes != 110<<10 {
		t.Errorf("held %+v", got)
	}
	r.wantFile(small, got.Bytes)
}

// The owner may trust the file's length after kill -9 whenever a validator is on
// record, and only the recorded bytes otherwise. So at every single moment, of
// every history, both must be a prefix of the entity the validator names.
func TestBytesOfTwoEntitiesNeverMix(t *testing.T) {
	scripts := []string{"drop@40%", "drop@70%,etag-change", "status=503,drop@200KiB", "etag-change", "truncate:2", ""}
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			r := newRig(t)
			entities := map[string]fault.Bytes{}
			var mu sync.Mutex
			var recorded Held
			look := func() {
				mu.Lock()
				defer mu.Unlock()
				file, err := os.ReadFile(r.path)
				if recorded.Validator == "" || err != nil {
					return
				}
				c := entities[recorded.Validator]
				want := make([]byte, len(file))
				if n, _ := c.ReadAt(want, 0); n < len(file) || string(want) != string(file) {
					t.Errorf("under %s the file holds %d other bytes", recorded.Validator, len(file))
				}
				if int64(len(file)) < recorded.Bytes {
					t.Errorf("recorded %d bytes, the file has %d", recorded.Bytes, len(file))
				}
			}
			r.fetcher.FS = &spy{FS: fsx.OS(), look: look, write: func(int64) error { return nil }}
			r.fetcher.Journal = &Journal{SoftLimit: 64 << 10, Record: func(m []Mark) error {
				mu.Lock()
				defer mu.Unlock()
				recorded = m[len(m)-1].Held
				return nil
			}}
			for range 6 {
				c := fault.Content(rnd.Uint64N(3)*10, 150<<10+rnd.Int64N(200<<10))
				for _, e := range []fault.Bytes{c, {Seed: c.Seed + 1, Size: c.Size}} {
					entities[e.ETag()] = e
				}
				r.Put("/a", fault.File{Content: c, Script: scripts[rnd.IntN(len(scripts))], IgnoreRange: rnd.IntN(4) == 0, Chunked: rnd.IntN(4) == 0})
				for range 1 + rnd.IntN(2) {
					j := r.job("/a", recorded)
					if info, err := os.Stat(r.path); err == nil && recorded.Validator != "" && rnd.IntN(2) == 0 {
						j.Held.Bytes = info.Size()
					}
					held, fail := r.fetch(j)
					look()
					if fail == nil {
						r.wantFile(entities[held.Validator], held.Bytes)
					}
				}
			}
		})
	}
}
