package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"larder/asset"
	"larder/client"
	"larder/internal/localapi"
	"larder/internal/shelf"
)

// three are the packs of a game whose rules, levels and texts have to be of one version.
var three = []asset.PackID{"rules", "levels", "texts"}

func (d *depot) issue(v int64) {
	d.Helper()
	for _, id := range three {
		d.pack(id, v, atInstall, map[string]string{string(id) + "/version.txt": fmt.Sprint(v), string(id) + "/body.txt": strings.Repeat(fmt.Sprint(v), 1000)})
	}
	d.publish(game)
}

func (d *depot) bring(ids ...string) {
	d.Helper()
	for l, err := range d.client.EnsurePacks(d.Context(), game, localapi.EnsureRequest{Packs: ids, Latest: true}) {
		if err != nil || l.Failed != nil {
			d.Fatalf("%+v, %v", l, err)
		}
	}
}

// sound tells what is wrong with the files that a process reads, if anything is.
func sound(ids []asset.PackID, read func(name string) (string, error)) error {
	var versions []string
	for _, id := range ids {
		v, err := read(string(id) + "/version.txt")
		if err != nil {
			return err
		}
		body, err := read(string(id) + "/body.txt")
		if err != nil {
			return err
		}
		if body != strings.Repeat(v, 1000) {
			return fmt.Errorf("version %s of %s has the body %.10s…", v, id, body)
		}
		versions = append(versions, v)
	}
	if len(slices.Compact(slices.Clone(versions))) > 1 {
		return fmt.Errorf("packs are of versions %v", versions)
	}
	return nil
}

// While three packs are updated fifty times, a reader that opens at any moment, and one that
// refreshes at any moment, find files of one version in all of them; and a process that does
// neither reads on what it began with, also when a new pack is added to it.
func TestAReaderNeverSeesHalfAnUpdate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	d := w.depot()
	d.issue(1)
	d.sell(managedApp(game, 1))
	d.open(game)
	d.until(game, "all are there", func(asset.AppStatus) bool { return d.onShelf(game, "texts/version.txt") == "1" })
	still, moving := d.manager(game), d.manager(game)
	ctx, stop := context.WithCancel(t.Context())
	looks := make(chan int)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			if err := errors.Join(d.opens(), refreshes(moving)); err != nil {
				t.Error(err)
				break
			}
		}
		looks <- n
	}()
	for v := int64(2); v <= manyUpdates; v++ {
		if v == manyUpdates/2 {
			d.pack("more", 1, onDemand, map[string]string{"more.txt": "more"})
		}
		d.issue(v)
		if v%2 == 0 { // as a check does it by itself, or as the app asks for it
			if err := d.check(); err != nil {
				t.Fatal(err)
			}
			d.until(game, "the update is here", func(asset.AppStatus) bool { return d.onShelf(game, "rules/version.txt") == fmt.Sprint(v) })
		} else {
			d.bring("rules", "levels", "texts")
		}
		if v == manyUpdates/2 {
			if err := still.EnsureLocalAvailability(t.Context(), client.EnsureOptions{}, "more"); err != nil {
				t.Error(err)
			}
		}
	}
	stop()
	if n := <-looks; n < manyUpdates {
		t.Errorf("the readers looked %d times only", n)
	}
	for _, id := range three {
		if b, err := still.Contents(string(id)+"/version.txt", client.In{}); err != nil || string(b) != "1" {
			t.Errorf("a process that never refreshed reads %s of version %q, %v", id, b, err)
		}
	}
	if b, err := still.Contents("more.txt", client.In{}); err != nil || string(b) != "more" {
		t.Errorf("the new pack: %q, %v", b, err)
	}
}

// opens looks as a process that begins now.
func (d *depot) opens() error { return d.opensOf(three) }

