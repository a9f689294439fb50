package conformance

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"larder/asset"
	"larder/client"
	"larder/internal/localapi"
)

// hears follows all packs of the app, from when it surely listens on: then it has heard of
// the pack beat, which is on sale for that.
func (s *shop) hears(m *client.AssetPackManager, beat asset.PackID) <-chan client.DownloadStatusUpdate {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	all, done := make(chan client.DownloadStatusUpdate, 64), make(chan struct{})
	var first sync.Once
	listens := make(chan struct{})
	go func() {
		defer close(done)
		for u, err := range m.StatusUpdates(ctx) {
			if err != nil {
				return
			}
			if u.Pack == beat {
				first.Do(func() { close(listens) })
				continue
			}
			select {
			case all <- u:
			case <-ctx.Done():
			}
		}
	}()
	s.Cleanup(func() { cancel(); <-done })
	for {
		s.ensure(m, beat)
		select {
		case <-listens:
			return all
		default: // it was too late for that
		}
		if err := m.Remove(s.Context(), beat); err != nil {
			s.Fatal(err)
		}
	}
}

// next gives the types of a pack's events up to one, without repetitions.
func (s *shop) next(all <-chan client.DownloadStatusUpdate, id asset.PackID, last asset.EventType) (types []asset.EventType, u client.DownloadStatusUpdate) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	for {
		select {
		case u = <-all:
		case <-ctx.Done():
			s.Fatalf("%s never came to %s; heard %v", id, last, types)
		}
		if u.Pack != id {
			continue
		}
		if types = append(types, u.Type); u.Type == last {
			return slices.Compact(types), u
		}
	}
}

