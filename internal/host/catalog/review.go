package catalog

import "time"

// States of submissions beside those that releases have, and of items.
const (
	UnresolvedIssues = "UNRESOLVED_ISSUES"
	Approved         = "APPROVED"
	Removed          = "REMOVED"
)

// Submission is what is reviewed at once, for the public.
type Submission struct {
	ID        string
	App       int64
	Platform  string // empty: any
	State     string
	Created   time.Time
	Submitted time.Time // zero: not yet
}

const submissionColumns = "SELECT id, app, platform, state, created, submitted FROM submissions"

func scanSubmission(r scanner) (s Submission, err error) {
	var created, submitted int64
	err = r.Scan(&s.ID, &s.App, &s.Platform, &s.State, &created, &submitted)
	s.Created, s.Submitted = fromMillis(created), maybe(submitted)
	return s, err
}

// AddSubmission gives one its ID.
func (t Tx) AddSubmission(s Submission) (Submission, error) {
	s.ID, s.State = NewID(), ReadyForReview
	return s, t.exec("INSERT INTO submissions VALUES (?, ?, ?, ?, ?, 0)", s.ID, s.App, s.Platform, s.State, millis(s.Created))
}

// Submission reads one.
func (t Tx) Submission(id string) (Submission, error) {
	return one(scanSubmission, t.tx.QueryRow(submissionColumns+" WHERE id = ?", id))
}

// Submissions lists those of an app, the oldest first.
func (t Tx) Submissions(app int64) ([]Submission, error) {
	return all(t, scanSubmission, submissionColumns+" WHERE app = ? ORDER BY rowid", app)
}

// SetSubmission writes its state, and when it was submitted.
func (t Tx) SetSubmission(s Submission) error {
	return t.change("UPDATE submissions SET state = ?, submitted = ? WHERE id = ?", s.State, maybeMillis(s.Submitted), s.ID)
}

// Item is a version in a submission.
type Item struct {
	ID         string
	Submission string
	Version    string
	State      string
}

const itemColumns = "SELECT id, submission, version, state FROM items"

func scanItem(r scanner) (i Item, err error) {
	return i, r.Scan(&i.ID, &i.Submission, &i.Version, &i.State)
}

// AddItem gives one its ID.
func (t Tx) AddItem(i Item) (Item, error) {
	i.ID, i.State = NewID(), ReadyForReview
	return i, t.exec("INSERT INTO items VALUES (?, ?, ?, ?)", i.ID, i.Submission, i.Version, i.State)
}

// Items lists those of a submission.
func (t Tx) Items(submission string) ([]Item, error) {
	return all(t, scanItem, itemColumns+" WHERE submission = ? ORDER BY rowid", submission)
}

// ItemOf is the newest item of a version.
func (t Tx) ItemOf(version string) (Item, error) {
	return one(scanItem, t.tx.QueryRow(itemColumns+" WHERE version = ? ORDER BY rowid DESC LIMIT 1", version))
}

// SetItem writes its state.
func (t Tx) SetItem(i Item) error {
	return t.change("UPDATE items SET state = ? WHERE id = ?", i.State, i.ID)
}
