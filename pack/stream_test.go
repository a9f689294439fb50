package pack

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"larder/asset"
)

func TestStreamGivesTheBytesOfAllFilesInOrder(t *testing.T) {
	f := sample()
	b, _ := pack(t, f, BuildOptions{})
	got := map[string][]byte{}
	if err := open(t, b).Stream(t.Context(), func(c Chunk, data []byte) error {
		if c.Offset != int64(len(got[c.Path])) || c.Size != int64(len(data)) {
			t.Errorf("%s: chunk at %d of %d bytes after %d", c.Path, c.Offset, c.Size, len(got[c.Path]))
		}
		got[c.Path] = append(got[c.Path], data...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for path, n := range f {
		if n.kind.Regular() && !bytes.Equal(got[path], n.data) {
			t.Errorf("%s has other bytes", path)
		}
	}
}

func TestStreamStopsAtDamageAndAtItsVisitor(t *testing.T) {
	b, _ := pack(t, sample(), BuildOptions{})
	enough := errors.New("enough")
	if err := open(t, b).Stream(t.Context(), func(Chunk, []byte) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
	b[1<<20] ^= 1
	wantCode(t, open(t, b).Stream(context.Background(), func(Chunk, []byte) error { return nil }), asset.CodeHashMismatch)
}
