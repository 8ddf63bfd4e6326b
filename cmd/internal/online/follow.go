package online

import (
	"context"
	"errors"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
)

// Bounds of the pause before following tries something again.
const (
	minRetry = time.Second
	maxRetry = time.Minute
)

// passing reports whether an error may pass by itself, so that following goes
// on: somebody holds the store, or endpoints are out of reach, make no sense or
// do not agree. That they do not know a tag, or serve another chain, does not.
func passing(err error) bool {
	var (
		endpoint *chain.EndpointError
		unproven *chain.UnprovenError
		unagreed *chain.DisagreementError
		unsure   *chain.TagError
	)
	switch {
	case errors.Is(err, chain.ErrTagUnsupported), errors.Is(err, chain.ErrForeign):
		return false
	case errors.Is(err, wallet.ErrUnreachable), errors.Is(err, wallet.ErrBusy):
		return true
	}
	return errors.As(err, &endpoint) || errors.As(err, &unproven) || errors.As(err, &unagreed) || errors.As(err, &unsure)
}

// patiently does what has to be done before following can begin, again and
// again while it fails in a way that may pass.
func patiently(ctx context.Context, s *Station, do func() error) error {
	for pause := minRetry; ; pause = min(2*pause, maxRetry) {
		err := do()
		if err == nil || ctx.Err() != nil || !passing(err) {
			return err
		}
		s.Note("%v; trying again", err)
		sleep(ctx, pause)
	}
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// unlessEnded is the error that ended following, or nil if it was an
// interrupt: that is how following ends.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}
