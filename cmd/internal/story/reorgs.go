package story

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
)

// What the business is told of one deposit that leaves the chain twice: while it
// is pending, and when it is credited and spent.
var leavesTwice = []string{
	"deposit.detected", "deposit.orphaned",
	"deposit.detected", "deposit.confirmed", "deposit.orphaned",
	"deposit.detected", "deposit.confirmed",
}

// toldBy is how much of leavesTwice has been told by each chapter.
const (
	toldFirst   = 1
	toldLost    = 2
	toldCredit  = 4
	toldTaken   = 5
	toldRestore = 7
)

// reorgs is what the chapters share: deposits of every kind that transactions
// make, and where the chain stood before them.
type reorgs struct {
	*teller
	base uint64 // the head before the deposits
	sent []common.Hash
	ids  []string
	at   map[string]common.Hash // the block of each deposit, when it was last seen
	txs  []*types.Transaction
}

// Reorgs tells of deposits whose blocks leave the chain: before they are
// credited, and afterwards. The network must call none of them final for the
// first 30 blocks.
func Reorgs(ctx context.Context, o Options) error {
	return tell(ctx, o, 8, func(t *teller) []chapter {
		r := &reorgs{teller: t, at: map[string]common.Hash{}}
		return []chapter{
			{"A vault is made where there is no network", t.makeVault},
			{"The online station learns addresses, not keys", t.openHome},
			{"Deposits arrive: plain, of a token, and inside a call", r.arrive},
			{"Their blocks leave the chain", r.lose},
			{"The same transactions are mined again, and credited", r.credit},
			{"The blocks leave again, when the deposits are credited and spent", r.takeBack},
			{"The same transactions are mined a third time", r.restore},
		}
	})
}

func (r *reorgs) arrive() (err error) {
	if r.base, err = r.Network.Client().BlockNumber(r.ctx); err != nil {
		return err
	}
	for _, send := range []func() (common.Hash, error){
		func() (common.Hash, error) {
			return r.Network.Fund(r.ctx, r.addresses["alice"], big.NewInt(2e18))
		},
		func() (common.Hash, error) {
			return r.Network.TransferToken(r.ctx, r.token, r.addresses["alice"], big.NewInt(500_000_000))
		},
		func() (common.Hash, error) { return r.split(1, "bob", "dave") },
	} {
		tx, err := send()
		if err != nil {
			return err
		}
		r.sent = append(r.sent, tx)
	}
	for _, hash := range r.sent {
		if err := r.settle(hash, nil); err != nil {
			return err
		}
		tx, _, err := r.Network.Client().TransactionByHash(r.ctx, hash)
		if err != nil {
			return err
		}
		r.txs = append(r.txs, tx)
	}
	if err := r.scan("4 deposits seen, 0 confirmed"); err != nil {
		return err
	}
	rows, err := r.deposits()
	if err != nil {
		return err
	}
	for _, d := range rows {
		r.ids = append(r.ids, d.ID)
	}
	half, tx := "500000000000000000", r.sent[2]
	for _, want := range []deposit{
		{Account: "alice", Amount: "2000000000000000000", Symbol: "ETH", Kind: wallet.KindNative, TxHash: r.sent[0]},
		{Account: "alice", Amount: "500000000", Symbol: "SUSD", Kind: wallet.KindToken, TxHash: r.sent[1]},
		{Account: "bob", Amount: half, Symbol: "ETH", Kind: wallet.KindInternal, TxHash: tx},
		{Account: "dave", Amount: half, Symbol: "ETH", Kind: wallet.KindInternal, TxHash: tx},
	} {
		want.Status = wallet.DepositPending
		if !has(rows, want) {
			return fmt.Errorf("there is no deposit %+v in %+v", want, rows)
		}
	}
	return r.stand(wallet.DepositPending, toldFirst)
}

func (r *reorgs) lose() error {
	if err := r.reorg(); err != nil {
		return err
	}
	if err := r.stand(wallet.DepositOrphaned, toldLost); err != nil {
		return err
	}
	return r.alice("0", "")
}

func (r *reorgs) credit() error {
	if err := r.again(); err != nil {
		return err
	}
	if err := r.stand(wallet.DepositConfirmed, toldCredit); err != nil {
		return err
	}
	return r.alice("2000000000000000000", "")
}

func (r *reorgs) takeBack() error {
	r.say("alice passes most of it on to carol. Then it was never paid.")
	if err := r.online.run(r.ctx, "ledger", "transfer", "alice", "carol", "--asset", "ETH", "--amount", "1.5", "--id", "order-1"); err != nil {
		return err
	}
	if err := r.reorg(); err != nil {
		return err
	}
	if err := r.online.run(r.ctx, "ledger", "balances"); err != nil {
		return err
	}
	if err := r.stand(wallet.DepositOrphaned, toldTaken); err != nil {
		return err
	}
	if err := r.alice("-1500000000000000000", "owes 1500000000000000000"); err != nil {
		return err
	}
	r.say("Who owes gets nothing out, of no asset.")
	return r.online.refuse(r.ctx, 1, "withdraw", "request", "--id", "w-1", "--account", "alice",
		"--asset", "SUSD", "--amount", "1", "--to", someone(1).Hex())
}

