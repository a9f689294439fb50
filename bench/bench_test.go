package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/bench/peer"
)

func TestAFigureIsMetAtItsTargetAndMissedAboveIt(t *testing.T) {
	for _, c := range []struct {
		figure
		want string
	}{
		{figure{Ratio: 1.1, Target: 1.1}, "met"},
		{figure{Ratio: 1.101, Target: 1.1}, "missed"},
		{figure{Ratio: 0.5, Target: 1, RSS: 2, Limit: 1}, "missed"},
		{figure{RSS: 1, Limit: 1}, "met"},
		{figure{Ratio: 7}, ""},
	} {
		if got := c.met(); got != c.want {
			t.Errorf("%+v: %q", c.figure, got)
		}
	}
}

func TestAPartialRunReplacesItsFiguresAndKeepsTheOthers(t *testing.T) {
	b := bench{results: t.TempDir(), log: io.Discard}
	b.add(figure{ID: "P5", Corpus: "x", What: "unpack", Ours: 1})
	b.add(figure{ID: "P3", Corpus: "x", What: "size", Ours: 2})
	if err := b.keep("x", "bytes", []peer.Cost{{Peer: "Larder", Bytes: 3}}); err != nil {
		t.Fatal(err)
	}
	b.run = nil
	b.add(figure{ID: "P5", Corpus: "x", What: "unpack", Ours: 4})
	b.add(figure{ID: "P5", Corpus: "y", What: "unpack", Ours: 5})
	if err := b.keep("x", "bytes", nil); err != nil {
		t.Fatal(err)
	}
	r, err := b.load("x")
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Figures) != 2 || r.Figures[0].Ours != 2 || r.Figures[1].Ours != 4 || len(r.Updates) != 1 {
		t.Errorf("%+v", r)
	}
	var table bytes.Buffer
	if err := b.show(&table); err != nil {
		t.Fatal(err)
	}
}

func TestThePictureIsXMLAndShowsOursAndMarksConstants(t *testing.T) {
	svg := draw([]results{{Corpus: "a<b", Updates: []peer.Cost{
		{Peer: "Larder", Bytes: 29_909}, {Peer: "wharf", Bytes: 40_545, Const: true}, {Peer: "nobody knows it", Bytes: 1},
	}}})
	d, text := xml.NewDecoder(bytes.NewReader(svg)), ""
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := token.(xml.CharData); ok {
			text += string(c) + "|"
		}
	}
	for _, want := range []string{"|a<b|", "|Larder|", "|29.9 kB|", "|wharf *|", "|40.5 kB|"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	if strings.Contains(text, "nobody") {
		t.Error("a peer is drawn that no one asked for")
	}
}

func TestNumbersAreWrittenForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	for n, want := range map[int64]string{999: "999 B", 999_600: "1 MB", 5_478_982: "5.48 MB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}

// An update is measured on a small pair of trees: what a device fetches is less than
// the pack, what signs it is counted, and the new tree is put together.
func TestAWorkTellsWhatAnUpdateCosts(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	kept := make([]byte, keptSize)
	if _, err := (&noise{r: rand.New(rand.NewPCG(1, 1))}).Read(kept); err != nil {
		t.Fatal(err)
	}
	write("old/kept", kept)
	write("new/kept", kept)
	write("new/added", []byte("more"))
	for _, v := range []string{"old", "new"} {
		if _, err := buildTree(t.Context(), []string{filepath.Join(dir, v), filepath.Join(dir, v+".assetpack")}); err != nil {
			t.Fatal(err)
		}
	}
	packs := []string{filepath.Join(dir, "old.assetpack"), filepath.Join(dir, "new.assetpack")}
	out, err := planUpdate(t.Context(), packs)
	if err != nil {
		t.Fatal(err)
	}
	u := out.(updates)
	info, err := os.Stat(packs[1])
	if err != nil {
		t.Fatal(err)
	}
	if got := u.Unprepared.total(); got >= info.Size() || u.Unprepared.Pack == 0 || u.Unprepared.Documents < 1000 {
		data, _ := json.Marshal(u)
		t.Errorf("of %d: %s", info.Size(), data)
	}
	packs = append(packs, filepath.Join(dir, "new.delta"))
	if _, err := delta(t.Context(), packs); err != nil {
		t.Fatal(err)
	}
	if _, err := apply(t.Context(), append(packs, dir, "made")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "made/added")); err != nil || string(got) != "more" {
		t.Errorf("%q, %v", got, err)
	}
}
