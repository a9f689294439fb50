package extension

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"larder/asset"
)

// book is a Handler that keeps downloads in memory.
type book struct {
	mu       sync.Mutex
	list     []asset.Download
	locked   bool
	deadline time.Time
}

func (b *book) CurrentDownloads(_ context.Context, each func(asset.Download) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.list {
		if err := each(d); err != nil {
			return err
		}
	}
	return nil
}

func (b *book) ScheduleDownload(_ context.Context, d asset.Download) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, have := range b.list {
		if have.Identifier == d.Identifier {
			return &asset.Error{Code: asset.CodeAlreadyScheduled, Op: "schedule", Subject: d.Identifier, Message: "it is scheduled already"}
		}
	}
	b.list = append(b.list, d)
	return nil
}

func (b *book) CancelDownload(_ context.Context, id string) error {
	return &asset.Error{Code: asset.CodeNotScheduled, Op: "cancel", Subject: id, Message: "it is not scheduled"}
}

func (b *book) AcquireExclusiveControl(_ context.Context, deadline time.Time) error {
	b.locked, b.deadline = true, deadline
	return nil
}

func (b *book) ReleaseExclusiveControl(context.Context) error { b.locked = false; return nil }

// full implements every optional interface and uses the Service in each call.
type full struct {
	told     chan string
	requests []Request
}

func (f *full) Downloads(ctx context.Context, r Request) ([]asset.Download, error) {
	f.requests = append(f.requests, r)
	if err := r.Service.ScheduleDownload(ctx, asset.Download{Identifier: "asked-back", URL: "https://x.example/"}); err != nil {
		return nil, err
	}
	have, err := r.Service.CurrentDownloads(ctx)
	if err != nil {
		return nil, err
	}
	return append(have, asset.Download{Identifier: "b", URL: "https://x.example/b", FileSize: 7, Essential: true, State: "finished", UniqueIdentifier: "forged"}), nil
}

func (f *full) BackgroundDownloadFinished(ctx context.Context, d asset.Download, path string, s Service) error {
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := s.AcquireExclusiveControl(ctx, when); err != nil {
		return err
	}
	if path == "bad" {
		return &asset.Error{Code: asset.CodeHashMismatch, Op: "check", Subject: d.Identifier, Message: "it differs"}
	}
	return s.ReleaseExclusiveControl(ctx)
}

func (f *full) BackgroundDownloadFailed(ctx context.Context, d asset.Download, cause *asset.Error, s Service) error {
	if err := s.CancelDownload(ctx, d.Identifier); !errors.Is(err, asset.Sentinel(asset.CodeNotScheduled)) {
		return errors.New("wanted 101")
	}
	if cause.Code != asset.CodeSizeMismatch {
		return errors.New("wanted 1001")
	}
	return errors.New("plain\x1b[31m words")
}

func (f *full) BackgroundDownloadReceivedChallenge(context.Context, asset.Download, Challenge) (ChallengeAnswer, error) {
	return ChallengeAnswer{Disposition: UseCredential, Credential: &Credential{User: "u", Password: "p"}}, nil
}

func (f *full) ShouldDownload(_ context.Context, p AssetPack, r PackReason) (bool, error) {
	return p.ID == "yes" && r == PackUpdate, nil
}

func (f *full) ExtensionWillTerminate() { f.told <- "terminate" }

type bare struct{}

func (bare) Downloads(context.Context, Request) ([]asset.Download, error) { return nil, nil }

// pair runs ext against a session until the test ends.
func pair(t *testing.T, ext Downloader, h Handler) *Session {
	t.Helper()
	toExt, fromService := io.Pipe()
	toService, fromExt := io.Pipe()
	ran := make(chan error, 1)
	go func() {
		ran <- Run(t.Context(), toExt, fromExt, ext, Config{})
		fromExt.Close()
	}()
	s := NewSession(toService, fromService, h)
	t.Cleanup(func() {
		fromService.Close()
		if err := <-ran; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
		<-s.Done()
	})
	return s
}

func collect(s *Session, r DownloadsRequest) ([]asset.Download, error) {
	var got []asset.Download
	err := s.Downloads(context.Background(), r, func(d asset.Download) error { got = append(got, d); return nil })
	return got, err
}

