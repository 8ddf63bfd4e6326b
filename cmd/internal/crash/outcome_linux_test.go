package crash

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// An outcome is what came of a history, in words that are the same for the same.
type outcome struct {
	mined       []string          // what our addresses sent, as the chain has it
	withdrawals []string          // in the order of payments
	books       []string          // what each owner has
	told        map[string]string // events of each subject, in order
}

// look reads the outcome from the chain, the store and what was told.
func (w *world) look(ctx context.Context) (o outcome, err error) {
	if o.mined, err = w.mined(ctx); err != nil {
		return o, err
	}
	if err := bolt.Open(w.path("online/airlock.db")).View(ctx, func(tx store.Tx) error {
		for _, p := range payments {
			wd, _, err := store.Withdrawal(tx, p.id)
			if err != nil {
				return err
			}
			o.withdrawals = append(o.withdrawals, fmt.Sprintf("%s is %s, nonce %d", p.id, wd.Status, wd.Slot.Nonce))
		}
		return store.Balances(tx, "", func(b store.OwnerBalance) error {
			for _, book := range slices.Sorted(maps.Keys(b.Balance)) {
				o.books = append(o.books, fmt.Sprintf("%s of %q, %s: %s", b.Asset, b.Owner, book, b.Balance[book]))
			}
			return nil
		})
	}); err != nil {
		return o, err
	}
	stories, err := w.hooks.stories()
	o.told = map[string]string{}
	for subject, types := range stories {
		o.told[subject] = strings.Join(types, ", ")
	}
	return o, err
}

// mined are the transactions of our addresses since the stages began.
func (w *world) mined(ctx context.Context) (list []string, err error) {
	head, err := w.chain.Client().BlockNumber(ctx)
	if err != nil {
		return nil, err
	}
	for n := w.base + 1; n <= head; n++ {
		block, err := w.chain.Client().BlockByNumber(ctx, new(big.Int).SetUint64(n))
		if err != nil {
			return nil, err
		}
		for _, tx := range block.Transactions() {
			from, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx)
			if err != nil {
				return nil, err
			}
			if w.ours[from] == "" {
				return nil, fmt.Errorf("somebody else sent %s", tx.Hash())
			}
			list = append(list, fmt.Sprintf("%s, nonce %d: %s wei to %s, data %x", w.ours[from], tx.Nonce(), tx.Value(), tx.To(), tx.Data()))
		}
	}
	slices.Sort(list)
	return list, nil
}

// check holds an outcome against what must be so whatever happened.
func (o outcome) check(w *world) error {
	ctx := w.t.Context()
	var wrong []error
	report := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }

	for _, p := range payments {
		if n := w.paid(o.mined, p); n != 1 {
			report("%s was paid %d times: %s", p.id, n, strings.Join(o.mined, "; "))
		}
		have, err := w.balance(ctx, p)
		if err != nil {
			return err
		}
		if have != p.units {
			report("the recipient of %s has %s base units, want %s", p.id, have, p.units)
		}
		if got := o.told[p.id]; got != "withdrawal.broadcast, withdrawal.confirmed" {
			report("of %s was told: %s", p.id, got)
		}
	}
	for _, line := range o.withdrawals {
		if !strings.Contains(line, " is confirmed,") {
			report("%s", line)
		}
	}
	if err := w.checkNonces(ctx); err != nil {
		report("%w", err)
	}
	if err := w.checkStore(ctx); err != nil {
		report("%w", err)
	}
	if err := w.checkFiles(); err != nil {
		report("%w", err)
	}
	if err := w.checkRecord(ctx); err != nil {
		report("%w", err)
	}
	if _, err := w.must(w.online("reconcile")); err != nil {
		report("%w", err)
	}
	return errors.Join(wrong...)
}

// paid counts the transactions that pay a payment.
func (w *world) paid(mined []string, p payment) (n int) {
	sign := fmt.Sprintf("%s wei to %s, data ", p.units, p.to())
	if p.asset != "ETH" {
		sign = fmt.Sprintf("0 wei to %s, data a9059cbb%064x", w.token, p.to().Big())
	}
	for _, line := range mined {
		if strings.Contains(line, sign) {
			n++
		}
	}
	return n
}

func (w *world) balance(ctx context.Context, p payment) (string, error) {
	if p.asset == "ETH" {
		have, err := w.chain.Client().BalanceAt(ctx, p.to(), nil)
		return fmt.Sprint(have), err
	}
	have, err := w.chain.TokenBalance(ctx, w.token, p.to())
	return fmt.Sprint(have), err
}

