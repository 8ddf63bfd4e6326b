package payout

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// failer is what tests, benchmarks and properties have in common.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

// master holds the keys of all tests. Everybody knows its words.
var master = func() *hd.Master {
	m, err := hd.NewMaster(hd.Seed([]byte("test test test test test test test test test test test junk"), ""))
	if err != nil {
		panic(err)
	}
	return m
}()

func addressOf(role wallet.Role, index uint32) common.Address {
	a, err := master.Account(role).Address(index)
	if err != nil {
		panic(err)
	}
	return a
}

var (
	payoutAddress  = addressOf(wallet.PayoutRole, 0)
	aliceDeposit   = addressOf(wallet.DepositRole, 0)
	ether          = wallet.NewAmount(1e18)
	coinID         = wallet.Coin(chaintest.SimulatedChainID)
	testExpiry     = 24 * time.Hour
	errCrash       = errors.New("killed")
	crashNever     = -1
	testRecordHead = fmt.Sprintf("%064x", 7)
)

// network is a chain with a token, funded addresses and a client. Several
// worlds may live on it one after the other.
type network struct {
	chaintest.Network
	sim    *chaintest.Simulated // nil on others
	client *chain.Client
	token  common.Address
}

func newNetwork(t testing.TB) *network {
	t.Helper()
	sim := chaintest.NewSimulated(t, chaintest.SimulatedOptions{Alloc: chaintest.Factory()})
	n := onNetwork(t, sim)
	n.sim = sim
	return n
}

// onNetwork puts a token and funds on a chain.
func onNetwork(t testing.TB, net chaintest.Network) *network {
	t.Helper()
	n := &network{Network: net}
	var err error
	if n.token, err = net.Deploy(t.Context(), chaintest.Token, "Test Dollar", "TUSD", uint8(6), big.NewInt(1e15)); err != nil {
		t.Fatalf("%v", err)
	}
	for _, a := range []common.Address{payoutAddress, addressOf(wallet.GasRole, 0)} {
		if _, err := net.Fund(t.Context(), a, new(big.Int).Mul(big.NewInt(1000), ether.Big())); err != nil {
			t.Fatalf("%v", err)
		}
	}
	if _, err := net.TransferToken(t.Context(), n.token, payoutAddress, big.NewInt(1e12)); err != nil {
		t.Fatalf("%v", err)
	}
	if err := net.Mine(t.Context(), 1); err != nil {
		t.Fatalf("%v", err)
	}
	if err := net.Finalize(t.Context()); err != nil {
		t.Fatalf("%v", err)
	}
	n.client, err = chain.Dial(t.Context(), chain.Options{ChainID: net.ChainID(), URLs: []string{net.URL()}, Attempts: 1})
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(n.client.Close)
	return n
}

// world is one home on a network.
type world struct {
	*network
	failer
	ctx   context.Context
	path  string
	db    *crashDB
	s     *Service
	time  time.Time
	rungs int // that build plans; 0 for the default
}

// newWorld makes a home whose account alice has 50 ether and 5000 tokens of the
// house's, and scans to the head.
func (n *network) newWorld(t failer, dir string) *world {
	t.Helper()
	ctx := context.Background()
	path := filepath.Join(dir, fmt.Sprintf("%d.db", rand.Uint64()))
	db, err := bolt.Create(ctx, path)
	if err != nil {
		t.Fatalf("%v", err)
	}
	w := &world{network: n, failer: t, ctx: ctx, path: path, db: &crashDB{DB: db, after: crashNever}, time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	w.s = &Service{DB: w.db, Chain: n.ChainID(), Now: func() time.Time { return w.time }}
	head, err := n.client.HeaderByNumber(ctx, nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	w.update(func(tx store.Tx) error {
		if err := store.PutChain(tx, wallet.Chain{
			ID: n.ChainID(), Coin: wallet.Asset{ID: coinID, Symbol: "ETH", Decimals: 18},
			GenesisHash: n.client.Genesis(), StartBlock: head.Number.Uint64(), Finality: wallet.Finality{Confirmations: 1},
		}); err != nil {
			return err
		}
		file, err := master.Watch().Encode()
		if err != nil {
			return err
		}
		if err := store.PutWatchFile(tx, file); err != nil {
			return err
		}
		for _, a := range []wallet.Address{
			{Address: payoutAddress, Path: wallet.Path{Role: wallet.PayoutRole}, Role: wallet.PayoutRole},
			{Address: addressOf(wallet.GasRole, 0), Path: wallet.Path{Role: wallet.GasRole}, Role: wallet.GasRole},
			{Address: addressOf(wallet.TreasuryRole, 0), Path: wallet.Path{Role: wallet.TreasuryRole}, Role: wallet.TreasuryRole},
			{Address: aliceDeposit, Path: wallet.Path{Role: wallet.DepositRole}, Role: wallet.DepositRole, Account: "alice"},
		} {
			if err := store.AddAddress(tx, a); err != nil {
				return err
			}
		}
		if err := store.PutToken(tx, wallet.Asset{ID: n.tokenID(), Symbol: "TUSD", Decimals: 6}); err != nil {
			return err
		}
		for _, a := range []common.Address{payoutAddress, addressOf(wallet.GasRole, 0)} {
			if err := store.MarkUnopened(tx, a, n.tokenID()); err != nil {
				return err
			}
		}
		for id, amount := range map[wallet.AssetID]wallet.Amount{coinID: ether.Mul(50), n.tokenID(): wallet.NewAmount(5_000_000_000)} {
			if err := store.Book(tx, wallet.Entry{
				ID: "credit:" + id.String(), ChainID: id.ChainID, Kind: wallet.EntryCredit, Time: w.time,
				Postings: wallet.Move(id, amount,
					wallet.Posting{Owner: wallet.House, Book: wallet.Available}, wallet.Posting{Owner: "alice", Book: wallet.Available}),
			}); err != nil {
				return err
			}
		}
		return nil
	})
	w.scan()
	return w
}

func (n *network) tokenID() wallet.AssetID { return wallet.Token(n.ChainID(), n.token) }

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatalf("%v (%s)", err, wallet.Hint(err))
	}
}

