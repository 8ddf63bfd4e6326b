package reconcile_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/reconcile"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// desk is a home whose ledger a test writes itself, on a chain of its own.
type desk struct {
	t      *testing.T
	ctx    context.Context
	net    *chaintest.Simulated
	client *chain.Client
	db     *bolt.DB
	keys   *hd.Master
	id     uint64
	coin   wallet.AssetID
	token  wallet.AssetID
	booked int
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, ctx: t.Context(), net: chaintest.NewSimulated(t, chaintest.SimulatedOptions{})}
	d.id, d.coin = d.net.ChainID(), wallet.Coin(d.net.ChainID())
	token, err := d.net.Deploy(d.ctx, chaintest.Token, "Gold", "GLD", uint8(6), big.NewInt(1_000_000_000))
	d.ok(err)
	d.token = wallet.Token(d.id, token)
	d.client, err = chain.Dial(d.ctx, chain.Options{URLs: []string{d.net.URL()}, Attempts: 1})
	d.ok(err)
	t.Cleanup(d.client.Close)
	d.keys, err = hd.NewMaster([]byte("a seed that every reader knows"))
	d.ok(err)
	d.db, err = bolt.Create(d.ctx, filepath.Join(t.TempDir(), "airlock.db"))
	d.ok(err)
	d.update(func(tx store.Tx) error {
		d.ok(store.PutChain(tx, wallet.Chain{ID: d.id, Name: "test", Coin: wallet.Asset{ID: d.coin, Symbol: "ETH", Decimals: 18}}))
		return store.PutToken(tx, wallet.Asset{ID: d.token, Symbol: "GLD", Decimals: 6})
	})
	for _, p := range []wallet.Path{{Role: wallet.DepositRole}, {Role: wallet.DepositRole, Index: 1}, {Role: wallet.PayoutRole}, {Role: wallet.GasRole}} {
		d.watch(p)
	}
	return d
}

func (d *desk) ok(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) update(fn func(store.Tx) error) {
	d.t.Helper()
	d.ok(d.db.Update(d.ctx, fn))
}

func (d *desk) at(p wallet.Path) common.Address {
	a, err := d.keys.Account(p.Role).Address(p.Index)
	d.ok(err)
	return a
}

func (d *desk) deposit(i uint32) common.Address {
	return d.at(wallet.Path{Role: wallet.DepositRole, Index: i})
}

func (d *desk) watch(p wallet.Path) {
	d.update(func(tx store.Tx) error {
		a := wallet.Address{Address: d.at(p), Path: p, Role: p.Role}
		d.ok(store.AddAddress(tx, a))
		d.ok(store.PutNextIndex(tx, p.Role, p.Index+1))
		return store.MarkOpened(tx, store.Unopened{Address: a.Address, Asset: d.coin}, 0)
	})
}

// book writes a deposit of alice into the ledger, as of a block.
func (d *desk) book(to common.Address, asset wallet.AssetID, amount int64, block uint64) {
	d.t.Helper()
	d.booked++
	d.entry(wallet.EntryDeposit, block, wallet.Move(asset, wallet.NewAmount(amount),
		wallet.Posting{Location: wallet.Outside, Owner: "alice", Book: wallet.Received},
		wallet.Posting{Location: to, Owner: "alice", Book: wallet.Available}))
}

func (d *desk) entry(kind wallet.EntryKind, block uint64, postings []wallet.Posting) {
	d.t.Helper()
	d.booked++
	d.update(func(tx store.Tx) error {
		return store.Book(tx, wallet.Entry{ID: fmt.Sprint(d.booked), ChainID: d.id, Kind: kind, Time: noon, Block: block, Postings: postings})
	})
}

func (d *desk) fund(to common.Address, wei int64) {
	d.t.Helper()
	_, err := d.net.Fund(d.ctx, to, big.NewInt(wei))
	d.ok(err)
}

