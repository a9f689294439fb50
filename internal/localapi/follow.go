package localapi

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"strings"

	"larder/asset"
)

type eventLine struct {
	asset.Event
	Error *asset.Error `json:"error"`
}

type progressLine struct {
	asset.Progress
	Error *asset.Error `json:"error"`
}

// Events follows what happens to all apps, or to the one named, and begins with a
// snapshot. It ends with an error only: the connection's, the service's or ctx's.
func (c *Client) Events(ctx context.Context, app asset.AppID) iter.Seq2[asset.Event, error] {
	return func(yield func(asset.Event, error) bool) {
		err := follow(ctx, c, http.MethodGet, narrowed("/v1/events", app), nil, func(l eventLine) (bool, *asset.Error) {
			return l.Error != nil || yield(l.Event, nil), l.Error
		})
		if err != nil {
			yield(asset.Event{}, err)
		}
	}
}

// Progress follows one installation or update. It ends after a Progress with Done
// set, or with an error.
func (c *Client) Progress(ctx context.Context, id asset.AppID) iter.Seq2[asset.Progress, error] {
	return func(yield func(asset.Progress, error) bool) {
		err := follow(ctx, c, http.MethodGet, appPath(id, "/progress"), nil, func(l progressLine) (bool, *asset.Error) {
			return l.Error != nil || yield(l.Progress, nil) && !l.Done, l.Error
		})
		if err != nil {
			yield(asset.Progress{}, err)
		}
	}
}

// follow gives each line of a stream to take until that says stop (nil) or fails;
// a stream that ends before is an error.
func follow[L any](ctx context.Context, c *Client, method, path string, body any, take func(L) (more bool, failed *asset.Error)) error {
	resp, err := c.open(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxReply)
	for lines.Scan() {
		var line L
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return broken(ctx, err)
		}
		more, failed := take(line)
		if failed != nil {
			return failed
		}
		if !more {
			return nil
		}
	}
	if err := lines.Err(); err != nil {
		return broken(ctx, err)
	}
	return broken(ctx, io.ErrUnexpectedEOF)
}

type sessionLine struct {
	SessionLine
	Error *asset.Error `json:"error"`
}

// Connect opens a session of an app's process. The first line has Session set;
// it ends with an error only: the connection's, the service's or ctx's.
func (c *Client) Connect(ctx context.Context, handles ...asset.EventType) iter.Seq2[SessionLine, error] {
	words := make([]string, len(handles))
	for i, h := range handles {
		words[i] = string(h)
	}
	return func(yield func(SessionLine, error) bool) {
		err := follow(ctx, c, http.MethodGet, "/v1/session?handles="+strings.Join(words, ","), nil, func(l sessionLine) (bool, *asset.Error) {
			return l.Error != nil || yield(l.SessionLine, nil), l.Error
		})
		if err != nil {
			yield(SessionLine{}, err)
		}
	}
}
