package reconcile

import (
	"context"
	"errors"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// glance is a status in the making.
type glance struct {
	Status
	needs     map[wallet.AssetID]wallet.Amount // of withdrawals that are not mined
	payments  uint64                           // how many those are
	tokenPays uint64                           // and of them, in tokens
	assets    map[wallet.AssetID]wallet.Asset  // of needs, and the coin
	holders   map[wallet.Role][]wallet.Address // that pay, by index
	balances  map[store.Place]wallet.Amount    // of the holders: by the ledger, then by the chain
	gaps      []outgoing.Gap
	refused   int
}

// readStore reads what the home itself knows.
func (g *glance) readStore(tx store.Tx) error {
	chain, err := store.Chain(tx, g.ChainID)
	if err != nil {
		return err
	}
	g.Name, g.assets[chain.Coin.ID] = chain.Name, chain.Coin
	if h, halted, err := store.Halted(tx); err != nil {
		return err
	} else if halted {
		g.Halted = &h
	}
	cursor, scanned, err := store.ReadCursor(tx, g.ChainID)
	if err != nil {
		return err
	}
	if scanned {
		g.Scan = &ScanStatus{cursor.Head, cursor.Credited, cursor.Final}
		mined, err := store.UnsettledMined(tx, g.ChainID, 0, cursor.Final)
		if err != nil {
			return err
		}
		g.Unsettled = len(mined)
	}
	alarms, err := store.Alarms(tx, g.ChainID)
	if err != nil {
		return err
	}
	g.Alarms = append(g.Alarms, alarms...)
	vanished, err := store.AllVanished(tx, g.ChainID)
	if err != nil {
		return err
	}
	g.Vanished = len(vanished)
	for _, read := range []func(store.Tx) error{g.readCounts, g.readWithdrawals, g.readOutgoing, g.readHolders, g.readOutbox} {
		if err := read(tx); err != nil {
			return err
		}
	}
	return nil
}

func (g *glance) readCounts(tx store.Tx) (err error) {
	for _, role := range wallet.AddressRoles() {
		n, err := store.CountAddresses(tx, role)
		if err != nil {
			return err
		}
		if n > 0 || role != wallet.ExternalRole {
			g.Addresses[role.String()] = n
		}
	}
	if g.Unopened, err = store.CountUnopened(tx, g.ChainID, CountLimit); err != nil {
		return err
	}
	if g.Deposits.Pending, err = store.CountPendingDeposits(tx, g.ChainID, CountLimit); err != nil {
		return err
	}
	if g.Quarantine.Tokens, err = store.CountUnknownContracts(tx, g.ChainID, CountLimit); err != nil {
		return err
	}
	if g.Quarantine.Coins, err = store.CountUnprovenCoins(tx, g.ChainID, CountLimit); err != nil {
		return err
	}
	due, err := store.TokensDue(tx, g.ChainID)
	if err != nil {
		return err
	}
	g.Quarantine.Due = len(due)
	doubts, err := store.Unexplained(tx, g.ChainID)
	if err != nil {
		return err
	}
	g.Unexplained = len(doubts)
	if g.gaps, err = outgoing.Gaps(tx, g.ChainID, nil); err != nil {
		return err
	}
	missing, err := outgoing.Missing(tx, g.ChainID, g.Time)
	if err != nil {
		return err
	}
	for _, d := range missing {
		if d.Unheard {
			g.Missing++
		}
	}
	g.Frozen, err = store.CountFrozen(tx, CountLimit)
	return err
}

// readWithdrawals counts the open withdrawals and sums what is still to be paid.
func (g *glance) readWithdrawals(tx store.Tx) error {
	for _, status := range []wallet.WithdrawalStatus{
		wallet.WithdrawalRequested, wallet.WithdrawalApproved, wallet.WithdrawalBuilt,
		wallet.WithdrawalSigned, wallet.WithdrawalBroadcast,
	} {
		n := 0
		if err := store.Withdrawals(tx, g.ChainID, status, func(w wallet.Withdrawal) error {
			g.needs[w.Asset] = g.needs[w.Asset].Add(w.Amount)
			g.payments++
			if !w.Asset.IsCoin() {
				g.tokenPays++
			}
			if n++; n == CountLimit {
				return store.Stop
			}
			return nil
		}); err != nil {
			return err
		}
		g.Withdrawals[status] = n
	}
	mined, err := store.CountWithdrawals(tx, g.ChainID, wallet.WithdrawalMined, CountLimit)
	g.Withdrawals[wallet.WithdrawalMined] = mined
	return err
}

// readOutgoing counts the transactions on their way. Their batches are the open
// ones: no list of old batches is read.
func (g *glance) readOutgoing(tx store.Tx) error {
	open := map[string]int{}
	n := 0
	if err := store.OpenOutgoing(tx, g.ChainID, func(o wallet.Outgoing) error {
		g.Outgoing[o.State]++
		if o.State != wallet.OutgoingMined && !o.Last().Discarded {
			open[o.Last().Batch]++
			if o.Answer != "" && o.State == wallet.OutgoingOffered {
				g.refused++
			}
		}
		if n++; n == CountLimit {
			return store.Stop
		}
		return nil
	}); err != nil {
		return err
	}
	for id, n := range open {
		b, ok, err := store.Batch(tx, id)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		g.Batches = append(g.Batches, OpenBatch{
			ID: b.ID, Kind: b.Kind, Status: b.Status, Items: b.Items, Open: n, ExpiresAt: b.ExpiresAt,
			Expired: b.Status == wallet.BatchBuilt && !g.Time.Before(b.ExpiresAt),
		})
	}
	slices.SortFunc(g.Batches, func(a, b OpenBatch) int {
		if c := a.ExpiresAt.Compare(b.ExpiresAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return nil
}

// readHolders reads the addresses that pay and what the ledger has on them.
func (g *glance) readHolders(tx store.Tx) error {
	for id := range g.needs {
		asset, err := store.Asset(tx, id)
		if err != nil {
			return err
		}
		g.assets[id] = asset
	}
	for _, role := range []wallet.Role{wallet.PayoutRole, wallet.GasRole, wallet.FloatRole} {
		if err := store.EachAddress(tx, role, 0, func(a wallet.Address) error {
			g.holders[role] = append(g.holders[role], a)
			for id := range g.assets {
				at := store.Place{Address: a.Address, Asset: id}
				have, err := store.LocationBalance(tx, a.Address, id)
				if err != nil {
					return err
				}
				g.balances[at] = have
			}
			if role != wallet.PayoutRole { // of which alone several pay
				return store.Stop
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func (g *glance) readOutbox(tx store.Tx) error {
	endpoints, err := store.Endpoints(tx)
	if err != nil {
		return err
	}
	for _, ep := range endpoints {
		for _, status := range []wallet.DeliveryStatus{wallet.DeliveryPending, wallet.DeliveryDead} {
			n, err := store.CountDeliveries(tx, ep.ID, status)
			if err != nil {
				return err
			}
			g.Outbox[status] += n
		}
	}
	return nil
}

// readChain asks a node for its head, its fees and the funds. It changes nothing
// unless all of it was answered.
func (g *glance) readChain(ctx context.Context, chain StatusChain) error {
	head, err := chain.HeaderByNumber(ctx, nil)
	if err != nil {
		return err
	}
	tip, err := chain.SuggestGasTipCap(ctx)
	if err != nil {
		return err
	}
	now := ChainStatus{
		Head: head.Number.Uint64(), HeadTime: time.Unix(int64(head.Time), 0).UTC(),
		BaseFee: wallet.AmountOf(head.BaseFee), Tip: wallet.AmountOf(tip),
	}
	if g.Scan != nil && g.Scan.Head < now.Head {
		now.Lag = now.Head - g.Scan.Head
		last, err := chain.HeaderByNumber(ctx, new(big.Int).SetUint64(g.Scan.Head))
		if err != nil {
			return err
		}
		now.Behind = int64(head.Time) - int64(last.Time)
	}
	var accounts []common.Address
	for _, list := range g.holders {
		for _, a := range list {
			accounts = append(accounts, a.Address)
		}
	}
	balances := map[store.Place]wallet.Amount{}
	for id := range g.assets {
		var have []*big.Int
		if id.IsCoin() {
			have, err = chain.BalancesAt(ctx, accounts, head.Hash())
		} else {
			have, err = chain.TokenBalances(ctx, id.Contract, accounts, head.Hash())
		}
		if err != nil && (id.IsCoin() || errors.Is(err, wallet.ErrUnreachable)) {
			return err
		}
		for i, a := range accounts {
			if err != nil { // a token that answers with nonsense
				balances[store.Place{Address: a, Asset: id}] = g.balances[store.Place{Address: a, Asset: id}]
				continue
			}
			balances[store.Place{Address: a, Asset: id}] = wallet.AmountOf(have[i])
		}
	}
	g.Chain, g.balances = now, balances
	return nil
}