func (d *desk) pay(to common.Address, units int64) {
	d.t.Helper()
	_, err := d.net.TransferToken(d.ctx, d.token.Contract, to, big.NewInt(units))
	d.ok(err)
}

// head is the height of the chain.
func (d *desk) head() uint64 {
	n, err := d.client.BlockNumber(d.ctx)
	d.ok(err)
	return n
}

// read moves the cursor to the head, and its final block to the chain's.
func (d *desk) read() {
	d.t.Helper()
	head, err := d.client.HeaderByNumber(d.ctx, nil)
	d.ok(err)
	final, err := d.client.HeaderByNumber(d.ctx, big.NewInt(int64(rpc.FinalizedBlockNumber)))
	d.ok(err)
	d.update(func(tx store.Tx) error {
		return store.PutCursor(tx, d.id, store.Cursor{
			Head: head.Number.Uint64(), HeadHash: head.Hash(), Credited: head.Number.Uint64(),
			Final: final.Number.Uint64(), FinalHash: final.Hash(),
		})
	})
}

// mine mines what was sent.
func (d *desk) mine() {
	d.t.Helper()
	d.ok(d.net.Mine(d.ctx, 1))
}

// settle makes all that was sent final and reads it.
func (d *desk) settle() {
	d.t.Helper()
	d.mine()
	d.ok(d.net.Finalize(d.ctx))
	d.read()
}

