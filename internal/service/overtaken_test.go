package service

import (
	"testing"
	"time"

	"larder/asset"
	"larder/internal/db"
)

// A session that began just before a new round answers for the round before, at a
// time when the new one waits for its own answer.
func TestAnAnswerOfAnEarlierRoundDoesNotEndTheNext(t *testing.T) {
	bubbleWith(t, db.Options{Unsafe: true}, func(p *planned) {
		id := p.app("org.example.game")
		p.launch(id)
		p.notify = func(asset.AppID) {
			p.mu.Lock()
			p.notify = nil
			p.mu.Unlock()
			err := p.s.change(p.Context(), func(tx *db.Tx) (asset.AppID, error) { return id, begin(tx, id, asset.RequestUpdate) })
			if err != nil {
				p.Error(err)
			}
			time.Sleep(time.Minute) // its manifest is there
		}
		before := len(p.asks(id))
		err := p.s.change(p.Context(), func(tx *db.Tx) (asset.AppID, error) { return id, begin(tx, id, asset.RequestPeriodic) })
		if err != nil {
			p.Fatal(err)
		}
		p.pass(5 * time.Minute)
		got := p.asks(id)[before:]
		if len(got) != 2 || got[0].request != asset.RequestPeriodic || got[1].request != asset.RequestUpdate {
			p.Errorf("the extension was asked %v; want periodic, and then update", got)
		}
		if st := p.status(id); st.State != asset.AppReady {
			p.Errorf("the app is at %s", st.State)
		}
	})
}
