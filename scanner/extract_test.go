package scanner_test

import (
	"math/big"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

// known is a home of one address and one token.
type known struct{}

var (
	ourAddress = common.HexToAddress("0xa1")
	stranger   = common.HexToAddress("0xb2")
	gold       = common.HexToAddress("0xc3")
	spam       = common.HexToAddress("0xd4")
	transferID = crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))
)

func (known) Ours(a common.Address) (string, bool)              { return "alice", a == ourAddress }
func (known) Token(c common.Address) bool                       { return c == gold }
func (known) Signed(common.Hash) bool                           { return false }
func (known) Outgoing(wallet.Slot) (o wallet.Outgoing, ok bool) { return o, false }
func (known) Unproven(uint64) []common.Address                  { return nil }

func transferLog(token, from, to common.Address, amount int64) chain.Log {
	return chain.Log{
		Address: token, Topics: []common.Hash{transferID, common.BytesToHash(from[:]), common.BytesToHash(to[:])},
		Data: common.BigToHash(big.NewInt(amount)).Bytes(),
	}
}

// TestExtract goes through what a transaction of somebody else can look like.
func TestExtract(t *testing.T) {
	badSignature := types.NewTx(&types.LegacyTx{To: &ourAddress, Value: big.NewInt(5), V: big.NewInt(27), R: new(big.Int), S: new(big.Int)})
	creation := types.NewTx(&types.LegacyTx{Value: big.NewInt(5)})
	erc721 := transferLog(gold, stranger, ourAddress, 7)
	erc721.Topics, erc721.Data = append(erc721.Topics, common.Hash{1}), nil
	dirty := transferLog(gold, stranger, ourAddress, 7)
	dirty.Topics[1][0] = 1
	nft := erc721
	nft.Address = spam
	foreign := chain.Tx{Tx: creation, Success: true}
	with := func(logs ...chain.Log) chain.Tx {
		t := foreign
		t.Logs = logs
		return t
	}
	for name, c := range map[string]struct {
		tx                                    chain.Tx
		deposits, outflows, malformed, unread int
		unknown                               []uint64 // logs of each
	}{
		"nothing of ours":         {tx: chain.Tx{Tx: creation, Success: true}},
		"ether, bad signature":    {tx: chain.Tx{Tx: badSignature, Success: true}, deposits: 1},
		"failed":                  {tx: chain.Tx{Tx: badSignature}},
		"contract creation":       {tx: chain.Tx{Tx: creation, Success: true, Logs: []chain.Log{transferLog(gold, stranger, ourAddress, 7)}}, deposits: 1},
		"several in one":          {tx: chain.Tx{Tx: creation, Success: true, Logs: []chain.Log{transferLog(gold, stranger, ourAddress, 7), transferLog(gold, stranger, ourAddress, 7)}}, deposits: 2},
		"nothing moved":           {tx: chain.Tx{Tx: creation, Success: true, Logs: []chain.Log{transferLog(gold, stranger, ourAddress, 0)}}},
		"token nobody registered": {tx: with(transferLog(spam, stranger, ourAddress, 7)), unknown: []uint64{1}},
		"taken by its contract":   {tx: with(transferLog(spam, ourAddress, stranger, 7)), unknown: []uint64{1}},
		"one of it many times":    {tx: with(transferLog(spam, stranger, ourAddress, 7), transferLog(spam, stranger, ourAddress, 8), transferLog(spam, ourAddress, ourAddress, 9)), unknown: []uint64{3}},
		"two nobody registered":   {tx: with(transferLog(spam, stranger, ourAddress, 7), transferLog(stranger, stranger, ourAddress, 8), transferLog(spam, stranger, ourAddress, 7)), unknown: []uint64{2, 1}},
		"of it to strangers":      {tx: with(transferLog(spam, stranger, stranger, 7))},
		"nothing of it":           {tx: with(transferLog(spam, stranger, ourAddress, 0), transferLog(spam, ourAddress, stranger, 0))},
		"an ERC-721 nobody knows": {tx: with(nft)},
		"ether's own log":         {tx: with(transferLog(params.SystemAddress, stranger, ourAddress, 7))},
		"unknown type, unknown":   {tx: chain.Tx{Type: 0x7d, Success: true, Logs: []chain.Log{transferLog(spam, stranger, ourAddress, 7)}}, unread: 1, unknown: []uint64{1}},
		"to itself":               {tx: chain.Tx{Tx: creation, Success: true, Logs: []chain.Log{transferLog(gold, ourAddress, ourAddress, 7)}}},
		"allowance used":          {tx: chain.Tx{Tx: creation, Success: true, Logs: []chain.Log{transferLog(gold, ourAddress, stranger, 7)}}, outflows: 1},
		"ERC-721":                 {tx: chain.Tx{Tx: creation, Success: true, Logs: []chain.Log{erc721}}},
		"dirty topic":             {tx: chain.Tx{Tx: creation, Success: true, Logs: []chain.Log{dirty}}, malformed: 1},
		"anonymous log":           {tx: chain.Tx{Tx: creation, Success: true, Logs: []chain.Log{{Address: gold}}}},
		"unknown type":            {tx: chain.Tx{Type: 0x7d, Raw: []byte{0x7d}, Success: true}, unread: 1},
		"unknown type with a log": {tx: chain.Tx{Type: 0x7d, Success: true, Logs: []chain.Log{transferLog(gold, stranger, ourAddress, 7)}}, deposits: 1, unread: 1},
		"our address as a hint":   {tx: chain.Tx{Tx: creation, Success: true, FromHint: ourAddress}},
		"mint":                    {tx: chain.Tx{Tx: creation, Success: true, Logs: []chain.Log{transferLog(gold, common.Address{}, ourAddress, 7)}}, deposits: 1},
		"burnt by somebody else":  {tx: chain.Tx{Tx: creation, Success: true, Logs: []chain.Log{transferLog(gold, ourAddress, common.Address{}, 7)}}, outflows: 1},
		"the largest amount":      {tx: chain.Tx{Tx: creation, Success: true, Logs: []chain.Log{{Address: gold, Topics: transferLog(gold, stranger, ourAddress, 7).Topics, Data: common.MaxHash.Bytes()}}}, deposits: 1},
	} {
		b := &chain.Block{Header: &types.Header{Number: big.NewInt(9)}, Txs: []chain.Tx{c.tx}}
		f := scanner.Extract(1, b, known{}, clock)
		if len(f.Deposits) != c.deposits || len(f.Outflows) != c.outflows || f.Malformed != c.malformed || f.Unread != c.unread || len(f.Mined) != 0 {
			t.Errorf("%s: %+v", name, f)
		}
		var unknown []uint64
		for _, u := range f.Unknown {
			unknown = append(unknown, u.Logs)
			if u.BlockNumber != 9 || u.BlockHash != b.Hash || u.ChainID != 1 || !u.SeenAt.Equal(clock) {
				t.Errorf("%s: %+v", name, u)
			}
		}
		if !slices.Equal(unknown, c.unknown) {
			t.Errorf("%s: unknown tokens %+v", name, f.Unknown)
		}
	}
}

// TestEtherLogs counts plain ether once where it leaves a log as well
// (EIP-7708).
func TestEtherLogs(t *testing.T) {
	h := newHome(t, wallet.Finality{Confirmations: 1}, chaintest.SimulatedOptions{Finality: 20, Amsterdam: true})
	tx, err := h.net.Send(t.Context(), chaintest.Call{To: ptr(h.address(alice)), Wei: big.NewInt(77), Gas: 400_000})
	h.ok(err)
	h.mine(1)
	block, err := h.client.Block(t.Context(), 2)
	h.ok(err)
	if len(block.Txs) != 1 || len(block.Txs[0].Logs) != 1 {
		t.Fatalf("the transfer left no log: %+v", block.Txs)
	}
	if sum := h.pass(); sum.Deposits != 1 {
		t.Errorf("%+v", sum)
	}
	if m := h.marks(); len(m) != 0 {
		t.Errorf("the log of ether was taken for that of a token: %+v", m)
	}
	h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositConfirmed, detected, confirmed)
}

func ptr[T any](v T) *T { return &v }