// compare runs a comparison and writes each row that it gives.
func (d *desk) compare(o reconcile.Options) (reconcile.Result, []string) {
	d.t.Helper()
	var rows []string
	o.Each = func(r reconcile.Row) error {
		rows = append(rows, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s %s", r.Role, r.Asset.Symbol, r.Ledger, r.Chain, r.Difference, r.Note)))
		return nil
	}
	c := reconcile.Checker{DB: d.db, Chain: d.client, ChainID: d.id, Page: 1}
	res, err := c.Run(d.ctx, o)
	d.ok(err)
	return res, rows
}

// send signs and mines a transaction of an address of ours, and returns what
// scanning would record of it.
func (d *desk) send(p wallet.Path, to common.Address, wei int64) wallet.Mined {
	d.t.Helper()
	key, err := d.keys.Key(p)
	d.ok(err)
	nonce, err := d.client.NonceAt(d.ctx, d.at(p), nil)
	d.ok(err)
	t, err := types.SignNewTx(key, types.LatestSignerForChainID(new(big.Int).SetUint64(d.id)), &types.DynamicFeeTx{
		ChainID: new(big.Int).SetUint64(d.id), Nonce: nonce, To: &to, Value: big.NewInt(wei), Gas: 21000,
		GasFeeCap: big.NewInt(3_000_000_000), GasTipCap: big.NewInt(1_000_000_000),
	})
	d.ok(err)
	raw, err := t.MarshalBinary()
	d.ok(err)
	d.ok(d.client.SendRawTransaction(d.ctx, raw))
	receipt, err := d.net.Settle(d.ctx, t.Hash())
	d.ok(err)
	return wallet.Mined{
		Slot: wallet.Slot{ChainID: d.id, Sender: d.at(p), Nonce: nonce}, TxHash: t.Hash(), BlockNumber: receipt.BlockNumber.Uint64(),
		BlockHash: receipt.BlockHash, Success: true, To: to, Value: wallet.NewAmount(wei),
		GasUsed: receipt.GasUsed, GasPrice: wallet.AmountOf(receipt.EffectiveGasPrice),
	}
}

const ether = 1_000_000_000_000_000_000

func TestReconcile(t *testing.T) {
	first := wallet.Path{Role: wallet.DepositRole}
	for _, test := range []struct {
		name    string
		happens func(d *desk)
		rows    []string
		differ  bool
	}{{
		name:    "nothing anywhere",
		happens: func(d *desk) { d.settle() },
	}, {
		name: "all is booked",
		happens: func(d *desk) {
			d.fund(d.deposit(0), 500)
			d.pay(d.deposit(1), 7)
			d.settle()
			d.book(d.deposit(0), d.coin, 500, d.head())
			d.book(d.deposit(1), d.token, 7, d.head())
			d.settle()
		},
		rows: []string{"deposit ETH 500 500 0", "deposit GLD 7 7 0"},
	}, {
		name:    "a deposit that is not booked",
		happens: func(d *desk) { d.fund(d.deposit(0), 500); d.settle() },
		rows:    []string{"deposit ETH 0 500 500"},
		differ:  true,
	}, {
		name: "a deposit that is booked and never came",
		happens: func(d *desk) {
			d.book(d.deposit(1), d.token, 7, 1)
			d.settle()
		},
		rows:   []string{"deposit GLD 7 0 -7"},
		differ: true,
	}, {
		name: "ether taken past airlock, which no scan has read",
		happens: func(d *desk) {
			d.fund(d.deposit(0), ether)
			d.settle()
			d.book(d.deposit(0), d.coin, ether, 1)
			m := d.send(first, d.at(wallet.Path{Role: wallet.PayoutRole, Index: 9}), ether/2)
			if m.Cost().String() == "0" {
				d.t.Error("gas cost nothing")
			}
			d.settle()
		},
		rows:   []string{"deposit ETH 1000000000000000000 "},
		differ: true,
	}, {
		name: "what is mined and not settled",
		happens: func(d *desk) {
			d.fund(d.deposit(0), ether)
			d.settle()
			d.book(d.deposit(0), d.coin, ether, 1)
			m := d.send(first, d.at(wallet.Path{Role: wallet.GasRole}), ether/2)
			d.settle()
			d.update(func(tx store.Tx) error { return store.PutMined(tx, m) })
		},
		rows: []string{"deposit ETH 4", "gas ETH 500000000000000000 500000000000000000 0"},
	}, {
		name: "what is mined, not settled, and a deposit of ours",
		happens: func(d *desk) {
			d.fund(d.deposit(0), ether)
			d.settle()
			d.book(d.deposit(0), d.coin, ether, 1)
			m := d.send(first, d.deposit(1), ether/2)
			d.settle()
			d.update(func(tx store.Tx) error {
				d.ok(store.PutDeposit(tx, wallet.Deposit{
					ID: wallet.DepositID(d.id, m.TxHash, wallet.KindNative, 0), ChainID: d.id, Address: d.deposit(1), Asset: d.coin,
					Amount: m.Value, Kind: wallet.KindNative, BlockNumber: m.BlockNumber, Status: wallet.DepositPending,
				}))
				return store.PutMined(tx, m)
			})
		},
		rows: []string{"deposit ETH 4", "deposit ETH 500000000000000000 500000000000000000 0"},
	}, {
		name: "a deposit that is final and not credited yet",
		happens: func(d *desk) {
			d.fund(d.deposit(0), 500)
			d.settle()
			d.update(func(tx store.Tx) error {
				return store.PutDeposit(tx, wallet.Deposit{
					ID: "1", ChainID: d.id, Address: d.deposit(0), Asset: d.coin, Amount: wallet.NewAmount(500),
					BlockNumber: 2, Status: wallet.DepositPending,
				})
			})
		},
		rows: []string{"deposit ETH 500 500 0"},
	}, {
		name: "a deposit that is credited and not final yet",
		happens: func(d *desk) {
			d.settle()
			d.fund(d.deposit(0), 500)
			d.mine()
			d.book(d.deposit(0), d.coin, 500, d.head())
			d.read()
		},
	}, {
		name: "an opening balance that was read after the final block",
		happens: func(d *desk) {
			d.fund(d.deposit(0), 500)
			d.settle()
			d.fund(d.deposit(1), 7) // moves the head on
			d.mine()
			d.entry(wallet.EntryOpening, d.head(), wallet.Move(d.coin, wallet.NewAmount(500),
				wallet.Posting{Location: wallet.Outside, Book: wallet.Opening},
				wallet.Posting{Location: d.deposit(0), Book: wallet.Available}))
			d.read()
		},
	}, {
		name: "a ledger that has something where nobody looks",
		happens: func(d *desk) {
			d.book(common.HexToAddress("0x99"), d.coin, 5, 1)
			d.settle()
		},
		rows:   []string{"external ETH 5 0 -5 the ledger has it on an address that is not of this home"},
		differ: true,
	}, {
		name: "a token that was never a token",
		happens: func(d *desk) {
			other := wallet.Token(d.id, common.HexToAddress("0x77"))
			d.update(func(tx store.Tx) error { return store.PutToken(tx, wallet.Asset{ID: other, Symbol: "NIL"}) })
			d.book(d.deposit(0), other, 5, 1)
			d.settle()
		},
		rows:   []string{"deposit NIL 5 0 -5 the token could not be asked"},
		differ: true,
	}, {
		name: "frozen funds lie where they lay",
		happens: func(d *desk) {
			d.fund(d.deposit(0), 500)
			d.settle()
			d.book(d.deposit(0), d.coin, 500, 1)
			d.entry(wallet.EntryFreeze, 0, wallet.Move(d.coin, wallet.NewAmount(200),
				wallet.Posting{Location: wallet.Outside, Owner: "alice", Book: wallet.Available},
				wallet.Posting{Location: wallet.Outside, Owner: "alice", Book: wallet.Pending}))
		},
		rows: []string{"deposit ETH 500 500 0"},
	}} {
		t.Run(test.name, func(t *testing.T) {
			d := newDesk(t)
			test.happens(d)
			res, rows := d.compare(reconcile.Options{})
			same := slices.EqualFunc(rows, test.rows, strings.HasPrefix)
			if !same {
				t.Errorf("rows:\n%s\nwant:\n%s", strings.Join(rows, "\n"), strings.Join(test.rows, "\n"))
			}
			if errors.Is(res.Err(), wallet.ErrDiffer) != test.differ {
				t.Errorf("error %v, want one: %t", res.Err(), test.differ)
			}
			if len(res.Books) != 0 {
				t.Errorf("books %v", res.Books)
			}
		})
	}
}

// What cannot be compared is counted, never passed over.
func TestUnopenedIsCounted(t *testing.T) {
	d := newDesk(t)
	d.settle()
	d.update(func(tx store.Tx) error { return store.MarkUnopened(tx, d.deposit(0), d.token) })
	res, _ := d.compare(reconcile.Options{})
	if res.Unopened != 1 || res.Compared != 7 || res.Addresses != 4 {
		t.Errorf("unopened %d, compared %d, addresses %d; want 1, 7, 4", res.Unopened, res.Compared, res.Addresses)
	}
}

func TestOneAddress(t *testing.T) {
	d := newDesk(t)
	d.fund(d.deposit(0), 500)
	d.fund(d.deposit(1), 600)
	d.settle()
	one := d.deposit(1)
	res, rows := d.compare(reconcile.Options{Address: &one})
	if want := []string{"deposit ETH 0 600 600"}; !slices.Equal(rows, want) || res.Addresses != 1 {
		t.Errorf("rows %q, want %q", rows, want)
	}
	stranger := common.HexToAddress("0x99")
	c := reconcile.Checker{DB: d.db, Chain: d.client, ChainID: d.id}
	if _, err := c.Run(d.ctx, reconcile.Options{Address: &stranger}); !errors.Is(err, wallet.ErrUsage) {
		t.Errorf("an address of somebody else: %v", err)
	}
}

// An owner's books that do not match what lies on addresses are found even
// though the chain cannot show them.
func TestBooksAgainstThemselves(t *testing.T) {
	d := newDesk(t)
	d.settle()
	// Value that was booked as available without lying anywhere.
	d.entry(wallet.EntryCredit, 0, wallet.Move(d.coin, wallet.NewAmount(9),
		wallet.Posting{Location: wallet.Outside, Book: wallet.Received},
		wallet.Posting{Location: wallet.Outside, Owner: "alice", Book: wallet.Available}))
	res, _ := d.compare(reconcile.Options{})
	if len(res.Books) != 1 || res.Books[0].Owners.String() != "9" || !res.Books[0].Locations.IsZero() {
		t.Errorf("books %v", res.Books)
	}
	if !errors.Is(res.Err(), wallet.ErrDiffer) {
		t.Errorf("error %v", res.Err())
	}
}

func TestNothingFinal(t *testing.T) {
	d := newDesk(t)
	c := reconcile.Checker{DB: d.db, Chain: d.client, ChainID: d.id}
	if _, err := c.Run(d.ctx, reconcile.Options{}); err == nil || wallet.Hint(err) == "" {
		t.Errorf("error %v, want one with a way out", err)
	}
}

func status(d *desk, marks reconcile.Marks) reconcile.Status {
	d.t.Helper()
	s, err := reconcile.ReadStatus(d.ctx, d.db, d.id, d.client, nil, marks, noon)
	d.ok(err)
	return s
}

func codes(s reconcile.Status) string {
	var list []string
	for _, w := range s.Warnings {
		list = append(list, w.Code)
	}
	return strings.Join(list, " ")
}

func TestStatus(t *testing.T) {
	none := wallet.Amount{}
	quiet := reconcile.Marks{Gas: &none, Payout: &none}
	withdrawal := func(id string, status wallet.WithdrawalStatus, asset wallet.AssetID, amount int64) wallet.Withdrawal {
		return wallet.Withdrawal{WithdrawalRequest: wallet.WithdrawalRequest{ID: id, Asset: asset, Amount: wallet.NewAmount(amount)}, Status: status}
	}
	outgoingOf := func(d *desk, nonce uint64, state wallet.OutgoingState, batch string) wallet.Outgoing {
		return wallet.Outgoing{
			Slot: wallet.Slot{ChainID: d.id, Sender: d.deposit(0), Nonce: nonce}, State: state,
			Attempts: []wallet.Attempt{{Batch: batch}},
		}
	}
	for _, test := range []struct {
		name     string
		happens  func(d *desk, tx store.Tx)
		marks    reconcile.Marks
		warnings string
	}{
		{"a quiet home", func(*desk, store.Tx) {}, quiet, ""},
		{"nothing to pay with", func(*desk, store.Tx) {}, reconcile.Marks{}, "low-payout low-gas"},
		{"halted", func(d *desk, tx store.Tx) { d.ok(store.SetHalt(tx, &store.Halt{Reason: "drill", Since: noon})) }, quiet, "halted"},
		{"new addresses", func(d *desk, tx store.Tx) { d.ok(store.MarkUnopened(tx, d.deposit(0), d.coin)) }, quiet, "unopened-addresses"},
		{"a frozen account", func(d *desk, tx store.Tx) { d.ok(store.Freeze(tx, "alice", "owes")) }, quiet, "frozen-accounts"},
		{"a stranger's transaction", func(d *desk, tx store.Tx) {
			d.ok(store.MarkUnexplained(tx, wallet.Slot{ChainID: d.id, Sender: d.deposit(0)}))
		}, quiet, "unexplained"},
		{"withdrawals of tokens that are not there", func(d *desk, tx store.Tx) {
			d.ok(store.PutWithdrawal(tx, withdrawal("1", wallet.WithdrawalApproved, d.token, 5)))
			d.ok(store.PutWithdrawal(tx, withdrawal("2", wallet.WithdrawalConfirmed, d.coin, 5))) // settled
		}, quiet, "low-payout low-payout"}, // the token, and coin for its gas
		{"batches", func(d *desk, tx store.Tx) {
			for i, b := range []wallet.BatchRecord{
				{ID: "late", Status: wallet.BatchBuilt, ExpiresAt: noon},
				{ID: "waits", Status: wallet.BatchBuilt, ExpiresAt: noon.Add(time.Second)},
				{ID: "signed", Status: wallet.BatchSigned, ExpiresAt: noon},
			} {
				d.ok(store.PutBatch(tx, b))
				state := map[wallet.BatchStatus]wallet.OutgoingState{wallet.BatchBuilt: wallet.OutgoingBound, wallet.BatchSigned: wallet.OutgoingSigned}[b.Status]
				d.ok(store.PutOutgoing(tx, outgoingOf(d, uint64(i), state, b.ID)))
			}
		}, quiet, "gap batch-expired batch-not-signed batch-not-broadcast"},
		{"a refusal", func(d *desk, tx store.Tx) {
			d.ok(store.PutBatch(tx, wallet.BatchRecord{ID: "b", Status: wallet.BatchSigned, ExpiresAt: noon}))
			o := outgoingOf(d, 0, wallet.OutgoingOffered, "b")
			o.Answer = "insufficient funds"
			d.ok(store.PutOutgoing(tx, o))
		}, quiet, "transactions-refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDesk(t)
			d.settle()
			d.update(func(tx store.Tx) error { test.happens(d, tx); return nil })
			if got := codes(status(d, test.marks)); got != test.warnings {
				t.Errorf("warnings %q, want %q", got, test.warnings)
			}
		})
	}
}

