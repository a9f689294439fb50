package localapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"

	"larder/asset"
)

// maxReply bounds one answer or line of a stream: the status of a few hundred
// thousand downloads.
const maxReply = 256 << 20

// Client calls a service. Its methods are safe for concurrent use and return
// *asset.Error: the service's own, or CodeConnectionInvalid (56) when the
// connection failed, with ErrNoService in its chain when no service runs. When
// ctx ended they return its error.
type Client struct{ http *http.Client }

// NewClientOver returns a client of whatever dial reaches.
func NewClientOver(dial Dialer) *Client {
	return &Client{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		// A connection to a socket costs nothing, and one that is not kept cannot
		// belong to a service that has ended since.
		DisableKeepAlives:  true,
		DisableCompression: true,
	}}}
}

// Hello asks who listens.
func (c *Client) Hello(ctx context.Context) (Hello, error) {
	return get[Hello](ctx, c, "/v1/hello")
}

// Status describes all apps, or the one named.
func (c *Client) Status(ctx context.Context, app asset.AppID) (asset.Status, error) {
	return get[asset.Status](ctx, c, narrowed("/v1/status", app))
}

// Apps lists the installed apps.
func (c *Client) Apps(ctx context.Context) ([]asset.AppStatus, error) {
	list, err := get[appList](ctx, c, "/v1/apps")
	return list.Apps, err
}

// App describes one app.
func (c *Client) App(ctx context.Context, id asset.AppID) (asset.AppStatus, error) {
	return get[asset.AppStatus](ctx, c, appPath(id, ""))
}

// Install registers an app and begins its installation.
func (c *Client) Install(ctx context.Context, req InstallRequest) (asset.AppStatus, error) {
	return send[asset.AppStatus](ctx, c, http.MethodPost, "/v1/apps", req)
}

// Update begins the update of an app to the bundle as it now is.
func (c *Client) Update(ctx context.Context, id asset.AppID, req UpdateRequest) (asset.AppStatus, error) {
	return send[asset.AppStatus](ctx, c, http.MethodPost, appPath(id, "/update"), req)
}

// Uninstall removes an app and all its files.
func (c *Client) Uninstall(ctx context.Context, id asset.AppID) error {
	_, err := send[struct{}](ctx, c, http.MethodDelete, appPath(id, ""), nil)
	return err
}

// Control cancels, pauses or resumes an installation or update.
func (c *Client) Control(ctx context.Context, id asset.AppID, action Action) (asset.AppStatus, error) {
	return send[asset.AppStatus](ctx, c, http.MethodPost, appPath(id, "/"+string(action)), nil)
}

// Launch records a launch and says what to execute.
func (c *Client) Launch(ctx context.Context, id asset.AppID, req LaunchRequest) (Launch, error) {
	return send[Launch](ctx, c, http.MethodPost, appPath(id, "/launch"), req)
}

// Simulate makes something happen to an app now.
func (c *Client) Simulate(ctx context.Context, id asset.AppID, event Simulation) (asset.AppStatus, error) {
	return send[asset.AppStatus](ctx, c, http.MethodPost, "/v1/simulate", SimulateRequest{App: id, Event: event})
}

// SimulateDevice puts an answer over a fact of the device until the service ends.
func (c *Client) SimulateDevice(ctx context.Context, fact asset.Fact, answer asset.Answer) (asset.Facts, error) {
	return send[asset.Facts](ctx, c, http.MethodPost, "/v1/simulate/device", SimulateDeviceRequest{Fact: fact, Answer: answer})
}

// ResetDevice ends the simulations of the device.
func (c *Client) ResetDevice(ctx context.Context) (asset.Facts, error) {
	return send[asset.Facts](ctx, c, http.MethodDelete, "/v1/simulate/device", nil)
}

// Storage says who uses what of the disk.
func (c *Client) Storage(ctx context.Context) (asset.Storage, error) {
	return get[asset.Storage](ctx, c, "/v1/storage")
}

// Purge deletes what is purgeable, of all apps or of the group of the one named.
func (c *Client) Purge(ctx context.Context, app asset.AppID) (asset.Purged, error) {
	return send[asset.Purged](ctx, c, http.MethodPost, "/v1/storage/purge", PurgeRequest{App: app})
}

// Downloads lists the downloads of all apps, or of the one named.
func (c *Client) Downloads(ctx context.Context, app asset.AppID) ([]AppDownloads, error) {
	list, err := get[downloadList](ctx, c, narrowed("/v1/downloads", app))
	return list.Apps, err
}

// CancelDownload cancels one download.
func (c *Client) CancelDownload(ctx context.Context, unique string) error {
	_, err := send[struct{}](ctx, c, http.MethodPost, "/v1/downloads/"+url.PathEscape(unique)+"/cancel", nil)
	return err
}

