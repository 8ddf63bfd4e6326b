// Demo runs the whole loop of airlock on an in-process chain: two stations with
// the real programs, a webhook receiver, ether and tokens, from a deposit to a
// confirmed withdrawal and a sweep, and ends with books that balance.
//
//	make demo
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/airlock-wallet/airlock/cmd/internal/story"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

func main() {
	bin := flag.String("bin", "bin", "directory that holds airlock and airlock-signer")
	keep := flag.Bool("keep", false, "keep the two homes for a look around")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *bin, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, bin string, keep bool) (err error) {
	dir, err := os.MkdirTemp("", "airlock-demo-")
	if err != nil {
		return err
	}
	if keep {
		defer fmt.Println("\nThe homes are in", dir)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	if bin, err = absolute(bin); err != nil {
		return err
	}
	chain, err := chaintest.StartSimulated(chaintest.SimulatedOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, chain.Close()) }()
	return story.Run(ctx, story.Options{Network: chain, Bin: bin, Dir: dir, Out: os.Stdout})
}
