package online

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet/multipay"
	"github.com/airlock-wallet/airlock/wallet/payout"
)

func newContract(s *Station) *cobra.Command {
	c := &cobra.Command{
		Use:   "contract",
		Short: "Look at and deploy the contract that pays many in one transaction",
	}
	c.AddCommand(newContractShow(s), newContractDeploy(s))
	return c
}

func newContractShow(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Tell where the contract lies and whether it does on this chain",
		Long: `Tell where the contract that pays many lies, the hash of its code, and whether it is
on this chain. Its address follows from its code, which comes with this program, and is
the same on every chain: nothing else can lie there.`,
		Example: `  airlock contract show
  airlock contract show --chain 10 --json`,
		RunE: func(c *cobra.Command, _ []string) error { return runContractShow(c.Context(), s) },
	}
}

// contractRow is the contract as programs read it.
type contractRow struct {
	ChainID  uint64         `json:"chain_id"`
	Address  common.Address `json:"address"`
	CodeHash common.Hash    `json:"code_hash"` // Keccak-256
	Factory  common.Address `json:"factory"`
	Deployed bool           `json:"deployed"` // at the head
}

func runContractShow(ctx context.Context, s *Station) error {
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	node, err := s.Client(ctx)
	if err != nil {
		return err
	}
	defer node.Close()
	err = payout.CheckContract(ctx, node)
	if err != nil && !errors.Is(err, payout.ErrNoContract) {
		return err
	}
	row := contractRow{p.Chain, multipay.Address(), multipay.RuntimeHash(), multipay.Factory, err == nil}
	return s.Print(row, func(out io.Writer) {
		fmt.Fprintf(out, "address    %s\ncode hash  %s\n", row.Address, row.CodeHash)
		if row.Deployed {
			fmt.Fprintf(out, "it is on chain %d\n", row.ChainID)
		} else {
			fmt.Fprintf(out, "it is not on chain %d: airlock contract deploy puts it there\n", row.ChainID)
		}
	})
}

func newContractDeploy(s *Station) *cobra.Command {
	o := buildFlags{}
	c := &cobra.Command{
		Use:   "deploy -o FILE",
		Short: "Write a batch that puts the contract on this chain",
		Long: `Write a batch with the one transaction that puts the contract that pays many on this
chain, for the signing station, whose policy must allow "deploy". Anybody can put it
there, and it serves everybody: it has no owner, and pays with its caller's funds alone.

It is created by a proxy that most chains have. Where that is missing, the error says
how to get it there.`,
		Example: `  airlock contract deploy -o deploy.json`,
		RunE:    func(c *cobra.Command, _ []string) error { return runContractDeploy(c.Context(), s, o) },
	}
	f := c.Flags()
	f.StringVarP(&o.out, "output", "o", "", "`file` to write; it must not exist")
	_ = c.MarkFlagRequired("output") // the flag was defined above
	return c
}

func runContractDeploy(ctx context.Context, s *Station, o buildFlags) error {
	if err := mustNotExist(o.out); err != nil {
		return err
	}
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	node, err := s.Client(ctx)
	if err != nil {
		return err
	}
	defer node.Close()
	built, err := p.Deploy(ctx, node, payout.BuildOptions{})
	if err != nil {
		return err
	}
	if err := writeBatch(o.out, built.Record); err != nil {
		return err
	}
	row := newBatchRow(built.Batch)
	return s.Print(row, func(out io.Writer) {
		row.write(out)
		fmt.Fprintf(out, "written to %s\n", cli.Clean(o.out))
	})
}
