package process

import (
	"time"

	"larder/internal/host/catalog"
)

// Archive ends a pack for good: none of its versions is released any more, and what is on
// its way fails. The contexts have to be published after it.
func Archive(tx catalog.Tx, p catalog.Pack, now time.Time) error {
	if err := tx.Archive(p.ID); err != nil {
		return err
	}
	versions, err := tx.Versions(p.ID)
	if err != nil {
		return err
	}
	for _, v := range versions {
		releases, err := tx.Releases(v.ID)
		if err != nil {
			return err
		}
		for _, r := range releases {
			r.State = catalog.Superseded
			if err := tx.SetRelease(r); err != nil {
				return err
			}
		}
		if v.State != catalog.AwaitingUpload && v.State != catalog.Processing {
			continue
		}
		v.State = catalog.Failed
		v.Details.Errors = append(v.Details.Errors, catalog.Detail{Code: errArchived.code, Description: errArchived.text})
		if err := tx.SetVersion(v); err != nil {
			return err
		}
	}
	return tx.Enqueue(jobCollect, "", now)
}
