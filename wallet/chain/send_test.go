package chain_test

import (
	"encoding/json"
	"math/big"
	"net/http"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
)

// TestSendRefusals provokes real nodes into each refusal that they know.
func TestSendRefusals(t *testing.T) {
	t.Parallel()
	gwei := func(n int64) *big.Int { return big.NewInt(n * params.GWei) }
	for name, start := range map[string]func(*testing.T) chaintest.Network{
		"geth":      func(t *testing.T) chaintest.Network { return chaintest.NewGeth(t, chaintest.GethOptions{}) },
		"anvil":     func(t *testing.T) chaintest.Network { return chaintest.NewAnvil(t, chaintest.AnvilOptions{}) },
		"simulated": func(t *testing.T) chaintest.Network { return chaintest.NewSimulated(t, chaintest.SimulatedOptions{}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := start(t)
			ok(t, n.Mine(t.Context(), 1)) // a geth that has just started can miss a transaction
			mined, err := n.Fund(t.Context(), someone, big.NewInt(1))
			ok(t, err)
			_, err = n.Settle(t.Context(), mined)
			ok(t, err)
			c := dial(t, n.URL())
			id := new(big.Int).SetUint64(n.ChainID())
			poor := must(crypto.GenerateKey())
			// A transfer that waits in the pool for an earlier nonce.
			transfer := func() *types.DynamicFeeTx {
				return &types.DynamicFeeTx{ChainID: id, Nonce: 7, GasTipCap: gwei(2), GasFeeCap: gwei(100), Gas: 21000, To: &someone, Value: big.NewInt(1)}
			}
			send := func(change func(*types.DynamicFeeTx)) error {
				tx := transfer()
				change(tx)
				return c.SendTransaction(t.Context(), must(types.SignNewTx(n.Faucet().Key, types.LatestSignerForChainID(tx.ChainID), tx)))
			}
			for _, step := range []struct {
				name string
				want chain.SendResult
				err  error
			}{
				{"first", chain.SendAccepted, send(func(*types.DynamicFeeTx) {})},
				{"again", chain.SendAlreadyKnown, send(func(*types.DynamicFeeTx) {})},
				{"another with its nonce", chain.SendNotReplacing, send(func(tx *types.DynamicFeeTx) { tx.Value = big.NewInt(2) })},
				{"a little more for its nonce", chain.SendNotReplacing, send(func(tx *types.DynamicFeeTx) {
					tx.GasTipCap = new(big.Int).Add(tx.GasTipCap, big.NewInt(1))
				})},
				{"mined nonce", chain.SendNonceTooLow, send(func(tx *types.DynamicFeeTx) { tx.Nonce = 0 })},
				{"no fee", chain.SendUnderpriced, send(func(tx *types.DynamicFeeTx) {
					tx.Nonce, tx.GasTipCap, tx.GasFeeCap = 8, new(big.Int), new(big.Int)
				})},
				{"nothing to pay with", chain.SendInsufficient, c.SendTransaction(t.Context(),
					must(types.SignNewTx(poor, types.LatestSignerForChainID(id), transfer())))},
				{"too little gas", chain.SendRejected, send(func(tx *types.DynamicFeeTx) { tx.Nonce, tx.Gas = 8, 20000 })},
				{"too much gas", chain.SendRejected, send(func(tx *types.DynamicFeeTx) { tx.Nonce, tx.Gas = 8, 1<<40 })},
				{"tip above the fee", chain.SendRejected, send(func(tx *types.DynamicFeeTx) { tx.Nonce, tx.GasTipCap = 8, gwei(200) })},
				{"of another chain", chain.SendRejected, send(func(tx *types.DynamicFeeTx) { tx.Nonce, tx.ChainID = 8, big.NewInt(4711) })},
				{"nonsense", chain.SendRejected, c.SendRawTransaction(t.Context(), []byte{0xc3, 1, 2, 3})},
				{"cut off", chain.SendRejected, c.SendRawTransaction(t.Context(), []byte{2, 0xc0})},
			} {
				if have := chain.ClassifySend(step.err); have != step.want {
					t.Errorf("%s: %v: %s, want %s", step.name, step.err, have, step.want)
				}
			}
		})
	}
}

// refusing is a node that answers as another client would to some transactions.
func refusing(answers map[common.Hash]string) faulty.Rule {
	return func(r faulty.Request, a *faulty.Answer) {
		var raw string
		if r.Method != "eth_sendRawTransaction" || json.Unmarshal(r.Params[0], &raw) != nil {
			return
		}
		if text, ok := answers[crypto.Keccak256Hash(common.FromHex(raw))]; ok {
			*a = faulty.Answer{Version: a.Version, ID: a.ID, Error: json.RawMessage(text)}
		}
	}
}

// TestSendAnswersStandAlone sends a list of which a node refuses some with the
// codes and words of rate limits: each answer belongs to its own transaction,
// and those that mean something are not asked for again.
func TestSendAnswersStandAlone(t *testing.T) {
	t.Parallel()
	n := chaintest.NewAnvil(t, chaintest.AnvilOptions{})
	var raws [][]byte
	var hashes []common.Hash
	for i := range 6 {
		tx := must(types.SignNewTx(n.Faucet().Key, types.LatestSignerForChainID(new(big.Int).SetUint64(n.ChainID())), &types.DynamicFeeTx{
			ChainID: new(big.Int).SetUint64(n.ChainID()), Nonce: uint64(i), GasTipCap: big.NewInt(params.GWei), GasFeeCap: big.NewInt(100 * params.GWei),
			Gas: 21000, To: &someone, Value: big.NewInt(1),
		}))
		raws, hashes = append(raws, must(tx.MarshalBinary())), append(hashes, tx.Hash())
	}
	p, q := proxy(t, n.URL()), proxy(t, n.URL())
	p.Rule(refusing(map[common.Hash]string{
		hashes[1]: `{"code":-32005,"message":"Transaction gas limit exceeds block gas limit"}`,
		hashes[2]: `{"code":-32000,"message":"account limit exceeded: pooled 16 txs"}`,
		hashes[3]: `{"code":-32002,"message":"Invalid signature"}`,
		hashes[4]: `{"code":-32004,"message":"Upfront cost exceeds account balance"}`,
	}))
	results := func(c *chain.Client) (all []chain.SendResult) {
		for _, err := range c.SendRawTransactions(t.Context(), raws) {
			all = append(all, chain.ClassifySend(err))
		}
		return all
	}
	alone := results(dial(t, p.URL))
	for i, want := range []chain.SendResult{
		chain.SendAccepted, chain.SendRejected, chain.SendPoolFull, chain.SendRejected, chain.SendInsufficient, chain.SendAccepted,
	} {
		equal(t, "alone", alone[i], want)
	}
	equal(t, "offered once each", p.Seen("eth_sendRawTransaction"), 6)

	// Where one has no room, another is asked; where nobody else answers, that
	// is what is known.
	both := results(dial(t, p.URL, q.URL))
	equal(t, "room elsewhere", both[2], chain.SendAlreadyKnown)
	equal(t, "refused is refused", both[1], chain.SendRejected)
	equal(t, "the other was asked for one", q.Seen("eth_sendRawTransaction"), 1)
	c := dial(t, p.URL, q.URL)
	q.Down(http.StatusBadGateway)
	equal(t, "no room, and nobody else", results(c)[2], chain.SendPoolFull)
}