func TestManaged_1_1_NoExtensionIsNeeded(t *testing.T) {
	row(t, "managed §1.1", "No downloader extension embedded, or one for the other kind of hosting: the process ends", "our call: an app without an extension has all its packs; there is one kind of extension, whatever the hosting")
	s := newShop(t, shared(t))
	s.sell("level", 1, essential, files{"l.txt": "l"})
	s.publish()
	bundle := s.bundle()
	if err := os.RemoveAll(filepath.Join(bundle, "Extensions")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.w.owner.Install(t.Context(), localapi.InstallRequest{Bundle: bundle}); err != nil {
		t.Fatal(err)
	}
	s.wantGate(s.open().Gate, asset.WhyReady)
	s.reads(s.manages(), "l.txt", "l")
}

func TestManaged_1_2_StatusUpdatesTellOfAllPacks(t *testing.T) {
	row(t, "managed §1.2", "statusUpdates: the events of every pack; the sequence never ends", "so it is; it goes on after a pack has finished, and over a restart of the service")
	w := newWorld(t)
	s := newShop(t, w)
	for _, id := range []asset.PackID{"beat", "one", "two", "bad", "three"} {
		s.sell(id, 1, onDemand, files{string(id) + ".txt": string(id)}, func(p *asset.Pack) {
			if id == "bad" {
				p.URL += "-gone"
			}
		})
	}
	s.opened()
	m := s.manages()
	all := s.hears(m, "beat")
	s.ensure(m, "one")
	s.next(all, "one", asset.EventFinished)
	if err := m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{}, "bad"); err == nil {
		t.Error("it was ensured")
	}
	if _, u := s.next(all, "bad", asset.EventFailed); u.Reason == nil || u.Reason.Message == "" {
		t.Errorf("failed without a reason: %+v", u)
	}
	s.ensure(m, "two")
	s.next(all, "two", asset.EventFinished)
	w.restart(t)
	for heard := false; !heard; { // until it listens again
		s.ensure(m, "three")
		select {
		case u := <-all:
			heard = u.Pack == "three"
		default:
			if err := m.Remove(t.Context(), "three"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestManaged_1_2_StatusAsksTheServer(t *testing.T) {
	row(t, "managed §1.2", "status(ofAssetPackWithID:), deprecated: tries for the latest data of the server; an unknown ID throws assetPackNotFound", "so it does")
	s := newShop(t, shared(t))
	s.sell("level", 1, essential, files{"l.txt": "1"})
	s.opened()
	m := s.manages()
	s.sell("level", 2, essential, files{"l.txt": "2"})
	s.publish()
	if st, err := m.Status(t.Context(), "level"); err != nil || !st.Has(asset.PackUpdateAvailable|asset.PackOutOfDate|asset.PackDownloaded) {
		t.Errorf("%d, %v", st, err)
	}
	if _, err := m.Status(t.Context(), "nothing"); !errors.Is(err, asset.PackNotFound("", "")) {
		t.Error(err)
	}
}

func TestManaged_1_2_FilesAreMappedOpenedAndRead(t *testing.T) {
	row(t, "managed §1.2", "contents (memory mapped), descriptor (the caller closes it), url; each also asLocalizedFor a language", "Contents, Map, Open, Path and URL, in all packs, in one, or in those of a language")
	s := newShop(t, shared(t))
	s.voices(onDemand, "en", "de")
	s.opened()
	m := s.manages()
	s.ensure(m, "voice-en", "voice-de")
	for _, tag := range []string{"en", "de"} {
		in, want := client.In{Language: tag}, "in "+tag
		text, err := m.Contents("v.txt", in)
		mapped, err2 := m.Map("v.txt", in)
		f, err3 := m.Open("v.txt", in)
		path, err4 := m.Path("v.txt", in)
		u, err5 := m.URL("v.txt", in)
		if err := errors.Join(err, err2, err3, err4, err5); err != nil {
			t.Fatal(tag, err)
		}
		read, err := io.ReadAll(f)
		inPath, err2 := os.ReadFile(path)
		inURL, err3 := os.ReadFile(u.Path)
		for _, got := range [][]byte{text, mapped.Bytes, read, inPath, inURL} {
			if string(got) != want {
				t.Errorf("%s: %q", tag, got)
			}
		}
		if err := errors.Join(err, err2, err3, f.Close(), mapped.Close()); err != nil {
			t.Error(err)
		}
	}
	if _, err := m.Contents("v.txt", client.In{Language: "ja"}); err == nil {
		t.Error("a language that is not here was read")
	}
}

func TestManaged_1_3_APausedPackGoesOn(t *testing.T) {
	row(t, "managed §1.3", "paused, and began again when it goes on", "so they come; paused has the reason, and no byte comes twice")
	w := newWorld(t)
	s := newShop(t, w)
	s.sell("beat", 1, onDemand, files{"b.txt": "b"})
	s.sell("level", 1, essential, files{"l.txt": "1"})
	s.opened()
	s.launch()
	m := s.manages()
	all := s.hears(m, "beat")
	large := noise(4 << 20)
	p := s.sell("level", 2, essential, files{"l.txt": "2", "large.bin": string(large)})
	s.dam = newDam(1 << 20)
	s.publish()
	s.checks(m)
	<-s.dam.reached
	w.simulateDevice(t, asset.FactMetered, asset.Yes)
	if types, u := s.next(all, "level", asset.EventPaused); types[0] != asset.EventBegan || u.Reason == nil || u.Reason.Code != asset.WhyMetered {
		t.Errorf("%v, and it is paused for %s", types, pretty(u.Reason))
	}
	close(s.dam.opened)
	w.simulateDevice(t, asset.FactMetered, asset.No)
	types, u := s.next(all, "level", asset.EventFinished)
	if types[0] != asset.EventBegan || u.Version != 2 {
		t.Errorf("it went on with %v", types)
	}
	if tr := u.Traffic; tr == nil || tr.Useful > tr.Network || tr.Network > p.DownloadSize+1<<20 {
		t.Errorf("for %d bytes: %+v", p.DownloadSize, tr)
	}
	if m, err := s.manages().Contents("large.bin", client.In{}); err != nil || !bytes.Equal(m, large) {
		t.Error("other bytes than were packed", err)
	}
}

func TestManaged_1_5_ConcurrentCallsShareATransfer(t *testing.T) {
	row(t, "managed §1.5", "A call for a pack that is on its way joins it; concurrent calls start no second transfer (UNCONFIRMED in detail)", "so they do, also calls of several processes")
	s := newShop(t, shared(t))
	p := s.sell("level", 1, onDemand, files{"l.bin": string(noise(3 << 20))})
	s.opened()
	s.dam = newDam(1 << 20)
	ended := make(chan error, 4)
	for range cap(ended) {
		m := s.manages()
		go func() { ended <- m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{}, "level") }()
	}
	<-s.dam.reached
	close(s.dam.opened)
	for range cap(ended) {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if sent := s.sent(); sent > p.DownloadSize+64<<10 {
		t.Errorf("%d bytes were sent for %d", sent, p.DownloadSize)
	}
}

// sent adds up what was sent of packs.
func (s *shop) sent() (n int64) {
	for _, r := range s.server.Requests() {
		if strings.HasPrefix(r.Path, "/blobs/") {
			n += r.Sent
		}
	}
	return n
}

func TestManaged_1_8_TagsAreEqualByLikelySubtags(t *testing.T) {
	row(t, "managed §1.8", "Tags have a language, a script and a region; en, en-US and en-Latn-US are the same, en-CA is another", "so they are compared, with the likely subtags of CLDR; a tag of another form is refused with its mend")
	s := newShop(t, shared(t))
	s.voices(onDemand, "fr", "en-Latn-US", "en-CA")
	s.opened()
	m := s.manages()
	for want, got := range map[string]string{"en": "en-Latn-US", "en-US": "en-Latn-US", "en-CA": "en-CA"} {
		if err := m.SetResolvedLanguage(t.Context(), want); err != nil || m.ResolvedLanguage() != got {
			t.Errorf("%s gives %s, not %s (%v)", want, m.ResolvedLanguage(), got, err)
		}
	}
	for _, tag := range []string{"de-1996", "x-private", "e", "de_AT"} {
		if _, err := asset.ParsePackLanguage(tag); asset.CodeOf(err) != asset.CodeConfiguration || asset.AsError(err).Help == "" {
			t.Errorf("%s: %v", tag, err)
		}
	}
}

func TestManaged_1_8_TheExtensionWritesNoLanguage(t *testing.T) {
	row(t, "managed §1.8", "resolvedLanguage must not be written from the extension", "an extension has no socket of the app's, and its protocol no call for it: who tries is told so, and nothing changes")
	s := newShop(t, shared(t))
	s.voices(essential, "en", "de")
	s.script.Raw = "setResolvedLanguage"
	s.opened()
	if h := s.untilDid(s.script.Raw, 1); h.Err == nil || h.Err.Message == "" {
		t.Errorf("told: %s", pretty(h))
	}
	if got := s.manages().ResolvedLanguage(); got != "en" {
		t.Errorf("it is %s", got)
	}
}
