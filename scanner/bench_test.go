package scanner_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
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
	fullBlocks  = 128
	fullEther   = 100 // transactions per block that move ether
	fullSplits  = 100 // transactions per block that move tokens
	splitLogs   = 5   // token transfers in each of these
	benchReads  = 4   // blocks fetched at the same time, on both sides
	oursOfEvery = 200 // one transfer in so many is to an address of ours
)

// BenchmarkScan reads full blocks (200 transactions, 500 logs) from one node,
// which is a recording, so that its own work hides nothing.
func BenchmarkScan(b *testing.B) {
	node := record(b)
	b.Run("blocks", func(b *testing.B) { benchBlocks(b, node) })
	b.Run("process", func(b *testing.B) { benchProcess(b, node) })
}

// benchBlocks compares, side by side in one run, scans into stores of two sizes
// with fetching and decoding the same blocks and receipts with go-ethereum's
// client and throwing them away. The node's allocations count on both sides.
func benchBlocks(b *testing.B, node *recording) {
	sizes := []int{1_000, 1_000_000}
	for _, n := range sizes {
		node.store(b, n) // not in what is measured
	}
	var plain spent
	scans := make([]spent, len(sizes))
	for b.Loop() {
		plain.add(node.throwAway(b))
		for i, n := range sizes {
			scans[i].add(node.scan(b, n))
		}
		plain.add(node.throwAway(b)) // and the other way round, lest the order decides
		for i := len(sizes) - 1; i >= 0; i-- {
			scans[i].add(node.scan(b, sizes[i]))
		}
	}
	blocks := float64(2 * b.N * fullBlocks) //nolint:forbidigo // for speeds, not money
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(blocks/plain.took.Seconds(), "plain-blocks/s")
	b.ReportMetric(float64(plain.allocs)/blocks, "plain-allocs/block")
	for i, n := range sizes {
		b.ReportMetric(blocks/scans[i].took.Seconds(), fmt.Sprintf("%d-blocks/s", n))
		b.ReportMetric(float64(scans[i].allocs)/blocks, fmt.Sprintf("%d-allocs/block", n))
		b.ReportMetric(scans[i].took.Seconds()/plain.took.Seconds(), fmt.Sprintf("%d-ratio", n))
	}
	b.ReportMetric(scans[1].took.Seconds()/scans[0].took.Seconds(), "large-to-small")
}

// spent is what some work cost.
type spent struct {
	took   time.Duration
	allocs uint64
}

func (s *spent) add(t spent) { s.took, s.allocs = s.took+t.took, s.allocs+t.allocs }

// measure is the cost of fn in this process.
func measure(fn func()) spent {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	started := time.Now()
	fn()
	took := time.Since(started)
	runtime.ReadMemStats(&after)
	return spent{took, after.Mallocs - before.Mallocs}
}

// recording answers like the node that it was made from, from memory.
type recording struct {
	*httptest.Server

	id      uint64
	genesis common.Hash
	first   uint64
	token   common.Address
	answers map[string]json.RawMessage
	dir     string         // of the stores
	stores  map[int]string // by number of addresses
}

// benchAddress is one of ours, far from the next, as derived ones are.
func benchAddress(i int) common.Address {
	return common.BytesToAddress(crypto.Keccak256(binary.BigEndian.AppendUint64([]byte("ours"), uint64(i)))) //nolint:gosec // small
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

	r := &recording{id: net.ChainID(), token: token, answers: map[string]json.RawMessage{}, dir: b.TempDir(), stores: map[int]string{}}
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
func (r *recording) throwAway(b *testing.B) spent {
	client, err := ethclient.DialContext(b.Context(), r.URL)
	fatal(b, err)
	defer client.Close()
	return measure(func() { r.fetch(b, client) })
}

func (r *recording) fetch(b *testing.B, client *ethclient.Client) {
	numbers := make(chan uint64)
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
}

// scan reads the blocks into a copy of a store.
func (r *recording) scan(b *testing.B, addresses int) spent {
	b.StopTimer()
	path := filepath.Join(b.TempDir(), "copy.db")
	fatal(b, copyFile(r.store(b, addresses), path))
	defer os.Remove(path)
	client, err := chain.Dial(b.Context(), chain.Options{URLs: []string{r.URL}, Fetchers: benchReads, Most: benchReads})
	fatal(b, err)
	defer client.Close()
	b.StartTimer()
	return measure(func() {
		// The recording has no balances, which are compared once in many blocks. A
		// second reading would fetch final blocks twice; while catching up it reads
		// the last 128 only.
		sum, err := scanner.New(bolt.Open(path), client, r.id, scanner.Options{CompareBlocks: -1, BackupBlocks: -1}).Pass(b.Context())
		fatal(b, err)
		if sum.Blocks != fullBlocks || sum.Deposits == 0 {
			b.Fatalf("read %+v", sum)
		}
	})
}

// store is a store with many addresses, whose opening balances are booked, and
// nothing read. It is made once.
func (r *recording) store(b *testing.B, addresses int) string {
	if path := r.stores[addresses]; path != "" {
		return path
	}
	ctx := b.Context()
	path := filepath.Join(r.dir, fmt.Sprintf("%d.db", addresses))
	db, err := bolt.Create(ctx, path)
	fatal(b, err)
	addAddresses(b, db, addresses)
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
	return path
}

// addAddresses adds addresses, in steps that are small enough for bbolt, which
// splits pages when it commits.
func addAddresses(b *testing.B, db store.DB, n int) {
	const step = 5_000
	for from := 0; from < n; from += step {
		fatal(b, db.Update(b.Context(), func(tx store.Tx) error {
			for i := from; i < min(from+step, n); i++ {
				a := wallet.Address{Address: benchAddress(i), Account: fmt.Sprint("a", i), Path: wallet.Path{Index: uint32(i)}} //nolint:gosec // small
				if err := store.AddAddress(tx, a); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

func fatal(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = io.Copy(out, in); err == nil {
		err = out.Sync() // else the first commit writes all of it
	}
	return errors.Join(err, out.Close())
}
