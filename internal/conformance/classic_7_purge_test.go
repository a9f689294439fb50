package conformance

import (
	"context"
	"os"
	"slices"
	"testing"

	"larder/asset"
	"larder/client"
	"larder/internal/localapi"
)

// marks fails a test in CI, and skips it elsewhere, on a disk that keeps none.
func marks(t *testing.T, w *world) {
	t.Helper()
	st, err := w.owner.Storage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(st.Notes, "this disk keeps no marks, so nothing is purgeable") {
		if os.Getenv("CI") != "" {
			t.Fatal(st.Notes)
		}
		t.Skip(st.Notes)
	}
}

// used is what an app uses.
func (a *app) used() asset.AppStorage {
	a.Helper()
	st, err := a.w.owner.Storage(a.Context())
	if err != nil {
		a.Fatal(err)
	}
	for _, u := range st.Apps {
		if u.ID == a.id {
			return u
		}
	}
	a.Fatal("it is not listed")
	return asset.AppStorage{}
}

// kept makes three files that its extension took: one as it was, one that was
// copied and one that was changed since.
func (a *app) kept(size int64) {
	a.Helper()
	a.launched(a.put("moved", size, true), a.put("copied", size, true), a.put("changed", size, true))
	a.untilTaken("moved", "copied", "changed")
	text, err := os.ReadFile(a.container("copied"))
	if err == nil {
		err = os.WriteFile(a.container("copy"), text, 0o600)
	}
	if err == nil {
		err = os.Rename(a.container("copy"), a.container("copied"))
	}
	if err == nil {
		text[0]++
		err = os.WriteFile(a.container("changed"), text, 0o600)
	}
	if err != nil {
		a.Fatal(err)
	}
}

func (a *app) onlyMovedIsGone() {
	a.Helper()
	if a.exists("moved") || !a.exists("copied") || !a.exists("changed") || !a.exists("heard") {
		entries, _ := os.ReadDir(a.container(""))
		a.Errorf("left: %v", entries)
	}
}

// untilPurged waits until a delegate is told of purged files.
func (a *app) untilPurged(m *client.DownloadManager) (out []asset.PurgedFile) {
	a.Helper()
	ctx, cancel := context.WithTimeout(a.Context(), patience)
	defer cancel()
	err := m.SetDelegate(ctx, client.Delegate{Purged: func(files []asset.PurgedFile) { out = files; cancel() }})
	if out == nil {
		a.Fatal(err)
	}
	return out
}

func TestClassic_7_PlainMoveKeepsTheMark(t *testing.T) {
	row(t, "classic §7", "Files are marked purgeable; a plain move keeps the mark; what is copied, modified or expanded is not purgeable", "the mark is an extended attribute that names the very file, its size and its time; larder storage counts what is purgeable")
	w := shared(t)
	marks(t, w)
	a := newApp(t, w)
	a.kept(1000)
	if u := a.used(); u.Purgeable != 1000 || u.PurgeableFiles != 1 || u.Container < 3000 || u.Inbox != 0 || u.Partial != 0 {
		t.Errorf("it uses %+v", u)
	}
	a.schedule(a.manager(), a.put("z", 10, false))
	a.untilTaken("z")
	sum, err := w.owner.Purge(t.Context(), a.id)
	if err != nil || sum != (asset.Purged{Files: 2, Bytes: 1010}) {
		t.Errorf("purged %+v, %v", sum, err)
	}
	a.onlyMovedIsGone()
}

func TestClassic_7_InboxIsNeverPurged(t *testing.T) {
	row(t, "classic §7", "The place where a finished file is handed over is purgeable", "our call: not before it was handed over; inbox and partial bytes are counted and never purged")
	w := shared(t)
	marks(t, w)
	a := alone(t, w)
	a.schedule(a.manager(), a.put("x", 1000, false))
	d := a.untilState("x", asset.StateFinished)
	if u := a.used(); u.Inbox != 1000 || u.Purgeable != 0 {
		t.Errorf("it uses %+v", u)
	}
	if sum, err := w.owner.Purge(t.Context(), a.id); err != nil || sum.Files != 0 {
		t.Errorf("purged %+v, %v", sum, err)
	}
	a.fileHolds(d.FilePath, "x", 1000)
}

