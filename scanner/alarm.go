package scanner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// retell is after how long an alarm that goes on is written anew, with the age
// that it names, so that not every pass writes.
const retell = 10 * time.Minute

// raise has an alarm stand. In a transaction that found out why, so that the
// one is not without the other.
func (s *Scanner) raise(tx store.Tx, a wallet.Alarm) error {
	now := s.o.Now().UTC()
	a.ChainID, a.Since, a.Seen = s.id, now, now
	have, stands, err := store.Alarm(tx, s.id, a.Code)
	if err != nil {
		return err
	}
	if stands {
		if told(have, a, now) {
			return nil
		}
		a.Since = have.Since
	}
	return store.PutAlarm(tx, a)
}

// told reports whether an alarm that stands says the same as another.
func told(have, a wallet.Alarm, now time.Time) bool {
	return a.Code == have.Code && a.Block == have.Block && a.Last == have.Last && a.Was == have.Was && a.Now == have.Now && a.Count == have.Count &&
		now.Sub(have.Seen) < retell
}

// end has an alarm be over, if it stands.
func (s *Scanner) end(ctx context.Context, st state, code wallet.AlarmCode, sum *Summary) error {
	i := slices.IndexFunc(st.alarms, func(a wallet.Alarm) bool { return a.Code == code })
	if i < 0 {
		return nil
	}
	if err := s.db.Update(ctx, func(tx store.Tx) error { return store.ClearAlarm(tx, s.id, code) }); err != nil {
		return err
	}
	sum.Cleared = append(sum.Cleared, st.alarms[i])
	return nil
}

// stands is what a pass ends with: the alarms that stand go into its summary,
// and make it fail if it did not otherwise. What an earlier pass missed does
// so once.
func (s *Scanner) stands(ctx context.Context, sum *Summary, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if viewErr := s.db.View(ctx, func(tx store.Tx) (err error) {
		sum.Alarms, err = store.Alarms(tx, s.id)
		return err
	}); viewErr != nil || err != nil {
		return errors.Join(err, viewErr)
	}
	loud := slices.DeleteFunc(slices.Clone(sum.Alarms), func(a wallet.Alarm) bool {
		return a.Code == wallet.AlarmMissed && len(sum.Found) == 0
	})
	if len(loud) == 0 {
		return nil
	}
	e := &wallet.AlarmError{Alarms: loud}
	return wallet.WithHint(e, "%s", e.Hint())
}

// watchFunds has the alarm about low funds stand or end.
func (s *Scanner) watchFunds(ctx context.Context, sum *Summary) error {
	var (
		low, have wallet.Alarm
		is, stood bool
	)
	look := func(tx store.Tx) (err error) {
		var found *wallet.Alarm
		if s.o.Funds != nil {
			if found, err = s.o.Funds(tx); err != nil {
				return err
			}
		}
		if is = found != nil; is {
			low = *found
		}
		have, stood, err = store.Alarm(tx, s.id, wallet.AlarmLow)
		return err
	}
	if err := s.db.View(ctx, look); err != nil || !is && !stood || is && stood && told(have, low, s.o.Now()) {
		return err
	}
	ended := false
	if err := s.db.Update(ctx, func(tx store.Tx) error {
		err := look(tx)
		if ended = !is && stood; err != nil || !is && !stood {
			return err
		}
		if is {
			return s.raise(tx, low)
		}
		return store.ClearAlarm(tx, s.id, wallet.AlarmLow)
	}); err != nil {
		return err
	}
	if ended {
		sum.Cleared = append(sum.Cleared, have)
	}
	return nil
}

// withhold takes away the tags that stand too far below the head, so that
// nothing is credited or final by them, and says why; nil if none does. Where a
// tag stands at no block yet, or at the genesis block, time counts from the
// first block, which is nil if nobody needs it.
func (t *tags) withhold(c wallet.Chain, first, head *types.Header, limit time.Duration) *wallet.Alarm {
	a := wallet.Alarm{Code: wallet.AlarmStalled}
	var texts []string
	for _, tag := range t.used(c) {
		h := *tag.header
		if young(h) {
			if age := apart(first, head); age > limit {
				texts = append(texts, fmt.Sprintf("no block is %s yet, and the head, block %d, is %s after block %d", tag.name, head.Number, age, first.Number))
			}
			continue
		}
		if age := apart(h, head); age > limit {
			a.Block, a.Was = h.Number.Uint64(), h.Hash()
			texts = append(texts, fmt.Sprintf("the %s block is still %d, %s before the head, block %d", tag.name, h.Number, age, head.Number))
			*tag.header = nil
		}
	}
	if len(texts) == 0 {
		return nil
	}
	credits := "nothing is credited"
	if c.Finality.Tag == "" || c.Finality.Tag == "safe" && t.safe != nil {
		credits = fmt.Sprintf("deposits are credited at %s all the same", c.Finality)
	}
	a.Text = fmt.Sprintf("%s: %s, and no funds are released", strings.Join(texts, "; "), credits)
	a.Hint = fmt.Sprintf("find out from the chain's own news and other nodes whether finality stopped or these nodes lost their consensus client; "+
		"it ends by itself. Where %s is nothing unusual for the chain, set finality_alarm in config.toml", limit)
	return &a
}

// usedTag is a tag that the chain's settings use and of which is known where it
// stands.
type usedTag struct {
	name   string
	header **types.Header
}

func (t *tags) used(c wallet.Chain) (list []usedTag) {
	if c.Finality.Tag == "safe" && t.missing == nil && t.safeUnsure == nil {
		list = append(list, usedTag{"safe", &t.safe})
	}
	if !t.untagged && t.finalizedUnsure == nil {
		list = append(list, usedTag{"finalized", &t.finalized})
	}
	return list
}

// young reports whether a tag stands at no block that has anything in it.
func young(h *types.Header) bool { return h == nil || h.Number.Sign() == 0 }

// apart is how much later the head is than a block that may be nil.
func apart(h, head *types.Header) time.Duration {
	if h == nil {
		return 0
	}
	return wallet.BlocksApart(h.Time, head.Time)
}

// judge raises the alarm of a chain whose finality stopped, or ends it.
func (s *Scanner) judge(ctx context.Context, st state, t *tags, head *types.Header, sum *Summary) error {
	if s.o.FinalityAlarm < 0 {
		return s.end(ctx, st, wallet.AlarmStalled, sum)
	}
	var first *types.Header
	if slices.ContainsFunc(t.used(st.chain), func(tag usedTag) bool { return young(*tag.header) }) {
		var err error
		if first, err = s.headerAt(ctx, base(st.chain)+1); err != nil && !errors.Is(err, ethereum.NotFound) {
			return err
		}
	}
	a := t.withhold(st.chain, first, head, s.o.FinalityAlarm)
	switch {
	case a != nil:
		return s.note(ctx, st, *a)
	case !t.known(): // nor whether finality goes on
		return nil
	}
	return s.end(ctx, st, wallet.AlarmStalled, sum)
}

// note raises an alarm in a transaction of its own, if that changes anything.
func (s *Scanner) note(ctx context.Context, st state, a wallet.Alarm) error {
	if slices.ContainsFunc(st.alarms, func(have wallet.Alarm) bool { return told(have, a, s.o.Now()) }) {
		return nil
	}
	return s.db.Update(ctx, func(tx store.Tx) error { return s.raise(tx, a) })
}
