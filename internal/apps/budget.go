package apps

import (
	"time"

	"larder/asset"
	"larder/internal/db"
)

// DailyBudget is how long an extension may compute per day, counted inside
// calls only (classic §2.8, design §12).
const DailyBudget = 10 * time.Minute

// Budget is what is left of today's budget. Days are of UTC.
func Budget(tx *db.Tx, id asset.AppID, now time.Time) (time.Duration, error) {
	var day, used int64
	if err := tx.QueryRow("SELECT budget_day, budget_used FROM apps WHERE id = ?", id).Scan(&day, &used); err != nil {
		return 0, err
	}
	if day != today(now) {
		return DailyBudget, nil
	}
	return max(DailyBudget-time.Duration(used)*time.Millisecond, 0), nil
}

// Use takes from today's budget.
func Use(tx *db.Tx, id asset.AppID, now time.Time, d time.Duration) error {
	day := today(now)
	return set(tx, id, "budget_used = CASE budget_day WHEN ? THEN budget_used ELSE 0 END + ?, budget_day = ?", day, d.Milliseconds(), day)
}

// ResetBudget gives the whole day's budget back; simulations do (classic §6).
func ResetBudget(tx *db.Tx, id asset.AppID) error { return set(tx, id, "budget_used = 0") }

// NextDay is when a spent budget is full again.
func NextDay(now time.Time) time.Time { return now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour) }

func today(now time.Time) int64 { return now.Unix() / 86400 }