func TestClassic_7_LowDiskPurges(t *testing.T) {
	row(t, "classic §7", "The system may delete marked files when space is critically low", "below 64 MiB free the service does, until twice that is free: the least used apps first, and never what is not marked")
	w := newWorld(t)
	marks(t, w)
	a := newApp(t, w)
	a.kept(1000)
	if _, err := w.owner.SimulateDevice(t.Context(), asset.FactLowDisk, asset.Yes); err != nil {
		t.Fatal(err)
	}
	if files := a.untilPurged(a.manager()); len(files) != 1 || files[0] != (asset.PurgedFile{Path: "moved", Size: 1000}) {
		t.Errorf("purged: %+v", files)
	}
	a.onlyMovedIsGone()
}

func TestClassic_7_PurgedFilesAreToldAndFetchedAgain(t *testing.T) {
	row(t, "classic §7", "The app must cope: nobody tells it what was purged", "a delegate is told, also one that connects later, and once; what it schedules again comes again")
	w := shared(t)
	marks(t, w)
	a := newApp(t, w)
	d := a.put("level", 1000, false)
	a.launched(d)
	a.untilTaken("level")
	if _, err := w.owner.Purge(t.Context(), a.id); err != nil || a.exists("level") {
		t.Fatal("it was not purged:", err)
	}
	if files := a.untilPurged(a.manager()); len(files) != 1 || files[0].Path != "level" {
		t.Errorf("told: %+v", files)
	}
	a.schedule(a.manager(), d)
	a.untilCalled("finished", 2)
	a.untilTaken("level")
	a.holds("level", 1000)
	_, err := w.owner.Purge(t.Context(), a.id+".no")
	wantCode(t, "purging an unknown app", err, asset.CodeNotFound)
}

func TestClassic_7_PurgingFollowsNoLink(t *testing.T) {
	row(t, "classic §7", "What belongs to others is not purged: UNCONFIRMED how that is held", "our call: links in the container are not followed, so that no app makes Larder delete what is not in it")
	w := shared(t)
	marks(t, w)
	a, b := newApp(t, w), newAppNamed(t, w, "b")
	a.launched(a.put("mine", 1000, true))
	b.launched(b.put("theirs", 1000, true))
	a.untilTaken("mine")
	b.untilTaken("theirs")
	if err := os.Symlink(a.container(""), b.container("link")); err != nil {
		t.Fatal(err)
	}
	if sum, err := w.owner.Purge(t.Context(), b.id); err != nil || sum.Files != 1 {
		t.Errorf("purged %+v, %v", sum, err)
	}
	a.holds("mine", 1000)
}

func TestDesign_12_StrictModeMimicsApple(t *testing.T) {
	row(t, "design §12", "Acknowledgement, and a strict mode that mimics Apple", "LarderFinishedFilePolicy: keep (default) offers a file again after an error, strict never; a wrong value is refused with 1000")
	keeps, loses := newApp(t, shared(t)), newAppNamed(t, shared(t), "strict")
	loses.keys["LarderFinishedFilePolicy"] = "strict"
	for _, a := range []*app{keeps, loses} {
		a.script.On = map[string][]step{"finished": {{Do: "fail"}}}
		a.installed(a.put("x", 1000, true))
	}
	keeps.untilCalled("finished", 1)
	keeps.script.On = nil
	keeps.tell()
	loses.untilLost("x", loses.untilCalled("finished", 1).Path)
	keeps.untilTaken("x")
	if keeps.holds("x", 1000); keeps.offers("x") < 2 {
		t.Error("it was taken at once")
	}
	if n := loses.offers("x"); n != 1 {
		t.Errorf("a strict app was offered it %d times", n)
	}
	loses.keys["LarderFinishedFilePolicy"] = "perhaps"
	loses.build++
	_, err := loses.w.owner.Update(t.Context(), loses.id, localapi.UpdateRequest{Bundle: loses.bundle()})
	wantCode(t, "a wrong policy", err, asset.CodeConfiguration)
}
