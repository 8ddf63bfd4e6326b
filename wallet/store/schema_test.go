package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
)

// mapTx is a transaction on a map: enough for what does not depend on the
// engine.
type mapTx map[string][]byte

func (m mapTx) Get(key []byte) ([]byte, error) { return m[string(key)], nil }

func (m mapTx) Put(key, value []byte) error {
	m[string(key)] = slices.Clone(value)
	return nil
}

func (m mapTx) Delete(key []byte) error {
	delete(m, string(key))
	return nil
}

func (m mapTx) Scan(Range, func(key, value []byte) error) error {
	return errors.New("mapTx has no order")
}

// TestMigrate runs migrations from every older version, in order, each once.
func TestMigrate(t *testing.T) {
	for from := range 4 {
		t.Run(fmt.Sprint("from ", from), func(t *testing.T) {
			var ran []string
			real := migrations
			defer func() { migrations = real }()
			migrations = nil
			for v := range uint64(3) {
				what := fmt.Sprint(v + 1)
				migrations = append(migrations, migration{v + 1, what, func(Tx) error {
					ran = append(ran, what)
					return nil
				}})
			}
			tx := mapTx{}
			if err := putNumber(tx, versionKey, uint64(from)); err != nil {
				t.Fatal(err)
			}
			if needed, err := CheckVersion(tx); err != nil || needed != (from < 3) {
				t.Fatalf("CheckVersion = %v, %v", needed, err)
			}
			if err := Migrate(tx); err != nil {
				t.Fatal(err)
			}
			if want := []string{"1", "2", "3"}[from:]; !slices.Equal(ran, want) {
				t.Errorf("ran %v, want %v", ran, want)
			}
			if needed, err := CheckVersion(tx); err != nil || needed {
				t.Errorf("CheckVersion afterwards = %v, %v", needed, err)
			}
		})
	}
}

func TestMigrateStopsAtFailure(t *testing.T) {
	real := migrations
	defer func() { migrations = real }()
	failed := errors.New("as told")
	migrations = []migration{
		{1, "one", func(Tx) error { return nil }},
		{2, "two", func(Tx) error { return failed }},
	}
	if err := Migrate(mapTx{}); !errors.Is(err, failed) || !strings.Contains(err.Error(), "version 2 (two)") {
		t.Errorf("Migrate = %v, want the failure of version 2", err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	tx := mapTx{}
	if err := putNumber(tx, versionKey, Version()+1); err != nil {
		t.Fatal(err)
	}
	if _, err := CheckVersion(tx); err == nil || wallet.Hint(err) == "" {
		t.Errorf("CheckVersion = %v, want a refusal with a hint", err)
	}
}

// TestMigrationsAreOrdered guards the list: versions are 1, 2, 3 and so on.
func TestMigrationsAreOrdered(t *testing.T) {
	for i, m := range migrations {
		if m.version != uint64(i+1) || m.what == "" {
			t.Errorf("migrations[%d] is version %d (%q)", i, m.version, m.what)
		}
	}
}

// part is one part of a key, with its place in the order of parts.
type part struct {
	value any
	less  string // compares as the value does
}

func drawPart(t *rapid.T, kind string) part {
	switch kind {
	case "number":
		n := rapid.Uint64().Draw(t, kind)
		return part{n, fmt.Sprintf("%020d", n)}
	case "text":
		s := rapid.StringOf(rapid.RuneFrom([]rune("ab\x01\U0010FFFF"))).Draw(t, kind)
		return part{s, s}
	case "byte":
		b := rapid.Uint8().Draw(t, kind)
		return part{b, fmt.Sprintf("%03d", b)}
	default:
		a := common.Address(rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, kind))
		return part{a, string(a[:])}
	}
}

// TestKeyOrder checks that keys of a table sort as their parts do, and that a
// key of some parts is a prefix of those with more, and of no others.
func TestKeyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kinds := rapid.SliceOfN(rapid.SampledFrom([]string{"number", "text", "byte", "address"}), 1, 4).Draw(t, "kinds")
		key := func() (values []any, order []string) {
			for _, kind := range kinds {
				p := drawPart(t, kind)
				values, order = append(values, p.value), append(order, p.less)
			}
			return values, order
		}
		a, orderA := key()
		b, orderB := key()
		have := strings.Compare(string(keyOf("t", a...)), string(keyOf("t", b...)))
		if want := slices.Compare(orderA, orderB); have != want {
			t.Fatalf("keys of %v and %v compare as %d, want %d", a, b, have, want)
		}
		n := rapid.IntRange(0, len(a)).Draw(t, "n")
		r := under(keyOf("t", a[:n]...))
		inside := string(keyOf("t", b...)) >= string(r.From) && string(keyOf("t", b...)) < string(r.To)
		if want := slices.Equal(orderA[:n], orderB[:n]); inside != want {
			t.Fatalf("%v under %v is %v, want %v", b, a[:n], inside, want)
		}
	})
}

// TestTablesDoNotMix guards the table names: no table's range holds another's
// keys.
func TestTablesDoNotMix(t *testing.T) {
	r := under(keyOf(tAddr))
	for _, other := range []string{tAddrRole, tAddrAcct, tAddrOpen, tAddrNext} {
		k := string(keyOf(other, uint64(0)))
		if k >= string(r.From) && k < string(r.To) {
			t.Errorf("a key of %s lies in the range of %s", other, tAddr)
		}
	}
}

func TestAfterHasNoEnd(t *testing.T) {
	if end := after([]byte{0xff, 0xff}); end != nil {
		t.Errorf("after(ff ff) = %x, want none", end)
	}
	if end := after([]byte{1, 0xff}); string(end) != "\x02" {
		t.Errorf("after(01 ff) = %x, want 02", end)
	}
}