// checkNonces looks for transactions that are on their way still, and for nonces
// that the store counts and the chain does not.
func (w *world) checkNonces(ctx context.Context) error {
	if list, err := w.pending(ctx); err != nil || len(list) > 0 {
		return errors.Join(err, fmt.Errorf("%d transactions are in the pool", len(list)))
	}
	return bolt.Open(w.path("online/airlock.db")).View(ctx, func(tx store.Tx) error {
		for address, name := range w.ours {
			next, _, err := store.NextNonce(tx, w.chain.ChainID(), address)
			if err != nil {
				return err
			}
			if count, err := w.chain.Client().NonceAt(ctx, address, nil); err != nil || count != next {
				return errors.Join(err, fmt.Errorf("the next nonce of %s is %d on chain, and %d in the store", name, count, next))
			}
		}
		return store.OpenOutgoing(tx, w.chain.ChainID(), func(out wallet.Outgoing) error {
			return fmt.Errorf("%s %s is %s", out.Intent.Kind, out.Intent.ID, out.State)
		})
	})
}

// checkStore looks into the pages of the store, and whether its postings sum to
// zero and nobody waits to be told.
func (w *world) checkStore(ctx context.Context) error {
	path := w.path("online/airlock.db")
	if err := bolt.Verify(ctx, path); err != nil {
		return err
	}
	return bolt.Open(path).View(ctx, func(tx store.Tx) error {
		sums := map[wallet.AssetID]wallet.Amount{}
		if err := store.Entries(tx, func(e wallet.Entry) error {
			for _, p := range e.Postings {
				sums[p.Asset] = sums[p.Asset].Add(p.Amount)
			}
			return nil
		}); err != nil {
			return err
		}
		if len(sums) != 2 {
			return fmt.Errorf("the ledger knows %d assets, want 2", len(sums))
		}
		for asset, sum := range sums {
			if !sum.IsZero() {
				return fmt.Errorf("the postings of %s sum to %s", asset, sum)
			}
		}
		endpoints, err := store.Endpoints(tx)
		if err != nil {
			return err
		}
		for _, e := range endpoints {
			for _, status := range []wallet.DeliveryStatus{wallet.DeliveryPending, wallet.DeliveryDead} {
				if n, err := store.CountDeliveries(tx, e.ID, status); err != nil || n > 0 {
					return errors.Join(err, fmt.Errorf("%d deliveries are %s", n, status))
				}
			}
		}
		return nil
	})
}

// files are what a history leaves, beside temporary ones of which the programs say
// that they can be deleted.
var files = []string{
	"gap/pay.json", "gap/pay.json.signed", "gap/sweep.json", "gap/sweep.json.signed",
	"online/airlock.db", "online/config.toml",
	"signing/policy.toml", "signing/signer.db", "signing/vault.json",
}

func (w *world) checkFiles() error {
	var have []string
	err := filepath.WalkDir(w.root, func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, w.root+"/")
		base := filepath.Base(name)
		if err != nil || d.IsDir() || strings.HasPrefix(base, ".") && strings.HasSuffix(base, ".tmp") {
			return err
		}
		have = append(have, name)
		info, err := d.Info()
		if err == nil && info.Mode() != 0o600 {
			err = fmt.Errorf("%s has the mode %s", name, info.Mode())
		}
		return err
	})
	if err == nil && !slices.Equal(have, files) {
		err = fmt.Errorf("there are the files %s, want %s", have, files)
	}
	return err
}

// checkRecord reads the signing record, which must have had the heads that the
// signed batches name.
func (w *world) checkRecord(ctx context.Context) error {
	record := bolt.Open(w.path("signing/" + signer.RecordFile))
	for _, file := range []string{"pay.json.signed", "sweep.json.signed"} {
		data, err := os.ReadFile(w.gap(file))
		if err != nil {
			return err
		}
		signed, err := batch.ParseSigned(data)
		if err != nil {
			return err
		}
		v, err := signer.Verify(ctx, record, signed.RecordHead)
		if err != nil {
			return err
		}
		if n := v.Kinds[signer.KindSignature]; n != 2 {
			return fmt.Errorf("the record has %d batches, want 2", n)
		}
	}
	return nil
}

// same holds an outcome against the one that nobody disturbed.
func (o outcome) same(want outcome) error {
	var wrong []error
	compare := func(what string, got, want any) {
		if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
			wrong = append(wrong, fmt.Errorf("%s: %s\nundisturbed it is: %s", what, g, w))
		}
	}
	compare("mined", strings.Join(o.mined, "\n"), strings.Join(want.mined, "\n"))
	compare("withdrawals", o.withdrawals, want.withdrawals)
	compare("books", strings.Join(o.books, "\n"), strings.Join(want.books, "\n"))
	compare("told", o.told, want.told) // maps are printed in order
	return errors.Join(wrong...)
}
