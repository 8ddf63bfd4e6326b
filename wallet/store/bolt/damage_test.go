package bolt

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// TestDamage changes and cuts a store file at random, and reads and writes all of
// it. The engine panics at many such files; callers get an error that names the
// file and the way out, or the values that are there.
func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	db, err := Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	fill := func(tx store.Tx) error {
		for i := range 2000 {
			if err := tx.Put(fmt.Appendf(nil, "zz/%05d", i), bytes.Repeat([]byte{byte(i)}, 50)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := db.Update(t.Context(), fill); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	damaged := 0
	for i := range 150 {
		file := bytes.Clone(whole)
		if i%3 == 0 {
			file = file[:rng.IntN(len(file))]
		}
		for range rng.IntN(300) {
			if len(file) > 0 {
				file[rng.IntN(len(file))] = byte(rng.Uint32())
			}
		}
		// Each has a name of its own: what is damaged may stay locked until the
		// process ends.
		at := filepath.Join(t.TempDir(), "store.db")
		if err := os.WriteFile(at, file, 0o600); err != nil {
			t.Fatal(err)
		}
		db := Open(at)
		read := db.View(t.Context(), func(tx store.Tx) error {
			for i := range 2000 {
				if _, err := tx.Get(fmt.Appendf(nil, "zz/%05d", i)); err != nil {
					return err
				}
			}
			return nil
		})
		for _, err := range []error{read, db.WithWait(0).Update(t.Context(), fill)} {
			if err == nil || !strings.Contains(err.Error(), "is damaged") {
				continue
			}
			damaged++
			if !strings.Contains(err.Error(), at) || wallet.Hint(err) == "" {
				t.Errorf("%v does not name the file, or no way out", err)
			}
		}
	}
	if damaged == 0 {
		t.Error("no file was so damaged that the engine could not read it")
	}
	t.Logf("%d readings and writings of damaged pages", damaged)
}

// TestPanicPasses: a mistake of the caller is no damage of the file.
func TestPanicPasses(t *testing.T) {
	db, err := Create(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if r := recover(); r != "a mistake" {
			t.Errorf("recovered %v", r)
		}
	}()
	_ = db.View(context.Background(), func(store.Tx) error { panic("a mistake") }) // it panics
	t.Error("nothing panicked")
}