func TestStatusCounts(t *testing.T) {
	d := newDesk(t)
	d.fund(d.at(wallet.Path{Role: wallet.PayoutRole}), 900)
	d.settle()
	d.ok(d.net.Mine(d.ctx, 3))
	d.update(func(tx store.Tx) error {
		for i, s := range []wallet.WithdrawalStatus{wallet.WithdrawalRequested, wallet.WithdrawalApproved, wallet.WithdrawalMined, wallet.WithdrawalConfirmed} {
			d.ok(store.PutWithdrawal(tx, wallet.Withdrawal{Status: s, WithdrawalRequest: wallet.WithdrawalRequest{
				ID: fmt.Sprint(i), Asset: d.coin, Amount: wallet.NewAmount(100),
			}}))
		}
		return store.PutDeposit(tx, wallet.Deposit{ID: "1", ChainID: d.id, Status: wallet.DepositPending, BlockNumber: 1})
	})
	s := status(d, reconcile.Marks{})
	if s.Chain.Lag != 3 || !s.Chain.Reachable || s.Deposits.Pending != 1 || s.Addresses["deposit"] != 2 {
		t.Errorf("status %+v", s)
	}
	want := map[wallet.WithdrawalStatus]int{
		wallet.WithdrawalRequested: 1, wallet.WithdrawalApproved: 1, wallet.WithdrawalBuilt: 0,
		wallet.WithdrawalSigned: 0, wallet.WithdrawalBroadcast: 0, wallet.WithdrawalMined: 1,
	}
	if fmt.Sprint(s.Withdrawals) != fmt.Sprint(want) {
		t.Errorf("withdrawals %v, want %v", s.Withdrawals, want)
	}
	price := s.Chain.BaseFee.Mul(2).Add(s.Chain.Tip)
	needed := price.Mul(2*31_500 + 20*131_500).Add(wallet.NewAmount(200))
	if f := s.Funds[0]; f.Role != wallet.PayoutRole || f.Balance.String() != "900" || f.Needed.Cmp(needed) != 0 || !f.Low {
		t.Errorf("payout %+v, want %s needed", f, needed)
	}
}

