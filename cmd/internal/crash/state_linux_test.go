package crash

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// A state is all that commands to come can tell of what a killed one left, as a hash:
// the names and contents of files; of stores, whose pages must be whole, all keys and
// values, for what else lies in such a file is never read; the head, the pool, and
// what was told. Times at which something was written are left out.
//
// So what follows from two such points in a command is the same: most changes of a
// file are of pages that nothing points to until the last page of a transaction is
// written.
type state [sha256.Size]byte

// written is a time in JSON (RFC 3339), or one that a file is named after.
var written = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`)

// state reads the state of the world.
func (w *world) state(ctx context.Context) (s state, err error) {
	h := sha256.New()
	put := func(parts ...string) {
		for _, part := range parts {
			part = written.ReplaceAllString(part, "")
			fmt.Fprintf(h, "%d:%s", len(part), part)
		}
	}
	head, err := w.chain.Client().HeaderByNumber(ctx, nil)
	if err != nil {
		return s, err
	}
	pool, err := w.pending(ctx)
	if err != nil {
		return s, err
	}
	put(head.Hash().Hex())
	raws := make([]string, len(pool))
	for i, raw := range pool {
		raws[i] = raw.String()
	}
	slices.Sort(raws)
	put(raws...)
	for _, e := range w.hooks.soFar() {
		put("told", e.id, e.body)
	}
	for _, home := range homes {
		files, err := readTree(w.path(home))
		if err != nil {
			return s, err
		}
		for _, name := range slices.Sorted(maps.Keys(files)) {
			put(home + name)
			if !strings.HasSuffix(name, ".db") {
				put(files[name])
				continue
			}
			path := filepath.Join(w.path(home), name)
			if err := bolt.Verify(ctx, path); err != nil {
				return s, err
			}
			if err := bolt.Open(path).View(ctx, func(tx store.Tx) error {
				return tx.Scan(store.Range{}, func(key, value []byte) error {
					put(string(key), string(value))
					return nil
				})
			}); err != nil {
				return s, err
			}
		}
	}
	return state(h.Sum(nil)), nil
}