func (w *world) update(fn func(store.Tx) error) {
	w.Helper()
	w.must(w.db.DB.Update(w.ctx, fn))
}

func (w *world) view(fn func(store.Tx) error) {
	w.Helper()
	w.must(w.db.View(w.ctx, fn))
}

func (w *world) scan() {
	w.Helper()
	_, err := scanner.New(w.db.DB, w.client, w.ChainID(), scanner.Options{Now: w.s.Now}).Pass(w.ctx)
	w.must(err)
}

func (w *world) mine(n int) {
	w.Helper()
	w.must(w.Mine(w.ctx, n))
}

// finish mines until the head is final, scans and confirms.
func (w *world) finish() Report {
	w.Helper()
	w.mine(1)
	w.must(w.Finalize(w.ctx))
	w.scan()
	r, err := w.s.Confirm(w.ctx, w.dial)
	w.must(err)
	return r
}

func (w *world) dial(context.Context) (Sender, error) { return w.client, nil }

func (w *world) request(id, account string, asset wallet.AssetID, amount wallet.Amount, to common.Address) {
	w.Helper()
	_, err := w.s.Request(w.ctx, wallet.WithdrawalRequest{ID: id, Account: account, Asset: asset, Amount: amount, To: to})
	w.must(err)
}

func (w *world) approve(ids ...string) {
	w.Helper()
	_, err := w.s.Approve(w.ctx, ids)
	w.must(err)
}

func (w *world) build() Built {
	w.Helper()
	b, err := w.s.Build(w.ctx, w.client, BuildOptions{Expiry: testExpiry, Rungs: w.rungs})
	w.must(err)
	return b
}

func (w *world) broadcast(b *batch.Batch) Sent {
	w.Helper()
	rec, err := w.s.TakeIn(w.ctx, w.file(sign(w, b)))
	w.must(err)
	sent, err := w.s.Offer(w.ctx, w.client, rec.ID)
	w.must(err)
	return sent
}

func (w *world) show(id string) outgoing.Withdrawal {
	w.Helper()
	v, err := w.s.Show(w.ctx, id)
	w.must(err)
	return v
}

func (w *world) status(id string, want wallet.WithdrawalStatus) {
	w.Helper()
	if v := w.show(id); v.Status != want {
		w.Fatalf("withdrawal %s is %s (%s), want %s", id, v.Status, v.Reason, want)
	}
}

// got is what an address holds at the head.
func (w *world) got(asset wallet.AssetID, who common.Address) wallet.Amount {
	w.Helper()
	var n *big.Int
	var err error
	if asset.IsCoin() {
		n, err = w.client.BalanceAt(w.ctx, who, nil)
	} else {
		n, err = w.TokenBalance(w.ctx, asset.Contract, who)
	}
	w.must(err)
	return wallet.AmountOf(n)
}

