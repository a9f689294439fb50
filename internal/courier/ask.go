package courier

import (
	"context"
	"time"

	"larder/asset"
	"larder/extension"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/queue"
)

// Ask asks the extension what to download (classic §2.5) and schedules the
// answer in one transaction, in which also runs after. A download of the answer
// that breaks a rule is recorded as failed and the others go on; an answer that
// breaks the protocol changes nothing.
func (c *Courier) Ask(ctx context.Context, app *apps.App, request asset.ContentRequest, manifest string, after func(*db.Tx) error) error {
	info, err := c.info(ctx, app.ID())
	if err != nil {
		return err
	}
	req := extension.DownloadsRequest{ContentRequest: request, ManifestPath: manifest, ExtensionInfo: info}
	return c.session(ctx, app, true, func(p Extension) error {
		in := intake{app: app, request: request, now: time.Now(), named: map[string]bool{}}
		var tx *db.Tx
		begin := func() (err error) {
			if tx == nil {
				tx, err = c.DB.Begin(ctx)
			}
			return err
		}
		err := p.Downloads(ctx, req, func(d asset.Download) error {
			if err := begin(); err != nil {
				return err
			}
			return in.take(tx, d)
		})
		if err == nil {
			err = begin()
		}
		if err == nil {
			var left apps.Allowances
			if left, err = c.left(tx, app.ID()); err == nil {
				err = in.restrict(tx, left)
			}
		}
		if err == nil {
			err = after(tx)
		}
		if tx == nil {
			return err
		}
		if err != nil {
			tx.Rollback() // the first error is the one that tells
			return err
		}
		return c.DB.Commit(tx)
	})
}

// intake files one answer.
type intake struct {
	app     *apps.App
	request asset.ContentRequest
	now     time.Time
	named   map[string]bool
}

func (in *intake) take(tx *db.Tx, d asset.Download) error {
	e := queue.Entry{App: in.app.ID(), Kind: queue.File, Download: d}
	e.Group = in.app.Bundle.Group
	err := in.judge(&d)
	if err != nil {
		e.Error = asset.AsError(err)
		e.Identifier = d.Identifier[:min(len(d.Identifier), asset.MaxIdentifier)]
		e.Body, e.Headers = nil, nil
	}
	in.named[e.Identifier] = true
	if err == nil {
		if adopted, err := in.adopt(tx, &d); adopted || err != nil {
			return err
		}
	}
	_, err = queue.Add(tx, e, in.now)
	return err
}

func (in *intake) judge(d *asset.Download) error {
	if in.named[d.Identifier] {
		return &asset.Error{Code: asset.CodeAlreadyScheduled, Op: "schedule download", Subject: d.Identifier, Message: "the answer names this identifier twice",
			Help: "give each download an identifier of its own"}
	}
	return Judge(in.app, d, in.request)
}

// Judge holds a download that an extension names to the rules; request is "" when
// it is scheduled rather than answered.
func Judge(app *apps.App, d *asset.Download, request asset.ContentRequest) error {
	if err := d.Validate(); err != nil {
		return err
	}
	refuse := func(code asset.Code, message, help string) error {
		return &asset.Error{Code: code, Op: "schedule download", Subject: d.Identifier, Message: message, Help: help}
	}
	if d.Group != "" && d.Group != app.Bundle.Group {
		return refuse(asset.CodeDownloadInvalid, "its app group is not the app's", "leave applicationGroupIdentifier out, or name "+string(app.Bundle.Group))
	}
	if d.Essential && !request.AllowsEssential() {
		return refuse(asset.CodeEssentialNotPermitted, "essential downloads are only for an answer to install or update", "make it non-essential")
	}
	if r := app.Bundle.Restrictions; r != nil && !app.Launched() && !r.Allows(host(d.URL)) {
		return refuse(asset.CodeDisallowedByDomain, "the host "+host(d.URL)+" is not on the app's BADownloadDomainAllowList, which holds until the first launch",
			"add the host to the list in the app's Info.plist")
	}
	return nil
}

// adopt takes over a download that is in hand already: what an earlier answer
// named keeps its bytes; a changed URL or size replaces what is not finished.
func (in *intake) adopt(tx *db.Tx, d *asset.Download) (bool, error) {
	old, found, err := queue.InHand(tx, in.app.ID(), d.Identifier)
	switch {
	case err != nil || !found:
		return false, err
	case old.URL == d.URL && old.FileSize == d.FileSize && old.Method == d.Method:
		return true, queue.Adopt(tx, old.UniqueIdentifier, d.Essential, d.Priority, in.now)
	case old.State == asset.StateFinished:
		return false, nil
	}
	return false, queue.Drop(tx, old.UniqueIdentifier)
}

// restrict accounts the answer against the app's allowances, which hold until its
// first launch: in the order the downloads run, each that does not fit is refused
// (112) and the next is tried. What others may still bring stays reserved; of those
// that have become non-essential, and so draw from the other allowance by now, each
// that does not fit there is refused too.
func (in *intake) restrict(tx *db.Tx, left apps.Allowances) error {
	if !left.Restricted {
		return nil
	}
	// Of each that is named, or is not, what it may still bring.
	each := func(named bool, f func(e *queue.Entry, need int64) error) error {
		return queue.EachUnsettled(tx, in.app.ID(), func(e *queue.Entry) error {
			if in.named[e.Identifier] != named {
				return nil
			}
			return f(e, max(e.FileSize-e.Wire, 0))
		})
	}
	over := func(e *queue.Entry, need int64, rest *int64) error {
		granted, err := queue.Grants(tx, e.UniqueIdentifier)
		if err == nil {
			err = queue.Fail(tx, e.UniqueIdentifier, overAllowance(e, max(*rest, 0)), true, in.now)
		}
		for _, g := range granted {
			*rest -= min(g.Bytes, need) // its transfer is still to be stopped
		}
		return err
	}
	err := each(true, func(e *queue.Entry, need int64) error { *left.Of(e.Essential) += need; return nil })
	if err != nil {
		return err
	}
	err = each(false, func(e *queue.Entry, need int64) error {
		if rest := left.Of(e.Essential); *rest < 0 && need > 0 {
			*rest += need
			return over(e, need, rest)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return each(true, func(e *queue.Entry, need int64) error {
		rest := left.Of(e.Essential)
		if need > *rest {
			return over(e, need, rest)
		}
		*rest -= need
		return nil
	})
}
