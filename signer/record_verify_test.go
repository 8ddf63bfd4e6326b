package signer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// full is a station whose record has rows in every table.
func full(t *testing.T) *station {
	t.Helper()
	s := newStation(t)
	s.Policy = parsePolicy(t, "version = 1\nopen = true\n[[chain]]\nid = 1\nrecipients = [\""+recipient(0).Hex()+"\"]\n")
	if err := s.Note(t.Context(), signer.Note{Kind: signer.KindUnlock}); err != nil {
		t.Fatal(err)
	}
	s.sign(t, s.one(t, 0, "a"))
	s.sign(t, s.emptied(t, 0, withdrawal("a")))
	b := s.one(t, 5, "b")
	b.RecordHead = strings.Repeat("1", 64)
	if _, err := s.Sign(t.Context(), b, s.vault, lost(signer.RiskRecordRestored)); err != nil {
		t.Fatal(err)
	}
	return s
}

// changed is a copy of a record in which something was changed.
func (s *station) changed(t *testing.T, change func(store.Tx) error) store.DB {
	t.Helper()
	var file bytes.Buffer
	if err := s.db.Backup(t.Context(), &file); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), signer.RecordFile)
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	db := bolt.Open(path)
	if err := db.Update(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	return db
}

// verifyFails returns the entry that is named.
func verifyFails(t *testing.T, what string, db store.DB) uint64 {
	t.Helper()
	_, err := signer.Verify(context.Background(), db, "")
	var broken *signer.Broken
	if !errors.As(err, &broken) || !errors.Is(err, wallet.ErrRefused) {
		t.Errorf("%s: Verify = %v, want it found", what, err)
		return 0
	}
	return broken.Entry
}

// No byte of a record can be changed, and nothing taken out or put in, without
// Verify finding it.
func TestVerifyFindsEveryChange(t *testing.T) {
	s := full(t)
	v := s.verify(t)
	if v.Entries != 5 || v.Kinds[signer.KindSignature] != 3 || !v.From.Equal(now) {
		t.Errorf("verified %+v", v)
	}
	var keys, values [][]byte
	tables := map[string]bool{}
	if err := s.db.View(t.Context(), func(tx store.Tx) error {
		return tx.Scan(store.Range{}, func(k, v []byte) error {
			table, _, _ := bytes.Cut(k, []byte{0})
			if string(table) != "meta" {
				keys, values = append(keys, bytes.Clone(k)), append(values, bytes.Clone(v))
				tables[string(table)] = true
			}
			return nil
		})
	}); err != nil {
		t.Fatal(err)
	}
	if len(tables) != 13 {
		t.Errorf("the record has rows in %d tables, want all 13: %v", len(tables), tables)
	}
	// One copy, put right again after every change.
	whole := map[string][]byte{}
	for i, k := range keys {
		whole[string(k)] = values[i]
	}
	db := s.changed(t, func(store.Tx) error { return nil })
	try := func(what string, k, value []byte) {
		put := func(value []byte) {
			if err := db.Update(t.Context(), func(tx store.Tx) error {
				if value == nil {
					return tx.Delete(k)
				}
				return tx.Put(k, value)
			}); err != nil {
				t.Fatal(err)
			}
		}
		put(value)
		verifyFails(t, what, db)
		put(whole[string(k)])
	}
	for i, k := range keys {
		name := strings.ReplaceAll(string(k), "\x00", "/")
		try("without "+name, k, nil)
		if len(values[i]) > 0 {
			try("emptied "+name, k, []byte{})
		}
		for at := 0; at < len(values[i]); at += 7 {
			other := bytes.Clone(values[i])
			other[at] ^= 1
			try("changed "+name, k, other)
		}
		try("longer "+name, k, append(bytes.Clone(values[i]), 0))
		if another := bytes.Clone(k); !bytes.HasPrefix(k, []byte("sign.last")) {
			another[len(another)-9]++
			try("another "+name, another, values[i])
		}
	}
	for i, k := range keys {
		if !bytes.HasPrefix(k, []byte("sign.slot")) {
			continue
		}
		for _, entry := range []byte{0, 1, 99} { // none, one without rows, one to come
			of := bytes.Clone(k)
			of[len(of)-1] = entry
			try(fmt.Sprintf("a row said to be of entry %d", entry), of, values[i])
		}
	}
	try("another table", []byte("sign.more\x00"), []byte{})
	if _, err := signer.Verify(t.Context(), db, v.Head); err != nil {
		t.Errorf("put right again: %v", err)
	}
}

// The first entry that is not as it was is named.
func TestVerifyNamesTheEntry(t *testing.T) {
	s := full(t)
	find := func(table string, entry byte) []byte {
		var found []byte
		if err := s.db.View(t.Context(), func(tx store.Tx) error {
			return tx.Scan(store.Range{From: []byte(table + "\x00"), To: []byte(table + "\x01")}, func(k, _ []byte) error {
				if k[len(k)-1] == entry {
					found = bytes.Clone(k)
				}
				return nil
			})
		}); err != nil || found == nil {
			t.Fatal(err)
		}
		return found
	}
	for _, test := range []struct {
		table string
		entry byte
		want  uint64
	}{{"sign.slot", 4, 4}, {"sign.slot", 5, 5}, {"sign.wd", 3, 3}, {"sign.pol", 2, 2}, {"sign.entry", 2, 2}, {"sign.entry", 5, 5}} {
		k := find(test.table, test.entry)
		if got := verifyFails(t, test.table, s.changed(t, func(tx store.Tx) error { return tx.Delete(k) })); got != test.want {
			t.Errorf("without the row of %s by entry %d, the first broken entry is %d, want %d", test.table, test.entry, got, test.want)
		}
	}
}

// A head that somebody kept proves the record up to it, and finds an old copy.
func TestVerifyHead(t *testing.T) {
	s := newStation(t)
	one := s.sign(t, s.one(t, 0, "a"))
	old := s.changed(t, func(store.Tx) error { return nil })
	two := s.sign(t, s.one(t, 1, "b"))
	v, err := signer.Verify(t.Context(), s.db, strings.ToUpper(one.RecordHead[:32])+" "+one.RecordHead[32:])
	if err != nil || v.At == nil || v.At.Digest != one.Digest || v.Head != two.RecordHead {
		t.Errorf("Verify = %+v, %v; want the entry of %s", v, err, one.Digest)
	}
	var broken *signer.Broken
	if _, err := signer.Verify(t.Context(), old, two.RecordHead); !errors.As(err, &broken) || wallet.Hint(err) == "" {
		t.Errorf("an old copy: %v", err)
	}
	if _, err := signer.Verify(t.Context(), s.db, "12"); !errors.Is(err, wallet.ErrUsage) {
		t.Errorf("half a head: %v", err)
	}
	empty := newStation(t)
	if v := empty.verify(t); v.Entries != 0 || v.Head != "" {
		t.Errorf("an empty record is %+v", v)
	}
}