// All payout addresses pay, so what they have counts together.
func TestStatusCountsEveryPayer(t *testing.T) {
	d := newDesk(t)
	second := d.at(wallet.Path{Role: wallet.PayoutRole, Index: 1})
	d.update(func(tx store.Tx) error {
		d.ok(store.PutWithdrawal(tx, wallet.Withdrawal{Status: wallet.WithdrawalApproved, WithdrawalRequest: wallet.WithdrawalRequest{
			ID: "1", Asset: d.token, Amount: wallet.NewAmount(5),
		}}))
		return store.AddAddress(tx, wallet.Address{Address: second, Path: wallet.Path{Role: wallet.PayoutRole, Index: 1}, Role: wallet.PayoutRole})
	})
	d.fund(d.at(wallet.Path{Role: wallet.PayoutRole}), 300)
	d.fund(second, 600)
	d.settle()
	mark := wallet.Amount{}
	s := status(d, reconcile.Marks{Gas: &mark, Payout: &mark})
	f := s.Funds[0]
	if f.Addresses != 2 || f.Address != d.at(wallet.Path{Role: wallet.PayoutRole}) || f.Balance.String() != "900" {
		t.Errorf("payout %+v, want 900 on two addresses", f)
	}
	if got := codes(s); got != "unopened-addresses low-payout low-payout" || !strings.Contains(s.Warnings[1].Text, "2 payout addresses have together") {
		t.Errorf("warnings %+v", s.Warnings)
	}
	for _, g := range s.Funds {
		if g.Role == wallet.GasRole && g.Addresses != 1 {
			t.Errorf("gas %+v", g)
		}
	}
}