func TestSDKAnswersTheServiceAndAsksBackInTheMiddle(t *testing.T) {
	ext, b := &full{told: make(chan string, 1)}, &book{}
	s := pair(t, ext, b)
	ctx := context.Background()
	caps, err := s.Initialize(ctx)
	if err != nil || len(caps) != 6 {
		t.Fatalf("Initialize = %v, %v", caps, err)
	}
	rest := int64(1 << 40)
	got, err := collect(s, DownloadsRequest{asset.RequestInstall, "/m.json", asset.ExtensionInfo{RestrictedDownloadSizeRemaining: &rest}})
	if err != nil {
		t.Fatal(err)
	}
	want := []asset.Download{{Identifier: "asked-back", URL: "https://x.example/"}, {Identifier: "b", URL: "https://x.example/b", FileSize: 7, Essential: true}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("downloads (-want +got):\n%s", d)
	}
	r := ext.requests[0]
	if r.ContentRequest != asset.RequestInstall || r.ManifestPath != "/m.json" || *r.Info.RestrictedDownloadSizeRemaining != rest || r.Info.RestrictedEssentialDownloadSizeRemaining != nil {
		t.Errorf("request = %+v", r)
	}
	if _, err := collect(s, DownloadsRequest{}); !errors.Is(err, asset.Sentinel(asset.CodeAlreadyScheduled)) {
		t.Errorf("the service's own error came back as %v", err)
	}

	if err := s.BackgroundDownloadFinished(ctx, want[1], "good"); err != nil || b.locked || b.deadline.Year() != 2026 {
		t.Errorf("finished: %v, %+v", err, b)
	}
	if err := s.BackgroundDownloadFinished(ctx, want[1], "bad"); asset.CodeOf(err) != asset.CodeHashMismatch {
		t.Errorf("finished: %v", err)
	}
	err = s.BackgroundDownloadFailed(ctx, want[1], &asset.Error{Code: asset.CodeSizeMismatch, Op: "fetch", Message: "short"})
	if e := asset.AsError(err); e.Code != asset.CodeExtensionFailed || !strings.Contains(e.Message, "plain [31m words") {
		t.Errorf("failed: %#v", e)
	}
	a, err := s.ReceivedChallenge(ctx, want[1], Challenge{Method: "httpBasic"})
	if err != nil || a.Credential.Password != "p" {
		t.Errorf("challenge: %+v, %v", a, err)
	}
	if ok, err := s.ShouldDownload(ctx, AssetPack{ID: "yes"}, PackUpdate); !ok || err != nil {
		t.Errorf("should: %v, %v", ok, err)
	}
	if err := s.WillTerminate(ctx); err != nil {
		t.Error(err)
	}
	if s.Used() <= 0 {
		t.Error("no time was counted")
	}
}

func TestAnExtensionThatOnlyDownloadsHasTheDefaults(t *testing.T) {
	s := pair(t, bare{}, nil)
	ctx := context.Background()
	if err := s.BackgroundDownloadFinished(ctx, asset.Download{}, "x"); err != ErrNotHandled {
		t.Error(err)
	}
	if err := s.BackgroundDownloadFailed(ctx, asset.Download{}, nil); err != nil {
		t.Error(err)
	}
	if a, err := s.ReceivedChallenge(ctx, asset.Download{}, Challenge{}); err != nil || a.Disposition != DefaultHandling {
		t.Error(a, err)
	}
	if ok, err := s.ShouldDownload(ctx, AssetPack{}, PackNew); !ok || err != nil {
		t.Error(ok, err)
	}
	if got, err := collect(s, DownloadsRequest{}); err != nil || got != nil {
		t.Error(got, err)
	}
}

func TestTerminatorIsToldBeforeRunReturns(t *testing.T) {
	ext := &full{told: make(chan string, 1)}
	in := strings.NewReader(`{"jsonrpc":"2.0","method":"extensionWillTerminate"}` + "\n")
	if err := Run(context.Background(), in, io.Discard, ext, Config{}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ext.told:
	default:
		t.Error("it was not told")
	}
}

func TestRunRefusesAnotherProtocolVersion(t *testing.T) {
	r, w := io.Pipe()
	go Run(t.Context(), strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":2}}`+"\n"), w, bare{}, Config{})
	f, err := newLineReader(r).next()
	if err != nil {
		t.Fatal(err)
	}
	if m, err := parse(f); err != nil || m.fault.typed().Code != asset.CodeConnectionNotAccepted {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestANilHandlerKnowsNoMethod(t *testing.T) {
	s := pair(t, &full{told: make(chan string, 1)}, nil)
	_, err := collect(s, DownloadsRequest{})
	if e := asset.AsError(err); !strings.Contains(e.Message, "no method") {
		t.Error(err)
	}
}

func TestALongQueueIsListedOrRefusedInPlainWords(t *testing.T) {
	b := &book{}
	for i := range 20000 {
		b.list = append(b.list, asset.Download{Identifier: strconv.Itoa(i), URL: "https://x.example/" + strings.Repeat("a", 600)})
	}
	ask := lister{got: make(chan int, 2), err: make(chan error, 2)}
	s := pair(t, ask, b)
	if _, err := collect(s, DownloadsRequest{}); err != nil || <-ask.got != 20000 {
		t.Fatal(err)
	}
	<-ask.err
	b.list = append(b.list, b.list...)
	if _, err := collect(s, DownloadsRequest{}); err != nil || <-ask.got != 0 {
		t.Fatal(err)
	}
	if err := <-ask.err; asset.CodeOf(err) != asset.CodeTooLarge {
		t.Error(err)
	}
}

type lister struct {
	got chan int
	err chan error
}

func (l lister) Downloads(ctx context.Context, r Request) ([]asset.Download, error) {
	list, err := r.Service.CurrentDownloads(ctx)
	l.got <- len(list)
	l.err <- err
	return nil, nil
}