func (d *depot) opensOf(ids []asset.PackID) error {
	s, err := shelf.Open(d.dirs.Shelf("group."+asset.GroupID(game), game), shelf.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	return sound(ids, func(name string) (string, error) { return readAll(s, name) })
}

// refreshes looks as a process that moves to what there is now.
func refreshes(m *client.AssetPackManager) error { return refreshesOf(m, three) }

func refreshesOf(m *client.AssetPackManager, ids []asset.PackID) error {
	if _, err := m.Refresh(); err != nil {
		return err
	}
	return sound(ids, func(name string) (string, error) {
		b, err := m.Contents(name, client.In{})
		return string(b), err
	})
}

func readAll(s *shelf.Shelf, name string) (string, error) {
	f, err := s.Open(name, shelf.In{})
	if err != nil {
		return "", err
	}
	defer f.Close()
	var b strings.Builder
	_, err = f.WriteTo(&b)
	return b.String(), err
}

// A file that goes from one pack to another is in both for a moment only where they are updated
// one by one, and two packs with one path are refused.
func TestAFileMovesFromPackToPackInOneUpdate(t *testing.T) {
	w := newWorld(t)
	w.start()
	d := w.depot()
	d.pack("a", 1, atInstall, map[string]string{"a.txt": "a", "moves.txt": "here"})
	d.pack("b", 1, atInstall, map[string]string{"b.txt": "b"})
	d.sell(managedApp(game, 1))
	d.open(game)
	d.pack("b", 2, atInstall, map[string]string{"b.txt": "b", "moves.txt": "there"})
	d.pack("a", 2, atInstall, map[string]string{"a.txt": "a"})
	d.publish(game)
	d.bring("b", "a")
	if got := d.onShelf(game, "moves.txt"); got != "there" {
		t.Errorf("the file is %q", got)
	}
}

// One of three packs cannot be had: the two others are not kept back for it.
func TestAPackThatFailsKeepsNoOtherBack(t *testing.T) {
	w := newWorld(t)
	w.start()
	d := w.depot()
	d.issue(1)
	d.sell(managedApp(game, 1))
	d.open(game)
	for _, id := range three {
		d.pack(id, 2, atInstall, map[string]string{string(id) + "/version.txt": "2"}, func(p *asset.Pack) {
			if p.ID == "levels" {
				p.URL += "-gone"
			}
		})
	}
	d.publish(game)
	if err := d.check(); err != nil {
		t.Fatal(err)
	}
	d.until(game, "the others are here", func(asset.AppStatus) bool {
		return d.onShelf(game, "rules/version.txt") == "2" && d.onShelf(game, "texts/version.txt") == "2"
	})
	if got := d.onShelf(game, "levels/version.txt"); got != "1" {
		t.Errorf("the pack that is not on the server is of version %q", got)
	}
}

// A pack that is complete and waits for a larger one does so with that reason, also over a restart
// of the service, and no byte of it comes twice.
func TestACompletePackWaitsOverARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	d := w.depot()
	d.pack("small", 1, atInstall, map[string]string{"small.txt": "1"})
	d.pack("large", 1, atInstall, map[string]string{"large.txt": "1"})
	d.sell(managedApp(game, 1))
	d.open(game)
	small := d.pack("small", 2, atInstall, map[string]string{"small.txt": "2"})
	d.pack("large", 2, atInstall, map[string]string{"large.txt": "2", "large.bin": text("large", 24<<20)})
	d.publish(game)
	d.server.SetRate(4 << 20)
	if err := d.check(); err != nil {
		t.Fatal(err)
	}
	waits := func(a asset.AppStatus) bool {
		return slices.ContainsFunc(a.Downloads, func(s asset.DownloadStatus) bool {
			return s.AssetPack == "small" && s.Reason != nil && s.Reason.Code == asset.WhyTogether && s.Bytes == s.TotalBytes
		})
	}
	d.until(game, "the small one waits", waits)
	w.stop()
	d.server.ResetLog()
	w.start()
	d.until(game, "the small one waits again", waits)
	if got := d.onShelf(game, "small.txt"); got != "1" {
		t.Errorf("before the large one is here, the small one is of version %q", got)
	}
	d.server.SetRate(0)
	d.until(game, "both are here", func(asset.AppStatus) bool { return d.onShelf(game, "large.txt") == "2" })
	if got := d.onShelf(game, "small.txt"); got != "2" {
		t.Errorf("with the large one, the small one is of version %q", got)
	}
	for _, r := range d.server.Requests() {
		if strings.HasSuffix(small.URL, r.Path) {
			t.Errorf("the small one was asked for again: %+v", r)
		}
	}
}
