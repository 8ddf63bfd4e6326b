package story_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/airlock-wallet/airlock/cmd/internal/story"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "airlock-bin-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		build := exec.Command("go", "build", "-buildvcs=false", "-o", dir, "../../airlock", "../../airlock-signer")
		if out, err := build.CombinedOutput(); err != nil {
			panic(string(out))
		}
		bin = dir
		return m.Run()
	}())
}

// The same story, with the real programs, on three implementations of a chain.
func TestStory(t *testing.T) {
	for name, start := range map[string]func(testing.TB) chaintest.Network{
		"simulated": simulated,
		"geth":      func(t testing.TB) chaintest.Network { return chaintest.NewGeth(t, chaintest.GethOptions{}) },
		"anvil":     func(t testing.TB) chaintest.Network { return chaintest.NewAnvil(t, chaintest.AnvilOptions{}) },
	} {
		t.Run(name, func(t *testing.T) { tell(t, story.Run, start(t), nil) })
	}
}

// The same reorganisations, with the real programs, on three implementations of
// a chain; anvil's are those of anvil_reorg. None reaches what the chain calls
// final: that would be another story, which the scanner's tests tell.
func TestReorgs(t *testing.T) {
	for name, start := range map[string]func(testing.TB) chaintest.Network{
		"simulated": slowToFinalize,
		// Its first final block is the 32nd, which is not mined here.
		"geth":  func(t testing.TB) chaintest.Network { return chaintest.NewGeth(t, chaintest.GethOptions{}) },
		"anvil": func(t testing.TB) chaintest.Network { return chaintest.NewAnvil(t, chaintest.AnvilOptions{Epoch: 16}) },
	} {
		t.Run(name, func(t *testing.T) { tell(t, story.Reorgs, start(t), nil) })
	}
}

// Commands that are killed at any instant and run again end as if nothing had
// happened: paid once, told of everything, books balanced.
func TestStoryWithKills(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	chaos := rand.New(rand.NewPCG(seed, 0))
	t.Run("loop", func(t *testing.T) { tell(t, story.Run, simulated(t), chaos) })
	t.Run("reorgs", func(t *testing.T) { tell(t, story.Reorgs, slowToFinalize(t), chaos) })
}

func simulated(t testing.TB) chaintest.Network {
	return chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
}

// slowToFinalize is a chain that can replace more blocks than the stories mine.
func slowToFinalize(t testing.TB) chaintest.Network {
	return chaintest.NewSimulated(t, chaintest.SimulatedOptions{Finality: 32})
}

func tell(t *testing.T, tale func(context.Context, story.Options) error, network chaintest.Network, chaos *rand.Rand) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Minute)
	defer cancel()
	var told bytes.Buffer
	err := tale(ctx, story.Options{
		Network: network, Bin: bin, Dir: t.TempDir(), Out: &told, Chaos: chaos,
		RequireIsolation: os.Getenv("CI") == "true",
	})
	if err != nil {
		t.Logf("%s", told.String())
		t.Fatal(err)
	}
}
