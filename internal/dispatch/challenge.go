package dispatch

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"sync"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/transfer"
)

// secrets holds, in memory alone, what apps answered to servers: a credential is
// good for the app that gave it and for the origin and realm that it was given
// for. Nothing of it is written down or told; a service that starts asks again.
type secrets struct {
	mu   sync.Mutex
	apps map[asset.AppID]*kept
}

// kept is what one app answered.
type kept struct {
	asking      chan struct{} // one slot: an app is asked one thing at a time
	credentials map[space]*asset.Credential
	trust       *transfer.Trust
	authorities string // trust was made of them
}

// space is what a credential is for.
type space struct {
	origin, realm string
	method        asset.ChallengeMethod
}

// maxSpaces bounds what is kept of one app.
const maxSpaces = 64

func (s *secrets) of(app asset.AppID) *kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.apps == nil {
		s.apps = map[asset.AppID]*kept{}
	}
	if s.apps[app] == nil {
		s.apps[app] = &kept{asking: make(chan struct{}, 1), credentials: map[space]*asset.Credential{}}
	}
	return s.apps[app]
}

// Forget drops all that an app answered to servers, and its connections.
func (d *Dispatcher) Forget(app asset.AppID) {
	d.secrets.mu.Lock()
	k := d.secrets.apps[app]
	delete(d.secrets.apps, app)
	d.secrets.mu.Unlock()
	if k != nil && k.trust != nil {
		k.trust.CloseIdleConnections()
	}
}

func (s *secrets) closeIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.apps {
		if k.trust != nil {
			k.trust.CloseIdleConnections()
		}
	}
}

// transport is the app's own: its group's authorities and the servers that it
// trusts count for no other app. A transport of another kind is used as it is.
func (d *Dispatcher) transport(r *run) (http.RoundTripper, error) {
	base, ok := d.Transport.(*http.Transport)
	if !ok {
		return d.Transport, nil
	}
	var authorities string
	err := d.DB.Read(context.Background(), func(tx *db.Tx) (err error) {
		authorities, err = apps.Authorities(tx, r.app.Bundle.Group)
		return err
	})
	if err != nil {
		return nil, err
	}
	k := d.secrets.of(r.App)
	d.secrets.mu.Lock()
	defer d.secrets.mu.Unlock()
	if k.trust == nil || k.authorities != authorities {
		trust, err := transfer.NewTrust(base, authorities)
		if err != nil {
			return nil, err
		}
		if k.trust != nil {
			k.trust.CloseIdleConnections()
		}
		k.trust, k.authorities = trust, authorities
	}
	return k.trust, nil
}

// challenge answers the servers of one attempt: with what the app said before,
// until that is refused, and else by asking the app.
func (d *Dispatcher) challenge(r *run) func(context.Context, asset.Challenge) (asset.ChallengeAnswer, error) {
	if d.Challenge == nil {
		return nil
	}
	used := map[space]*asset.Credential{}
	return func(ctx context.Context, c asset.Challenge) (asset.ChallengeAnswer, error) {
		k := d.secrets.of(r.App)
		select {
		case k.asking <- struct{}{}:
			defer func() { <-k.asking }()
		case <-ctx.Done():
			return asset.ChallengeAnswer{}, ctx.Err()
		}
		at := space{net.JoinHostPort(c.Host, strconv.Itoa(c.Port)), c.Realm, c.Method}
		known := k.credentials[at]
		if known != nil && known != used[at] {
			used[at] = known
			return asset.ChallengeAnswer{Disposition: asset.UseCredential, Credential: known}, nil
		}
		delete(k.credentials, at)
		ans, err := d.Challenge(ctx, &r.app, r.Download, c)
		if err == nil && ans.Disposition == asset.UseCredential && ans.Credential != nil && ans.Check(c) == nil {
			if len(k.credentials) >= maxSpaces {
				clear(k.credentials)
			}
			k.credentials[at], used[at] = ans.Credential, ans.Credential
		}
		return ans, err
	}
}
