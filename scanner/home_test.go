package scanner_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// A key of ours, with its address as the home knows it.
type ourKey struct {
	wallet.Address

	key *ecdsa.PrivateKey
}

// home is a chain, a store that follows it through a proxy that can lie, and
// keys of ours.
type home struct {
	*testing.T

	net     *chaintest.Simulated
	proxy   *faulty.Proxy
	client  *chain.Client
	db      store.DB
	chain   wallet.Chain
	keys    []ourKey // alice, bob, payout, gas
	late    common.Address
	token   common.Address
	vault   common.Address // a contract of ours, zero if there is none
	wild    common.Address // a token that is registered late or never; zero if there is none
	tame    bool           // it was registered
	settled []wallet.Slot  // were booked
	forked  [2]json.RawMessage

	compare int  // scanner.Options.CompareBlocks
	traced  bool // chain.Options.Trace
}

const (
	alice = iota
	bob
	payout
	gas
)

var clock = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func now() time.Time { return clock }

func newHome(t *testing.T, f wallet.Finality, o chaintest.SimulatedOptions) *home {
	t.Helper()
	net := chaintest.NewSimulated(t, o)
	h := &home{T: t, net: net, proxy: faulty.New(net.URL()), late: common.HexToAddress("0x00000000000000000000000000000000001a7e")}
	t.Cleanup(h.proxy.Close)
	var err error
	h.dial()
	h.token, err = net.Deploy(t.Context(), chaintest.Token, "Gold", "GLD", uint8(6), big.NewInt(1e12))
	h.ok(err)
	h.chain = wallet.Chain{
		ID: net.ChainID(), Coin: wallet.Asset{ID: wallet.Coin(net.ChainID()), Symbol: "ETH", Decimals: 18},
		GenesisHash: h.client.Genesis(), StartBlock: 1, Finality: f, AddedAt: clock,
	}
	h.db, err = bolt.Create(t.Context(), filepath.Join(memory(t), "airlock.db"))
	h.ok(err)
	for i, a := range []wallet.Address{
		{Role: wallet.DepositRole, Account: "alice", Path: wallet.Path{Role: wallet.DepositRole}},
		{Role: wallet.DepositRole, Account: "bob", Path: wallet.Path{Role: wallet.DepositRole, Index: 1}},
		{Role: wallet.PayoutRole, Path: wallet.Path{Role: wallet.PayoutRole}},
		{Role: wallet.GasRole, Path: wallet.Path{Role: wallet.GasRole}},
	} {
		key, err := crypto.ToECDSA(crypto.Keccak256([]byte{byte(i)}))
		h.ok(err)
		a.Address = crypto.PubkeyToAddress(key.PublicKey)
		h.keys = append(h.keys, ourKey{a, key})
	}
	h.update(func(tx store.Tx) error {
		if err := store.PutChain(tx, h.chain); err != nil {
			return err
		}
		for _, k := range h.keys {
			if err := store.AddAddress(tx, k.Address); err != nil {
				return err
			}
		}
		return store.PutToken(tx, wallet.Asset{ID: h.asset(), Symbol: "GLD", Decimals: 6})
	})
	return h
}

// memory is a folder that is kept in memory where the system has such a place,
// so that a store in it waits for no disk.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "airlock")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// newTracedHome is newHome, where the node is asked for traces.
func newTracedHome(t *testing.T, f wallet.Finality, o chaintest.SimulatedOptions) *home {
	t.Helper()
	h := newHome(t, f, o)
	h.traced = true
	h.dial()
	return h
}

// dial connects anew: nothing is remembered of what the node did before.
func (h *home) dial() {
	h.Helper()
	var err error
	h.client, err = chain.Dial(h.Context(), chain.Options{URLs: []string{h.proxy.URL}, Attempts: 1, Backoff: time.Millisecond, Trace: h.traced})
	h.ok(err)
	h.Cleanup(h.client.Close)
}

func (h *home) asset() wallet.AssetID          { return wallet.Token(h.net.ChainID(), h.token) }
func (h *home) coin() wallet.AssetID           { return wallet.Coin(h.net.ChainID()) }
func (h *home) address(who int) common.Address { return h.keys[who].Address.Address }

func (h *home) ok(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *home) view(fn func(store.Tx) error) {
	h.Helper()
	h.ok(h.db.View(context.Background(), fn))
}

func (h *home) update(fn func(store.Tx) error) {
	h.Helper()
	h.ok(h.db.Update(context.Background(), fn))
}

func (h *home) scanner(db store.DB) *scanner.Scanner {
	return scanner.New(db, h.client, h.net.ChainID(), scanner.Options{Now: now, MaxBlocksPerStep: 4, CompareBlocks: h.compare})
}

