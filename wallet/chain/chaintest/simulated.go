package chaintest

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	seeded "math/rand/v2"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/eth/tracers"
	_ "github.com/ethereum/go-ethereum/eth/tracers/native" // callTracer and its kin
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/miner"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
)

const (
	// SimulatedChainID is the chain id of a Simulated that was given none. It is
	// that of every go-ethereum development chain.
	SimulatedChainID = 1337

	// SimulatedFinality is how far the finalized block of a Simulated lies behind
	// its head unless it is told otherwise.
	SimulatedFinality = 2

	// developerKey is the key of go-ethereum's development account, which is
	// public.
	developerKey = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291"

	// genesisTime is fixed, so that the same options give the same genesis hash.
	genesisTime = 1767225600 // 2026-01-01 00:00 UTC
)

// SimulatedOptions are the choices for a Simulated. The zero value is a good one.
type SimulatedOptions struct {
	// ChainID is SimulatedChainID if zero. It enters the genesis hash.
	ChainID uint64
	// Alloc is what accounts hold in the genesis block besides the faucet.
	Alloc types.GenesisAlloc
	// Finality is the number of blocks that the finalized block lies behind the
	// head, SimulatedFinality if zero; the safe block lies halfway. On a young
	// chain both are the genesis block. With a negative number there is no
	// finalized and no safe block, and a query for one is an error.
	Finality int
	// FeeRecipient receives the tips of every block.
	FeeRecipient common.Address
	// Amsterdam activates that fork, with which plain ether transfers leave a
	// log (EIP-7708).
	Amsterdam bool
	// Seed, unless zero, has the same calls make the same blocks: what is random
	// in them follows from it, and each is a second younger than its parent.
	Seed uint64
}

// Simulated is a go-ethereum node in this process, with the APIs eth, net, web3,
// txpool and debug, and the state of every block at hand. It mines nothing unless
// told to.
//
// It is built from the parts that go-ethereum's ethclient/simulated is made of.
// That package hides its node, so it can tell neither the port it listens on nor
// trace, and it fixes the chain id and where finality lies.
type Simulated struct {
	endpoint

	node     *node.Node
	backend  *eth.Ethereum
	finality int
	coinbase common.Address

	random io.Reader
	now    func() time.Time

	build       sync.Mutex // held while the chain is changed
	clock       time.Duration
	withdrawals []*types.Withdrawal
	withdrawn   uint64
}

var _ Network = (*Simulated)(nil)

// StartSimulated starts a chain that consists of its genesis block.
func StartSimulated(o SimulatedOptions) (*Simulated, error) {
	if o.ChainID == 0 {
		o.ChainID = SimulatedChainID
	}
	if o.Finality == 0 {
		o.Finality = SimulatedFinality
	}
	s := &Simulated{finality: o.Finality, coinbase: o.FeeRecipient, random: rand.Reader, now: time.Now}
	if o.Seed != 0 {
		s.random = seeded.NewChaCha8([32]byte(binary.BigEndian.AppendUint64(make([]byte, 24), o.Seed)))
		s.now = func() time.Time { return time.Unix(genesisTime, 0) }
	}
	s.id = new(big.Int).SetUint64(o.ChainID)
	s.faucet = newAccount(developerKey)
	s.mine = s.mineBlocks

	apis := []string{"eth", "net", "web3", "txpool", "debug"}
	stack, err := node.New(&node.Config{
		Name:                 "chaintest",
		HTTPHost:             "127.0.0.1",
		HTTPModules:          apis,
		HTTPTimeouts:         rpc.DefaultHTTPTimeouts,
		WSHost:               "127.0.0.1", // at port 0 too, it shares HTTP's port
		WSModules:            apis,
		WSOrigins:            []string{"*"},
		BatchRequestLimit:    node.DefaultConfig.BatchRequestLimit,
		BatchResponseMaxSize: node.DefaultConfig.BatchResponseMaxSize,
		P2P:                  p2p.Config{NoDiscovery: true, NoDial: true},
	})
	if err != nil {
		return nil, fmt.Errorf("simulated chain: %w", err)
	}
	s.node = stack
	if err := s.start(o); err != nil {
		return nil, errors.Join(fmt.Errorf("simulated chain: %w", err), s.Close())
	}
	return s, nil
}