// balanced checks that the books say what lies on our addresses. The head must
// be final and settled.
func (w *world) balanced() {
	w.Helper()
	w.view(func(tx store.Tx) error {
		for _, a := range []common.Address{payoutAddress, aliceDeposit, addressOf(wallet.GasRole, 0), addressOf(wallet.TreasuryRole, 0)} {
			for _, asset := range []wallet.AssetID{coinID, w.tokenID()} {
				have, err := store.LocationBalance(tx, a, asset)
				if err != nil {
					return err
				}
				if want := w.got(asset, a); have.Cmp(want) != 0 {
					w.Fatalf("the books say that %s holds %s of %s, the chain says %s", a, have, asset, want)
				}
			}
		}
		return nil
	})
}

func (w *world) balance(account string, asset wallet.AssetID, book wallet.Book) wallet.Amount {
	w.Helper()
	var b wallet.Balance
	w.view(func(tx store.Tx) (err error) {
		b, err = store.BalanceOf(tx, account, asset)
		return err
	})
	return b[book]
}

// events counts what the outside was told.
func (w *world) events() map[wallet.EventType]int {
	w.Helper()
	count := map[wallet.EventType]int{}
	w.view(func(tx store.Tx) error {
		for seq := uint64(1); ; seq++ {
			e, err := store.EventAt(tx, seq)
			if err != nil {
				return nil //nolint:nilerr // the end
			}
			count[e.Type]++
		}
	})
	return count
}

// sign does what the signing station does, without its record and policy.
func sign(t failer, b *batch.Batch) *batch.Signed {
	t.Helper()
	digest, err := b.HexDigest()
	if err != nil {
		t.Fatalf("%v", err)
	}
	s := &batch.Signed{
		Format: batch.SignedFormat, Version: batch.Version, Batch: *b, Digest: digest,
		PolicyHash: fmt.Sprintf("%064x", 1), RecordHead: testRecordHead, SignedAt: b.CreatedAt,
	}
	signer := types.LatestSignerForChainID(new(big.Int).SetUint64(b.ChainID))
	for i := range b.Items {
		var rungs []wallet.SignedRung
		for r := range b.Items[i].Signatures() {
			tx, err := types.SignTx(b.Items[i].Transaction(b.ChainID, r), signer, keyOf(b.Items[i].Path))
			if err != nil {
				t.Fatalf("%v", err)
			}
			raw, err := tx.MarshalBinary()
			if err != nil {
				t.Fatalf("%v", err)
			}
			rungs = append(rungs, wallet.SignedRung{Hash: tx.Hash(), Raw: raw})
		}
		s.Transactions = append(s.Transactions, rungs)
	}
	return s
}

func keyOf(p wallet.Path) *ecdsa.PrivateKey {
	key, err := master.Key(p)
	if err != nil {
		panic(err)
	}
	return key
}

func (w *world) file(s *batch.Signed) []byte {
	w.Helper()
	file, err := s.Encode()
	w.must(err)
	return file
}

// foreign makes a transaction of the payout key that airlock knows nothing of.
func (w *world) foreign(nonce uint64, to common.Address, value *big.Int, data []byte) *types.Transaction {
	w.Helper()
	tip := big.NewInt(3_000_000_000)
	tx, err := types.SignNewTx(keyOf(wallet.Path{Role: wallet.PayoutRole}), types.LatestSignerForChainID(new(big.Int).SetUint64(w.ChainID())), &types.DynamicFeeTx{
		ChainID: new(big.Int).SetUint64(w.ChainID()), Nonce: nonce, GasTipCap: tip, GasFeeCap: big.NewInt(500_000_000_000),
		Gas: 200_000, To: &to, Value: value, Data: data,
	})
	w.must(err)
	return tx
}

// crashDB is a store that dies: before or after the commit of the nth write.
type crashDB struct {
	store.DB
	after  int // writes until the crash; crashNever for none
	commit bool
}

func (d *crashDB) Update(ctx context.Context, fn func(store.Tx) error) error {
	if d.after != crashNever {
		if d.after == 0 {
			d.after = crashNever
			if d.commit {
				return errors.Join(d.DB.Update(ctx, fn), errCrash)
			}
			return errCrash
		}
		d.after--
	}
	return d.DB.Update(ctx, fn)
}

// badNode loses answers, or requests.
type badNode struct {
	Sender
	lose func() (request, answer bool)
}

func (n badNode) SendRawTransactions(ctx context.Context, raws [][]byte) []error {
	errs := make([]error, len(raws))
	for i, raw := range raws {
		request, answer := n.lose()
		if !request {
			errs[i] = n.Sender.SendRawTransactions(ctx, [][]byte{raw})[0]
		}
		if request || answer {
			errs[i] = wallet.As(wallet.ErrUnreachable, "no answer in time")
		}
	}
	return errs
}

// someone is an address that nobody here has the key of.
func someone(name string) common.Address {
	return common.BytesToAddress(crypto.Keccak256([]byte(name)))
}
