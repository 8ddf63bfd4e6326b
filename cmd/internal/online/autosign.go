package online

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/airlock-wallet/airlock/cmd/internal/station"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/payout"
)

const (
	// signEvery is the pause between two rounds of signing, and signRest that
	// after one in which nothing fitted that is approved.
	signEvery = 5 * time.Second
	signRest  = 30 * time.Second
	// signMax is how many withdrawals a batch holds that is signed unattended,
	// and signExpiry how long it may be signed: it is, at once or never.
	signMax    = 100
	signExpiry = time.Hour
)

// signSum is what was signed unattended.
type signSum struct {
	Batches  int `json:"batches"`
	Signed   int `json:"signed"`   // transactions
	Accepted int `json:"accepted"` // by a node, when they were first offered
}

// autoSigner pays small withdrawals from the float. A round may be killed at any
// instant: what it wrote is where the next one goes on, in whatever process.
type autoSigner struct {
	s      *Station
	p      *payout.Service
	vault  floatVault
	dial   func(context.Context) (floatNode, error)
	told   string // the trouble that was told last
	behind bool   // something approved did not fit in the last round
	sum    signSum
}

// floatVault decides and signs, as *station.Unattended does.
type floatVault interface {
	KeepAwake(ctx context.Context) error
	Fit(ctx context.Context, draft *batch.Batch) ([][]signer.Refusal, error)
	Sign(ctx context.Context, b *batch.Batch) (*batch.Signed, error)
}

// floatNode is what building and sending ask of a chain.
type floatNode interface {
	payout.Node
	payout.Sender
}

// openFloat opens the vault of the float.
func (s *Station) openFloat(ctx context.Context, passphraseFile, date string) (*station.Unattended, error) {
	w, err := s.Book().Float(ctx)
	if err != nil {
		return nil, err
	}
	if w == nil {
		return nil, wallet.WithHint(wallet.As(wallet.ErrNotFound, "this home has no float to sign for"), "docs/operations.md tells how to set one up")
	}
	float := &station.Station{Env: s.Env, Halted: s.checkHalt}
	return float.Unattended(ctx, w.Fingerprint(), passphraseFile, date)
}

// followSign signs until it is interrupted. Nothing that goes wrong ends it: it
// is told once, and tried again.
func followSign(ctx context.Context, s *Station, o *offering, vault floatVault) (signSum, error) {
	a := &autoSigner{s: s, vault: vault}
	if err := patiently(ctx, s, func() (err error) {
		a.p, err = s.offering(ctx, o)
		return err
	}); err != nil {
		return a.sum, unlessEnded(ctx, err)
	}
	node := sender{s: s}
	defer node.close()
	a.dial = func(ctx context.Context) (floatNode, error) {
		_, err := node.dial(ctx)
		return node.client, err
	}
	for ctx.Err() == nil {
		err := a.round(ctx)
		pause := signEvery
		if err != nil || a.behind {
			pause = signRest
		}
		if ctx.Err() == nil {
			a.tell(err)
		}
		sleep(ctx, pause)
	}
	return a.sum, nil
}

// tell says what is wrong, when it is something else than before.
func (a *autoSigner) tell(err error) {
	text := ""
	if err != nil {
		if text = err.Error(); wallet.Hint(err) != "" {
			text += "\n" + wallet.Hint(err)
		}
	}
	if text != "" && text != a.told {
		a.s.Note("%s; trying again", text)
	}
	a.told = text
}

