package apps

import (
	"time"

	"larder/asset"
	"larder/internal/db"
	"larder/internal/lifecycle"
)

const habitColumns = "score, scored, checked, chance, not_before"

// habitRow is what habitColumns hold.
type habitRow struct {
	score, chance              float64
	scored, checked, notBefore int64
}

func (r *habitRow) fields() []any {
	return []any{&r.score, &r.scored, &r.checked, &r.chance, &r.notBefore}
}

func (r *habitRow) habit(lastLaunch int64) lifecycle.Habit {
	return lifecycle.Habit{Score: r.score, ScoredAt: fromMillis(r.scored), LastLaunch: fromMillis(lastLaunch),
		Checked: fromMillis(r.checked), NotBefore: fromMillis(r.notBefore), Chance: r.chance}
}

// Launch records a launch: usage, and the first one for good.
func Launch(tx *db.Tx, id asset.AppID, now time.Time) error {
	a, err := Get(tx, id)
	if err != nil {
		return err
	}
	n := now.UnixMilli()
	return set(tx, id, "first_launch = CASE first_launch WHEN 0 THEN ? ELSE first_launch END, last_launch = ?, launches = launches + 1, score = ?, scored = ?",
		n, n, a.Habit.Launched(now).Score, n)
}

// Unlaunch makes an app as it was before its first launch: its restrictions hold
// again, with whole allowances. Simulations do.
func Unlaunch(tx *db.Tx, id asset.AppID) error {
	return set(tx, id, "first_launch = 0, last_launch = 0, launches = 0, score = 0, scored = 0, spent = 0, spent_essential = 0")
}

// Asked records that a content request begins, in the app's present language;
// chance is the one of the next check.
func Asked(tx *db.Tx, id asset.AppID, now time.Time, chance float64) error {
	return set(tx, id, "checked = ?, chance = ?, asked_language = coalesce(json_extract(prefs, '$.language'), '')", now.UnixMilli(), chance)
}

// NotBefore records that a server does not want to be checked before t.
func NotBefore(tx *db.Tx, id asset.AppID, t time.Time) error {
	return set(tx, id, "not_before = ?", t.Add(time.Millisecond-1).UnixMilli()) // never early
}

// Resting is an app of which nothing is under way and whose extension could be asked.
type Resting struct {
	ID         asset.AppID
	Launched   bool
	RefreshOff bool
	// LanguageChanged tells that the person chose another language since the
	// extension was last asked.
	LanguageChanged bool
	Habit           lifecycle.Habit
}

// Rest lists the resting apps by identifier. It is read often, so it reads little.
func Rest(tx *db.Tx) ([]Resting, error) {
	rows, err := tx.Query(`SELECT id, first_launch <> 0, coalesce(json_extract(prefs, '$.refreshOff'), 0),
		asked_language <> coalesce(json_extract(prefs, '$.language'), ''), last_launch, ` + habitColumns + `
		FROM apps WHERE NOT waits AND asks ORDER BY id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Resting
	for rows.Next() {
		var r Resting
		var last int64
		var h habitRow
		if err := rows.Scan(append([]any{&r.ID, &r.Launched, &r.RefreshOff, &r.LanguageChanged, &last}, h.fields()...)...); err != nil {
			return nil, err
		}
		r.Habit = h.habit(last)
		out = append(out, r)
	}
	return out, rows.Err()
}
