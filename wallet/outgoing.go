package wallet

import (
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// IntentKind is why a transaction of ours exists.
type IntentKind string

// A withdrawal pays somebody; the others move value between our own
// addresses, so their recipients can be re-derived or are pinned.
const (
	IntentWithdrawal IntentKind = "withdrawal"
	IntentSweep      IntentKind = "sweep"  // deposit address → treasury
	IntentTopUp      IntentKind = "top-up" // gas address → deposit address
	// treasury → payout, gas or float address, and back
	IntentRebalance IntentKind = "rebalance"
	// A cancel takes the nonce of something that was signed, a no-op that of
	// nothing: both send 0 from an address to itself.
	IntentCancel IntentKind = "cancel"
	IntentNoOp   IntentKind = "no-op"
	// Payments pay many withdrawals through the contract of package multipay. An
	// allowance lets it move so much of a token of the sender's, a deploy puts it
	// on the chain.
	IntentPayments  IntentKind = "payments"
	IntentAllowance IntentKind = "allowance"
	IntentDeploy    IntentKind = "deploy"
)

// IntentName names an intent; it is unique in a home.
type IntentName struct {
	Kind IntentKind `json:"kind"`
	ID   string     `json:"id"`
}

// Name is the intent's name.
func (in *Intent) Name() IntentName { return IntentName{in.Kind, in.ID} }

// Intent is what a transaction serves. It proves nothing by itself: a signer
// compares it with the transaction's bytes.
type Intent struct {
	Kind IntentKind `json:"kind"`
	// ID is the withdrawal's id, or for other kinds a name that is unique in
	// the home (chain, sender and nonce).
	ID        string         `json:"id"`
	Asset     AssetID        `json:"asset"`
	Recipient common.Address `json:"recipient"`
	Amount    Amount         `json:"amount"`
}

// Fee is one rung of a fee ladder (EIP-1559), in wei per gas.
type Fee struct {
	MaxFeePerGas         Amount `json:"max_fee_per_gas"`
	MaxPriorityFeePerGas Amount `json:"max_priority_fee_per_gas"`
}

// Payload is what a transaction does, without its fees: all rungs share it.
type Payload struct {
	To    common.Address `json:"to"`
	Value Amount         `json:"value"`
	Data  hexutil.Bytes  `json:"data"`
	Gas   uint64         `json:"gas,string"` // limit
}

// SignedRung is one signature: the raw transaction (EIP-2718) and its hash.
type SignedRung struct {
	Hash common.Hash   `json:"hash"`
	Raw  hexutil.Bytes `json:"raw"`
}

// OutgoingState is how far a slot has come, by evidence.
type OutgoingState string

// bound: a batch was written. signed: its signatures are stored. offered: a
// node was given it, with whatever answer. accepted: a node has it. mined:
// scanning found a transaction at the slot. final: that transaction is beyond
// reorg and booked.
const (
	OutgoingBound    OutgoingState = "bound"
	OutgoingSigned   OutgoingState = "signed"
	OutgoingOffered  OutgoingState = "offered"
	OutgoingAccepted OutgoingState = "accepted"
	OutgoingMined    OutgoingState = "mined"
	OutgoingFinal    OutgoingState = "final"
)

// Attempt is one batch's try at a slot. A slot whose batch was discarded is
// built again with the same payload and other fees; every attempt may still
// turn up on chain, so all are kept.
type Attempt struct {
	Batch string `json:"batch"`
	Item  int    `json:"item"`
	// Cancel says that the attempt does not serve the slot's intent but takes
	// its nonce: it sends 0 of the coin from the sender to itself. It was signed
	// together with the attempt before it, or in a batch of its own.
	Cancel bool   `json:"cancel,omitzero"`
	Gas    uint64 `json:"gas,string,omitzero"` // limit of a cancel; others have that of the slot's payload
	Rungs  []Fee  `json:"rungs"`
	// Signed are the hashes of its signatures, one per rung, once it is signed.
	// The store keeps the transactions under them.
	Signed []common.Hash `json:"signed,omitzero"`
	// Discarded says that the operator gave the attempt up. It is not offered
	// any more, but its signatures may still turn up on chain.
	Discarded bool `json:"discarded,omitzero"`
	// Offered is how many of the rungs were given to a node, the lowest first,
	// and RungAt and RungHead are the time and the number of the head when the
	// highest of them was given first.
	Offered  int       `json:"offered,omitzero"`
	RungAt   time.Time `json:"rung_at,omitzero"`
	RungHead uint64    `json:"rung_head,omitzero"`
}

// Rung is the highest rung of the attempt that a node was given, from 0, or the
// first if none was.
func (a *Attempt) Rung() int { return max(a.Offered-1, 0) }

// Wish is what an operator asked for beyond what the batch of a slot says.
type Wish string

// Wishes that a slot may carry until it is final.
const (
	// WishCancel wants the nonce taken by a cancel instead of the intent.
	WishCancel Wish = "cancel"
	// WishBump wants higher fees than any rung has that was signed.
	WishBump Wish = "bump"
)

// Refusal is the class of a node's answer that it does not take a transaction.
type Refusal string

// RefusalUnderpriced says that its fees are too low for the node, or to replace
// what the node has, although they are what the market asks. The names of other
// classes are for people alone.
const RefusalUnderpriced Refusal = "underpriced"

// Outgoing is the transaction of one slot.
type Outgoing struct {
	Slot    Slot    `json:"slot"`
	Path    Path    `json:"path"`
	Intent  Intent  `json:"intent"`
	Payload Payload `json:"payload"`
	// Payments are the withdrawals of an intent of kind payments.
	Payments []SlotPayment `json:"payments,omitzero"`
	Attempts []Attempt     `json:"attempts"`
	State    OutgoingState `json:"state"`
	// Requires is a slot that must be mined with success before this one may
	// be offered: the top-up of a sweep.
	Requires  *Slot       `json:"requires,omitzero"`
	Wish      Wish        `json:"wish,omitzero"`
	OfferedAt time.Time   `json:"offered_at,omitzero"` // when a node was last given it
	Answer    string      `json:"answer,omitzero"`     // why it is not further: a node's words, or what the market asks
	Refusal   Refusal     `json:"refusal,omitzero"`    // of the last offer; empty if it was not refused
	TxHash    common.Hash `json:"tx_hash,omitzero"`    // of what was accepted or mined
	BoundAt   time.Time   `json:"bound_at"`
}

// Holds reports whether a hash is that of one of the attempt's signatures.
func (a *Attempt) Holds(hash common.Hash) bool {
	return slices.Contains(a.Signed, hash)
}

// Live reports whether the attempt is signed and was not given up.
func (a *Attempt) Live() bool { return len(a.Signed) > 0 && !a.Discarded }

// Awaited reports whether the attempt's batch still waits for its signatures.
func (a *Attempt) Awaited() bool { return len(a.Signed) == 0 && !a.Discarded }

// Last is the newest attempt that serves the slot's intent.
func (o *Outgoing) Last() *Attempt { return o.newest(func(a *Attempt) bool { return !a.Cancel }) }

// Cancellation is the newest cancel that is signed, or nil. It pays nobody, so
// discarding its batch takes nothing from it.
func (o *Outgoing) Cancellation() *Attempt {
	return o.newest(func(a *Attempt) bool { return a.Cancel && len(a.Signed) > 0 })
}

// Serving is the newest attempt that serves the slot's intent and is live, or
// nil. One with higher fees takes its place only once it is signed.
func (o *Outgoing) Serving() *Attempt {
	return o.newest(func(a *Attempt) bool { return !a.Cancel && a.Live() })
}

// Awaited is the newest attempt whose batch waits for its signatures: a cancel,
// or one that serves the intent. It is nil if none does.
func (o *Outgoing) Awaited(cancel bool) *Attempt {
	return o.newest(func(a *Attempt) bool { return a.Cancel == cancel && a.Awaited() })
}

// Current is the attempt that nodes are to be given: the cancel if the operator
// wants one and there is one, else the newest that is live, else the last.
func (o *Outgoing) Current() *Attempt {
	if o.Wish == WishCancel {
		if a := o.Cancellation(); a != nil {
			return a
		}
	}
	if a := o.Serving(); a != nil {
		return a
	}
	return o.Last()
}

func (o *Outgoing) newest(is func(*Attempt) bool) *Attempt {
	for i := len(o.Attempts) - 1; i >= 0; i-- {
		if a := &o.Attempts[i]; is(a) {
			return a
		}
	}
	return nil
}

// PayloadOf is what an attempt at the slot does on chain.
func (o *Outgoing) PayloadOf(a *Attempt) Payload {
	if a.Cancel {
		return Payload{To: o.Slot.Sender, Data: []byte{}, Gas: a.Gas}
	}
	return o.Payload
}

// WorstFee is the most that the slot's transaction can cost in gas, whichever of
// its attempts is mined, in wei.
func (o *Outgoing) WorstFee() (fee Amount) {
	for i := range o.Attempts {
		a := &o.Attempts[i]
		if len(a.Rungs) == 0 {
			continue
		}
		if worst := a.Rungs[len(a.Rungs)-1].MaxFeePerGas.Mul(o.PayloadOf(a).Gas); worst.Cmp(fee) > 0 {
			fee = worst
		}
	}
	return fee
}

// Mined is a transaction of one of our addresses that scanning found in a
// proven block, whoever sent it. There is at most one per slot at a time.
type Mined struct {
	Slot        Slot           `json:"slot"`
	TxHash      common.Hash    `json:"tx_hash"`
	BlockNumber uint64         `json:"block_number"`
	BlockHash   common.Hash    `json:"block_hash"`
	BlockTime   time.Time      `json:"block_time"`
	Success     bool           `json:"success"`
	To          common.Address `json:"to"` // the created contract when Create is set
	Create      bool           `json:"create,omitzero"`
	Value       Amount         `json:"value"`
	DataHash    common.Hash    `json:"data_hash"` // Keccak-256 of the call data
	GasUsed     uint64         `json:"gas_used,string"`
	GasPrice    Amount         `json:"gas_price"` // effective, wei per gas
	// OtherFee is what the chain took beyond gas × price, where a block's proven
	// bytes say how much. Scanning leaves it at 0: the blob fee (EIP-4844) and the
	// rollups' fee for the chain below them depend on the chain's schedule of
	// forks too. What they took shows as a difference in reconcile until a
	// comparison of balances finds it.
	OtherFee  Amount     `json:"other_fee,omitzero"`
	Transfers []Transfer `json:"transfers,omitzero"` // from or to addresses of ours
	// Paid is what the contract that pays many says of a call of the sender's.
	Paid    []PaidPayment `json:"paid,omitzero"`
	Settled bool          `json:"settled"` // booked at finality
}

// Cost is what the sender paid for inclusion, in wei.
func (m *Mined) Cost() Amount { return m.GasPrice.Mul(m.GasUsed).Add(m.OtherFee) }

// Transfer is value that moved inside a transaction: a Transfer log of a
// registered token (ERC-20), or coin that a contract moved.
type Transfer struct {
	Asset    AssetID        `json:"asset"`
	From     common.Address `json:"from"`
	To       common.Address `json:"to"`
	Amount   Amount         `json:"amount"`
	LogIndex uint64         `json:"log_index"` // of a log, within the block
	Position uint64         `json:"position"`  // of a log, within the transaction
	// Path is the place in the transaction's call tree of a call that moved
	// coin: the numbers of its ancestors and its own among their callers' calls,
	// from 0, joined by dots. Only calls that moved coin or hold one that did are
	// counted, since nodes differ in which others they list. The transaction's
	// own call is "root". It is empty for a log.
	Path string `json:"path,omitzero"`
}

// DepositID names the deposit that the transfer is if it reached us from
// outside, in the transaction with the given hash.
func (t *Transfer) DepositID(tx common.Hash) string {
	if t.Path != "" {
		return InternalID(t.Asset.ChainID, tx, t.Path)
	}
	return DepositID(t.Asset.ChainID, tx, KindToken, t.Position)
}

// BatchStatus is where a batch is.
type BatchStatus string

// A batch is built, then signed once its signed file was taken in; discarded
// when the operator gave it up, which frees nothing that is bound.
const (
	BatchBuilt     BatchStatus = "built"
	BatchSigned    BatchStatus = "signed"
	BatchDiscarded BatchStatus = "discarded"
)

// BatchRecord is what the online station keeps of a batch it wrote.
type BatchRecord struct {
	ID        string        `json:"id"`
	ChainID   uint64        `json:"chain_id"`
	Kind      string        `json:"kind"`   // withdrawals or sweep
	Digest    string        `json:"digest"` // hex
	Status    BatchStatus   `json:"status"`
	Items     int           `json:"items"`
	Slots     []Slot        `json:"slots"` // in the order of the items
	CreatedAt time.Time     `json:"created_at"`
	ExpiresAt time.Time     `json:"expires_at"`
	File      hexutil.Bytes `json:"-"` // the unsigned batch as written
}
