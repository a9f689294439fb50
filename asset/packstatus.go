package asset

// PackBits is Apple's status of an asset pack: several facts at once (managed
// §2.2). Test single bits; an installed pack that is current has 69.
type PackBits uint

// The bits, with Apple's values.
const (
	PackDownloadAvailable PackBits = 1 << iota // the manifest offers it
	PackUpdateAvailable                        // a newer version can be fetched now
	PackUpToDate                               // the installed version is the current one
	PackOutOfDate                              // the installed version is another one
	PackObsolete                               // no longer offered: once removed it is gone
	PackDownloading                            // it is on its way
	PackDownloaded                             // some version is installed
)

// Has reports whether all of the bits are set.
func (b PackBits) Has(bits PackBits) bool { return b&bits == bits }

// PackStatus describes one asset pack of an app: what is installed, what the last
// manifest offers, and what is under way.
type PackStatus struct {
	ID     PackID   `json:"id"`
	Status PackBits `json:"status"`
	// Installed is the version on the shelf, Available the newest that fits the app;
	// nil when there is none.
	Installed *int64     `json:"installed"`
	Available *int64     `json:"available"`
	Policy    PolicyKind `json:"policy,omitempty"`
	Language  string     `json:"language,omitempty"`
	// DownloadSize is the archive's, InstalledSize of all files on the shelf; bytes.
	DownloadSize  int64 `json:"downloadSize"`
	InstalledSize int64 `json:"installedSize"`
	// Explicit tells that the app asked for it itself.
	Explicit bool `json:"explicit,omitempty"`
	// Reason says why it is not as the manifest has it, if there is more to say than that
	// nobody asked for it.
	Reason *Reason `json:"reason"`
}

// Traffic counts, in bytes, what the way of one version of a pack to the shelf has cost, over
// all attempts, and what it was spared.
type Traffic struct {
	// Network came over the network, whatever became of it.
	Network int64 `json:"network"`
	// Useful is what of that the installed tree is made of: proved, needed, and counted once. It
	// rises when bytes are proved, and so after Network.
	Useful int64 `json:"useful"`
	// Reused are the bytes of the tree's files that are taken from what was installed.
	Reused int64 `json:"reused"`
	// Written are file bytes that were written to the disk.
	Written int64 `json:"written"`
}

// PackOffer is what a service makes of a download manifest for one app on this
// device: the manifest as an app sees it (managed §3.1).
type PackOffer struct {
	// Packs are the versions that fit, one of each pack, in the manifest's order.
	Packs []Pack `json:"assetPacks"`
	// Unfit names packs none of whose versions fits the app, and says why.
	Unfit map[PackID]string `json:"unfit,omitempty"`

	PrimaryLanguage    string   `json:"primaryLanguage,omitempty"`
	AvailableLanguages []string `json:"availableLanguages,omitempty"`
	// ResolvedLanguage is the one whose packs are kept installed; empty when no pack
	// is localized (managed §1.8).
	ResolvedLanguage string `json:"resolvedLanguage,omitempty"`
}

// Pack finds a pack that can be fetched.
func (o *PackOffer) Pack(id PackID) (Pack, bool) {
	if o != nil {
		for _, p := range o.Packs {
			if p.ID == id {
				return p, true
			}
		}
	}
	return Pack{}, false
}

// PackNotFound is Apple's error of a pack that is neither offered nor installed (managed §4).
func PackNotFound(op string, id PackID) *Error {
	return &Error{Code: CodePackNotFound, Domain: DomainManaged, Op: op, Subject: quote(string(id)), Message: "there is no such asset pack",
		Help: "see \"larder assets list\" for those that there are"}
}

// Apple's codes in BAManagedErrorDomain (managed §4). They mean other things in
// other domains.
const (
	CodePackNotFound             Code = 0
	CodeFileNotFound             Code = 1
	CodeLocalAvailabilityFailure Code = 2
)
