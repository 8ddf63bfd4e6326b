package chain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/ethereum/go-ethereum/trie"
)

// Block is a block whose content hashes to its hash: the header, the
// transactions by transactionsRoot, their results by receiptsRoot and the
// validator withdrawals by withdrawalsRoot. Where Unproven is set, only the
// header does.
type Block struct {
	Header      *types.Header
	Hash        common.Hash
	Txs         []Tx
	Withdrawals []*types.Withdrawal // EIP-4895; amounts in gwei

	// Unproven is why the content is not proven, or empty. It is set only with
	// Options.Unproven, and then the content is what the endpoints say.
	Unproven string

	// Moves is what a node says that calls inside the transactions moved; it is
	// not proven. Traced is false where no endpoint could tell, or nobody asked.
	Moves  []Move
	Traced bool
}

// A Move is coin that a call inside a transaction moved, as a trace has it.
// Calls of a transaction or of a part of it that reverted moved nothing and
// are left out, as is what moved nothing or only from an account to itself. The
// transaction's own call is a Move only if Block.Txs has no Tx for it.
type Move struct {
	Tx       int    // index in Block.Txs
	Path     string // as wallet.Transfer.Path
	From, To common.Address
	Value    *big.Int // wei
}

// Number is the block's height.
func (b *Block) Number() uint64 { return b.Header.Number.Uint64() }

// Tx is a transaction of a proven block with its result.
type Tx struct {
	// Tx is nil if Type is one that go-ethereum does not know; Raw is set then,
	// unless the block is unproven. Hash, Success, GasUsed and Logs are proven in
	// either case.
	Tx   *types.Transaction
	Type uint8
	Raw  []byte
	Hash common.Hash // of the bytes that were proven
	// Bridged is what Raw means if that is a deposited transaction of the OP
	// stack, else nil.
	Bridged *Bridged

	Success  bool
	GasUsed  uint64
	GasPrice *big.Int // effective, in wei per gas; nil if Tx is, but 0 for Bridged
	Logs     []Log    // in the order of their positions within the transaction

	// FromHint is the sender as the node says. It is not proven and may serve
	// to choose which senders to recover, nothing else.
	FromHint common.Address

	signer types.Signer
}

// Log is one log of a transaction. Its position within the transaction is its
// place in Tx.Logs.
type Log struct {
	Address common.Address
	Topics  []common.Hash
	Data    []byte
	Index   uint64 // within the block
}

// Sender recovers who signed the transaction. It fails for types that this
// program does not know.
func (t *Tx) Sender() (common.Address, error) {
	if t.Tx == nil {
		return common.Address{}, types.ErrTxTypeNotSupported
	}
	if t.signer == nil { // not read from a chain
		return common.Address{}, types.ErrInvalidChainId
	}
	return types.Sender(t.signer, t.Tx)
}

// Block fetches the canonical block at a height and proves it. It is
// ethereum.NotFound above the head of all endpoints. A node that gives anything
// that does not hash is an UnprovenError, after the other endpoints were tried.
func (c *Client) Block(ctx context.Context, number uint64) (*Block, error) {
	return c.block(ctx, "eth_getBlockByNumber", number, hexutil.EncodeUint64(number), func(b *Block) error {
		if have := b.Header.Number; !have.IsUint64() || have.Uint64() != number {
			return &UnprovenError{Number: number, Reason: "the node gave block " + have.String()}
		}
		return nil
	})
}

// BlockByHash is Block for the block with the given hash, canonical or not.
func (c *Client) BlockByHash(ctx context.Context, hash common.Hash) (*Block, error) {
	return c.block(ctx, "eth_getBlockByHash", 0, hash, func(b *Block) error {
		if b.Hash != hash {
			return &UnprovenError{Number: b.Number(), Reason: "asked for " + hash.Hex() + ", the node gave a block that hashes to " + b.Hash.Hex()}
		}
		return nil
	})
}