func (r *reorgs) restore() error {
	if err := r.again(); err != nil {
		return err
	}
	if err := r.stand(wallet.DepositConfirmed, toldRestore); err != nil {
		return err
	}
	if err := r.alice("500000000000000000", ""); err != nil {
		return err
	}
	if err := r.finalize(); err != nil {
		return err
	}
	for _, args := range [][]string{{"scan"}, {"ledger", "balances"}, {"notify"}, {"reconcile"}} {
		if err := r.online.run(r.ctx, args...); err != nil {
			return err
		}
	}
	if err := r.reconciled(); err != nil {
		return err
	}
	return r.toldExactly(map[string]int{"deposit.detected": 12, "deposit.orphaned": 8, "deposit.confirmed": 8})
}

// reorg replaces all blocks since before the deposits by empty ones.
func (r *reorgs) reorg() error {
	first, err := r.firstBlock()
	if err != nil {
		return err
	}
	// A network that mines on its own can add a block to those that were counted.
	for now := first; now == first; {
		head, err := r.Network.Client().BlockNumber(r.ctx)
		if err != nil {
			return err
		}
		if err := r.Network.Reorg(r.ctx, int(head-r.base)); err != nil { //nolint:gosec // a few blocks
			return err
		}
		if now, err = r.firstBlock(); err != nil {
			return err
		}
	}
	return r.scan("left the chain, 4 deposits orphaned")
}

// firstBlock is the block that follows those from before the deposits.
func (r *reorgs) firstBlock() (common.Hash, error) {
	h, err := r.Network.Client().HeaderByNumber(r.ctx, new(big.Int).SetUint64(r.base+1))
	if err != nil {
		return common.Hash{}, err
	}
	return h.Hash(), nil
}

// again has the transactions mined again, in other blocks, until the deposits
// are credited. Some networks keep what a reorganisation takes out of the chain,
// others lose it, and somebody sends it again.
func (r *reorgs) again() error {
	for _, tx := range r.txs {
		if err := r.Network.Client().SendTransaction(r.ctx, tx); err != nil && !strings.Contains(err.Error(), "already known") {
			return err
		}
	}
	for _, tx := range r.txs {
		if err := r.settle(tx.Hash(), nil); err != nil {
			return err
		}
	}
	if err := r.scan("4 deposits seen, 0 confirmed"); err != nil {
		return err
	}
	if err := r.Network.Mine(r.ctx, r.confirmations-1); err != nil {
		return err
	}
	return r.scan("4 confirmed")
}

// scan scans, which must say so, and tells the business.
func (r *reorgs) scan(says string) error {
	if err := r.online.say(r.ctx, says, "scan"); err != nil {
		return err
	}
	return r.online.run(r.ctx, "notify")
}

// stand checks that there are the deposits of the beginning and no others, with
// this status, in a block that is there now unless they are orphaned, and that
// the business was told so far.
func (r *reorgs) stand(status wallet.DepositStatus, toldOf int) error {
	rows, err := r.deposits()
	if err != nil {
		return err
	}
	if len(rows) != len(r.ids) {
		return fmt.Errorf("%d deposits, want %d: %+v", len(rows), len(r.ids), rows)
	}
	for _, d := range rows {
		if d.Status != status || !slices.Contains(r.ids, d.ID) {
			return fmt.Errorf("deposit %+v, want one of %v, %s", d, r.ids, status)
		}
		if (r.at[d.ID] == d.BlockHash) != (status == wallet.DepositOrphaned) {
			return fmt.Errorf("deposit %s is %s in block %s, and was last seen in %s", d.ID, status, d.BlockHash, r.at[d.ID])
		}
		r.at[d.ID] = d.BlockHash
		have, err := r.hooks.of(d.ID)
		if err != nil {
			return err
		}
		if !slices.Equal(have, leavesTwice[:toldOf]) {
			return fmt.Errorf("of deposit %s was told %v, want %v", d.ID, have, leavesTwice[:toldOf])
		}
	}
	return nil
}

// alice checks what alice has of the coin, and why the account is frozen.
func (r *reorgs) alice(available, frozen string) error {
	var rows []struct{ Symbol, Available, Frozen string }
	if err := r.online.ask(r.ctx, &rows, "ledger", "balances", "--account", "alice"); err != nil {
		return err
	}
	have := "0"
	for _, b := range rows {
		if !strings.HasPrefix(b.Frozen, frozen) || (b.Frozen == "") != (frozen == "") {
			return fmt.Errorf("alice is frozen because: %q, want %q", b.Frozen, frozen)
		}
		if b.Symbol == "ETH" {
			have = b.Available
		}
	}
	if have != available {
		return fmt.Errorf("alice has %s wei, want %s", have, available)
	}
	return nil
}
