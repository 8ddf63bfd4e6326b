package scanner_test

import (
	"encoding/json"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// rollupHome is a store that watches ourAddress and gold on a rollup, whose
// blocks the test writes.
func rollupHome(t *testing.T, w *chaintest.Written, unproven bool) (store.DB, *scanner.Scanner) {
	t.Helper()
	client, err := chain.Dial(t.Context(), chain.Options{URLs: []string{w.URL()}, Attempts: 1, Backoff: time.Millisecond, Unproven: unproven})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	id, _ := client.ChainID(t.Context())
	db, err := bolt.Create(t.Context(), filepath.Join(t.TempDir(), "airlock.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), func(tx store.Tx) error {
		if err := store.PutChain(tx, wallet.Chain{
			ID: id.Uint64(), Coin: wallet.Asset{ID: wallet.Coin(id.Uint64()), Symbol: "ETH", Decimals: 18},
			GenesisHash: client.Genesis(), StartBlock: 1, Finality: wallet.Finality{Tag: "finalized"}, AddedAt: clock,
		}); err != nil {
			return err
		}
		if err := store.AddAddress(tx, wallet.Address{Address: ourAddress, Role: wallet.DepositRole, Account: "alice", Path: wallet.Path{Role: wallet.DepositRole}}); err != nil {
			return err
		}
		return store.PutToken(tx, wallet.Asset{ID: wallet.Token(id.Uint64(), gold), Symbol: "GLD", Decimals: 6})
	}); err != nil {
		t.Fatal(err)
	}
	return db, scanner.New(db, client, id.Uint64(), scanner.Options{Now: now})
}

// rollupDeposits are the deposits of a rollupHome and the data of their events.
func rollupDeposits(t *testing.T, db store.DB, id uint64) (list []wallet.Deposit, told []scanner.DepositRow) {
	t.Helper()
	err := db.View(t.Context(), func(tx store.Tx) error {
		for seq := uint64(1); ; seq++ {
			e, err := store.EventAt(tx, seq)
			if err != nil { // there are no more
				break
			}
			var row scanner.DepositRow
			if err := json.Unmarshal(e.Data, &row); err != nil {
				return err
			}
			told = append(told, row)
		}
		return store.Deposits(tx, id, "", func(d wallet.Deposit) error {
			list = append(list, d)
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return list, told
}

// TestUnprovenDeposits follows a rollup whose blocks nobody can prove. Without
// the setting it stops at the first of them; with it deposits are credited and
// marked, those of proven blocks are not.
func TestUnprovenDeposits(t *testing.T) {
	const id = 42161
	w := chaintest.NewWritten(t, id)
	internal := chaintest.WrittenTx{Raw: []byte{0x6a, 0xc0}, NoRaw: true, Success: true}
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("a stranger")))
	if err != nil {
		t.Fatal(err)
	}
	pay := func(nonce uint64) chaintest.WrittenTx {
		tx := chaintest.WrittenOf(types.MustSignNewTx(key, types.LatestSignerForChainID(big.NewInt(id)), &types.DynamicFeeTx{
			ChainID: big.NewInt(id), Nonce: nonce, To: &ourAddress, Value: big.NewInt(5), Gas: 21000, GasFeeCap: big.NewInt(9), GasTipCap: big.NewInt(1),
		}))
		l := transferLog(gold, stranger, ourAddress, 7)
		tx.Logs = []*types.Log{{Address: l.Address, Topics: l.Topics, Data: l.Data}}
		return tx
	}
	w.Write(pay(0))
	w.Write(internal, pay(1))
	w.Write(pay(2))

	_, strict := rollupHome(t, w, false)
	sum, err := strict.Pass(t.Context())
	if err == nil || !strings.Contains(err.Error(), "transaction 0 of type 0x6a") || wallet.Hint(err) == "" {
		t.Errorf("%v, hint %q", err, wallet.Hint(err))
	}
	if sum.To != 1 || sum.UnprovenBlocks != 0 {
		t.Errorf("without the setting: %+v", sum)
	}

	db, s := rollupHome(t, w, true)
	sum, err = s.Pass(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if sum.To != 3 || sum.UnprovenBlocks != 1 || sum.Unread != 1 || sum.Deposits != 6 || sum.Confirmed != 6 {
		t.Errorf("%+v", sum)
	}
	list, told := rollupDeposits(t, db, id)
	if len(list) != 6 || len(told) != 12 {
		t.Fatalf("%d deposits, %d events", len(list), len(told))
	}
	for _, d := range list {
		if d.Status != wallet.DepositConfirmed || d.Unproven != (d.BlockNumber == 2) {
			t.Errorf("%+v", d)
		}
	}
	for _, r := range told {
		if r.Unproven != (r.BlockNumber == 2) {
			t.Errorf("told %+v", r)
		}
	}
}

// TestBridgedDeposit credits coin that came over an OP-stack chain's own bridge,
// with no setting.
func TestBridgedDeposit(t *testing.T) {
	const id = 10
	w := chaintest.NewWritten(t, id)
	attributes := chaintest.WrittenBridged(1, common.HexToAddress("0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001"),
		common.HexToAddress("0x4200000000000000000000000000000000000015"), new(big.Int), new(big.Int), []byte{1}).Canyon(0)
	failed := chaintest.WrittenBridged(3, stranger, ourAddress, big.NewInt(1), big.NewInt(60), nil).Canyon(2)
	failed.Success = false
	w.WriteWith(func(h *types.Header) { h.WithdrawalsHash = &common.Hash{9} }, nil,
		attributes, chaintest.WrittenBridged(2, stranger, ourAddress, big.NewInt(50), big.NewInt(50), nil).Canyon(1), failed)
	db, s := rollupHome(t, w, false)
	sum, err := s.Pass(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	list, _ := rollupDeposits(t, db, id)
	if len(list) != 1 || list[0].Amount.Cmp(wallet.NewAmount(50)) != 0 || list[0].Status != wallet.DepositConfirmed || list[0].From != stranger || list[0].Unproven {
		t.Errorf("%+v", list)
	}
	if sum.Confirmed != 1 || sum.Unread != 0 || sum.UnprovenBlocks != 0 {
		t.Errorf("%+v", sum)
	}
}
