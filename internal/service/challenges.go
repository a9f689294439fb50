package service

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/localapi"
)

// thinking is how long live delegates may take to answer a server: a person may
// have to be asked.
const thinking = 5 * time.Minute

// question is one challenge that live delegates were told of.
type question struct {
	challenge asset.Challenge

	mu     sync.Mutex
	open   int // delegates that have neither answered nor passed it on
	answer chan asset.ChallengeAnswer
	passed chan struct{}
}

// pass counts a delegate that does not answer.
func (q *question) pass() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open--; q.open == 0 {
		close(q.passed)
	}
}

// give takes the first answer; later ones count for nothing.
func (q *question) give(a asset.ChallengeAnswer) {
	select {
	case q.answer <- a:
	default:
	}
}

// challenge asks an app what to do about a server: its live delegates first, and
// its extension when there is none that answers (classic §4.5).
func (s *Service) challenge(ctx context.Context, app *apps.App, d asset.Download, c asset.Challenge) (asset.ChallengeAnswer, error) {
	if ans, ok, err := s.askDelegates(ctx, app.ID(), d, c); ok || err != nil {
		return ans, err
	}
	standard := asset.ChallengeAnswer{Disposition: asset.DefaultHandling}
	if app.Bundle.Extension == nil {
		return standard, nil
	}
	held, err := s.challengeHeld(ctx, app.ID(), d)
	if held || err != nil {
		return standard, err
	}
	session, end, err := s.busy.wait(ctx, app.ID())
	if err != nil {
		return standard, err
	}
	defer s.Wake() // others may have waited for it
	defer end()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(session, cancel)()
	ans, err := s.courier.Challenge(ctx, app, d, c)
	if err != nil && ctx.Err() == nil {
		s.config.Log.Warn("the extension did not answer a server's challenge; the default holds", "app", app.ID(), "error", err)
		return standard, nil
	}
	return ans, err
}

// challengeHeld tells that the extension may not run now, for a download that no
// gate waits for (classic §2.9).
func (s *Service) challengeHeld(ctx context.Context, id asset.AppID, d asset.Download) (held bool, err error) {
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		app, err := apps.Get(tx, id)
		if err != nil {
			return err
		}
		if d.Essential || d.Manifest && app.Life.Request.AllowsEssential() {
			return nil
		}
		why, err := s.prohibited(tx, &app)
		held = why != nil
		return err
	})
	return held, err
}

// askDelegates is false when no live delegate answered.
func (s *Service) askDelegates(ctx context.Context, app asset.AppID, d asset.Download, c asset.Challenge) (asset.ChallengeAnswer, bool, error) {
	q := &question{challenge: c, open: 1, answer: make(chan asset.ChallengeAnswer, 1), passed: make(chan struct{})}
	id := rand.Text()
	for _, p := range s.processes.of(app, asset.EventChallenge) {
		p.mu.Lock()
		if p.asked != nil {
			p.asked[id] = q
			q.mu.Lock()
			q.open++
			q.mu.Unlock()
			defer p.drop(id)
		}
		p.mu.Unlock()
		p.push(localapi.SessionLine{Type: asset.EventChallenge, Download: &d, Challenge: &c, ChallengeID: id, Status: &asset.DownloadStatus{
			Identifier: d.Identifier, UniqueIdentifier: d.UniqueIdentifier, Manifest: d.Manifest, State: asset.StateDownloading, Essential: d.Essential,
			Priority: d.Priority, TotalBytes: d.FileSize}})
	}
	q.pass() // all were told
	late := time.NewTimer(thinking)
	defer late.Stop()
	select {
	case a := <-q.answer:
		return a, true, nil
	case <-q.passed:
		select {
		case a := <-q.answer: // its giver went away at once
			return a, true, nil
		default:
			return asset.ChallengeAnswer{}, false, nil
		}
	case <-late.C:
		return asset.ChallengeAnswer{Disposition: asset.DefaultHandling}, true, nil
	case <-ctx.Done():
		return asset.ChallengeAnswer{}, false, ctx.Err()
	}
}

func (p *process) drop(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.asked, id)
}

// AnswerChallenge takes a delegate's answer to a server; nil passes it on.
func (s *Service) AnswerChallenge(_ context.Context, app asset.AppID, session, challenge string, answer *asset.ChallengeAnswer) error {
	p, err := s.processes.get(app, session)
	if err != nil {
		return err
	}
	p.mu.Lock()
	q := p.asked[challenge]
	p.mu.Unlock()
	if q == nil {
		return &asset.Error{Code: asset.CodeNotFound, Op: "answer challenge", Subject: strings.ToValidUTF8(challenge[:min(len(challenge), 80)], ""),
			Message: "it is not open, or was answered already"}
	}
	if answer != nil {
		if err := answer.Check(q.challenge); err != nil {
			return err
		}
		q.give(*answer)
	}
	p.mu.Lock()
	_, open := p.asked[challenge]
	delete(p.asked, challenge)
	p.mu.Unlock()
	if open {
		q.pass()
	}
	return nil
}
