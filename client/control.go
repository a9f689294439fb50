package client

import (
	"context"
	"time"

	"larder/internal/localapi"
)

// WithExclusiveControl runs f while neither the extension nor another process of
// the app has control (classic §4.3). The lock is freed when f returns, or when
// this process dies. It is not re-entrant.
func (m *DownloadManager) WithExclusiveControl(ctx context.Context, f func(context.Context) error) error {
	return m.control(ctx, localapi.ControlRequest{}, f)
}

// WithExclusiveControlBefore waits for control until deadline only; one that has
// passed tries once. Code 1015 when control was not had; f did not run then.
func (m *DownloadManager) WithExclusiveControlBefore(ctx context.Context, deadline time.Time, f func(context.Context) error) error {
	return m.control(ctx, localapi.ControlRequest{Deadline: &deadline}, f)
}

func (m *DownloadManager) control(ctx context.Context, req localapi.ControlRequest, f func(context.Context) error) error {
	if f == nil {
		return badCall("exclusive control", "there is nothing to do under it: f is nil")
	}
	if ctx == nil {
		return badCall("exclusive control", noContext)
	}
	session, err := m.connect()
	if err != nil {
		return err
	}
	if err := m.api.AcquireControl(ctx, session, req); err != nil {
		if ctx.Err() != nil {
			_ = m.api.ReleaseControl(m.ctx, session) // nobody waits here any more
		}
		return err
	}
	defer m.api.ReleaseControl(m.ctx, session) // the end of the session frees it as well
	return f(ctx)
}
