package dispatch

import (
	"context"
	"errors"

	"larder/internal/apps"
	"larder/internal/queue"
	"larder/internal/transfer"
)

// Document fetches a small document that belongs to an app's manifest, under the rules for
// the manifest: hosts and allowance before the first launch, authorities, challenges.
// manifest is the row of the manifest. Errors are those of transfer.Fetcher.Document.
func (d *Dispatcher) Document(ctx context.Context, app *apps.App, manifest queue.Entry, url string, limit int64, validator string) (transfer.Document, error) {
	d.init()
	r := &run{started: started{Entry: manifest, app: *app}}
	r.bound = app.Allowances().Restricted
	transport, err := d.transport(r)
	if err != nil {
		return transfer.Document{}, err
	}
	j := transfer.Job{ID: r.UniqueIdentifier, URL: url, MaxBytes: limit, Allow: r.allow, Transport: transport, Challenge: d.challenge(r)}
	if r.bound {
		j.Allowance = meter{d, r}
	}
	doc, err := d.fetcher.Document(ctx, j, validator)
	if slow := (*transfer.Failure)(nil); errors.Is(err, transfer.ErrSlow) && errors.As(err, &slow) {
		err = r.crawling(slow)
	}
	if r.bound {
		if e := d.writeBooked([]*run{r}, false, nothing); err == nil {
			err = e
		}
	}
	return doc, err
}
