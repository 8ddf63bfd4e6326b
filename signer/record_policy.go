package signer

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// NotePolicy notes that the service's policy is in use, and since when its
// recipients are in it. It writes only if the policy is another than the last
// one. The recipients of the first policy of a record count at once; in later
// ones, a recipient counts from the policy in which it is new, and one that was
// taken out and put back begins anew. What allows nothing is no first policy: it
// is a preset that nobody filled in.
//
// While the clock is not believed (see NeedsDate), nothing is noted, because
// nobody knows from when on the recipients would count.
func (s *Service) NotePolicy(ctx context.Context) error {
	hash, err := hex.DecodeString(s.Policy.Hash)
	if err != nil {
		return fmt.Errorf("policy: its hash %.80q: %w", s.Policy.Hash, err)
	}
	noted := false
	isNoted := func(tx store.Tx) error {
		last, ok, err := lastRow(tx, key(tPolicy))
		noted = ok && bytes.Equal(last.value, hash) || !ok && s.Policy.AllowsNothing()
		return err
	}
	if err := s.Record.View(ctx, isNoted); err != nil || noted {
		return err
	}
	return s.Record.Update(ctx, func(tx store.Tx) error {
		if err := isNoted(tx); err != nil || noted {
			return err
		}
		last, err := lastLink(tx)
		if err != nil {
			return err
		}
		now := momentOf(s.Now(), last, s.Date)
		if now.jumped {
			return nil
		}
		e := Entry{Kind: KindPolicy, PolicyHash: s.Policy.Hash}
		now.stamp(&e)
		rows, what, err := allowedRows(tx, s.Policy, e.At, last.sequence+1)
		if err != nil {
			return err
		}
		e.What = what
		_, err = last.append(tx, &e, append([]row{{key(tPolicy, number(last.sequence+1)), hash}}, rows...))
		return err
	})
}

// allowed is a recipient in a policy.
type allowed struct {
	chain     uint64
	recipient common.Address
}

func (a allowed) key() []byte { return senderKey(tAllowed, a.chain, a.recipient) }

// allowedRows are the rows of recipients that came or went with a policy, in
// the order of their keys.
func allowedRows(tx store.Tx, p *policy.Policy, now time.Time, entry uint64) (rows []row, what string, err error) {
	_, later, err := lastRow(tx, key(tPolicy))
	if err != nil {
		return nil, "", err
	}
	since := seconds(time.Unix(0, 0))
	if later {
		since = seconds(now)
	}
	before := map[allowed]bool{} // the last row of each counts
	prefix := key(tAllowed)
	err = tx.Scan(prefixed(prefix), func(k, v []byte) error {
		if len(k) == len(prefix)+8+20+8 {
			before[allowed{binary.BigEndian.Uint64(k[len(prefix):]), common.BytesToAddress(k[len(prefix)+8 : len(k)-8])}] = len(v) > 0
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	came, went := 0, 0
	for _, c := range p.Chains {
		for recipient := range c.Recipients {
			if a := (allowed{c.ID, recipient}); !before[a] {
				rows, came = append(rows, row{append(a.key(), number(entry)...), since}), came+1
			}
		}
	}
	for a, is := range before {
		if is && !p.Chains[a.chain].Recipients[a.recipient] {
			rows, went = append(rows, row{append(a.key(), number(entry)...), []byte{}}), went+1
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return bytes.Compare(a.key, b.key) })
	return rows, fmt.Sprintf("%d recipients came, %d went", came, went), nil
}

// since tells from when on the batch's recipients are in the policy: those of
// the first one from ever on, as allowedRows has it.
func (p *plan) since(tx store.Tx, allows *policy.Policy) (map[common.Address]time.Time, error) {
	times := map[common.Address]time.Time{}
	recipientsOf := allows.Chains[p.b.ChainID].Recipients
	if recipientsOf == nil {
		return times, nil
	}
	// The first policy is noted when somebody signs. Who only looks before that
	// sees what signing would find.
	if _, noted, err := lastRow(tx, key(tPolicy)); err != nil || !noted {
		for recipient := range recipientsOf {
			times[recipient] = time.Unix(0, 0).UTC()
		}
		return times, err
	}
	var (
		spans      []span
		recipients []common.Address
	)
	for _, w := range p.payees() {
		if n := len(recipients); n == 0 || recipients[n-1] != w.Recipient {
			recipients = append(recipients, w.Recipient)
			spans = append(spans, spanOf(allowed{p.b.ChainID, w.Recipient}.key()))
		}
	}
	err := walk(tx, spans, func(n int, _, v []byte) {
		if len(v) != 8 { // went; the last row counts
			delete(times, recipients[n])
			return
		}
		times[recipients[n]] = time.Unix(int64(binary.BigEndian.Uint64(v)), 0).UTC() //nolint:gosec // written as a time
	})
	return times, err
}
