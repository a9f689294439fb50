package catalog

import (
	"errors"
	"path/filepath"
	"testing"
	"time"
)

func open(t *testing.T) *Catalog {
	t.Helper()
	c, err := Open(t.Context(), filepath.Join(t.TempDir(), "host.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// write runs f, and gives its error.
func write(t *testing.T, c *Catalog, f func(Tx) error) error {
	t.Helper()
	return c.Write(t.Context(), f)
}

func must(t *testing.T, c *Catalog, f func(Tx) error) {
	t.Helper()
	if err := c.Write(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func claim(t *testing.T, c *Catalog, now time.Time) (j Job, err error) {
	t.Helper()
	return j, c.Write(t.Context(), func(tx Tx) (err error) { j, err = tx.Claim(now, time.Minute); return err })
}

func TestAJobHasOneHolderAndOneWhoWasTooSlowHasNoEffect(t *testing.T) {
	c := open(t)
	must(t, c, func(tx Tx) error { return tx.Enqueue("file", "a", noon) })
	if _, err := claim(t, c, noon.Add(-time.Second)); !errors.Is(err, ErrNone) {
		t.Errorf("a job before it is due: %v", err)
	}
	slow, err := claim(t, c, noon)
	if err != nil || slow.Attempts != 1 {
		t.Fatal(slow, err)
	}
	if _, err := claim(t, c, noon.Add(59*time.Second)); !errors.Is(err, ErrNone) {
		t.Errorf("a job that is held: %v", err)
	}
	must(t, c, func(tx Tx) error { return tx.Extend(slow, noon.Add(2*time.Minute)) })
	if _, err := claim(t, c, noon.Add(119*time.Second)); !errors.Is(err, ErrNone) {
		t.Errorf("a job whose lease was prolonged: %v", err)
	}
	quick, err := claim(t, c, noon.Add(2*time.Minute))
	if err != nil || quick.Attempts != 2 {
		t.Fatal(quick, err)
	}
	for name, f := range map[string]func(Tx) error{
		"hold":   func(tx Tx) error { return tx.Hold(slow) },
		"extend": func(tx Tx) error { return tx.Extend(slow, noon.Add(time.Hour)) },
		"finish": func(tx Tx) error { return tx.Finish(slow) },
		"retry":  func(tx Tx) error { return tx.Retry(slow, noon) },
	} {
		if err := write(t, c, f); !errors.Is(err, ErrLost) {
			t.Errorf("%s by one who lost the job: %v", name, err)
		}
	}
	must(t, c, func(tx Tx) error { return tx.Finish(quick) })
	if _, err := claim(t, c, noon.Add(time.Hour)); !errors.Is(err, ErrNone) {
		t.Errorf("a job that is done: %v", err)
	}
}

func TestAJobThatIsAskedForWhileItIsDoneIsDoneAgain(t *testing.T) {
	c := open(t)
	for _, end := range []func(Tx, Job) error{Tx.Finish, func(tx Tx, j Job) error { return tx.Retry(j, noon.Add(24*time.Hour)) }} {
		must(t, c, func(tx Tx) error { return tx.Enqueue("publish", "1/internal", noon) })
		j, err := claim(t, c, noon)
		if err != nil {
			t.Fatal(err)
		}
		must(t, c, func(tx Tx) error { return tx.Enqueue("publish", "1/internal", noon.Add(time.Second)) })
		must(t, c, func(tx Tx) error { return end(tx, j) })
		again, err := claim(t, c, noon.Add(time.Second))
		if err != nil {
			t.Fatal("it is not done again: ", err)
		}
		must(t, c, func(tx Tx) error { return tx.Finish(again) })
	}
}

func TestAHostThatStartsTakesAllJobsFromTheDead(t *testing.T) {
	c := open(t)
	must(t, c, func(tx Tx) error { return tx.Enqueue("file", "a", noon) })
	dead, err := claim(t, c, noon)
	if err != nil {
		t.Fatal(err)
	}
	must(t, c, Tx.FreeJobs)
	if _, err := claim(t, c, noon); err != nil {
		t.Error(err)
	}
	if err := write(t, c, func(tx Tx) error { return tx.Hold(dead) }); !errors.Is(err, ErrLost) {
		t.Errorf("the dead one holds it: %v", err)
	}
}

func TestVersionsRiseByOneAndIdentifiersAreNeverUsedTwice(t *testing.T) {
	c := open(t)
	must(t, c, func(tx Tx) error {
		a, err := tx.AddApp(App{Bundle: "org.example.game", Created: noon})
		if err != nil {
			return err
		}
		p, err := tx.AddPack(Pack{App: a.ID, Identifier: "level", Created: noon})
		if err != nil {
			return err
		}
		for want := range int64(3) {
			v, err := tx.AddVersion(p.ID, noon)
			if err != nil || v.Number != want+1 {
				t.Errorf("version %d, %v; want %d", v.Number, err, want+1)
			}
		}
		return tx.Archive(p.ID)
	})
	err := write(t, c, func(tx Tx) error {
		_, err := tx.AddPack(Pack{App: 1, Identifier: "LEVEL", Created: noon})
		return err
	})
	if err == nil {
		t.Error("the identifier of an archived pack was given out again")
	}
}
