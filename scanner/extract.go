package scanner

import (
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Known is what extracting needs to know of the home.
type Known interface {
	// Ours returns whom deposits to an address credit; ok is false if it is
	// not ours.
	Ours(a common.Address) (account string, ok bool)
	// Token reports whether a contract is a registered token.
	Token(contract common.Address) bool
	// Signed reports whether we signed the transaction with that hash.
	Signed(tx common.Hash) bool
	// Outgoing returns the transaction that a slot is bound to; ok is false if
	// no batch ever bound it.
	Outgoing(s wallet.Slot) (o wallet.Outgoing, ok bool)
	// Unproven returns the addresses of ours of which coin in a block could not
	// be proven before.
	Unproven(block uint64) []common.Address
}

// Facts is what a block holds for us.
type Facts struct {
	Number uint64 // of the block
	// UnprovenBlock is set where the endpoints' word is all there is for what
	// the block holds. The deposits in it are marked when they are recorded.
	UnprovenBlock bool

	Deposits []wallet.Deposit
	Mined    []wallet.Mined
	Outflows []store.Outflow
	// Unknown are the tokens that are not registered and claim to have moved
	// from or to us; one for each contract.
	Unknown []wallet.UnknownToken
	// Malformed counts logs of registered tokens that call themselves a
	// Transfer and are none, ERC-721's with four topics left aside.
	Malformed int
	// Unread counts transactions of types that are not known here, and calls of
	// ours whose nonce is not proven. Their token transfers are in the facts;
	// coin that they moved is where the node traces.
	Unread int
	// Coin is what the trace and the fee recipient claim; nil if nothing. It is
	// resolved into the rest, and into what follows, once it is proven.
	Coin *Coin
	// Unproven is coin that could not be proven, and Proven are the addresses
	// of which it could.
	Unproven []wallet.UnprovenCoin
	Proven   []common.Address
	// Untraceable are the addresses for which the trace does not add up.
	Untraceable []Untraceable
}

// Untraceable is an address whose balance changed in a block otherwise than the
// node's trace says, or than was recorded before.
type Untraceable struct {
	Block   uint64
	Address common.Address
}

// extraction collects the facts of one block.
type extraction struct {
	Facts

	chain uint64
	block *chain.Block
	known Known
	seen  time.Time

	unknown map[common.Address]int // index in Unknown
}

// Extract finds what a block holds for us. Deposits are given as pending and
// seen at the given time. It does no I/O but through known.
func Extract(chainID uint64, b *chain.Block, known Known, seen time.Time) Facts {
	x := extraction{Facts: Facts{Number: b.Number(), UnprovenBlock: b.Unproven != ""}, chain: chainID, block: b, known: known, seen: seen}
	for i := range b.Txs {
		x.transaction(&b.Txs[i])
	}
	for _, w := range b.Withdrawals {
		x.withdrawal(w)
	}
	x.Coin = x.coin()
	return x.Facts
}

// transaction decides whether a transaction is ours before it looks at what
// moved: value that our own transactions move between our addresses is no
// deposit.
func (x *extraction) transaction(t *chain.Tx) {
	transfers := x.transfers(t)
	if t.Bridged != nil {
		x.bridged(t, transfers)
		return
	}
	if t.Tx == nil {
		x.Unread++
		for _, m := range transfers {
			x.foreignTransfer(t, m)
		}
		return
	}
	sender, own := x.sender(t, transfers)
	if own {
		x.own(t, sent{sender, t.Tx.Nonce(), t.Tx.To(), t.Tx.Value(), t.Tx.Data()}, transfers)
		return
	}
	if t.Success {
		x.deposit(wallet.KindNative, wallet.Coin(x.chain), sender, recipient(t.Tx.To(), sender, t.Tx.Nonce()), wallet.AmountOf(t.Tx.Value()), t.Hash, 0, nil)
	}
	for _, m := range transfers {
		x.foreignTransfer(t, m)
	}
}

// sender recovers who sent a transaction if that matters, and tells whether
// it is ours. Recovering all would cost as much as decoding them, so the node's
// word chooses, as do the hashes that we signed; where value reaches or leaves
// us, the node is not asked.
func (x *extraction) sender(t *chain.Tx, transfers []wallet.Transfer) (sender common.Address, own bool) {
	matters := len(transfers) > 0 || x.known.Signed(t.Hash)
	if !matters {
		_, matters = x.known.Ours(t.FromHint)
	}
	if to := t.Tx.To(); !matters && t.Tx.Value().Sign() > 0 {
		if matters = to == nil; !matters { // where a contract is created follows from the sender
			_, matters = x.known.Ours(*to)
		}
	}
	if !matters {
		return t.FromHint, false
	}
	sender, err := t.Sender()
	if err != nil {
		return common.Address{}, false // no key of ours made a signature that recovers to nobody
	}
	_, own = x.known.Ours(sender)
	return sender, own
}

// mintPosition stands in the id of a deposit for what a deposited transaction
// mints, beside the 0 of what its call moves.
const mintPosition = 1

// bridged is a deposited transaction (OP stack). What it mints arrives on its
// sender from outside, also if the call then fails, and the call moves value
// like any other. Where the sender is ours, the call used one of its nonces.
func (x *extraction) bridged(t *chain.Tx, transfers []wallet.Transfer) {
	b, coin := t.Bridged, wallet.Coin(x.chain)
	_, own := x.known.Ours(b.From)
	switch {
	case own:
		x.deposit(wallet.KindNative, coin, common.Address{}, b.From, wallet.AmountOf(b.Mint), t.Hash, mintPosition, nil)
	case t.Success && b.To != nil:
		x.deposit(wallet.KindNative, coin, b.From, *b.To, wallet.AmountOf(b.Value), t.Hash, 0, nil)
	}
	if own && b.Nonce != nil {
		x.own(t, sent{b.From, *b.Nonce, b.To, b.Value, b.Data}, transfers)
		return
	}
	if own {
		x.Unread++
	}
	for _, m := range transfers {
		x.foreignTransfer(t, m)
	}
}

// sent is the call that a transaction of ours makes.
type sent struct {
	sender common.Address
	nonce  uint64
	to     *common.Address // nil creates a contract
	value  *big.Int
	data   []byte
}

// own records a transaction of ours. It is a deposit too where it pays a
// withdrawal to one of our own addresses, or where a contract gave something.
func (x *extraction) own(t *chain.Tx, call sent, transfers []wallet.Transfer) {
	sender := call.sender
	slot := wallet.Slot{ChainID: x.chain, Sender: sender, Nonce: call.nonce}
	m := wallet.Mined{
		Slot: slot, TxHash: t.Hash,
		BlockNumber: x.block.Number(), BlockHash: x.block.Hash, BlockTime: blockTime(x.block),
		Success: t.Success, Value: wallet.AmountOf(call.value), DataHash: crypto.Keccak256Hash(call.data),
		GasUsed: t.GasUsed, GasPrice: wallet.AmountOf(t.GasPrice), Transfers: transfers,
	}
	m.Create, m.To = call.to == nil, recipient(call.to, sender, slot.Nonce)
	m.Paid = x.paid(t, sender)
	x.Mined = append(x.Mined, m)

	pays := func(common.Address, wallet.AssetID) bool { return false }
	if o, ok := x.known.Outgoing(slot); ok && paysWithdrawal(&m, &o) {
		recipients := map[common.Address]bool{}
		for _, p := range o.Payments {
			recipients[p.To] = true
		}
		if o.Intent.Kind == wallet.IntentWithdrawal {
			recipients[o.Intent.Recipient] = true
		}
		pays = func(to common.Address, asset wallet.AssetID) bool {
			return recipients[to] && asset == o.Intent.Asset
		}
	}
	coin := wallet.Coin(x.chain)
	if t.Success && !m.Create && m.To != sender && pays(m.To, coin) {
		x.deposit(wallet.KindNative, coin, sender, m.To, m.Value, t.Hash, 0, nil)
	}
	for _, f := range transfers {
		_, fromOurs := x.known.Ours(f.From)
		if !fromOurs || f.From == sender && f.To != sender && pays(f.To, f.Asset) {
			x.tokenDeposit(t, f)
		}
	}
}

// recipient is who receives the value of a call: the contract that it creates,
// where it creates one.
func recipient(to *common.Address, sender common.Address, nonce uint64) common.Address {
	if to != nil {
		return *to
	}
	return crypto.CreateAddress(sender, nonce)
}

// paysWithdrawal reports whether a mined transaction is what its slot was
// bound to for withdrawals.
func paysWithdrawal(m *wallet.Mined, o *wallet.Outgoing) bool {
	p := &o.Payload
	return (o.Intent.Kind == wallet.IntentWithdrawal || o.Intent.Kind == wallet.IntentPayments) && !m.Create &&
		m.To == p.To && m.Value.Cmp(p.Value) == 0 && m.DataHash == crypto.Keccak256Hash(p.Data)
}

// foreignTransfer is a token transfer in somebody else's transaction.
func (x *extraction) foreignTransfer(t *chain.Tx, f wallet.Transfer) {
	if _, ours := x.known.Ours(f.From); !ours {
		x.tokenDeposit(t, f)
		return
	}
	if f.From != f.To {
		x.Outflows = append(x.Outflows, store.Outflow{
			Transfer: f, TxHash: t.Hash, BlockNumber: x.block.Number(), BlockHash: x.block.Hash,
		})
	}
}

func (x *extraction) tokenDeposit(t *chain.Tx, f wallet.Transfer) {
	index := f.LogIndex
	x.deposit(wallet.KindToken, f.Asset, f.From, f.To, f.Amount, t.Hash, f.Position, &index)
}

// withdrawal is a validator's (EIP-4895). It has no transaction; its index is
// unique on the chain and stands for the position.
func (x *extraction) withdrawal(w *types.Withdrawal) {
	amount := wallet.NewAmount(params.GWei).Mul(w.Amount)
	x.deposit(wallet.KindWithdrawal, wallet.Coin(x.chain), common.Address{}, w.Address, amount, common.Hash{}, w.Index, nil)
}

func (x *extraction) deposit(kind wallet.DepositKind, asset wallet.AssetID, from, to common.Address, amount wallet.Amount, tx common.Hash, position uint64, logIndex *uint64) {
	if amount.IsZero() {
		return
	}
	account, ours := x.known.Ours(to)
	if !ours {
		return
	}
	x.Deposits = append(x.Deposits, wallet.Deposit{
		ID:      wallet.DepositID(x.chain, tx, kind, position),
		ChainID: x.chain, Account: account, Address: to, From: from,
		Asset: asset, Amount: amount, Kind: kind, TxHash: tx, LogIndex: logIndex,
		BlockNumber: x.block.Number(), BlockHash: x.block.Hash,
		Status: wallet.DepositPending, SeenAt: x.seen,
	})
}

// transferTopic is the hash of Transfer(address,address,uint256), which
// ERC-20 and ERC-721 share.
var transferTopic = crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))

