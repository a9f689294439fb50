package localapi

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"larder/asset"
)

func TestPacksOverBothSockets(t *testing.T) {
	b := newWorld(t)
	app := b.appClient(game)
	for who, c := range map[string]*Client{"owner": b.owner, "app": app} {
		got := ""
		for l, err := range c.EnsurePacks(t.Context(), game, EnsureRequest{Packs: []string{"a", "b"}}) {
			if err != nil {
				t.Fatal(err)
			}
			got += fmt.Sprint(l.Pack, " ", l.Version, " ", l.Failed != nil, "; ")
		}
		if got != "a 1 false; b 0 true; " {
			t.Errorf("%s: %s", who, got)
		}
		if p, err := c.Packs(t.Context(), game); err != nil || len(p.Packs) != 1 || !p.Packs[0].Status.Has(asset.PackDownloaded|asset.PackUpToDate) {
			t.Errorf("%s: %+v, %v", who, p, err)
		}
		if o, err := c.Offer(t.Context(), game, true); err != nil || o.Packs == nil || o.ResolvedLanguage != "de" {
			t.Errorf("%s: %+v, %v", who, o, err)
		}
		if p, err := c.CheckForUpdates(t.Context(), game); err != nil || len(p.Updating) != 1 || p.Removed == nil {
			t.Errorf("%s: %+v, %v", who, p, err)
		}
		if err := c.RemovePack(t.Context(), game, "a"); err != nil {
			t.Errorf("%s: %v", who, err)
		}
		if err := c.RemovePack(t.Context(), game, "x/../y"); !errors.Is(err, asset.PackNotFound("", "")) {
			t.Errorf("%s: %v", who, err)
		}
		if l, err := c.SetPackLanguage(t.Context(), game, "pt-BR"); err != nil || l.Language != "pt-BR" {
			t.Errorf("%s: %v, %v", who, l, err)
		}
		for _, err := range c.ReconcileLanguages(t.Context(), game) {
			t.Errorf("%s: %v", who, err)
		}
	}
	for what, err := range map[string]error{
		"no packs":   last(b.owner.EnsurePacks(t.Context(), game, EnsureRequest{})),
		"too many":   last(b.owner.EnsurePacks(t.Context(), game, EnsureRequest{Packs: strings.Split(strings.Repeat("a,", MaxEnsure), ",")})),
		"a language": func() error { _, err := b.owner.SetPackLanguage(t.Context(), game, "de_DE"); return err }(),
	} {
		if asset.CodeOf(err) != asset.CodeBadRequest {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := app.Packs(t.Context(), paint); asset.CodeOf(err) != asset.CodeNotFound {
		t.Errorf("another app's packs: %v", err)
	}
}

func last(lines func(func(EnsureLine, error) bool)) (err error) {
	for _, e := range lines {
		err = e
	}
	return err
}
