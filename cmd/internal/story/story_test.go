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
		build := exec.Command("go", "build", "-o", dir, "../../airlock", "../../airlock-signer")
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
		t.Run(name, func(t *testing.T) { tell(t, start(t), nil) })
	}
}

// Commands that are killed at any instant and run again end as if nothing had
// happened: paid once, told of everything, books balanced.
func TestStoryWithKills(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	tell(t, simulated(t), rand.New(rand.NewPCG(seed, 0)))
}

func simulated(t testing.TB) chaintest.Network {
	return chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
}

func tell(t *testing.T, network chaintest.Network, chaos *rand.Rand) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var told bytes.Buffer
	err := story.Run(ctx, story.Options{
		Network: network, Bin: bin, Dir: t.TempDir(), Out: &told, Chaos: chaos,
		RequireIsolation: os.Getenv("CI") == "true",
	})
	if err != nil {
		t.Logf("%s", told.String())
		t.Fatal(err)
	}
}
