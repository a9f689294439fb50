package asset

// Storage says who uses what of the disk (classic §7). Sizes are bytes.
type Storage struct {
	// Free is what can still be written; below Critical purgeable files are
	// deleted until Goal is free.
	Free     int64 `json:"free"`
	Critical int64 `json:"critical"`
	Goal     int64 `json:"goal"`
	// Apps are all apps, by identifier.
	Apps []AppStorage `json:"apps"`
	// Notes say in plain sentences what could not be learned, and why nothing
	// can be purged.
	Notes []string `json:"notes"`
}

// AppStorage is what one app uses. Container and what is purgeable belong to the
// whole app group: apps that share one show the same figures.
type AppStorage struct {
	ID        AppID   `json:"id"`
	Group     GroupID `json:"group"`
	Inbox     int64   `json:"inbox"`     // finished files that nobody has taken; never purged
	Partial   int64   `json:"partial"`   // bytes of downloads that have not finished
	Container int64   `json:"container"` // what app and extension keep
	// Purgeable is the part of Container in files that may be deleted.
	Purgeable      int64 `json:"purgeable"`
	PurgeableFiles int   `json:"purgeableFiles"`
}

// PurgedFile is a file that was deleted because the disk was nearly full, or the
// person wanted its space. Its app may fetch it again.
type PurgedFile struct {
	Path string `json:"path"` // from the group container, with slashes
	Size int64  `json:"size"`
}

// Purged is what a purge deleted.
type Purged struct {
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
}