// While no node answers, what the home itself knows is told.
func TestStatusUnreachable(t *testing.T) {
	d := newDesk(t)
	d.settle()
	d.book(d.at(wallet.Path{Role: wallet.PayoutRole}), d.coin, 77, 1)
	s, err := reconcile.ReadStatus(d.ctx, d.db, d.id, nil, errors.New("no route"), reconcile.Marks{}, noon)
	d.ok(err)
	if got := codes(s); got != "chain-unreachable" || s.Chain.Error != "no route" || s.Funds[0].Balance.String() != "77" {
		t.Errorf("warnings %q, chain %+v, funds %+v", got, s.Chain, s.Funds)
	}
	gone, err := chaintest.StartSimulated(chaintest.SimulatedOptions{})
	d.ok(err)
	client, err := chain.Dial(d.ctx, chain.Options{URLs: []string{gone.URL()}, Attempts: 1})
	d.ok(err)
	defer client.Close()
	d.ok(gone.Close())
	s, err = reconcile.ReadStatus(d.ctx, d.db, d.id, client, nil, reconcile.Marks{}, noon)
	d.ok(err)
	if got := codes(s); got != "chain-unreachable" || s.Funds[0].Balance.String() != "77" {
		t.Errorf("warnings %q, funds %+v", got, s.Funds)
	}
}

