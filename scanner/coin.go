package scanner

import (
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/multipay"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Coin is what a block did to the coin of our addresses and does not show in
// its own bytes: what calls inside transactions moved, as a node's trace has
// it, and what the fee recipient earned. The change of each address's balance
// proves the sum; a trace that adds up to it is believed for the rest.
type Coin struct {
	Claims []Claim
	Moved  []Moved

	number       uint64
	hash, parent common.Hash
	seen         time.Time
	unread       map[common.Hash]bool // transactions of unknown type
}

// Claim is one address of ours in a block.
type Claim struct {
	Address common.Address
	Account string
	// Shown is the change that the block's bytes show: transactions, their gas,
	// and validator withdrawals. It may be negative, as may Change.
	Shown wallet.Amount
	// Tips is what the transactions paid the fee recipient, if the chain gives
	// it to that address. Only Ethereum's rules promise it.
	Tips wallet.Amount
	// In and Out are what the trace says; FromOutside is the part of In that
	// came from addresses that are not ours.
	In, Out, FromOutside wallet.Amount
	// Traced is set where a trace should have had all that is not shown.
	Traced bool

	// Change is the difference between the address's balances before and after
	// the block. It counts if Proven is set; else Why says why not.
	Change wallet.Amount
	Proven bool
	Why    string
}

// hidden is the part of the proven change that the block's bytes do not show.
func (c *Claim) hidden() wallet.Amount { return c.Change.Sub(c.Shown) }

// adds reports whether the trace adds up to the proven change, and whether that
// has the tips in it.
func (c *Claim) adds() (up, tipped bool) {
	traced := c.In.Sub(c.Out)
	if c.hidden().Cmp(traced.Add(c.Tips)) == 0 {
		return true, c.Tips.Sign() > 0
	}
	return c.hidden().Cmp(traced) == 0, false
}

// fits reports whether the trace may be believed. Where an address both gained
// and spent by its word, only the difference is proven: a gain that was
// invented together with a spending would be credited.
func (c *Claim) fits() bool {
	up, tipped := c.adds()
	gains := c.FromOutside.Sign() > 0 || tipped
	return c.Proven && up && (!gains || c.Out.IsZero())
}

// Moved is coin that a call moved from or to an address of ours, by the trace.
type Moved struct {
	wallet.Transfer

	TxHash common.Hash
	// Mined is the place in Facts.Mined of the transaction of ours in which it
	// happened, -1 if that is somebody else's.
	Mined int
	// Value is set for the value of a transaction itself, of a type that is not
	// known here.
	Value bool
}

// deposit is what the move is recorded as if it came from outside.
func (m *Moved) deposit(chainID uint64) (id string, kind wallet.DepositKind) {
	if m.Value { // so that it is the same deposit once its type is known
		return wallet.DepositID(chainID, m.TxHash, wallet.KindNative, 0), wallet.KindNative
	}
	return m.DepositID(m.TxHash), wallet.KindInternal
}

// stored is what the store already has of a block's coin.
type stored struct {
	// sums are deposits less outflows that the block's bytes do not show, by
	// address; one of which nothing is recorded is not in it.
	sums map[common.Address]wallet.Amount
	// taken tells of each move whether there is a record by its name.
	taken []bool
	// mined tells of which transactions of ours there is a record, which is not
	// changed.
	mined []bool
}

// coin collects the claims of the block, once its other facts are known.
func (x *extraction) coin() *Coin {
	b := x.block
	c := &Coin{number: b.Number(), hash: b.Hash, parent: b.Header.ParentHash, seen: x.seen, unread: map[common.Hash]bool{}}
	index := map[common.Address]int{}
	claim := func(a common.Address) *Claim {
		if i, ok := index[a]; ok {
			return &c.Claims[i]
		}
		account, ours := x.known.Ours(a)
		if !ours {
			return nil
		}
		index[a] = len(c.Claims)
		c.Claims = append(c.Claims, Claim{Address: a, Account: account})
		return &c.Claims[index[a]]
	}
	mined := map[common.Hash]int{}
	for i := range x.Mined {
		mined[x.Mined[i].TxHash] = i
	}
	for i := range b.Txs {
		if t := &b.Txs[i]; x.isUnread(t) {
			c.unread[t.Hash] = true
		}
	}
	returned := x.returned()
	seen := map[string]bool{} // two moves at one place would be one deposit
	for i := range b.Moves {
		m := &b.Moves[i]
		if m.Tx < 0 || m.Tx >= len(b.Txs) || m.Value == nil || m.Value.Sign() <= 0 || m.From == m.To || !isPath(m.Path) {
			continue
		}
		if _, ours := x.known.Ours(m.From); !ours {
			if _, ours = x.known.Ours(m.To); !ours {
				continue
			}
		}
		t, amount := &b.Txs[m.Tx], wallet.AmountOf(m.Value)
		value := m.Path == rootPath
		if value && !c.unread[t.Hash] {
			continue // read from the transaction itself
		}
		if back, ok := returned[t.Hash]; ok && m.From == multipay.Address() && m.To == back.sender && amount.Cmp(back.amount) == 0 {
			delete(returned, t.Hash)
			continue // it never left, by the contract's own word
		}
		place := t.Hash.Hex() + m.Path
		if seen[place] {
			continue
		}
		seen[place] = true
		from := claim(m.From)
		if from != nil {
			from.Out, from.Traced = from.Out.Add(amount), true
		}
		to := claim(m.To)
		if to != nil {
			to.In, to.Traced = to.In.Add(amount), true
			if from == nil {
				to.FromOutside = to.FromOutside.Add(amount)
			}
		}
		moved := Moved{
			Transfer: wallet.Transfer{Asset: wallet.Coin(x.chain), From: m.From, To: m.To, Amount: amount, Path: m.Path},
			TxHash:   t.Hash, Mined: -1, Value: value,
		}
		if n, own := mined[t.Hash]; own {
			moved.Mined = n
		}
		c.Moved = append(c.Moved, moved)
	}
	for _, a := range x.known.Unproven(b.Number()) {
		if q := claim(a); q != nil {
			q.Traced = q.Traced || b.Traced
		}
	}
	// What a chain gives to the fee recipient beyond the tips is in no trace.
	if r := claim(b.Header.Coinbase); r != nil {
		r.Tips, r.Traced = tips(b), !r.In.Add(r.Out).IsZero()
	}
	if len(c.Claims) == 0 {
		return nil
	}
	shown := x.shown()
	for i := range c.Claims {
		c.Claims[i].Shown = shown[c.Claims[i].Address]
	}
	return c
}

// givenBack is what the contract that pays many could not pay.
type givenBack struct {
	sender common.Address
	amount wallet.Amount
}

// returned is what came back to the senders of transactions of ours within them, by
// transaction. A trace shows it as a move, once.
func (x *extraction) returned() map[common.Hash]givenBack {
	list := map[common.Hash]givenBack{}
	for i := range x.Mined {
		m := &x.Mined[i]
		if back := m.Value.Sub(m.ValueOut()); !back.IsZero() {
			list[m.TxHash] = givenBack{m.Slot.Sender, back}
		}
	}
	return list
}

// isUnread reports whether the value of a transaction is not among the other
// facts, as those count it.
func (x *extraction) isUnread(t *chain.Tx) bool {
	if t.Bridged == nil {
		return t.Tx == nil
	}
	_, own := x.known.Ours(t.Bridged.From)
	return own && t.Bridged.Nonce == nil
}

// rootPath is the place of a transaction's own call in its trace.
const rootPath = "root"

// maxPath bounds how long the place of a call may be: the EVM nests 1024 calls,
// and the place is part of keys.
const maxPath = 8 << 10

// isPath reports whether a node's word for the place of a call can be one.
func isPath(p string) bool {
	return p == rootPath || p != "" && len(p) <= maxPath && strings.Trim(p, "0123456789.") == ""
}

// tips is what the transactions of a block paid beyond the base fee, those of
// unknown types left out.
func tips(b *chain.Block) (sum wallet.Amount) {
	for i := range b.Txs {
		t := &b.Txs[i]
		if t.GasPrice == nil || t.Bridged != nil { // whose gas was paid elsewhere
			continue
		}
		tip := t.GasPrice
		if base := b.Header.BaseFee; base != nil {
			tip = new(big.Int).Sub(tip, base)
		}
		sum = sum.Add(wallet.AmountOf(tip).Mul(t.GasUsed))
	}
	return sum
}

// shown is the change of coin that the other facts of the block make up, by
// address. It is what store.Unbooked makes of them.
func (x *extraction) shown() map[common.Address]wallet.Amount {
	sums := map[common.Address]wallet.Amount{}
	add := func(a common.Address, n wallet.Amount) { sums[a] = sums[a].Add(n) }
	deposited := map[string]bool{}
	for _, d := range x.Deposits {
		if d.Asset.IsCoin() {
			add(d.Address, d.Amount)
			deposited[d.ID] = true
		}
	}
	for i := range x.Mined {
		m := &x.Mined[i]
		add(m.Slot.Sender, m.Cost().Neg())
		if !m.Success {
			continue
		}
		out := m.ValueOut()
		add(m.Slot.Sender, out.Neg())
		if !deposited[wallet.DepositID(x.chain, m.TxHash, wallet.KindNative, 0)] {
			add(m.To, out)
		}
	}
	return sums
}

// resolved adds to the facts what is proven of the block's coin and not
// recorded yet, and what cannot be proven.
func (f Facts) resolved(chainID uint64, have stored) Facts {
	r := resolution{Facts: f, chain: chainID, stored: have, at: map[common.Address]*Claim{}}
	r.Deposits = slices.Clone(f.Deposits)
	r.Mined = slices.Clone(f.Mined)
	r.Outflows = slices.Clone(f.Outflows)
	claims := slices.Clone(f.Coin.Claims)
	for i := range claims {
		r.at[claims[i].Address] = &claims[i]
	}
	r.believe(claims)
	for _, m := range f.Coin.Moved {
		if r.believed[m.From] || r.believed[m.To] {
			r.move(&m)
		}
	}
	for i := range claims {
		r.claim(&claims[i])
	}
	return r.Facts
}

// resolution adds coin to the facts of a block.
type resolution struct {
	Facts
	stored

	chain    uint64
	at       map[common.Address]*Claim
	believed map[common.Address]bool
}

// believe decides for which addresses the trace counts: those for which it
// adds up and of which nothing is recorded yet. A move between two addresses of
// ours is one record, so both ends have to be believed.
func (r *resolution) believe(claims []Claim) {
	r.believed = map[common.Address]bool{}
	for i := range claims {
		c := &claims[i]
		_, recorded := r.sums[c.Address]
		r.believed[c.Address] = c.fits() && !recorded
	}
	for i, m := range r.Coin.Moved {
		if r.taken[i] {
			r.believed[m.From], r.believed[m.To] = false, false
		}
	}
	for changed := true; changed; {
		changed = false
		for _, m := range r.Coin.Moved {
			if r.at[m.From] == nil || r.at[m.To] == nil || r.believed[m.From] == r.believed[m.To] {
				continue
			}
			r.believed[m.From], r.believed[m.To] = false, false
			changed = true
		}
	}
}

// move records one move that is believed.
func (r *resolution) move(m *Moved) {
	switch {
	case r.at[m.From] == nil:
		id, kind := m.deposit(r.chain)
		r.deposit(r.at[m.To], id, kind, m.Amount, m.From, m.TxHash)
	case m.Mined >= 0 && !r.mined[m.Mined]:
		own := &r.Mined[m.Mined]
		own.Transfers = append(slices.Clip(own.Transfers), m.Transfer)
	default:
		r.outflow(m.Transfer, m.TxHash)
	}
}

// claim records what is proven of an address beside the moves, or that nothing
// is.
func (r *resolution) claim(c *Claim) {
	recorded, known := r.sums[c.Address]
	if !c.Proven {
		if in := c.In.Add(c.Tips); !known && !in.Add(c.Out).IsZero() {
			b := r.Coin
			r.Unproven = append(r.Unproven, wallet.UnprovenCoin{
				ChainID: r.chain, Address: c.Address, BlockNumber: b.number, BlockHash: b.hash,
				In: in, Out: c.Out, Reason: c.Why, SeenAt: r.Coin.seen,
			})
		}
		return
	}
	r.Proven = append(r.Proven, c.Address)
	up, tipped := c.adds()
	switch {
	case known:
		if recorded.Cmp(c.hidden()) != 0 {
			r.untraceable(c)
		}
		return
	case !up && c.Traced:
		r.untraceable(c)
	}
	rest := c.hidden()
	switch {
	case r.believed[c.Address]:
		rest = wallet.Amount{}
	default:
		tipped = c.Tips.Sign() > 0 && rest.Cmp(c.Tips) >= 0
		if tipped {
			rest = rest.Sub(c.Tips)
		}
	}
	hash := r.Coin.hash
	if tipped {
		r.deposit(c, wallet.RewardID(r.chain, hash), wallet.KindReward, c.Tips, common.Address{}, common.Hash{})
	}
	switch rest.Sign() {
	case 1:
		r.deposit(c, wallet.ResidualID(r.chain, hash, c.Address), wallet.KindInternal, rest, common.Address{}, common.Hash{})
	case -1:
		r.outflow(wallet.Transfer{Asset: wallet.Coin(r.chain), From: c.Address, Amount: rest.Neg(), Path: c.Address.Hex()}, hash)
	}
}

func (r *resolution) untraceable(c *Claim) {
	r.Untraceable = append(r.Untraceable, Untraceable{Block: r.Coin.number, Address: c.Address})
}

func (r *resolution) deposit(c *Claim, id string, kind wallet.DepositKind, amount wallet.Amount, from common.Address, tx common.Hash) {
	b := r.Coin
	r.Deposits = append(r.Deposits, wallet.Deposit{
		ID: id, ChainID: r.chain, Account: c.Account, Address: c.Address, From: from,
		Asset: wallet.Coin(r.chain), Amount: amount, Kind: kind, TxHash: tx,
		BlockNumber: b.number, BlockHash: b.hash, Status: wallet.DepositPending, SeenAt: r.Coin.seen,
	})
}

func (r *resolution) outflow(t wallet.Transfer, tx common.Hash) {
	b := r.Coin
	r.Outflows = append(r.Outflows, store.Outflow{Transfer: t, TxHash: tx, BlockNumber: b.number, BlockHash: b.hash})
}