func (h *home) pass() scanner.Summary {
	h.Helper()
	sum, err := h.scanner(h.db).Pass(h.Context())
	h.ok(err)
	return sum
}

func (h *home) mine(n int) {
	h.Helper()
	h.ok(h.net.Mine(h.Context(), n))
}

func (h *home) fund(to common.Address, wei int64) common.Hash {
	h.Helper()
	tx, err := h.net.Fund(h.Context(), to, big.NewInt(wei))
	h.ok(err)
	return tx
}

func (h *home) pay(to common.Address, units int64) common.Hash {
	h.Helper()
	tx, err := h.net.TransferToken(h.Context(), h.token, to, big.NewInt(units))
	h.ok(err)
	return tx
}

// sign makes a transaction of one of our keys.
func (h *home) sign(who int, nonce uint64, to *common.Address, wei int64, data []byte, gasLimit uint64) (*types.Transaction, error) {
	id := new(big.Int).SetUint64(h.net.ChainID())
	return types.SignNewTx(h.keys[who].key, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID: id, Nonce: nonce, GasTipCap: big.NewInt(1e9), GasFeeCap: big.NewInt(20e9),
		Gas: gasLimit, To: to, Value: big.NewInt(wei), Data: data,
	})
}

// send sends a transaction of one of our keys, which may be refused.
func (h *home) send(who int, to *common.Address, wei int64, data []byte, gasLimit uint64) (common.Hash, error) {
	nonce, err := h.net.Client().PendingNonceAt(context.Background(), h.address(who))
	if err != nil {
		return common.Hash{}, err
	}
	tx, err := h.sign(who, nonce, to, wei, data, gasLimit)
	if err != nil {
		return common.Hash{}, err
	}
	return tx.Hash(), h.net.Client().SendTransaction(context.Background(), tx)
}

func (h *home) call(method string, args ...any) []byte {
	h.Helper()
	data, err := chaintest.Token.Call(method, args...)
	h.ok(err)
	return data
}

func (h *home) deposits() (list []wallet.Deposit) {
	h.Helper()
	h.view(func(tx store.Tx) error {
		return store.Deposits(tx, h.net.ChainID(), "", func(d wallet.Deposit) error {
			list = append(list, d)
			return nil
		})
	})
	return list
}

// events are the types of all events of a subject, in order.
func (h *home) events(subject string) (list []wallet.EventType) {
	h.Helper()
	h.view(func(tx store.Tx) error {
		for seq := uint64(1); ; seq++ {
			e, err := store.EventAt(tx, seq)
			if err != nil { // there are no more
				return nil //nolint:nilerr // see above
			}
			if e.Subject == subject {
				list = append(list, e.Type)
			}
		}
	})
	return list
}

func (h *home) available(account string, asset wallet.AssetID) (a wallet.Amount) {
	h.Helper()
	h.view(func(tx store.Tx) error {
		b, err := store.BalanceOf(tx, account, asset)
		a = b[wallet.Available]
		return err
	})
	return a
}

func (h *home) cursor() (c store.Cursor) {
	h.Helper()
	h.view(func(tx store.Tx) (err error) {
		c, _, err = store.ReadCursor(tx, h.net.ChainID())
		return err
	})
	return c
}

