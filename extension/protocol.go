package extension

import (
	"encoding/json"
	"errors"
	"time"

	"larder/asset"
)

// ProtocolVersion is the version both ends of this package speak.
const ProtocolVersion = 1

// Bounds of the protocol. A session that goes past one of the first three is
// ended; an answer that goes past one of the last two is refused.
const (
	MaxLine      = 16 << 20  // bytes of one line, without its newline
	MaxSession   = 256 << 20 // bytes read in one session
	MaxNesting   = 64        // arrays and objects inside one another
	MaxDownloads = 65536     // downloads in one answer
	MaxValue     = 2 << 20   // bytes of one download, parameter set, other result or error
)

// Requests of the service to the extension.
const (
	MethodInitialize         = "initialize"
	MethodDownloads          = "downloads"
	MethodDownloadFinished   = "backgroundDownloadFinished"
	MethodDownloadFailed     = "backgroundDownloadFailed"
	MethodReceivedChallenge  = "backgroundDownloadReceivedChallenge"
	MethodShouldDownload     = "shouldDownload"
	MethodExtensionTerminate = "extensionWillTerminate"
)

// Requests of the extension to the service.
const (
	MethodCurrentDownloads = "currentDownloads"
	MethodScheduleDownload = "scheduleDownload"
	MethodCancelDownload   = "cancelDownload"
	MethodAcquireControl   = "acquireExclusiveControl"
	MethodReleaseControl   = "releaseExclusiveControl"
)

// methodStartForeground is the one call of the manager that only an app may
// make (classic §4); it is answered with code 50.
const methodStartForeground = "startForegroundDownload"

// ErrNotHandled is what Session.BackgroundDownloadFinished gives when the
// extension has no such entry point: nobody took the file, and asking again is
// of no use.
var ErrNotHandled = errors.New("the extension does not take finished downloads")

// ErrEnded is in the chain of every error that comes from the other end having
// gone away, as opposed to having said something wrong.
var ErrEnded = errors.New("the connection ended")

type initializeParams struct {
	ProtocolVersion int    `json:"protocolVersion"`
	Service         string `json:"service"`
}

// Capabilities is the list of methods an extension says it answers. It informs;
// the service may still ask for the others and gets the default behaviour.
type Capabilities []string

type initializeResult struct {
	Capabilities Capabilities `json:"capabilities"`
}

// DownloadsRequest asks an extension what to download (classic §2.5).
type DownloadsRequest struct {
	ContentRequest asset.ContentRequest `json:"contentRequest"`
	// ManifestPath is a local file, deleted when the call has returned.
	ManifestPath  string              `json:"manifestPath"`
	ExtensionInfo asset.ExtensionInfo `json:"extensionInfo"`
}

type finishedParams struct {
	Download asset.Download `json:"download"`
	FilePath string         `json:"filePath"`
}

type failedParams struct {
	Download asset.Download `json:"download"`
	Error    *asset.Error   `json:"error"`
}

// A Challenge and its answer, as apps and extensions see them (classic §2.7).
type (
	Challenge       = asset.Challenge
	ChallengeAnswer = asset.ChallengeAnswer
	Credential      = asset.Credential
	Disposition     = asset.Disposition
)

// The dispositions; the default of an extension without Challenger is
// DefaultHandling.
const (
	UseCredential         = asset.UseCredential
	DefaultHandling       = asset.DefaultHandling
	CancelChallenge       = asset.CancelChallenge
	RejectProtectionSpace = asset.RejectProtectionSpace
)

type challengeParams struct {
	Download  asset.Download `json:"download"`
	Challenge Challenge      `json:"challenge"`
}

// AssetPack names a pack of the managed API that could be downloaded.
type AssetPack struct {
	ID           string          `json:"id"`
	Version      int             `json:"version"`
	DownloadSize int64           `json:"downloadSize"` // bytes
	UserInfo     json.RawMessage `json:"userInfo,omitempty"`
}

// PackReason says why a pack would be downloaded.
type PackReason string

// The reasons of ShouldDownload.
const (
	PackNew    PackReason = "new"
	PackUpdate PackReason = "update"
)

type shouldParams struct {
	AssetPack AssetPack  `json:"assetPack"`
	Reason    PackReason `json:"reason"`
}

type shouldResult struct {
	Should *bool `json:"should"`
}

type scheduleParams struct {
	Download asset.Download `json:"download"`
}

type cancelParams struct {
	Identifier string `json:"identifier"`
}

type acquireParams struct {
	Deadline *time.Time `json:"deadline,omitempty"`
}
