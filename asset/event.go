package asset

// EventType is the kind of a line of the event stream.
type EventType string

// The kinds of events. Readers ignore kinds they do not know.
const (
	EventSnapshot  EventType = "snapshot" // first line, and after a resync: Status is set
	EventResync    EventType = "resync"   // the reader was too slow; a snapshot follows
	EventApp       EventType = "app"      // an app's state or gate changed: AppState holds it, without downloads
	EventRemoved   EventType = "removed"  // the app was uninstalled
	EventBegan     EventType = "began"    // a download started or resumed (classic §4.4)
	EventPaused    EventType = "paused"   // a download stopped for now; Reason says why
	EventProgress  EventType = "progress"
	EventFinished  EventType = "finished"
	EventFailed    EventType = "failed"
	EventChallenge EventType = "challenge" // a server demands authentication; told to delegates alone (classic §4.4)
	EventPurged    EventType = "purged"    // files of the app were deleted for space: Purged names them
	EventDevice    EventType = "device"    // a fact of the device changed: Device holds all; readers of one app hear none
)

// Event is one line of GET /v1/events. Seq rises by one per event of a service
// run, counted per app on a stream of one app. A gap means that progress lines
// were replaced by newer ones; every other loss is announced by a resync.
type Event struct {
	Seq      uint64          `json:"seq"`
	Type     EventType       `json:"type"`
	App      AppID           `json:"app,omitempty"`
	Status   *Status         `json:"status,omitempty"`
	AppState *AppStatus      `json:"appState,omitempty"`
	Download *DownloadStatus `json:"download,omitempty"`
	Device   *Facts          `json:"device,omitempty"`
	Purged   []PurgedFile    `json:"purged,omitempty"`
}

// Terminal reports whether the event ends a download.
func (e Event) Terminal() bool { return e.Type == EventFinished || e.Type == EventFailed }
