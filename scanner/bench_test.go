package scanner_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// Of the full chain that the benchmark reads.
const (
	fullBlocks  = 32
	fullEther   = 100 // transactions per block that move ether
	fullSplits  = 100 // transactions per block that move tokens
	splitLogs   = 5   // token transfers in each of these
	benchReads  = 4   // blocks fetched at the same time, on both sides
	oursOfEvery = 200 // one transfer in so many is to an address of ours
)

// BenchmarkScan reads full blocks (200 transactions, 500 logs) from one node and
// compares, side by side in one run, a scan into a store with fetching and
// decoding the same blocks and receipts with go-ethereum's client and throwing
// them away. The node is a recording, so that its own work hides nothing.
func BenchmarkScan(b *testing.B) {
	node := record(b)
	for _, addresses := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("addresses=%d", addresses), func(b *testing.B) {
			var plain, scan time.Duration
			for b.Loop() {
				plain += node.throwAway(b)
				scan += node.scan(b, addresses)
			}
			rate := func(d time.Duration) float64 { return float64(b.N) * fullBlocks / d.Seconds() } //nolint:forbidigo // a speed, not money
			b.ReportMetric(rate(plain), "plain-blocks/s")
			b.ReportMetric(rate(scan), "scan-blocks/s")
			b.ReportMetric(rate(plain)/rate(scan), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// recording answers like the node that it was made from, from memory.
type recording struct {
	*httptest.Server

	id      uint64
	genesis common.Hash
	first   uint64
	token   common.Address
	answers map[string]json.RawMessage
	stores  map[int]string // prepared stores by number of addresses
}

// benchAddress is one of ours.
func benchAddress(i int) (a common.Address) {
	a[0] = 0xaa
	binary.BigEndian.PutUint64(a[12:], uint64(i))
	return a
}

func record(b *testing.B) *recording {
	ctx := b.Context()
	net := chaintest.NewSimulated(b, chaintest.SimulatedOptions{})
	token, err := net.Deploy(ctx, chaintest.Token, "Gold", "GLD", uint8(6), big.NewInt(1e15))
	fatal(b, err)
	split, err := net.Deploy(ctx, chaintest.Forwarder)
	fatal(b, err)
	approve, err := chaintest.Token.Call("approve", split, big.NewInt(1e15))
	fatal(b, err)
	_, err = net.Send(ctx, chaintest.Call{To: &token, Data: approve})
	fatal(b, err)
	_, err = net.Commit()
	fatal(b, err)
	fillBlocks(b, net, token, split)

	r := &recording{id: net.ChainID(), token: token, answers: map[string]json.RawMessage{}, stores: map[int]string{}}
	head, err := net.Client().BlockNumber(ctx)
	fatal(b, err)
	r.first = head - fullBlocks + 1
	keep := func(method string, params ...any) {
		var answer json.RawMessage
		fatal(b, net.Client().Client().CallContext(ctx, &answer, method, params...))
		p, err := json.Marshal(params)
		fatal(b, err)
		r.answers[method+strings.TrimPrefix(string(p), "null")] = answer
	}
	keep("eth_chainId")
	keep("eth_getBlockByNumber", "0x0", false)
	keep("eth_getBlockByNumber", "latest", false)
	keep("eth_getBlockByNumber", "finalized", false)
	for n := r.first - 1; n <= head; n++ {
		keep("eth_getBlockByNumber", fmt.Sprintf("0x%x", n), false)
		keep("eth_getBlockByNumber", fmt.Sprintf("0x%x", n), true)
		keep("eth_getBlockReceipts", fmt.Sprintf("0x%x", n))
	}
	genesis, err := net.Client().HeaderByNumber(ctx, new(big.Int))
	fatal(b, err)
	r.genesis = genesis.Hash()
	r.Server = httptest.NewServer(http.HandlerFunc(r.answer))
	b.Cleanup(r.Close)
	return r
}

// fillBlocks mines the blocks that are read.
func fillBlocks(b *testing.B, net *chaintest.Simulated, token, split common.Address) {
	ctx := b.Context()
	id := new(big.Int).SetUint64(net.ChainID())
	signer := types.LatestSignerForChainID(id)
	nonce, err := net.Client().NonceAt(ctx, net.Faucet().Address, nil)
	fatal(b, err)
	count := 0
	next := func() common.Address {
		count++
		if count%oursOfEvery == 0 {
			return benchAddress(count / oursOfEvery % 1000)
		}
		return common.BytesToAddress(crypto.Keccak256(binary.BigEndian.AppendUint64(nil, uint64(count))))
	}
	for range fullBlocks {
		var txs []*types.Transaction
		for i := range fullEther + fullSplits {
			to := next()
			data := &types.DynamicFeeTx{
				ChainID: id, Nonce: nonce, GasTipCap: big.NewInt(1e9), GasFeeCap: big.NewInt(1e12),
				Gas: 21000, To: &to, Value: big.NewInt(1),
			}
			if i%2 == 0 {
				var list []common.Address
				for range splitLogs {
					list = append(list, next())
				}
				call, err := chaintest.Forwarder.Call("splitToken", token, list, big.NewInt(1))
				fatal(b, err)
				data.To, data.Value, data.Data, data.Gas = &split, nil, call, 260_000
			}
			tx, err := types.SignNewTx(net.Faucet().Key, signer, data)
			fatal(b, err)
			txs = append(txs, tx)
			nonce++
		}
		_, err := net.CommitOnly(txs...)
		fatal(b, err)
	}
	block, err := net.Client().BlockByNumber(ctx, nil)
	fatal(b, err)
	receipts, err := net.Client().BlockReceipts(ctx, rpc.BlockNumberOrHashWithHash(block.Hash(), false))
	fatal(b, err)
	logs := 0
	for _, r := range receipts {
		logs += len(r.Logs)
	}
	if len(receipts) < fullEther+fullSplits || logs < fullSplits*splitLogs {
		b.Fatalf("a block has %d transactions and %d logs", len(receipts), logs)
	}
}

func (r *recording) answer(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	type request struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
		Params json.RawMessage `json:"params"`
	}
	one := func(q request) {
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":`, q.ID)
		result, ok := r.answers[q.Method+strings.TrimPrefix(string(q.Params), "[]")]
		if !ok {
			result = json.RawMessage("null")
		}
		_, _ = w.Write(result)
		_, _ = io.WriteString(w, "}")
	}
	w.Header().Set("Content-Type", "application/json")
	if body[0] == '{' {
		var q request
		if json.Unmarshal(body, &q) == nil {
			one(q)
		}
		return
	}
	var batch []request
	_ = json.Unmarshal(body, &batch)
	for i, q := range batch {
		_, _ = io.WriteString(w, map[bool]string{true: "[", false: ","}[i == 0])
		one(q)
	}
	_, _ = io.WriteString(w, "]")
}

// throwAway fetches and decodes with go-ethereum's client, as many blocks at
// the same time as the scan.
func (r *recording) throwAway(b *testing.B) time.Duration {
	client, err := ethclient.DialContext(b.Context(), r.URL)
	fatal(b, err)
	defer client.Close()
	numbers := make(chan uint64)
	started := time.Now()
	var wg sync.WaitGroup
	for range benchReads {
		wg.Go(func() {
			for n := range numbers {
				if _, err := client.BlockByNumber(b.Context(), new(big.Int).SetUint64(n)); err != nil {
					b.Error(err)
				}
				var receipts []*types.Receipt // as ethclient's BlockReceipts does
				if err := client.Client().CallContext(b.Context(), &receipts, "eth_getBlockReceipts", hexutil.Uint64(n)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for n := r.first; n < r.first+fullBlocks; n++ {
		numbers <- n
	}
	close(numbers)
	wg.Wait()
	return time.Since(started)
}

// scan reads the blocks into a store.
func (r *recording) scan(b *testing.B, addresses int) time.Duration {
	b.StopTimer()
	db := r.home(b, addresses)
	client, err := chain.Dial(b.Context(), chain.Options{URLs: []string{r.URL}, Fetchers: benchReads})
	fatal(b, err)
	defer client.Close()
	b.StartTimer()
	started := time.Now()
	sum, err := scanner.New(db, client, r.id, scanner.Options{}).Pass(b.Context())
	took := time.Since(started)
	fatal(b, err)
	if sum.Blocks != fullBlocks || sum.Deposits == 0 {
		b.Fatalf("read %+v", sum)
	}
	return took
}

// home is a store with many addresses and nothing read. It is made once and
// copied.
func (r *recording) home(b *testing.B, addresses int) store.DB {
	ctx := b.Context()
	if r.stores[addresses] == "" {
		path := filepath.Join(b.TempDir(), "airlock.db")
		db, err := bolt.Create(ctx, path)
		fatal(b, err)
		for done := 0; done < addresses; done += 1000 {
			fatal(b, db.Update(ctx, func(tx store.Tx) error {
				for i := done; i < done+1000; i++ {
					a := wallet.Address{Address: benchAddress(i), Account: fmt.Sprint("a", i), Path: wallet.Path{Index: uint32(i)}} //nolint:gosec // small
					if err := store.AddAddress(tx, a); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		fatal(b, db.Update(ctx, func(tx store.Tx) error {
			// After the addresses, so that no opening balances are read.
			if err := store.PutChain(tx, wallet.Chain{
				ID: r.id, Coin: wallet.Asset{ID: wallet.Coin(r.id), Symbol: "ETH", Decimals: 18}, GenesisHash: r.genesis,
				StartBlock: r.first, Finality: wallet.Finality{Tag: "finalized"},
			}); err != nil {
				return err
			}
			return store.PutToken(tx, wallet.Asset{ID: wallet.Token(r.id, r.token), Symbol: "GLD", Decimals: 6})
		}))
		r.stores[addresses] = path
	}
	made := filepath.Join(b.TempDir(), "copy.db")
	fatal(b, copyFile(r.stores[addresses], made))
	return bolt.Open(made)
}

func fatal(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600)
}
