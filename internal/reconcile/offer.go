package reconcile

import (
	"cmp"
	"fmt"
	"slices"

	"larder/asset"
	"larder/internal/bundle"
	"larder/internal/language"
)

// Offer is what a manifest has of one pack for one device.
type Offer struct {
	ID asset.PackID
	// Fit is the newest version that fits the app; nil when none does.
	Fit *asset.Pack
	// All are the versions for the device's platform, of which there is at least one.
	All []*asset.Pack
	app bundle.Version
}

// misfit reports whether that version is offered and does not fit the app.
func (o *Offer) misfit(version int64) bool {
	return slices.ContainsFunc(o.All, func(p *asset.Pack) bool { return p.Version == version && !fits(p.AppVersions, o.app) })
}

// Refusal says why there is no Fit (1008).
func (o *Offer) Refusal() *asset.Error {
	last := o.All[len(o.All)-1]
	return &asset.Error{Code: asset.CodeDoesNotFit, Op: "choose asset pack", Subject: string(o.ID),
		Message: fmt.Sprintf("none of its %d versions fits version %s of the app; version %d is for %s", len(o.All), o.app, last.Version, span(last.AppVersions)),
		Help:    "update the app, or publish a version of the pack for it"}
}

func span(v *asset.AppVersions) string {
	switch {
	case v == nil:
		return "all"
	case v.Below == "":
		return v.Minimum + " and later"
	case v.Minimum == "":
		return "those below " + v.Below
	}
	return v.Minimum + " and later, below " + v.Below
}

// Offers gives, in the order of the manifest, each pack that has a version for
// the device's platform.
func Offers(m *asset.DownloadManifest, d Device) []Offer {
	if m == nil {
		return nil
	}
	var out []Offer
	at := map[asset.PackID]int{}
	for n := range m.Packs {
		p := &m.Packs[n]
		if len(p.Platforms) > 0 && !slices.Contains(p.Platforms, d.Platform) {
			continue
		}
		i, known := at[p.ID]
		if !known {
			i = len(out)
			at[p.ID], out = i, append(out, Offer{ID: p.ID, app: d.App})
		}
		o := &out[i]
		o.All = append(o.All, p)
		if fits(p.AppVersions, d.App) && (o.Fit == nil || p.Version > o.Fit.Version) {
			o.Fit = p
		}
	}
	return out
}

// fits reports whether an app of version v lies in the span.
func fits(span *asset.AppVersions, v bundle.Version) bool {
	return span == nil || (span.Minimum == "" || compare(v, span.Minimum) >= 0) && (span.Below == "" || compare(v, span.Below) < 0)
}

// compare orders v and a version as the manifest writes it.
func compare(v bundle.Version, s string) int {
	o, _ := bundle.ParseVersion(s) // the manifest was read strictly
	return cmp.Or(cmp.Compare(v.Major, o.Major), cmp.Compare(v.Minor, o.Minor), cmp.Compare(v.Patch, o.Patch))
}

// Resolve gives the language whose packs a device keeps: the best of those on
// offer for it (managed §1.8). Without a primary language in the manifest the
// first localized pack's stands in, so that nobody is left without any. Zero when
// no pack is localized.
func Resolve(m *asset.DownloadManifest, d Device, preferred []language.Tag) language.Tag {
	var offered []language.Tag
	for _, o := range Offers(m, d) {
		if o.Fit != nil && o.Fit.Language != "" {
			if tag, err := language.Parse(o.Fit.Language); err == nil {
				offered = append(offered, tag)
			}
		}
	}
	if len(offered) == 0 {
		return language.Tag{}
	}
	primary, err := language.Parse(m.PrimaryLanguage)
	if err != nil {
		primary = offered[0]
	}
	tag, ok := language.Choose(preferred, offered, primary)
	if !ok {
		tag = offered[0]
	}
	return tag
}

// Languages gives the languages on offer for a device, in the order of the
// manifest and each once.
func Languages(m *asset.DownloadManifest, d Device) (out []language.Tag) {
	for _, o := range Offers(m, d) {
		if o.Fit == nil || o.Fit.Language == "" {
			continue
		}
		if tag, err := language.Parse(o.Fit.Language); err == nil && !slices.ContainsFunc(out, tag.Same) {
			out = append(out, tag)
		}
	}
	return out
}