func (c *Client) block(ctx context.Context, method string, number uint64, key any, check func(*Block) error) (*Block, error) {
	var found *Block
	said := hearsay{client: c}
	err := c.do(ctx, method, func(ctx context.Context, ep *endpoint, r asker) error {
		raw, err := ep.fetch(ctx, r, method, key)
		if err != nil {
			return err
		}
		b, err := c.prove(ctx, ep, r, raw)
		if err == nil {
			err = check(b)
		} else if why := contentOnly(err); why != nil && c.o.Unproven {
			b, err = said.hear(ep, raw, why, check)
		}
		found = b
		return err
	})
	if err == nil && c.o.Trace {
		err = c.trace(ctx, found)
	}
	if err != nil {
		return nil, fmt.Errorf("block %v: %w", blockName(number, key), said.explain(err))
	}
	return found, nil
}

func blockName(number uint64, key any) any {
	if h, ok := key.(common.Hash); ok {
		return h
	}
	return number
}

const blockReceipts = "eth_getBlockReceipts"

// rawBlock is what a node says a block and its receipts are.
type rawBlock struct {
	block    *blockJSON
	receipts []receiptJSON
}

// fetch asks for a block and its receipts in one batch. If the block is
// replaced between the two answers, they do not hash to each other.
func (ep *endpoint) fetch(ctx context.Context, r asker, method string, key any) (rawBlock, error) {
	var raw rawBlock
	var block, receipts rawJSON
	elems := []rpc.BatchElem{{Method: method, Args: []any{key, true}, Result: &block}}
	whole := !ep.lacks(blockReceipts)
	if whole {
		elems = append(elems, rpc.BatchElem{Method: blockReceipts, Args: []any{key}, Result: &receipts})
	}
	if err := r.BatchCallContext(ctx, elems); err != nil {
		return raw, err
	}
	if elems[0].Error != nil {
		return raw, elems[0].Error
	}
	if block.isNull() {
		return raw, notFound(method)
	}
	var err error
	if raw.block, err = decodeBlock(block); err != nil {
		return raw, fmt.Errorf("block: %w", err)
	}
	var coded rpc.Error
	if whole && errors.As(elems[1].Error, &coded) && coded.ErrorCode() == -32601 {
		ep.without(blockReceipts)
		whole = false
	}
	if !whole {
		raw.receipts, err = fetchReceipts(ctx, r, raw.block)
		return raw, err
	}
	if elems[1].Error != nil {
		return raw, elems[1].Error
	}
	if receipts.isNull() {
		return raw, notFound(blockReceipts)
	}
	if raw.receipts, err = decodeReceipts(receipts); err != nil {
		return raw, fmt.Errorf("receipts: %w", err)
	}
	return raw, nil
}

// fetchReceipts asks for the receipts one by one, of a node that does not know
// eth_getBlockReceipts.
func fetchReceipts(ctx context.Context, r asker, b *blockJSON) ([]receiptJSON, error) {
	const method = "eth_getTransactionReceipt"
	if len(b.Transactions) == 0 {
		return nil, nil
	}
	raws := make([]rawJSON, len(b.Transactions))
	elems := make([]rpc.BatchElem, len(raws))
	for i := range elems {
		elems[i] = rpc.BatchElem{Method: method, Args: []any{b.Transactions[i].hash}, Result: &raws[i]}
	}
	if err := r.BatchCallContext(ctx, elems); err != nil {
		return nil, err
	}
	all := make([]receiptJSON, len(raws))
	for i := range elems {
		if elems[i].Error != nil {
			return nil, elems[i].Error
		}
		if raws[i].isNull() {
			return nil, notFound(method)
		}
		var err error
		if all[i], err = decodeReceipt(raws[i]); err != nil {
			return nil, fmt.Errorf("receipt: %w", err)
		}
	}
	return all, nil
}

