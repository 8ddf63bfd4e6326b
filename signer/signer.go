// Package signer signs batches. There is one way to a signature, for a vault
// in a locked room as for a float online: the batch must keep the rules of
// the format, be of this vault and in time, do what the policy allows, and
// agree with everything that the vault ever signed. What is signed is
// recorded before the first signature leaves the package.
//
// The signer trusts nobody: what it decides on is computed from the bytes it
// will sign. An intent proves nothing by itself. The sender of every
// transaction is derived again from its path, and so is the recipient of
// every top-up and sweep, unless the policy pins it.
//
// The record refuses a second payload for a nonce, unless the item names exactly
// what it takes the place of; a second nonce for a withdrawal; and whatever lies
// below the nonces that it knows of. The same payload with other fees is the same
// payment and may be signed again, also after something else took its place. The
// record is kept in the station's own store, as one chain of entries (see Entry)
// in which everything else that happens on the station is noted, too.
//
// What a batch cannot prove: that its withdrawals were ever asked for.
// Comparing with a list that came another way is for that (see Requests).
package signer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"

	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// RecordFile is the name of the store with the signing record in a station's
// home.
const RecordFile = "signer.db"

// Keys signs with the keys of a vault. It is safe for concurrent use.
type Keys interface {
	Fingerprint() hd.Fingerprint
	// Address derives the address at a path.
	Address(wallet.Path) (common.Address, error)
	// SignHash signs with the key at path, which must be that of from: R, S
	// in the lower half of the order, and the recovery id 0 or 1. The same
	// hash gets the same signature (RFC 6979).
	SignHash(path wallet.Path, from common.Address, hash [32]byte) ([65]byte, error)
}

// Risks are the named risks that an operator accepted.
type Risks map[string]bool

// The risks that a batch may need.
const (
	// RiskRecordRestored accepts a batch that knows of signatures which the
	// record does not, or of nonces of a sender that the record does not know:
	// after the record was lost or restored from a backup. From then on, nothing
	// new is signed below the nonces of that batch.
	RiskRecordRestored = recordRestored
	// RiskSecondNonce accepts a withdrawal that was signed with another nonce.
	// Both are in the record then: a third needs the risk again.
	RiskSecondNonce = secondNonce
)

// Service signs for one station.
type Service struct {
	Record store.DB // holds the signing record
	Policy *policy.Policy
	Now    func() time.Time
	// Fingerprints are those of the vault's file, whose batches all are in its
	// record. Of a batch's own it need not tell.
	Fingerprints []hd.Fingerprint
	// Date is today's date (YYYY-MM-DD) as somebody gave it, or empty; see
	// NeedsDate.
	Date string
	// Halted is asked before anything is recorded; its error refuses. The
	// online station, which can be halted, sets it; nil never refuses.
	Halted func(context.Context) error
	// Step is called after each item that was signed, from several goroutines
	// at once; nil is not.
	Step func()
}

// Check says whether a batch of the vault with the given fingerprint would be
// signed now, as far as that can be known without the keys. The error of a
// refusal is a [*Refused] or a [*batch.Error].
func (s *Service) Check(ctx context.Context, b *batch.Batch, vault hd.Fingerprint, risks Risks) error {
	if err := s.ready(ctx, b); err != nil {
		return err
	}
	if err := s.NotePolicy(ctx); err != nil {
		return err
	}
	seen, err := s.Inspect(ctx, b, vault, risks)
	if err != nil {
		return err
	}
	return refused(seen.Refusals...)
}

// Inspection is what can be known of a batch without the keys.
type Inspection struct {
	// Signed says that the very same batch was signed before; then nothing
	// refuses it but its format, vault and the policy of now.
	Signed bool
	// Context is what the policy decided on.
	Context policy.Context
	// Refusals are all the reasons why the batch would not be signed, in the
	// order of the batch.
	Refusals []Refusal
	// Accepted are what would be more of them, but for the risks that were
	// accepted by name. A risk is accepted for a whole batch, whatever is in it,
	// so whoever accepted it must see what it lets pass.
	Accepted []Refusal
}

