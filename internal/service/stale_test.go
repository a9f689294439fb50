package service

import (
	"testing"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/queue"
)

// A pass reads all apps first. What a person cancels while it works on them is
// not done any more.
func TestWhatWasCancelledSinceThePassReadItIsNotDone(t *testing.T) {
	bubbleWith(t, unsafe, func(p *planned) {
		id := p.app(idle)
		stale, err := p.s.get(p.Context(), id)
		if err != nil {
			p.Fatal(err)
		}
		for _, phase := range []asset.AppState{asset.AppManifest, asset.AppExtension} {
			stale.Life.Phase = phase
			if _, err := p.s.drive(p.Context(), &stale); err != nil {
				p.Error(err)
			}
			p.pass(time.Minute)
		}
		if n := len(p.asks(id)); n != 1 {
			p.Errorf("the extension was asked %d times", n)
		}
		err = p.s.db.Read(p.Context(), func(tx *db.Tx) error {
			if _, found, err := queue.ManifestOf(tx, id); found || err != nil {
				p.Error("a manifest was fetched", err)
			}
			_, err := apps.Get(tx, id)
			return err
		})
		if err != nil {
			p.Error(err)
		}
	})
}