// BenchmarkStatus shows that a status takes no longer the more addresses there
// are.
func BenchmarkStatus(b *testing.B) {
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("%d addresses", n), func(b *testing.B) {
			db, err := bolt.Create(b.Context(), filepath.Join(b.TempDir(), "airlock.db"))
			if err != nil {
				b.Fatal(err)
			}
			fill(b, db, n)
			for b.Loop() {
				if _, err := reconcile.ReadStatus(b.Context(), db, 1, nil, errors.New("no chain"), reconcile.Marks{}, noon); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// fill makes n addresses with a balance each.
func fill(b *testing.B, db *bolt.DB, n int) {
	b.Helper()
	const step = 50_000
	for from := 0; from < n; from += step {
		if err := db.Update(b.Context(), func(tx store.Tx) error {
			if err := store.PutChain(tx, wallet.Chain{ID: 1, Coin: wallet.Asset{ID: wallet.Coin(1), Symbol: "ETH", Decimals: 18}}); err != nil {
				return err
			}
			for i := from; i < min(from+step, n); i++ {
				var a common.Address
				binary.BigEndian.PutUint64(a[12:], uint64(i)+1)
				if err := store.AddAddress(tx, wallet.Address{Address: a, Path: wallet.Path{Index: uint32(i)}, Account: fmt.Sprint(i)}); err != nil {
					return err
				}
			}
			return store.PutNextIndex(tx, wallet.DepositRole, uint32(n))
		}); err != nil {
			b.Fatal(err)
		}
	}
}
