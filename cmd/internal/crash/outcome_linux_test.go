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

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// An outcome is what came of a history, in words that are the same for the same.
type outcome struct {
	mined       []string          // what our addresses sent, as the chain has it
	rungs       []string          // at what fees
	withdrawals map[string]string // by id
	books       []string          // what each owner has
	told        map[string]string // events of each subject, in order
}

// look reads the outcome from the chain, the store and what was told.
func (w *world) look(ctx context.Context) (o outcome, err error) {
	txs, err := w.sent(ctx)
	if err != nil {
		return o, err
	}
	for _, tx := range txs {
		o.mined = append(o.mined, fmt.Sprintf("%s: %s wei to %s, data %x", w.place(tx.slot), tx.Value(), tx.To(), tx.Data()))
	}
	slices.Sort(o.mined)
	o.withdrawals = map[string]string{}
	if err := bolt.Open(w.path("online/airlock.db")).View(ctx, func(tx store.Tx) error {
		for _, p := range payments {
			wd, _, err := store.Withdrawal(tx, p.id)
			if err != nil {
				return err
			}
			o.withdrawals[p.id] = fmt.Sprintf("%s at %s", wd.Status, w.place(*wd.Slot))
		}
		for _, sent := range txs {
			rung, err := recorded(tx, sent)
			if err != nil {
				return err
			}
			o.rungs = append(o.rungs, fmt.Sprintf("%s: %s", w.place(sent.slot), rung))
		}
		slices.Sort(o.rungs)
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

// A sent transaction is one of our addresses that the chain or the pool has.
type sent struct {
	*types.Transaction
	slot wallet.Slot
}

func (w *world) place(s wallet.Slot) string {
	return fmt.Sprintf("%s, nonce %d", w.ours[s.Sender], s.Nonce)
}

// ourOwn takes those of our addresses, which only the faucet sends beside.
func (w *world) ourOwn(txs types.Transactions) (list []sent, err error) {
	for _, tx := range txs {
		from, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx)
		switch {
		case err != nil:
			return nil, err
		case from == w.chain.Faucet().Address:
		case w.ours[from] == "":
			return nil, fmt.Errorf("somebody else sent %s", tx.Hash())
		default:
			list = append(list, sent{tx, wallet.Slot{ChainID: w.chain.ChainID(), Sender: from, Nonce: tx.Nonce()}})
		}
	}
	return list, nil
}

// sent are the transactions of our addresses since the stages began.
func (w *world) sent(ctx context.Context) (list []sent, err error) {
	head, err := w.chain.Client().BlockNumber(ctx)
	if err != nil {
		return nil, err
	}
	for n := w.base + 1; n <= head; n++ {
		block, err := w.chain.Client().BlockByNumber(ctx, new(big.Int).SetUint64(n))
		if err != nil {
			return nil, err
		}
		ours, err := w.ourOwn(block.Transactions())
		if err != nil {
			return nil, err
		}
		list = append(list, ours...)
	}
	return list, nil
}

// checkRecorded holds what nodes have of us, in the pool or mined, against what the
// store says that they were given: at no instant have they more.
func (w *world) checkRecorded(ctx context.Context) error {
	list, err := w.sent(ctx)
	if err != nil {
		return err
	}
	raws, err := w.pending(ctx)
	if err != nil {
		return err
	}
	for _, raw := range raws {
		tx := new(types.Transaction)
		if err := tx.UnmarshalBinary(raw); err != nil {
			return err
		}
		ours, err := w.ourOwn(types.Transactions{tx})
		if err != nil {
			return err
		}
		list = append(list, ours...)
	}
	return bolt.Open(w.path("online/airlock.db")).View(ctx, func(tx store.Tx) error {
		for _, s := range list {
			if _, err := recorded(tx, s); err != nil {
				return err
			}
		}
		return nil
	})
}

// recorded says what a transaction is of all that was signed for its slot, which
// must be something that the store says that nodes were given.
func recorded(tx store.Tx, s sent) (string, error) {
	out, _, err := store.OutgoingAt(tx, s.slot)
	if err != nil {
		return "", err
	}
	for _, a := range out.Attempts {
		for i, hash := range a.Signed {
			switch {
			case hash != s.Hash():
			case i >= a.Offered:
				return "", fmt.Errorf("a node was given rung %d of nonce %d of %s, and the store says that it was given %d", i+1, s.slot.Nonce, s.slot.Sender, a.Offered)
			case a.Cancel:
				return fmt.Sprintf("cancel, rung %d", i+1), nil
			default:
				return fmt.Sprintf("rung %d", i+1), nil
			}
		}
	}
	return "", fmt.Errorf("a node was given %s at nonce %d of %s, which the store does not know", s.Hash(), s.slot.Nonce, s.slot.Sender)
}

// check holds an outcome against what must be so whatever happened.
func (o outcome) check(w *world) error {
	ctx := w.t.Context()
	var wrong []error
	report := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }

	for _, p := range payments {
		times, units, end := 1, p.units, wallet.WithdrawalConfirmed
		if p.canceled && strings.HasPrefix(o.withdrawals[p.id], string(wallet.WithdrawalCanceled)) {
			times, units, end = 0, "0", wallet.WithdrawalCanceled
		}
		if n, err := w.paid(ctx, o.mined, p); err != nil || n != times {
			report("%s was paid %d times: %s: %w", p.id, n, strings.Join(o.mined, "; "), err)
		}
		if have, err := w.balance(ctx, p); err != nil || have != units {
			report("the recipient of %s has %s base units, want %s: %w", p.id, have, units, err)
		}
		if got := o.told[p.id]; got != fmt.Sprintf("withdrawal.broadcast, withdrawal.%s", end) {
			report("of %s was told: %s", p.id, got)
		}
		if got := o.withdrawals[p.id]; !strings.HasPrefix(got, string(end)+" at ") {
			report("%s is %s", p.id, got)
		}
		if released := fmt.Sprintf("%s of %q, %s: %s", wallet.Coin(w.chain.ChainID()), p.account, wallet.Available, p.units); p.canceled && slices.Contains(o.books, released) != (times == 0) {
			report("%s is %s, and of its funds is told: %s", p.id, end, strings.Join(o.books, "; "))
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

// paid counts what pays a payment: transactions of coin, and transfers of a token.
func (w *world) paid(ctx context.Context, mined []string, p payment) (n int, err error) {
	if p.asset != "ETH" {
		logs, err := w.chain.Client().FilterLogs(ctx, ethereum.FilterQuery{
			FromBlock: new(big.Int).SetUint64(w.base + 1), Addresses: []common.Address{w.token},
			Topics: [][]common.Hash{{transfer}, nil, {common.BytesToHash(p.to().Bytes())}},
		})
		return len(logs), err
	}
	for _, line := range mined {
		if strings.Contains(line, fmt.Sprintf("%s wei to %s, data ", p.units, p.to())) {
			n++
		}
	}
	return n, nil
}

var transfer = crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))

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
	"gap/deploy.json", "gap/deploy.json.signed", "gap/pay.json", "gap/pay.json.signed", "gap/sweep.json", "gap/sweep.json.signed",
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
	for _, file := range []string{"deploy.json.signed", "pay.json.signed", "sweep.json.signed"} {
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
		if n := v.Kinds[signer.KindSignature]; n != 3 {
			return fmt.Errorf("the record has %d batches, want 3", n)
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
	compare("rungs", strings.Join(o.rungs, "\n"), strings.Join(want.rungs, "\n"))
	compare("withdrawals", o.withdrawals, want.withdrawals)
	compare("books", strings.Join(o.books, "\n"), strings.Join(want.books, "\n"))
	compare("told", o.told, want.told) // maps are printed in order
	return errors.Join(wrong...)
}

// loosely is what an outcome has in common with those in which a block came in
// between: that costs other gas, which reconcile knows, and may hold what would have
// climbed, or a payment that would have been canceled.
func (o outcome) loosely() outcome {
	o.books, o.rungs = nil, nil
	o.withdrawals, o.told = maps.Clone(o.withdrawals), maps.Clone(o.told)
	for _, p := range payments {
		if !p.canceled {
			continue
		}
		_, place, _ := strings.Cut(o.withdrawals[p.id], " at ")
		o.mined = slices.DeleteFunc(slices.Clone(o.mined), func(line string) bool { return strings.HasPrefix(line, place+":") })
		o.withdrawals[p.id], o.told[p.id] = place, ""
	}
	return o
}
