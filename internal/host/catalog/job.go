package catalog

import (
	"database/sql"
	"errors"
	"time"
)

// Job is work that must be done, however often the host dies over it. There is one for
// a kind and subject.
type Job struct {
	ID         int64
	Kind       string
	Subject    string
	Attempts   int // this one among them
	generation int64
	token      int64
}

// ErrLost is what is given to one who held a job too long: another has it.
var ErrLost = errors.New("the job was taken by another")

// Enqueue has a job done at a time. If it is there already it is done again, and at the earlier
// time.
func (t Tx) Enqueue(kind, subject string, due time.Time) error {
	return t.exec(`INSERT INTO jobs (kind, subject, generation, due, token, lease, attempts) VALUES (?, ?, 1, ?, 0, 0, 0)
		ON CONFLICT DO UPDATE SET generation = generation + 1, due = min(due, excluded.due), attempts = 0`, kind, subject, millis(due))
}

// Claim takes the job of these kinds (none: of any) that is due longest, until the lease runs out; ErrNone
// if there is none.
func (t Tx) Claim(now time.Time, lease time.Duration, kinds ...string) (j Job, err error) {
	err = t.tx.QueryRow(`UPDATE jobs SET token = token + 1, lease = ?, attempts = attempts + 1
		WHERE id = (SELECT id FROM jobs WHERE due <= ? AND lease <= ? AND `+ofKinds+` ORDER BY due, id LIMIT 1)
		RETURNING id, kind, subject, attempts, generation, token`, millis(now.Add(lease)), millis(now), millis(now), text(kinds), text(kinds)).
		Scan(&j.ID, &j.Kind, &j.Subject, &j.Attempts, &j.generation, &j.token)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNone
	}
	return j, err
}

// ofKinds holds for jobs of the kinds in a JSON list that is given twice; for all if it is empty.
const ofKinds = "(json_array_length(?) = 0 OR kind IN (SELECT value FROM json_each(?)))"

// Next is when the next job of these kinds that nobody holds is due; zero if there is none.
func (t Tx) Next(kinds ...string) (time.Time, error) {
	var due sql.NullInt64
	err := t.tx.QueryRow("SELECT min(max(due, lease)) FROM jobs WHERE "+ofKinds, text(kinds), text(kinds)).Scan(&due)
	if err != nil || !due.Valid {
		return time.Time{}, err
	}
	return fromMillis(due.Int64), nil
}

// Hold makes sure that a job is still its holder's: every transaction with an effect of
// the job begins so. It is ErrLost otherwise.
func (t Tx) Hold(j Job) error {
	var one int
	err := t.tx.QueryRow("SELECT 1 FROM jobs WHERE id = ? AND token = ?", j.ID, j.token).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrLost
	}
	return err
}

// Extend prolongs the lease.
func (t Tx) Extend(j Job, until time.Time) error {
	if err := t.Hold(j); err != nil {
		return err
	}
	return t.exec("UPDATE jobs SET lease = ? WHERE id = ?", millis(until), j.ID)
}

// Finish ends a job, unless it was to be done again meanwhile.
func (t Tx) Finish(j Job) error {
	if err := t.Hold(j); err != nil {
		return err
	}
	if err := t.exec("DELETE FROM jobs WHERE id = ? AND generation = ?", j.ID, j.generation); err != nil {
		return err
	}
	return t.exec("UPDATE jobs SET lease = 0 WHERE id = ?", j.ID)
}

// Retry gives a job back, to be tried at a later time, or at once if it was to be done again
// meanwhile.
func (t Tx) Retry(j Job, due time.Time) error {
	if err := t.Hold(j); err != nil {
		return err
	}
	return t.exec("UPDATE jobs SET lease = 0, due = CASE generation WHEN ? THEN ? ELSE due END WHERE id = ?", j.generation, millis(due), j.ID)
}

// FreeJobs takes all jobs from their holders, who have died: for the start of a host that has its
// directory to itself.
func (t Tx) FreeJobs() error { return t.exec("UPDATE jobs SET lease = 0") }

// Jobs is how many there are.
func (t Tx) Jobs() (n int, err error) {
	return n, t.tx.QueryRow("SELECT count(*) FROM jobs").Scan(&n)
}

// Failing lists jobs that were tried several times and whose failing is the host's, as "kind subject".
func (t Tx) Failing() ([]string, error) {
	return all(t, func(r scanner) (s string, err error) { return s, r.Scan(&s) }, "SELECT kind || ' ' || subject FROM jobs WHERE attempts > 3 AND kind NOT IN ('collect', 'deliver') ORDER BY id")
}