// checkHome compares the store with an independent reading of the canonical
// chain, which must have been scanned to its head.
func (h *home) checkHome() {
	h.Helper()
	want := h.readChain()
	head, err := h.net.Client().HeaderByNumber(context.Background(), nil)
	h.ok(err)
	c := h.cursor()
	if c.Head != head.Number.Uint64() || c.HeadHash != head.Hash() {
		h.Fatalf("cursor at %d %s, head is %d %s", c.Head, c.HeadHash, head.Number, head.Hash())
	}
	credited := map[string]map[wallet.AssetID]wallet.Amount{"alice": {}, "bob": {}, wallet.House: {}}
	inside := map[spot]wallet.Amount{}
	for _, d := range h.deposits() {
		if d.Address == h.late {
			continue // part of it is its opening balance
		}
		events := h.events(d.ID)
		last := map[wallet.DepositStatus]wallet.EventType{
			wallet.DepositPending: wallet.DepositDetectedEvent, wallet.DepositConfirmed: wallet.DepositConfirmedEvent,
			wallet.DepositOrphaned: wallet.DepositOrphanedEvent,
		}[d.Status]
		if len(events) == 0 || events[len(events)-1] != last || events[0] != wallet.DepositDetectedEvent {
			h.Errorf("deposit %s is %s, told was %v", d.ID, d.Status, events)
		}
		w, canonical := want.deposits[d.ID]
		if d.Kind == wallet.KindInternal {
			// Its id depends on what the node told, its sum does not.
			if d.Status == wallet.DepositOrphaned {
				continue
			}
			at := spot{d.BlockHash, d.Address}
			inside[at] = inside[at].Add(d.Amount)
			w, canonical = arrival{d.BlockHash, d.From, d.Address, h.coin(), d.Amount}, want.blocks[d.BlockHash]
		}
		if canonical == (d.Status == wallet.DepositOrphaned) {
			h.Errorf("deposit %s is %s, on chain: %v", d.ID, d.Status, canonical)
		}
		if d.Status == wallet.DepositOrphaned {
			continue
		}
		delete(want.deposits, d.ID)
		if d.BlockHash != w.block || d.Amount.Cmp(w.amount) != 0 || d.Address != w.to || d.From != w.from || d.Asset != w.asset {
			h.Errorf("deposit %+v, on chain %+v", d, w)
		}
		if final := d.BlockNumber <= h.finalEnough(); final != (d.Status == wallet.DepositConfirmed) {
			h.Errorf("deposit %s of block %d is %s, final enough is %d", d.ID, d.BlockNumber, d.Status, h.finalEnough())
		}
		if d.Status == wallet.DepositConfirmed {
			credited[d.Account][d.Asset] = credited[d.Account][d.Asset].Add(d.Amount)
		}
	}
	for id, w := range want.deposits {
		h.Errorf("deposit %s was missed: %+v", id, w)
	}
	for at, have := range inside {
		if _, ok := want.inside[at]; !ok {
			h.Errorf("%s was credited with %s in block %s, where it gained nothing", at.address, have, at.block)
		}
	}
	for at, g := range want.inside {
		// The contract of ours may spend in the block what it gained, and what it
		// paid another address of ours is a deposit where the trace was a lie.
		have := inside[at]
		if at.address != h.vault && have.Cmp(g.outside) != 0 && (g.ours.IsZero() || have.Cmp(g.outside.Add(g.ours)) != 0) {
			h.Errorf("%s was credited with %s in block %s, gained %s from outside and %s from us", at.address, have, at.block, g.outside, g.ours)
		}
	}
	for _, account := range []string{"alice", "bob"} {
		for _, asset := range h.assets() {
			if have := h.available(account, asset); have.Cmp(credited[account][asset]) != 0 {
				h.Errorf("%s has %s of %s, credited was %s", account, have, asset, credited[account][asset])
			}
		}
	}
	h.checkMarks(want)
	h.checkMined(want, c)
	h.checkBalances(head.Hash(), c.Head)
	h.checkLedger()
}

// checkLedger makes sure that the postings of every entry sum to nothing per
// asset, and that balances are the sums of all postings.
func (h *home) checkLedger() {
	h.Helper()
	type account struct {
		owner string
		asset wallet.AssetID
	}
	sums := map[account]wallet.Balance{}
	h.view(func(tx store.Tx) error {
		err := store.Entries(tx, func(e wallet.Entry) error {
			left := map[wallet.AssetID]wallet.Amount{}
			for _, p := range e.Postings {
				left[p.Asset] = left[p.Asset].Add(p.Amount)
				b := sums[account{p.Owner, p.Asset}]
				if b == nil {
					b = wallet.Balance{}
				}
				b[p.Book] = b[p.Book].Add(p.Amount)
				sums[account{p.Owner, p.Asset}] = b
			}
			for asset, rest := range left {
				if !rest.IsZero() {
					h.Errorf("entry %s makes %s of %s", e.ID, rest, asset)
				}
			}
			return nil
		})
		h.ok(err)
		for a, want := range sums {
			have, err := store.BalanceOf(tx, a.owner, a.asset)
			h.ok(err)
			for book := range want {
				if have[book].Cmp(want[book]) != 0 {
					h.Errorf("%s has %s of %s in book %v, its postings sum to %s", a.owner, have[book], a.asset, book, want[book])
				}
			}
		}
		return nil
	})
}

// assets are the coin and the registered tokens.
func (h *home) assets() []wallet.AssetID {
	list := []wallet.AssetID{h.coin(), h.asset()}
	if h.tame {
		list = append(list, h.wildAsset())
	}
	return list
}

// checkMarks makes sure that each block which holds transfers of a token that
// is not registered is marked, and no other one.
func (h *home) checkMarks(want reading) {
	h.Helper()
	for _, u := range h.marks() {
		if have := (mark{u.Contract, u.BlockHash}); want.marks[have] != u.Logs {
			h.Errorf("mark %+v, on chain are %d logs", u, want.marks[have])
		} else {
			delete(want.marks, have)
		}
	}
	for m, logs := range want.marks {
		h.Errorf("mark %+v of %d logs is missing", m, logs)
	}
}