// prove checks what a node gave against the block's hash and derives the rest
// from what was proven. It asks the node for the bytes of transactions whose
// type this program does not know, until it does not give some.
func (c *Client) prove(ctx context.Context, ep *endpoint, r asker, raw rawBlock) (*Block, error) {
	for i := range raw.block.Transactions {
		t := &raw.block.Transactions[i]
		if t.tx != nil || t.raw != nil {
			continue
		}
		bytes, err := fetchRaw(ctx, r, raw.block.Hash, i)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			err = ep.describe(rawMethod, err)
			if kindOf(err) == transient {
				return nil, err
			}
			t.missing = err.Error()
			break
		}
		t.raw = bytes
		t.readRaw()
	}
	return assemble(raw, c.signer)
}

// readRaw believes the bytes instead of what the node called their type.
func (t *txJSON) readRaw() {
	t.typ = t.raw[0]
	if t.typ > 0x7f { // a list: before EIP-2718
		t.typ = types.LegacyTxType
	}
	if tx := new(types.Transaction); tx.UnmarshalBinary(t.raw) == nil {
		t.tx = tx
	}
}

const rawMethod = "eth_getRawTransactionByBlockHashAndIndex"

// fetchRaw asks for the bytes of one transaction (EIP-2718).
func fetchRaw(ctx context.Context, r asker, block common.Hash, index int) ([]byte, error) {
	var raw hexutil.Bytes
	err := r.CallContext(ctx, &raw, rawMethod, block, hexutil.Uint64(index))
	if err == nil && len(raw) < 2 {
		err = notFound(rawMethod)
	}
	return raw, err
}

// assemble is the proof. It does no I/O.
func assemble(raw rawBlock, signer types.Signer) (*Block, error) {
	h := raw.block.Header
	if err := proveHeader(h, raw.block.Hash); err != nil {
		return nil, err
	}
	b := &Block{Header: h, Hash: raw.block.Hash, Withdrawals: raw.block.Withdrawals}
	if err := b.proveContent(raw); err != nil {
		return nil, err
	}
	return b, b.derive(raw, signer)
}

// bad says what is wrong with the block.
func (b *Block) bad(format string, args ...any) *UnprovenError {
	return &UnprovenError{Number: b.Number(), Hash: b.Hash, Reason: fmt.Sprintf(format, args...)}
}

// proveContent checks transactions, receipts and withdrawals against the roots
// of the header.
func (b *Block) proveContent(raw rawBlock) error {
	h, unknown := b.Header, unknownType(raw.block.Transactions)
	bad := func(format string, args ...any) error {
		err := b.bad(format, args...)
		err.content, err.unknown = true, unknown >= 0
		return err
	}
	if unknown >= 0 {
		if t := &raw.block.Transactions[unknown]; t.missing != "" {
			return b.bytesMissing(unknown, t)
		}
	}
	if root := types.DeriveSha(txList(raw.block.Transactions), trie.NewStackTrie(nil)); root != h.TxHash {
		return bad("its %d transactions hash to %s, the header says %s", len(raw.block.Transactions), root, h.TxHash)
	}
	if want, have := len(raw.block.Transactions), len(raw.receipts); want != have {
		return b.bad("%d receipts for %d transactions", have, want)
	}
	list := receiptList{raw.receipts, raw.block.Transactions}
	if root := types.DeriveSha(list, trie.NewStackTrie(nil)); root != h.ReceiptHash {
		return bad("its receipts hash to %s, the header says %s%s", root, h.ReceiptHash, explainType(unknown, raw.block.Transactions))
	}
	root := types.EmptyWithdrawalsHash
	if len(b.Withdrawals) > 0 {
		root = types.DeriveSha(types.Withdrawals(b.Withdrawals), trie.NewStackTrie(nil))
	}
	if h.WithdrawalsHash == nil && len(b.Withdrawals) > 0 {
		return bad("%d validator withdrawals, the header has none", len(b.Withdrawals))
	}
	if h.WithdrawalsHash != nil && root != *h.WithdrawalsHash && (len(b.Withdrawals) > 0 || !isOPStack(raw.block.Transactions)) {
		return bad("its %d validator withdrawals hash to %s, the header says %s", len(b.Withdrawals), root, h.WithdrawalsHash)
	}
	return nil
}