func (s *Simulated) start(o SimulatedOptions) error {
	conf := ethconfig.Defaults
	conf.NetworkId = o.ChainID
	conf.Genesis = simulatedGenesis(o, s.faucet.Address)
	conf.SyncMode = ethconfig.FullSync
	conf.TxPool.NoLocals = true
	conf.LogNoHistory = true
	// Proofs, traces and reorganisations may ask for any old state.
	conf.NoPruning = true
	conf.StateScheme = rawdb.HashScheme
	// The databases are small; the defaults reserve for mainnet's.
	conf.DatabaseCache, conf.TrieCleanCache, conf.TrieDirtyCache, conf.SnapshotCache = 16, 16, 16, 0

	backend, err := eth.New(s.node, &conf)
	if err != nil {
		return err
	}
	s.backend = backend
	s.node.RegisterAPIs([]rpc.API{{
		Namespace: "eth",
		Service:   filters.NewFilterAPI(filters.NewFilterSystem(backend.APIBackend, filters.Config{})),
	}})
	s.node.RegisterAPIs(tracers.APIs(backend.APIBackend))
	if err := s.node.Start(); err != nil {
		return err
	}
	backend.SetSynced()
	// Before its first block geth answers a query for an unknown transaction with
	// an error, because the index of transactions is not begun. Begin it, and show
	// the indexer a head.
	rawdb.WriteTxIndexTail(backend.ChainDb(), 0)
	if err := s.setHead(backend.BlockChain().Genesis()); err != nil {
		return err
	}
	for tries := 0; !backend.BlockChain().TxIndexDone(); tries++ {
		if tries == 5000 {
			return errors.New("the index of transactions is never done")
		}
		time.Sleep(time.Millisecond)
	}

	s.url, s.wsURL = s.node.HTTPEndpoint(), s.node.WSEndpoint()
	s.rpc = s.node.Attach()
	s.eth = ethclient.NewClient(s.rpc)
	return nil
}

// simulatedGenesis is a genesis block with every fork active and the faucet rich, and
// whoever fills blocks.
func simulatedGenesis(o SimulatedOptions, faucet common.Address) *core.Genesis {
	config := *params.AllDevChainProtocolChanges
	config.ChainID = new(big.Int).SetUint64(o.ChainID)
	config.BogotaTime = nil
	if o.Amsterdam {
		config.AmsterdamTime = new(uint64)
	}
	alloc := core.SystemContractAllocs()
	maps.Copy(alloc, o.Alloc)
	for _, a := range []common.Address{faucet, newAccount(congestionKey).Address} {
		alloc[a] = types.Account{Balance: new(big.Int).Lsh(big.NewInt(1), 200)}
	}
	return &core.Genesis{
		Config:     &config,
		Timestamp:  genesisTime,
		ExtraData:  config.ChainID.Bytes(), // which enters the hash through this alone
		GasLimit:   ethconfig.Defaults.Miner.GasCeil,
		BaseFee:    big.NewInt(params.InitialBaseFee),
		Difficulty: new(big.Int),
		Alloc:      alloc,
	}
}

// Commit mines one block of what is pending and returns its hash.
func (s *Simulated) Commit() (common.Hash, error) {
	s.build.Lock()
	defer s.build.Unlock()
	return s.extend(nil, false)
}

// CommitOnly mines one block of exactly these signed transactions, in order. They
// need not be in the pool, nor would it have to accept them.
func (s *Simulated) CommitOnly(txs ...*types.Transaction) (common.Hash, error) {
	s.build.Lock()
	defer s.build.Unlock()
	return s.extend(txs, true)
}