// Inspect holds a batch against clock, vault, policy and record. The error is
// about the batch's format, a halted home, a missing policy, or a record that
// cannot be read; what refuses the batch otherwise is in the inspection.
func (s *Service) Inspect(ctx context.Context, b *batch.Batch, vault hd.Fingerprint, risks Risks) (*Inspection, error) {
	endorsed, err := Endorse(b)
	if err != nil {
		return nil, err
	}
	return s.inspectEndorsed(ctx, b, endorsed, vault, risks)
}

func (s *Service) inspectEndorsed(ctx context.Context, b *batch.Batch, endorsed *Endorsements, vault hd.Fingerprint, risks Risks) (*Inspection, error) {
	if err := s.ready(ctx, b); err != nil {
		return nil, err
	}
	p, err := newPlan(b)
	if err != nil {
		return nil, err
	}
	var seen *Inspection
	err = s.Record.View(ctx, func(tx store.Tx) (err error) {
		seen, _, err = s.inspect(tx, p, endorsed, vault, risks)
		return err
	})
	return seen, err
}

// change is what signing a batch does to the record.
type change struct {
	last    link
	now     moment
	memory  memory
	verdict verdict
}

// inspect looks at everything that decides on a batch, in the transaction that
// records it or in one before.
func (s *Service) inspect(tx store.Tx, p *plan, endorsed *Endorsements, vault hd.Fingerprint, risks Risks) (*Inspection, *change, error) {
	var (
		seen Inspection
		c    change
		err  error
	)
	if c.last, err = lastLink(tx); err != nil {
		return nil, nil, err
	}
	if _, _, seen.Signed, err = signedBefore(tx, p.digest); err != nil {
		return nil, nil, err
	}
	if c.memory, err = p.lookUp(tx, s.Fingerprints); err != nil {
		return nil, nil, err
	}
	c.now = momentOf(s.Now(), c.last, s.Date)
	if seen.Context, err = s.context(tx, p, &c.memory, c.now.at); err != nil {
		return nil, nil, err
	}
	seen.Context.Approvers, seen.Context.Requesters = endorsed.Approvers(), endorsed.Requesters()
	if c.now.jumped {
		seen.Refusals = append(seen.Refusals, clockRefusal(c.now, s.Date))
	}
	seen.Refusals = append(seen.Refusals, refusals(p.b, vault, s.Policy, seen.Context)...)
	seen.Refusals = append(seen.Refusals, endorsed.refusals()...)
	if !seen.Signed {
		c.verdict = p.judge(&c.memory, risks)
		seen.Refusals, seen.Accepted = append(seen.Refusals, c.verdict.refusals...), c.verdict.accepted
	}
	return &seen, &c, nil
}

// context is what the policy decides on beside the batch.
func (s *Service) context(tx store.Tx, p *plan, m *memory, now time.Time) (ctx policy.Context, err error) {
	ctx = policy.Context{Now: now, Repeated: make([]bool, len(m.items))}
	for i := range m.items {
		ctx.Repeated[i] = m.items[i].signed
	}
	if ctx.Spent, ctx.Paid, err = p.spent(tx, now); err != nil {
		return ctx, err
	}
	ctx.Since, err = p.since(tx, s.Policy)
	return ctx, err
}

