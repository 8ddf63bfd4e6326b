package store

import (
	"fmt"

	"github.com/airlock-wallet/airlock/wallet"
)

// A migration brings a store from the version before it to Version. The list
// only ever grows, and stored versions never change their meaning.
type migration struct {
	version uint64
	what    string
	run     func(Tx) error
}

var migrations = []migration{
	{1, "first schema", func(Tx) error { return nil }},
}

// Version is the schema that this program writes.
func Version() uint64 { return migrations[len(migrations)-1].version }

var versionKey = keyOf(tMeta, "schema")

// CheckVersion reports whether the store must be migrated before use, and
// refuses a store that a newer program wrote.
func CheckVersion(tx Tx) (migrate bool, err error) {
	have, _, err := getNumber(tx, versionKey)
	if err != nil {
		return false, err
	}
	if have > Version() {
		return false, wallet.WithHint(
			fmt.Errorf("store: schema version %d is newer than this program's %d", have, Version()),
			"use the newer airlock that wrote it, or restore a backup from before the upgrade")
	}
	return have < Version(), nil
}

// Migrate brings the store to Version, in the caller's transaction.
func Migrate(tx Tx) error {
	have, _, err := getNumber(tx, versionKey)
	if err != nil {
		return err
	}
	for _, m := range migrations {
		if m.version <= have {
			continue
		}
		if err := m.run(tx); err != nil {
			return fmt.Errorf("store: migration to version %d (%s): %w", m.version, m.what, err)
		}
		if err := putNumber(tx, versionKey, m.version); err != nil {
			return err
		}
	}
	return nil
}