func (s *Simulated) mineBlocks(ctx context.Context, n int) error {
	for range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := s.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// Rollback empties the pool: what is pending is gone.
func (s *Simulated) Rollback() {
	s.backend.TxPool().Clear()
	s.forget()
}

// Fork makes an older block the head again. What was mined after it is pending,
// until Rollback. A network never shows a shorter chain: Reorg is what happens
// in the world.
func (s *Simulated) Fork(parent common.Hash) error {
	s.build.Lock()
	defer s.build.Unlock()
	block := s.backend.BlockChain().GetBlockByHash(parent)
	if block == nil {
		return fmt.Errorf("no block %s to fork from", parent)
	}
	return s.setHead(block)
}

// Reorg replaces the newest depth blocks by as many empty ones in one step. What
// was in them is pending again: Mine mines it elsewhere, Rollback loses it.
func (s *Simulated) Reorg(ctx context.Context, depth int) error {
	s.build.Lock()
	defer s.build.Unlock()
	chain := s.backend.BlockChain()
	head := chain.CurrentBlock().Number.Uint64()
	if depth <= 0 || uint64(depth) > head {
		return fmt.Errorf("reorg of %d blocks on a chain of %d", depth, head)
	}
	block := chain.GetBlockByNumber(head - uint64(depth))
	for range depth {
		var err error
		if block, err = s.seal(block.Header(), nil, true); err != nil {
			return err
		}
	}
	if err := s.setHead(block); err != nil {
		return err
	}
	s.forget()
	return ctx.Err()
}

// AdjustTime sets the chain's clock forward by d, for good, and mines a block.
func (s *Simulated) AdjustTime(d time.Duration) error {
	s.build.Lock()
	defer s.build.Unlock()
	s.clock += d
	_, err := s.extend(nil, false)
	return err
}

// Withdraw has the next block pay gwei to an address as a withdrawal of a
// validator (EIP-4895), which no transaction shows.
func (s *Simulated) Withdraw(to common.Address, gwei uint64) {
	s.build.Lock()
	defer s.build.Unlock()
	s.withdrawals = append(s.withdrawals, &types.Withdrawal{Index: s.withdrawn, Address: to, Amount: gwei})
	s.withdrawn++
}

// SetFeeRecipient has the blocks from the next on pay their tips to an address,
// or to nobody's if it is zero.
func (s *Simulated) SetFeeRecipient(a common.Address) {
	s.build.Lock()
	defer s.build.Unlock()
	s.coinbase = a
}

// Close stops the node.
func (s *Simulated) Close() error {
	s.hangUp()
	return s.node.Close()
}

// extend adds a block to the head: of txs if only, else of what is pending.
func (s *Simulated) extend(txs []*types.Transaction, only bool) (common.Hash, error) {
	// The pool follows the head in the background.
	if err := s.backend.TxPool().Sync(); err != nil {
		return common.Hash{}, err
	}
	block, err := s.seal(s.backend.BlockChain().CurrentBlock(), txs, only)
	if err != nil {
		return common.Hash{}, err
	}
	return block.Hash(), s.setHead(block)
}

// seal makes a block on top of parent and stores it beside the canonical chain.
func (s *Simulated) seal(parent *types.Header, txs []*types.Transaction, only bool) (*types.Block, error) {
	now := uint64(s.now().Add(s.clock).Unix())
	args := &miner.BuildPayloadArgs{
		Parent:       parent.Hash(),
		Timestamp:    max(parent.Time+1, now),
		FeeRecipient: s.coinbase,
		Withdrawals:  types.Withdrawals{},
		BeaconRoot:   new(common.Hash),
	}
	// Blocks with the same content are to differ.
	if _, err := io.ReadFull(s.random, args.Random[:]); err != nil {
		return nil, err
	}
	if len(s.withdrawals) > 0 {
		args.Withdrawals, s.withdrawals = s.withdrawals, nil
	}
	if s.backend.BlockChain().Config().IsAmsterdam(parent.Number, args.Timestamp) {
		slot := parent.Number.Uint64() + 1
		args.SlotNum = &slot
	}
	block, _, err := s.backend.Miner().BuildTestingPayload(args, txs, only && len(txs) == 0, nil)
	if err != nil {
		return nil, fmt.Errorf("build a block: %w", err)
	}
	if _, err := s.backend.BlockChain().InsertBlockWithoutSetHead(context.Background(), block, false); err != nil {
		return nil, fmt.Errorf("insert a block: %w", err)
	}
	return block, nil
}

// setHead makes block the head and moves finality along.
func (s *Simulated) setHead(block *types.Block) error {
	if _, err := s.backend.BlockChain().SetCanonical(block); err != nil {
		return err
	}
	s.setFinality()
	return s.backend.TxPool().Sync()
}

func (s *Simulated) setFinality() {
	if s.finality < 0 {
		return
	}
	chain := s.backend.BlockChain()
	head := chain.CurrentBlock().Number.Uint64()
	behind := func(n int) *types.Header {
		return chain.GetHeaderByNumber(head - min(head, uint64(n)))
	}
	chain.SetFinalized(behind(s.finality))
	chain.SetSafe(behind((s.finality + 1) / 2))
	// Once a minute geth moves what its database knows to be final to where it
	// cannot be replaced. Here it can: let it know of nothing.
	rawdb.WriteFinalizedBlockHash(s.backend.ChainDb(), common.Hash{})
}
