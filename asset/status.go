package asset

import "time"

// Reason says why something waits or failed: the same words in CLI, API and log.
type Reason struct {
	Code    string    `json:"code"`    // one of the Why constants, or an error code's name
	Message string    `json:"message"` // one plain sentence
	Unblock string    `json:"unblock"` // what would let it go on
	Since   time.Time `json:"since"`
}

// Why a download waits or a gate is as it is.
const (
	WhyEssentialFirst  = "essentialFirst" // non-essential waits for the essential ones
	WhyQueued          = "queued"         // waits for a free connection
	WhyNetwork         = "network"        // no connection; a retry is planned
	WhyRetry           = "retry"          // the server asked to wait, or failed
	WhyPaused          = "paused"         // the person paused the installation
	WhyNoSpace         = "noSpace"        // not enough free space
	WhyInstalling      = "installing"     // the gate waits for the installation
	WhyReady           = "ready"          // essential set complete
	WhyCancelled       = "cancelled"      // the person cancelled the installation
	WhyContentOff      = "inAppContentOff"
	WhyExtension       = "extensionFailed"
	WhyManifest        = "manifestFailed"
	WhyEssential       = "essentialFailed"
	WhyNoProgress      = "noProgress"
	WhyExtensionBudget = "extensionBudget"
	WhyMetered         = "metered"              // files wait for an unmetered network
	WhyLowPower        = "lowPower"             // nothing in the background while the device saves power
	WhyRefreshOff      = "backgroundRefreshOff" // the person switched it off, for all apps or this one
	WhyNotLaunched     = "notLaunched"          // no checks before the first launch
	WhyUnused          = "unused"               // no checks of an app that is not used any more
	WhyDeclined        = "declined"             // the app's extension did not want the pack
	WhyTogether        = "together"             // the pack is complete, and is shown with the others of its update
)

// AppState is how far an installation or update has come (design §5).
type AppState string

// The steps of an installation.
const (
	AppInstalled AppState = "installed" // registered, nothing fetched yet
	AppManifest  AppState = "manifest"  // its manifest is being fetched
	AppExtension AppState = "extension" // its extension is being asked
	AppEssential AppState = "essential" // essential downloads run
	AppReady     AppState = "ready"     // nothing blocks a launch
)

// Gate is the launch gate: closed while an installation or update runs
// (classic §2.2). Reason is nil only when the gate is open for no special reason.
type Gate struct {
	Open   bool    `json:"open"`
	Reason *Reason `json:"reason"`
}

// Status is what "larder status --json" prints and GET /v1/status answers.
// Fields are only ever added.
type Status struct {
	Service ServiceStatus `json:"service"`
	Device  Facts         `json:"device"`
	Apps    []AppStatus   `json:"apps"`
}

// ServiceStatus describes the running service.
type ServiceStatus struct {
	Version string `json:"version"`
	PID     int    `json:"pid"`
	DataDir string `json:"dataDir"`
	// Fence tells how far extensions are held in; nil when no processes are run.
	Fence *FenceStatus `json:"fence,omitempty"`
}

// FenceStatus is what an extension cannot get out of, on this machine.
type FenceStatus struct {
	Level   string     `json:"level"`   // the layers that stand, as "namespaces+landlock+seccomp"
	Missing []FenceGap `json:"missing"` // empty when all is held
}

// FenceGap is one thing that the fence does not hold, as "udp", and why.
type FenceGap struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// AppStatus describes one app.
type AppStatus struct {
	ID      AppID    `json:"id"`
	Version string   `json:"version"` // CFBundleShortVersionString
	Build   string   `json:"build"`   // CFBundleVersion
	State   AppState `json:"state"`
	Paused  bool     `json:"paused"`
	Gate    Gate     `json:"gate"`
	// Signed says that the app takes only packs that its developer signed, and Signature by
	// whom; nil until something was proved, and in events.
	Signed    bool       `json:"signed"`
	Signature *Signature `json:"signature,omitempty"`
	// URLOverride is the base URL from which manifest and packs come at present in
	// place of their own servers; empty in life.
	URLOverride string           `json:"urlOverride,omitempty"`
	Downloads   []DownloadStatus `json:"downloads"`
	Packs       []PackStatus     `json:"packs"`
	// What is left of the two allowances at this moment, in bytes (classic §2.6);
	// nil when the app is unrestricted, and in events.
	RestrictedDownloadSizeRemaining          *int64 `json:"restrictedDownloadSizeRemaining,omitempty"`
	RestrictedEssentialDownloadSizeRemaining *int64 `json:"restrictedEssentialDownloadSizeRemaining,omitempty"`
	// Check is set for apps with an extension, except in events.
	Check *CheckStatus `json:"check,omitempty"`
}

// Signature is what was proved last of an app's site (doc/site-format.md). Keys are told by
// the SHA-256 that TUF names them by.
type Signature struct {
	Publisher []string  `json:"publisher"` // keys that signed the pack versions
	Release   []string  `json:"release"`   // keys that signed the manifest
	Expires   time.Time `json:"expires"`   // until when changes are taken
	Expired   bool      `json:"expired"`
}

// DownloadStatus describes one download. TotalBytes is 0 when unknown.
type DownloadStatus struct {
	Identifier       string        `json:"identifier"`
	UniqueIdentifier string        `json:"uniqueIdentifier"`
	Manifest         bool          `json:"manifest,omitempty"` // it is the app's manifest
	State            DownloadState `json:"state"`
	Essential        bool          `json:"essential"`
	Priority         Priority      `json:"priority"`
	Bytes            int64         `json:"bytes"`
	TotalBytes       int64         `json:"totalBytes"`
	Reason           *Reason       `json:"reason"`
	// FilePath is where a finished file waits in the inbox; empty once taken.
	FilePath string `json:"filePath,omitempty"`
	// AssetPack and PackVersion are set for the download of an asset pack, which ends on the
	// shelf. TotalBytes is what it takes on the wire once that is known, and what
	// the whole pack would take before.
	AssetPack   PackID `json:"assetPack,omitempty"`
	PackVersion int64  `json:"packVersion,omitempty"`
	// Traffic is set once bytes of a pack came, and stays when it has arrived.
	Traffic *Traffic `json:"traffic,omitempty"`
}

// Progress is the state of one installation or update, as shown to a person
// (classic §2.3): one stream of these per installation, the last with Done set.
type Progress struct {
	App            AppID    `json:"app"`
	State          AppState `json:"state"`
	Gate           Gate     `json:"gate"`
	Done           bool     `json:"done"`           // the gate is open; no further line follows
	Bytes          int64    `json:"bytes"`          // essential bytes held
	TotalBytes     int64    `json:"totalBytes"`     // essential bytes in all, an estimate while Estimated
	Estimated      bool     `json:"estimated"`      // total comes from the allowance; the extension has not answered yet
	BytesPerSecond int64    `json:"bytesPerSecond"` // smoothed; 0 when nothing moves
	ETASeconds     *int64   `json:"etaSeconds"`     // nil when it cannot be told
	// Reason is set whenever bytes do not move.
	Reason *Reason `json:"reason"`
	// Count, Finished and Failed are of all essential downloads.
	Count    int `json:"count"`
	Finished int `json:"finished"`
	Failed   int `json:"failed"`
	// Downloads are essential ones, at most 32: those that run or failed first.
	Downloads []DownloadStatus `json:"downloads"`
}