// round signs what is built, then builds and signs what is approved and fits.
// Nothing is built behind a batch that is not signed: its nonces come first.
func (a *autoSigner) round(ctx context.Context) error {
	a.behind = false
	if err := a.vault.KeepAwake(ctx); err != nil {
		return err
	}
	open, err := a.p.Unsigned(ctx)
	if err != nil {
		return err
	}
	for _, rec := range open {
		if !a.s.Now().Before(rec.ExpiresAt) {
			// It cannot be signed any more; its payments keep their nonces.
			if _, err := a.p.Discard(ctx, rec.ID); err != nil {
				return err
			}
			continue
		}
		b, err := batch.Parse(rec.File)
		if err != nil {
			return fmt.Errorf("batch %s in the store: %w", rec.ID, err)
		}
		if err := a.sign(ctx, b); err != nil {
			return fmt.Errorf("batch %s of the float: %w", rec.ID, err)
		}
	}
	any, err := a.p.Approved(ctx)
	if err != nil || !any {
		return err
	}
	node, err := a.dial(ctx)
	if err != nil {
		return err
	}
	built, err := a.p.Build(ctx, node, payout.BuildOptions{
		Max: signMax, Expiry: signExpiry, Float: payout.Float{Use: true, Fit: a.fit},
	})
	a.behind = len(built.LeftOut) > 0
	if errors.Is(err, payout.ErrNothing) {
		return nil
	}
	if err != nil {
		return err
	}
	return a.sign(ctx, built.Batch)
}

// sign signs a batch, takes the signatures in and offers them.
func (a *autoSigner) sign(ctx context.Context, b *batch.Batch) error {
	signed, err := a.vault.Sign(ctx, b)
	if err != nil {
		return err
	}
	file, err := signed.Encode()
	if err != nil {
		return err
	}
	rec, err := a.p.TakeIn(ctx, file)
	if err != nil {
		return err
	}
	a.sum.Batches++
	a.sum.Signed += len(b.Items)
	a.s.Note("signed batch %s of the float: %s", rec.ID, totalsLine(b))
	node, err := a.dial(ctx)
	if err != nil {
		return err // confirm offers it
	}
	sent, err := a.p.Offer(ctx, node, rec.ID)
	a.sum.Accepted += sent.Accepted + sent.AlreadyKnown
	for _, r := range sent.Refusals {
		a.s.Note("refused %s %s (nonce %d): %s", r.Kind, r.ID, r.Nonce, r.Reason)
	}
	return err
}

// totalsLine says what a batch pays in all.
func totalsLine(b *batch.Batch) string {
	var parts []string
	for _, t := range batch.Summarize(b).Totals {
		parts = append(parts, fmt.Sprintf("%s %s in %s", t.Amount.Decimal(t.Asset.Decimals), t.Asset.Symbol, plural(t.Items, string(t.Kind), string(t.Kind)+"s")))
	}
	return strings.Join(parts, ", ")
}

// fit says in words why items of a draft are not for the float.
func (a *autoSigner) fit(ctx context.Context, draft *batch.Batch) ([]string, error) {
	refusals, err := a.vault.Fit(ctx, draft)
	if err != nil {
		return nil, err
	}
	why := make([]string, len(refusals))
	for i, list := range refusals {
		for _, r := range list {
			// What waits for the next batch alone is told last.
			if why[i] == "" || why[i] == waitsForNext {
				why[i] = floatReason(r.Rule)
			}
		}
	}
	return why, nil
}

// waitsForNext is why a withdrawal is not in a batch that is full.
const waitsForNext = "waits for the next batch of the float"

// floatReason says why a withdrawal is not paid from the float. It says the same
// for as long as the reason is the same, so that nothing is written anew.
func floatReason(rule string) string {
	why := ""
	switch rule = strings.TrimPrefix(rule, signer.RulePolicyPrefix); rule {
	case "max_items", "max_per_batch", "max_fee_per_batch":
		return waitsForNext
	case "max_per_transaction":
		why = "above the float's limit of one withdrawal"
	case "max_per_recipient":
		why = "above the float's limit of one recipient and day"
	case "max_per_day":
		why = "above the float's limit of the day"
	case "max_per_week":
		why = "above the float's limit of the week"
	case "recipients", "recipients_delay", "blocked":
		why = "to a recipient whom the float does not pay"
	case "asset", "chain", "contract", "symbol", "decimals":
		why = "of an asset that the float does not pay"
	default:
		why = "not for the float, by its rule " + rule
	}
	return why + payout.WaitsForCold
}
