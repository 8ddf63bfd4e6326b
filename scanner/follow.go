package scanner

import (
	"context"
	"errors"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
)

// maxPause bounds how long Follow waits after passes that failed.
const maxPause = time.Minute

// Follow makes a pass now and whenever there may be a new head, until ctx ends
// or onPass, which hears of each pass, returns an error. onPass hears also of the
// pass that the end of ctx broke off: what it did before is done. After a pass
// that failed it waits, longer each time in a row; an alarm is no failure.
func (s *Scanner) Follow(ctx context.Context, onPass func(Summary, error) error) error {
	heads := s.chain.Heads(ctx, s.o.Poll)
	pause := s.o.Poll
	for {
		sum, err := s.Pass(ctx)
		if err := onPass(sum, err); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var alarm *wallet.AlarmError
		if err == nil || errors.As(err, &alarm) || errors.Is(err, sum.Overdue) {
			pause = s.o.Poll
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-heads:
			}
			continue
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
		pause = min(2*pause, max(maxPause, s.o.Poll))
	}
}