func (h *home) checkMined(want reading, c store.Cursor) {
	h.Helper()
	h.view(func(tx store.Tx) error {
		all, err := store.UnsettledMined(tx, h.net.ChainID(), 0, c.Head)
		for _, m := range all {
			if want.mined[m.Slot] != m.TxHash {
				h.Errorf("mined at %v: %s, on chain %s", m.Slot, m.TxHash, want.mined[m.Slot])
			}
			delete(want.mined, m.Slot)
		}
		for _, slot := range h.settled {
			delete(want.mined, slot)
		}
		for slot, tx := range want.mined {
			h.Errorf("mined at %v was missed: %s", slot, tx)
		}
		return err
	})
}

// checkBalances makes sure that ledger and records explain every wei.
func (h *home) checkBalances(block common.Hash, head uint64) {
	h.Helper()
	h.view(func(tx store.Tx) error {
		moving, err := store.Unbooked(tx, h.net.ChainID(), head)
		h.ok(err)
		places := []common.Address{h.late, h.vault}
		for _, k := range h.keys {
			places = append(places, k.Address.Address)
		}
		coins, err := h.client.BalancesAt(context.Background(), places, block)
		h.ok(err)
		tokens, err := h.client.TokenBalances(context.Background(), h.token, places, block)
		h.ok(err)
		var wild []*big.Int
		if h.tame {
			wild, err = h.client.TokenBalances(context.Background(), h.wild, places, block)
			h.ok(err)
		}
		for i, at := range places {
			if ours, err := store.IsOurs(tx, at); err != nil || !ours {
				continue
			}
			lies := map[wallet.AssetID]*big.Int{h.coin(): coins[i], h.asset(): tokens[i]}
			if h.tame {
				lies[h.wildAsset()] = wild[i]
			}
			for asset, onChain := range lies {
				ledger, err := store.LocationBalance(tx, at, asset)
				h.ok(err)
				have := ledger.Add(moving[store.Place{Address: at, Asset: asset}])
				if have.Cmp(wallet.AmountOf(onChain)) != 0 {
					h.Errorf("%s of %d, %s: books explain %s, on chain lies %s", asset, i-2, at, have, onChain)
				}
			}
		}
		return nil
	})
}

// finalEnough is the last block whose deposits must be credited.
func (h *home) finalEnough() uint64 {
	h.Helper()
	switch h.chain.Finality.Tag {
	case "safe", "finalized":
		tag := map[string]rpc.BlockNumber{"safe": rpc.SafeBlockNumber, "finalized": rpc.FinalizedBlockNumber}[h.chain.Finality.Tag]
		header, err := h.net.Client().HeaderByNumber(context.Background(), big.NewInt(tag.Int64()))
		h.ok(err)
		return header.Number.Uint64()
	}
	return h.cursor().Head + 1 - h.chain.Finality.Confirmations
}

// addLate makes an address ours that may have received something before.
func (h *home) addLate() {
	h.Helper()
	h.update(func(tx store.Tx) error {
		if err := store.AddAddress(tx, wallet.Address{Address: h.late, Role: wallet.TreasuryRole, Path: wallet.Path{Role: wallet.TreasuryRole}}); err != nil {
			return err
		}
		for _, asset := range h.assets() {
			if err := store.MarkUnopened(tx, h.late, asset); err != nil {
				return err
			}
		}
		return nil
	})
}

// reading is what a straightforward reader makes of the canonical chain.
type reading struct {
	deposits map[string]arrival // but those inside contracts
	inside   map[spot]gain
	blocks   map[common.Hash]bool
	mined    map[wallet.Slot]common.Hash
	marks    map[mark]uint64 // logs of a token that is not registered
}

type mark struct {
	contract common.Address
	block    common.Hash
}

// spot is an address in a block.
type spot struct {
	block   common.Hash
	address common.Address
}

// gain is coin that calls inside transactions moved to an address.
type gain struct{ outside, ours wallet.Amount }

type arrival struct {
	block    common.Hash
	from, to common.Address
	asset    wallet.AssetID
	amount   wallet.Amount
}

