// Package client is what an app imports. Its DownloadManager is the app's own
// view of its downloads: list, schedule, start now, cancel, hear of results, and
// hold the lock shared with the downloader extension (classic §4). It talks to
// the background service over the app's own socket and keeps no state of its own
// on disk; what it started goes on when the app ends.
//
//	m, err := client.Open(client.Options{})
//	defer m.Close()
//	m.Schedule(ctx, asset.URLDownload{Identifier: "level-2", URL: "https://…", FileSize: 1234})
//	for ev, err := range m.Events(ctx) { … } // ev.FilePath is to be moved away within the loop body
//
// Errors are *asset.Error, with Apple's codes where Apple has one.
package client

import (
	"context"
	"os"
	"sync"

	"larder/asset"
	"larder/internal/localapi"
)

// Options say which app this is; the zero value is right for an app that was
// started by "larder launch".
type Options struct {
	// Socket is the app's own socket; empty means LARDER_SOCKET.
	Socket string
	// App, Shelf and Offer are asked of the service when they are empty; the environment has
	// them when Options are the zero value. OpenAssetPacks alone needs them.
	App   asset.AppID
	Shelf string
	Offer string
}

// DownloadManager manages the downloads of this app (BADownloadManager). Its
// methods are safe for concurrent use.
type DownloadManager struct {
	api *localapi.Client
	ctx context.Context
	end context.CancelFunc

	mu      sync.Mutex
	session string // of this process, "" while not connected
	active  bool
}

// Open connects lazily: it fails only when there is no socket to connect to.
func Open(o Options) (*DownloadManager, error) {
	if o.Socket == "" {
		o.Socket = os.Getenv("LARDER_SOCKET")
	}
	if o.Socket == "" {
		return nil, &asset.Error{Code: asset.CodeConfiguration, Op: "open download manager", Subject: "LARDER_SOCKET", Message: "it is not set",
			Help: "start the app with \"larder launch\", or name its socket"}
	}
	m := &DownloadManager{api: localapi.NewAppClient(o.Socket)}
	m.ctx, m.end = context.WithCancel(context.Background())
	return m, nil
}

// Close gives up foreground, lock and delegates of this manager. Downloads go on
// in the background.
func (m *DownloadManager) Close() { m.end() }

// connect gives the session of this process, opening it when there is none: the
// service may have been restarted since.
func (m *DownloadManager) connect() (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx.Err() != nil {
		return "", closed()
	}
	if m.session != "" {
		return m.session, nil
	}
	named, failed := make(chan string, 1), make(chan error, 1)
	go func() {
		for l, err := range m.api.Connect(m.ctx) {
			if err != nil {
				failed <- err
				break
			}
			if l.Session != "" {
				named <- l.Session
			}
		}
		m.forget()
	}()
	select {
	case m.session = <-named:
	case err := <-failed:
		return "", err
	}
	if m.active {
		if err := m.api.SetActive(m.ctx, m.session, true); err != nil {
			return "", err
		}
	}
	return m.session, nil
}

// forget lets the next call connect anew.
func (m *DownloadManager) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.session = ""
}

func closed() error {
	return &asset.Error{Code: asset.CodeConnectionInvalid, Op: "use download manager", Message: "it was closed", Help: "open another"}
}

const noContext = "its context is nil"

func badCall(op, message string) error {
	return &asset.Error{Code: asset.CodeBadRequest, Op: op, Message: message, Help: "this is a fault of the program that calls"}
}

// SetActive says whether a person looks at the app now. Only an active app may
// start foreground downloads (code 51).
func (m *DownloadManager) SetActive(ctx context.Context, active bool) error {
	session, err := m.connect()
	if err != nil {
		return err
	}
	if err := m.api.SetActive(ctx, session, active); err != nil {
		return err
	}
	m.mu.Lock()
	m.active = active
	m.mu.Unlock()
	return nil
}