// derive fills in the transactions from proven bytes and positions.
func (b *Block) derive(raw rawBlock, signer types.Signer) error {
	b.Txs = make([]Tx, len(raw.receipts))
	var gas, index uint64
	for i := range b.Txs {
		t, r := &raw.block.Transactions[i], &raw.receipts[i]
		if uint64(r.CumulativeGasUsed) < gas {
			return b.bad("the gas used after transaction %d is less than before it", i)
		}
		if len(r.PostState) > 0 {
			return b.bad("it is from before transactions had a status (EIP-658): choose a later start block")
		}
		tx := &b.Txs[i]
		*tx = Tx{
			Tx: t.tx, Type: t.typ, Raw: t.raw, FromHint: t.from, signer: signer,
			Success: uint64(r.Status) == types.ReceiptStatusSuccessful, GasUsed: uint64(r.CumulativeGasUsed) - gas,
			Logs: make([]Log, len(r.Logs)),
		}
		gas = uint64(r.CumulativeGasUsed)
		switch {
		case t.tx != nil:
			tx.Hash = t.tx.Hash()
			tx.GasPrice = effectiveGasPrice(t.tx, b.Header.BaseFee)
		case t.raw != nil:
			tx.Hash = crypto.Keccak256Hash(t.raw)
			tx.bridge(decodeBridged(t.raw), r, b.Unproven == "")
		default: // of a block that is not proven
			tx.Hash = t.hash
		}
		for j, l := range r.Logs {
			tx.Logs[j] = Log{Address: l.Address, Topics: l.Topics, Data: l.Data, Index: index}
			index++
		}
	}
	return nil
}

// bridge fills in what is known of a deposited transaction. Its gas was paid on
// the chain below.
func (t *Tx) bridge(b *Bridged, r *receiptJSON, proven bool) {
	if t.Bridged = b; b == nil {
		return
	}
	t.GasPrice = new(big.Int)
	if nonce := uint64(r.DepositNonce); proven && r.ofCanyon(t.Type) {
		b.Nonce = &nonce
	}
}

// effectiveGasPrice is what each unit of gas cost the sender (EIP-1559).
func effectiveGasPrice(tx *types.Transaction, base *big.Int) *big.Int {
	if base == nil {
		return tx.GasPrice()
	}
	price := new(big.Int).Add(tx.GasTipCap(), base)
	if limit := tx.GasFeeCap(); price.Cmp(limit) > 0 {
		return limit
	}
	return price
}

// unknownType is the index of the first transaction whose type is not known, or
// the one whose bytes the node did not give, or -1.
func unknownType(txs []txJSON) int {
	first := -1
	for i := range txs {
		switch {
		case txs[i].missing != "":
			return i
		case txs[i].tx == nil && first < 0:
			first = i
		}
	}
	return first
}

// explainType explains a receipts root that does not match: what stands in a
// receipt depends on the transaction's type.
func explainType(i int, txs []txJSON) string {
	if i < 0 {
		return ""
	}
	return fmt.Sprintf("; transaction %d has the type %#x, whose receipts this program may not know how to hash", i, txs[i].typ)
}

// txList encodes transactions as they are hashed (types.DerivableList).
type txList []txJSON

func (l txList) Len() int { return len(l) }

func (l txList) EncodeIndex(i int, w *bytes.Buffer) {
	if l[i].tx == nil {
		w.Write(l[i].raw)
		return
	}
	types.Transactions{l[i].tx}.EncodeIndex(0, w)
}