func (h *home) readChain() reading {
	h.Helper()
	ctx := context.Background()
	r := reading{map[string]arrival{}, map[spot]gain{}, map[common.Hash]bool{}, map[wallet.Slot]common.Hash{}, map[mark]uint64{}}
	ours := map[common.Address]bool{}
	if h.vault != (common.Address{}) {
		ours[h.vault] = true
	}
	for _, k := range h.keys {
		ours[k.Address.Address] = true
	}
	head, err := h.net.Client().BlockNumber(ctx)
	h.ok(err)
	topic := crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))
	for n := h.chain.StartBlock; n <= head; n++ {
		block, err := h.net.Client().BlockByNumber(ctx, new(big.Int).SetUint64(n))
		h.ok(err)
		r.blocks[block.Hash()] = true
		h.readCalls(block, ours, r.inside)
		tips := new(big.Int)
		for _, tx := range block.Transactions() {
			receipt, err := h.net.Client().TransactionReceipt(ctx, tx.Hash())
			h.ok(err)
			tip := new(big.Int).Sub(receipt.EffectiveGasPrice, block.BaseFee())
			tips.Add(tips, tip.Mul(tip, new(big.Int).SetUint64(receipt.GasUsed)))
			from, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx)
			h.ok(err)
			if ours[from] {
				r.mined[wallet.Slot{ChainID: h.net.ChainID(), Sender: from, Nonce: tx.Nonce()}] = tx.Hash()
			}
			if receipt.Status == 0 {
				continue
			}
			if to := tx.To(); to != nil && ours[*to] && !ours[from] && tx.Value().Sign() > 0 {
				id := wallet.DepositID(h.net.ChainID(), tx.Hash(), wallet.KindNative, 0)
				r.deposits[id] = arrival{block.Hash(), from, *to, h.coin(), wallet.AmountOf(tx.Value())}
			}
			for i, l := range receipt.Logs {
				if l.Address != h.token && l.Address != h.wild || l.Topics[0] != topic || new(big.Int).SetBytes(l.Data).Sign() == 0 {
					continue
				}
				src, dst := common.BytesToAddress(l.Topics[1][:]), common.BytesToAddress(l.Topics[2][:])
				if l.Address == h.wild && !h.tame {
					if ours[src] || ours[dst] {
						r.marks[mark{h.wild, block.Hash()}]++
					}
					continue
				}
				if ours[dst] && !ours[src] {
					id := wallet.DepositID(h.net.ChainID(), tx.Hash(), wallet.KindToken, uint64(i))
					r.deposits[id] = arrival{block.Hash(), src, dst, wallet.Token(h.net.ChainID(), l.Address), wallet.AmountOf(new(big.Int).SetBytes(l.Data))}
				}
			}
		}
		if to := block.Coinbase(); ours[to] && tips.Sign() > 0 {
			id := wallet.RewardID(h.net.ChainID(), block.Hash())
			r.deposits[id] = arrival{block.Hash(), common.Address{}, to, h.coin(), wallet.AmountOf(tips)}
		}
		for _, w := range block.Withdrawals() {
			if ours[w.Address] && w.Amount > 0 {
				id := wallet.DepositID(h.net.ChainID(), common.Hash{}, wallet.KindWithdrawal, w.Index)
				r.deposits[id] = arrival{block.Hash(), common.Address{}, w.Address, h.coin(), wallet.NewAmount(1e9).Mul(w.Amount)}
			}
		}
	}
	return r
}

// frame is a call as geth's callTracer tells it.
type frame struct {
	Type, Error string
	From, To    common.Address
	Value       *hexutil.Big
	Calls       []frame
}

// readCalls adds what calls inside the transactions of a block moved to us.
func (h *home) readCalls(block *types.Block, ours map[common.Address]bool, inside map[spot]gain) {
	h.Helper()
	if len(block.Transactions()) == 0 {
		return
	}
	var traces []struct{ Result frame }
	h.ok(h.net.Client().Client().CallContext(context.Background(), &traces, "debug_traceBlockByHash", block.Hash(), map[string]any{"tracer": "callTracer"}))
	var walk func(f frame, root bool)
	walk = func(f frame, root bool) {
		if f.Error != "" {
			return
		}
		for _, call := range f.Calls {
			walk(call, false)
		}
		if root || !ours[f.To] || f.Value == nil || f.Value.ToInt().Sign() == 0 || f.Type == "DELEGATECALL" || f.Type == "CALLCODE" || f.From == f.To {
			return
		}
		g := inside[spot{block.Hash(), f.To}]
		if ours[f.From] {
			g.ours = g.ours.Add(wallet.AmountOf(f.Value.ToInt()))
		} else {
			g.outside = g.outside.Add(wallet.AmountOf(f.Value.ToInt()))
		}
		inside[spot{block.Hash(), f.To}] = g
	}
	for _, t := range traces {
		walk(t.Result, true)
	}
}
