package asset

// ContentRequest says why the service asks an extension what to download
// (classic §2.1). Readers must tolerate unknown future values.
type ContentRequest string

// The content requests, with Apple's numbers 1 to 4.
const (
	RequestInstall        ContentRequest = "install"
	RequestUpdate         ContentRequest = "update"
	RequestPeriodic       ContentRequest = "periodic"
	RequestLanguageChange ContentRequest = "languageChange"
)

// Number is Apple's value: 1 to 4, and 0 for a request this version does not know.
func (r ContentRequest) Number() int {
	switch r {
	case RequestInstall:
		return 1
	case RequestUpdate:
		return 2
	case RequestPeriodic:
		return 3
	case RequestLanguageChange:
		return 4
	}
	return 0
}

// AllowsEssential reports whether an answer to this request may name essential
// downloads: only install and update may (classic §2.5).
func (r ContentRequest) AllowsEssential() bool {
	return r == RequestInstall || r == RequestUpdate
}

// ExtensionInfo is what an extension learns beside the request (classic §2.6).
// Both sizes are bytes; nil means unrestricted.
type ExtensionInfo struct {
	RestrictedDownloadSizeRemaining          *int64 `json:"restrictedDownloadSizeRemaining"`
	RestrictedEssentialDownloadSizeRemaining *int64 `json:"restrictedEssentialDownloadSizeRemaining"`
	// Language is the person's choice for this app, a BCP 47 tag; empty means the system's.
	Language string `json:"language,omitempty"`
}
