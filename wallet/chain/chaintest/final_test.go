package chaintest

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb"
)

// What geth's database knows to be final, geth takes out of it within a minute, and
// a chain that forks below that is no chain any more: its numbers name other blocks
// than its hashes.
func TestSimulatedFinalBlocksCanBeReplaced(t *testing.T) {
	s := NewSimulated(t, SimulatedOptions{})
	if err := s.Mine(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	if final := s.backend.BlockChain().CurrentFinalBlock(); final.Number.Uint64() != 3 {
		t.Errorf("block %d is final, want 3", final.Number)
	}
	if hash := rawdb.ReadFinalizedBlockHash(s.backend.ChainDb()); hash != (common.Hash{}) {
		t.Errorf("the database knows that %s is final", hash)
	}
}
