package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// get reads the record at key; ok is false if there is none.
func get[T any](tx Tx, key []byte) (v T, ok bool, err error) {
	raw, err := tx.Get(key)
	if err != nil || raw == nil {
		return v, false, err
	}
	v, err = decode[T](key, raw)
	return v, err == nil, err
}

func decode[T any](key, raw []byte) (v T, err error) {
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, fmt.Errorf("store: record %q is damaged: %w", printable(key), err)
	}
	return v, nil
}

func put(tx Tx, key []byte, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("store: record %q: %w", printable(key), err)
	}
	return tx.Put(key, raw)
}

// mark stores a key that has no value: an index row.
func mark(tx Tx, key []byte) error { return tx.Put(key, []byte{}) }

func has(tx Tx, key []byte) (bool, error) {
	raw, err := tx.Get(key)
	return raw != nil, err
}

func getNumber(tx Tx, key []byte) (uint64, bool, error) {
	raw, err := tx.Get(key)
	if err != nil || raw == nil {
		return 0, false, err
	}
	if len(raw) != 8 {
		return 0, false, fmt.Errorf("store: number %q is damaged", printable(key))
	}
	return binary.BigEndian.Uint64(raw), true, nil
}

func putNumber(tx Tx, key []byte, n uint64) error {
	return tx.Put(key, binary.BigEndian.AppendUint64(nil, n))
}

// next takes the next number of a sequence, from 1 up. Sequences are kept
// beside their table, so that taking one costs no scan.
func next(tx Tx, table string) (uint64, error) {
	key := keyOf(tMeta, "seq."+table)
	n, _, err := getNumber(tx, key)
	if err != nil {
		return 0, err
	}
	return n + 1, putNumber(tx, key, n+1)
}

func printable(key []byte) string {
	return string(bytes.ReplaceAll(key, []byte{0}, []byte{'/'}))
}

// number reads the number at the start of b.
func number(b []byte) uint64 { return binary.BigEndian.Uint64(b) }