// transfers are the transfers of registered tokens from or to addresses of
// ours, without those of nothing. A transaction that failed has no logs. Those
// of other tokens are only counted.
func (x *extraction) transfers(t *chain.Tx) (list []wallet.Transfer) {
	for i := range t.Logs {
		l := &t.Logs[i]
		if len(l.Topics) == 0 || l.Topics[0] != transferTopic {
			continue
		}
		registered := x.known.Token(l.Address)
		from, to, ok := parties(l)
		if !ok {
			if registered && len(l.Topics) != 4 {
				x.Malformed++
			}
			continue
		}
		if [32]byte(l.Data) == ([32]byte{}) || !x.ours(to) && !x.ours(from) {
			continue
		}
		switch {
		case registered:
			list = append(list, wallet.Transfer{
				Asset: wallet.Token(x.chain, l.Address), From: from, To: to, Amount: amountIn(l), LogIndex: l.Index, Position: uint64(i),
			})
		case l.Address != params.SystemAddress: // which logs ether (EIP-7708)
			x.quarantine(l.Address)
		}
	}
	return list
}

func (x *extraction) ours(a common.Address) bool {
	_, ours := x.known.Ours(a)
	return ours
}

// quarantine counts a transfer of a token that is not registered.
func (x *extraction) quarantine(contract common.Address) {
	i, ok := x.unknown[contract]
	if !ok {
		if x.unknown == nil {
			x.unknown = map[common.Address]int{}
		}
		i = len(x.Unknown)
		x.unknown[contract] = i
		x.Unknown = append(x.Unknown, wallet.UnknownToken{
			ChainID: x.chain, Contract: contract, BlockNumber: x.block.Number(), BlockHash: x.block.Hash, SeenAt: x.seen,
		})
	}
	x.Unknown[i].Logs++
}

// DecodeTransfer reads sender, recipient and amount of an ERC-20 Transfer log:
// exactly three topics, of which two are addresses filled up with zeros, and
// one word of data.
func DecodeTransfer(l *chain.Log) (f wallet.Transfer, ok bool) {
	if f.From, f.To, ok = parties(l); ok {
		f.Amount = amountIn(l)
	}
	return f, ok
}

func amountIn(l *chain.Log) wallet.Amount { return wallet.AmountOf(new(big.Int).SetBytes(l.Data)) }

// parties are sender and recipient of an ERC-20 Transfer log. Most logs of a
// block are between strangers, whose amounts need not be read.
func parties(l *chain.Log) (from, to common.Address, ok bool) {
	if len(l.Topics) != 3 || l.Topics[0] != transferTopic || len(l.Data) != 32 {
		return from, to, false
	}
	for _, topic := range l.Topics[1:] {
		if [12]byte(topic[:12]) != ([12]byte{}) {
			return from, to, false
		}
	}
	return common.Address(l.Topics[1][12:]), common.Address(l.Topics[2][12:]), true
}

func blockTime(b *chain.Block) time.Time {
	return time.Unix(int64(b.Header.Time), 0).UTC() //nolint:gosec // a wrong time is only shown
}
