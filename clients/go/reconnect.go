package dragoman

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/status"
)

const (
	firstDelay   = 100 * time.Millisecond // between two calls; it doubles with each failure
	longestDelay = 5 * time.Second
)

// reconnect decides how long to wait before the next call, and when to give up.
type reconnect struct {
	timeout     time.Duration
	lastContact time.Time
	failures    int
}

// contact notes that the service has answered.
func (r *reconnect) contact() { r.lastContact, r.failures = time.Now(), 0 }

// isOver reports whether there has been no contact for too long.
func (r *reconnect) isOver() bool { return time.Since(r.lastContact) >= r.timeout }

// wait waits before the next call, for least or longer. It returns a status if the context ends first.
func (r *reconnect) wait(ctx context.Context, least time.Duration) error {
	delay := min(firstDelay<<min(r.failures, 10), longestDelay)
	delay = max(time.Duration(float64(delay)*(0.5+rand.Float64()/2)), least)
	r.failures++
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}