// Acknowledge tells that a held finished file was taken.
func (c *Client) Acknowledge(ctx context.Context, unique string) error {
	_, err := send[struct{}](ctx, c, http.MethodPost, "/v1/downloads/"+url.PathEscape(unique)+"/acknowledge", nil)
	return err
}

// Settings reads the person's settings.
func (c *Client) Settings(ctx context.Context) (Settings, error) {
	return get[Settings](ctx, c, "/v1/settings")
}

// SetSettings changes settings and returns them all.
func (c *Client) SetSettings(ctx context.Context, change SettingsChange) (Settings, error) {
	return send[Settings](ctx, c, http.MethodPatch, "/v1/settings", change)
}

// AppSettings reads the person's settings for one app.
func (c *Client) AppSettings(ctx context.Context, id asset.AppID) (AppSettings, error) {
	return get[AppSettings](ctx, c, appPath(id, "/settings"))
}

// SetAppSettings changes settings of one app and returns them all.
func (c *Client) SetAppSettings(ctx context.Context, id asset.AppID, change AppSettingsChange) (AppSettings, error) {
	return send[AppSettings](ctx, c, http.MethodPatch, appPath(id, "/settings"), change)
}

// Schedule enqueues a download of the socket's app.
func (c *Client) Schedule(ctx context.Context, d asset.Download) (asset.DownloadStatus, error) {
	return send[asset.DownloadStatus](ctx, c, http.MethodPost, "/v1/downloads", d)
}

// StartForeground starts a download now, or promotes it.
func (c *Client) StartForeground(ctx context.Context, session string, d asset.Download) (asset.DownloadStatus, error) {
	return send[asset.DownloadStatus](ctx, c, http.MethodPost, sessionPath(session, "/foreground"), d)
}

// SetActive says whether the session's process is in the foreground.
func (c *Client) SetActive(ctx context.Context, session string, active bool) error {
	_, err := send[struct{}](ctx, c, http.MethodPost, sessionPath(session, "/active"), ActiveRequest{active})
	return err
}

// AcquireControl waits for the app's exclusive control.
func (c *Client) AcquireControl(ctx context.Context, session string, req ControlRequest) error {
	_, err := send[struct{}](ctx, c, http.MethodPost, sessionPath(session, "/control"), req)
	return err
}

// ReleaseControl lets go of it.
func (c *Client) ReleaseControl(ctx context.Context, session string) error {
	_, err := send[struct{}](ctx, c, http.MethodDelete, sessionPath(session, "/control"), nil)
	return err
}

// AnswerChallenge answers a challenge that came to the session; nil passes it on.
func (c *Client) AnswerChallenge(ctx context.Context, session, challenge string, answer *asset.ChallengeAnswer) error {
	method, body := http.MethodDelete, any(nil)
	if answer != nil {
		method, body = http.MethodPost, answer
	}
	_, err := send[struct{}](ctx, c, method, sessionPath(session, "/challenges/"+url.PathEscape(challenge)), body)
	return err
}

func sessionPath(session, rest string) string { return "/v1/session/" + url.PathEscape(session) + rest }

func appPath(id asset.AppID, rest string) string {
	return "/v1/apps/" + url.PathEscape(string(id)) + rest
}

func narrowed(path string, app asset.AppID) string {
	if app == "" {
		return path
	}
	return path + "?app=" + url.QueryEscape(string(app))
}

func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	return send[T](ctx, c, http.MethodGet, path, nil)
}

func send[T any](ctx context.Context, c *Client, method, path string, body any) (T, error) {
	var out T
	resp, err := c.open(ctx, method, path, body)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return out, nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxReply)).Decode(&out); err != nil {
		return out, broken(ctx, err)
	}
	return out, nil
}

// open returns the answer of a call that succeeded.
func (c *Client) open(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var payload io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, badRequest(err.Error(), "")
		}
		payload = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://larder"+path, payload)
	if err != nil {
		return nil, badRequest(err.Error(), "")
	}
	if payload != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, broken(ctx, err)
	}
	if resp.StatusCode < 400 {
		return resp, nil
	}
	defer resp.Body.Close()
	var told errorBody
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(&told); err != nil || told.Error == nil {
		return nil, &asset.Error{Code: asset.CodeServer, Op: "call service", Message: "it answered " + resp.Status}
	}
	return nil, told.Error
}

func broken(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	e := &asset.Error{Code: asset.CodeConnectionInvalid, Op: "call service", Message: "the connection failed", Err: err}
	if errors.Is(err, ErrNoService) {
		e.Message, e.Help = "it cannot be reached", `start it with "larder service run"`
	}
	return e
}
