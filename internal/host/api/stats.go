package api

import (
	"fmt"
	"strconv"
	"time"

	"larder/internal/host/catalog"
	"larder/internal/host/jsonapi"
)

const typeStats = "larderStats"

var statList = jsonapi.Spec{List: true, Filter: map[string][]string{"since": nil, "until": nil, "assetPackIdentifier": nil,
	"kind": {catalog.Check, catalog.ArchiveBytes, catalog.DeltaBytes}}}

// defaultSpan is how many days of stats are given to one who names none.
const defaultSpan = 30 * 24 * time.Hour

func statID(s catalog.Stat) string {
	return fmt.Sprintf("%s.%s.%s%s", s.Day.Format(time.DateOnly), s.Kind, s.Context, s.Version)
}

func (c *call) showStat(s catalog.Stat) jsonapi.Resource {
	r := jsonapi.Resource{Type: typeStats, ID: statID(s), Links: &jsonapi.Links{Self: c.self("/larder/v1/apps/" + c.id() + "/stats")}}
	r.Attributes = map[string]any{"date": s.Day.Format(time.DateOnly), "kind": s.Kind, "requests": s.Requests, "bytes": s.Bytes}
	if s.Context != "" {
		r.Attributes["context"] = s.Context
	}
	if s.Version != "" {
		r.Attributes["assetPackIdentifier"], r.Attributes["version"] = s.Pack, strconv.FormatInt(s.Number, 10)
		r.Relationships = map[string]jsonapi.Relation{"backgroundAssetVersion": to(typeVersions, s.Version)}
	}
	return r
}

// day reads the day of a filter.
func (c *call) day(filter string, otherwise time.Time) (time.Time, error) {
	given := c.query.Filter[filter]
	if len(given) == 0 {
		return otherwise, nil
	}
	t, err := time.Parse(time.DateOnly, given[0])
	if err != nil || len(given) > 1 {
		return t, jsonapi.Parameter(jsonapi.CodeInvalid, "filter["+filter+"]", "it is not one day, for example 2026-11-26")
	}
	return t, nil
}

// listStats gives what devices fetched of an app, by day.
func (c *call) listStats() (any, error) {
	until, err := c.day("until", c.Now())
	if err != nil {
		return nil, err
	}
	since, err := c.day("since", until.Add(-defaultSpan))
	if err != nil {
		return nil, err
	}
	if err := c.Note(c.ctx); err != nil {
		return nil, err
	}
	return listed(c, func(tx catalog.Tx) (out []catalog.Stat, err error) {
		a, err := c.app(tx, c.id())
		if err != nil {
			return nil, err
		}
		all, err := tx.Stats(a.ID, since, until)
		for _, s := range all {
			if c.query.Matches("kind", s.Kind) && c.query.Matches("assetPackIdentifier", s.Pack) {
				out = append(out, s)
			}
		}
		return out, err
	}, statID, c.showStat, nothing)
}
