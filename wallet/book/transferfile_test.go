package book_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/book"
	"github.com/airlock-wallet/airlock/wallet/csvfile"
	"github.com/airlock-wallet/airlock/wallet/store"
)

var errKilled = errors.New("killed")

// mortal is a store that dies with its next write, before or after the commit.
type mortal struct {
	store.DB
	dies, commits bool
}

func (m *mortal) Update(ctx context.Context, fn func(store.Tx) error) error {
	if !m.dies {
		return m.DB.Update(ctx, fn)
	}
	m.dies = false
	if m.commits {
		return errors.Join(m.DB.Update(ctx, fn), errKilled)
	}
	// What the transaction wrote is lost with it.
	return m.DB.Update(ctx, func(tx store.Tx) error { return errors.Join(fn(tx), errKilled) })
}

// TestTransferFiles books random files, some of which cannot be booked, in a
// process that may die: each is booked as a whole or not at all, nobody ever
// owes, nothing is made or lost, and a file that is given again books nothing.
func TestTransferFiles(t *testing.T) {
	accounts := []string{"pool", "a", "b", "c"}
	run := 0
	home := newBook(t)
	rapid.Check(t, func(rt *rapid.T) {
		run++
		name := func(account string) string { return fmt.Sprintf("%s-%d", account, run) }
		db := &mortal{DB: home.DB}
		b := *home
		b.DB = db
		if _, err := b.Credit(context.Background(), book.Transfer{ID: fmt.Sprint("c-", run), To: name("pool"), Asset: ether.ID, Amount: wallet.NewAmount(1000)}); err != nil {
			rt.Fatal(err)
		}
		model := map[string]int64{"pool": 1000}
		for file := range rapid.IntRange(1, 4).Draw(rt, "files") {
			next := map[string]int64{}
			for k, v := range model {
				next[k] = v
			}
			text, bad := "id,from,to,asset,amount\n", 0
			rows := rapid.IntRange(1, 5).Draw(rt, "rows")
			for i := range rows {
				from := rapid.SampledFrom(accounts).Draw(rt, "from")
				to := rapid.SampledFrom(accounts).Draw(rt, "to")
				n := rapid.Int64Range(0, 600).Draw(rt, "amount")
				text += fmt.Sprintf("%d-%d-%d,%s,%s,ETH,0.%018d\n", run, file, i, name(from), name(to), n)
				if bad == 0 && (from == to || n == 0 || next[from] < n) {
					bad = i + 2
				}
				next[from] -= n
				next[to] += n
			}
			db.dies, db.commits = rapid.Bool().Draw(rt, "dies"), rapid.Bool().Draw(rt, "commits")
			died := db.dies
			sum, err := b.TransferAll(context.Background(), 1, "f.csv", strings.NewReader(text), nil)
			if died && bad == 0 {
				if !errors.Is(err, errKilled) {
					rt.Fatalf("%v", err)
				}
				was := model
				if db.commits {
					was = next
				}
				checkBalances(rt, &b, name, was)
				sum, err = b.TransferAll(context.Background(), 1, "f.csv", strings.NewReader(text), nil)
			}
			var wrong *csvfile.Error
			switch {
			case bad == 0 && err != nil:
				rt.Fatalf("%v\n%s", err, text)
			case bad == 0:
				model = next
				if sum.New+sum.Known != rows || sum.Known != 0 && (!died || sum.Known != rows) {
					rt.Fatalf("%+v of %d rows", sum, rows)
				}
			case !errors.As(err, &wrong) || wrong.Line != bad:
				rt.Fatalf("%v, want an error of line %d\n%s", err, bad, text)
			}
			checkBalances(rt, &b, name, model)
			if bad == 0 {
				if sum, err = b.TransferAll(context.Background(), 1, "f.csv", strings.NewReader(text), nil); err != nil || sum.Known != rows {
					rt.Fatalf("again: %+v, %v", sum, err)
				}
				checkBalances(rt, &b, name, model)
			}
		}
	})
}

// checkBalances compares what is available to accounts with a model.
func checkBalances(t *rapid.T, b *book.Book, name func(string) string, want map[string]int64) {
	t.Helper()
	if err := b.DB.View(context.Background(), func(tx store.Tx) error {
		for _, account := range []string{"pool", "a", "b", "c"} {
			have, err := store.BalanceOf(tx, name(account), ether.ID)
			if err != nil {
				return err
			}
			if have[wallet.Available].Cmp(wallet.NewAmount(want[account])) != 0 {
				t.Fatalf("%s has %s, want %d", account, have[wallet.Available], want[account])
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