// Sign signs every rung of every item, on all processors, or nothing. Signing
// the same batch again gives the same signed batch, to the byte.
//
// No signature leaves before the record is on disk. If Sign then fails or the
// process ends, the batch counts as signed and can be signed again.
func (s *Service) Sign(ctx context.Context, b *batch.Batch, keys Keys, risks Risks) (*batch.Signed, error) {
	if err := s.ready(ctx, b); err != nil {
		return nil, err
	}
	if err := s.NotePolicy(ctx); err != nil {
		return nil, err
	}
	if err := checkAddresses(b, keys); err != nil {
		return nil, err
	}
	var (
		entry      Entry
		head       string
		signatures [][]wallet.SignedRung
	)
	// The disk and the processors work at the same time. Signatures of a
	// batch that the record refuses are dropped unseen.
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		entry, head, err = s.record(ctx, b, keys.Fingerprint(), risks)
		return err
	})
	g.Go(func() (err error) {
		signatures, err = s.signAll(gctx, b, keys)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return &batch.Signed{
		Format: batch.SignedFormat, Version: batch.Version, Batch: *b, Digest: entry.Digest,
		PolicyHash: entry.PolicyHash, RecordHead: head, SignedAt: entry.At, Transactions: signatures,
	}, nil
}

// record decides on the batch and writes it into the record, in one
// transaction. A batch that is in the record gets the entry and head of then.
func (s *Service) record(ctx context.Context, b *batch.Batch, vault hd.Fingerprint, risks Risks) (entry Entry, head string, err error) {
	p, err := newPlan(b)
	if err != nil {
		return entry, "", err
	}
	endorsed, err := Endorse(b)
	if err != nil {
		return entry, "", err
	}
	err = s.Record.Update(ctx, func(tx store.Tx) error {
		seen, c, err := s.inspect(tx, p, endorsed, vault, risks)
		if err != nil {
			return err
		}
		if err := refused(seen.Refusals...); err != nil {
			return err
		}
		if seen.Signed {
			entry, head, _, err = signedBefore(tx, p.digest)
			return err
		}
		entry = Entry{
			Kind: KindSignature, Vault: b.Vault, ChainID: b.ChainID, Batch: b.ID, Digest: p.digest, Items: len(b.Items),
			PolicyHash: s.Policy.Hash, Risks: c.verdict.risks,
		}
		c.now.stamp(&entry)
		head, err = c.last.append(tx, &entry, p.rows(&c.memory, c.verdict.low, entry.At, c.last.sequence+1))
		return err
	})
	return entry, head, err
}

// ready refuses what no look at vault or record could make right.
func (s *Service) ready(ctx context.Context, b *batch.Batch) error {
	if s.Halted != nil {
		if err := s.Halted(ctx); err != nil {
			return err
		}
	}
	if s.Policy == nil {
		return wallet.As(wallet.ErrRefused, "there is no policy, and without one nothing is signed")
	}
	return b.Check()
}

// refusals holds a batch against the clock, the vault and the policy. It is
// pure.
func refusals(b *batch.Batch, vault hd.Fingerprint, p *policy.Policy, known policy.Context) []Refusal {
	var list []Refusal
	if now := known.Now; !now.Before(b.ExpiresAt) {
		list = append(list, Refusal{
			Rule: RuleExpired, Item: -1, Field: "/expires_at", Value: b.ExpiresAt.Format(time.RFC3339),
			Why:  fmt.Sprintf("is over: here it is %s", now.UTC().Format(time.RFC3339)),
			Hint: "check this station's clock; if it is right, discard the batch and build it again",
		})
	}
	if b.Vault != vault.String() {
		list = append(list, Refusal{
			Rule: RuleVault, Item: -1, Field: "/vault", Value: b.Vault,
			Why:  fmt.Sprintf("is another vault: this one is %s", vault),
			Hint: "take the batch to the station that holds its vault",
		})
	}
	for _, v := range p.Evaluate(b, known) {
		list = append(list, Refusal{
			Rule: RulePolicyPrefix + v.Rule, Item: v.Item, Field: v.Field, Value: v.Value, Why: v.Limit,
			Hint: policyWayOut(v.Rule),
		})
	}
	return list
}

// checkAddresses derives every sender again from its path, and every
// recipient that is said to be in the vault, each path once.
func checkAddresses(b *batch.Batch, keys Keys) error {
	type claim struct {
		item    int
		field   string
		path    wallet.Path
		address common.Address
	}
	var claims []claim
	seen := make(map[wallet.Path]common.Address, len(b.Items))
	say := func(item int, field string, path wallet.Path, address common.Address) {
		if have, ok := seen[path]; ok && have == address {
			return
		}
		seen[path] = address
		claims = append(claims, claim{item, field, path, address})
	}
	for i := range b.Items {
		it := &b.Items[i]
		say(i, "from", it.Path, it.From)
		if it.RecipientPath != "" {
			path, err := wallet.ParsePath(it.RecipientPath)
			if err != nil {
				return fmt.Errorf("item %d: %w", i, err) // Check found it readable
			}
			say(i, "intent/recipient", path, it.Intent.Recipient)
		}
	}
	wrong := make([]*Refusal, len(claims))
	err := parallel(len(claims), func(n int) error {
		c := claims[n]
		derived, err := keys.Address(c.path)
		if err != nil {
			return err
		}
		if derived != c.address {
			wrong[n] = &Refusal{
				Rule: RuleAddress, Item: c.item, Field: fmt.Sprintf("/items/%d/%s", c.item, c.field), Value: c.address.Hex(),
				Why:  fmt.Sprintf("is not at %s in this vault, where %s is", c.path, derived),
				Hint: "the watch file of the online station is not this vault's, or the batch was made up: compare the fingerprints",
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var list []Refusal
	for _, r := range wrong {
		if r != nil {
			list = append(list, *r)
		}
	}
	return refused(list...)
}

// signAll signs every rung of every item.
func (s *Service) signAll(ctx context.Context, b *batch.Batch, keys Keys) ([][]wallet.SignedRung, error) {
	all := make([][]wallet.SignedRung, len(b.Items))
	scratch := sync.Pool{New: func() any { return new([]byte) }}
	err := parallel(len(b.Items), func(i int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		buf := scratch.Get().(*[]byte)
		defer scratch.Put(buf)
		it := &b.Items[i]
		all[i] = make([]wallet.SignedRung, 0, it.Signatures())
		for rung := range it.Rungs {
			signed, err := signRung(keys, b.ChainID, it, rung, buf)
			if err != nil {
				return fmt.Errorf("sign item %d: %w", i, err)
			}
			all[i] = append(all[i], signed)
		}
		if cancel := it.CancelItem(b.ChainID); cancel != nil {
			signed, err := signRung(keys, b.ChainID, cancel, 0, buf)
			if err != nil {
				return fmt.Errorf("sign the cancel of item %d: %w", i, err)
			}
			all[i] = append(all[i], signed)
		}
		if s.Step != nil {
			s.Step()
		}
		return nil
	})
	return all, err
}

// parallel calls fn for 0 to n−1 on all processors, in stretches, until one
// call fails.
func parallel(n int, fn func(int) error) error {
	const stretch = 64
	var (
		next atomic.Int64
		g    errgroup.Group
		stop atomic.Bool
	)
	for range min(runtime.GOMAXPROCS(0), n/stretch+1) {
		g.Go(func() error {
			for !stop.Load() {
				from := int(next.Add(stretch)) - stretch
				if from >= n {
					return nil
				}
				for i := from; i < min(from+stretch, n); i++ {
					if err := fn(i); err != nil {
						stop.Store(true)
						return err
					}
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// CheckDigest refuses a batch whose digest is not the one that an operator
// expects. Spaces and case do not count. What is no whole digest is wrong usage.
func CheckDigest(b *batch.Batch, expect string) error {
	digest, err := b.HexDigest()
	if err != nil {
		return err
	}
	want := strings.ToLower(strings.Join(strings.Fields(expect), ""))
	if digest == want {
		return nil
	}
	if raw, err := hex.DecodeString(want); err != nil || len(raw) != sha256.Size {
		return wallet.WithHint(wallet.As(wallet.ErrUsage, "%q is no digest: want all of its %d hex digits", expect, 2*sha256.Size),
			"copy it from the other station's review; who compares only its beginning types that at the terminal")
	}
	return refused(Refusal{
		Rule: RuleDigest, Item: -1, Value: digest,
		Why:  fmt.Sprintf("is the digest of this file, and %q was expected", want),
		Hint: "this is not the batch that was reviewed: find out where it was changed before you sign anything",
	})
}

// ParseRisks reads the names of accepted risks; known are those that the
// command can take.
func ParseRisks(names []string, known ...string) (Risks, error) {
	risks := Risks{}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, wallet.WithHint(wallet.As(wallet.ErrUsage, "--accept-risk=%s: there is no such risk here", name),
				"the risks that can be accepted are %s", strings.Join(known, ", "))
		}
		risks[name] = true
	}
	return risks, nil
}

// IsRefused reports whether an error is a refusal of this package, and gives
// its reasons.
func IsRefused(err error) ([]Refusal, bool) {
	var r *Refused
	if errors.As(err, &r) {
		return r.Refusals, true
	}
	return nil, false
}
