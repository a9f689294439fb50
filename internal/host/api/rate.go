package api

import (
	"fmt"
	"sync"
	"time"
)

// rates counts the requests of each key in the present hour.
type rates struct {
	mu   sync.Mutex
	hour time.Time
	used map[string]int
}

// take counts one request, and says how many are left.
func (r *rates) take(key string, limit int, now time.Time) (left int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if hour := now.Truncate(time.Hour); !hour.Equal(r.hour) {
		r.hour, r.used = hour, map[string]int{}
	}
	if r.used[key] >= limit {
		return 0, false
	}
	r.used[key]++
	return limit - r.used[key], true
}

// limited tells the caller, and reports whether the limit was passed.
func (c *call) limited(left int, ok bool) bool {
	c.w.Header().Set("X-Rate-Limit", fmt.Sprintf("user-hour-lim:%d;user-hour-rem:%d;", c.Limits.Hourly, left))
	if !ok {
		next := c.Now().Truncate(time.Hour).Add(time.Hour)
		c.w.Header().Set("Retry-After", fmt.Sprint(int(next.Sub(c.Now()).Seconds())+1))
	}
	return !ok
}
