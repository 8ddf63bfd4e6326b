package station

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
)

func newPolicy(s *Station) *cobra.Command {
	return cli.Group("policy", "Say what this station may sign", newPolicyInit(s), newPolicyCheck(s))
}

type policyRow struct {
	Path   string `json:"path"`
	Preset string `json:"preset"`
	Hash   string `json:"hash"`
}

func newPolicyInit(s *Station) *cobra.Command {
	preset := "strict"
	c := &cobra.Command{
		Use:   "init",
		Short: "Write a policy to start from",
		Long: `Write ` + policy.File + ` into the home. The preset strict allows nothing until a
person fills in chains, assets and limits; it explains every key. The preset
open limits nothing: it is for tests and demonstrations.

Without a policy nothing is signed. A policy that is there is never replaced.`,
		Example: `  airlock-signer policy init
  airlock-signer policy init --preset open`,
		RunE: func(*cobra.Command, []string) error {
			if err := s.NeedHome(); err != nil {
				return err
			}
			raw, err := policy.Preset(preset)
			if err != nil {
				return err
			}
			p, err := policy.Parse(raw)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(s.Home, 0o700); err != nil {
				return err
			}
			row := policyRow{s.Path(policy.File), preset, p.Hash}
			if err := secretfile.Create(row.Path, raw); err != nil {
				return err
			}
			s.warnOpen(p)
			return s.Print(row, func(w io.Writer) {
				fmt.Fprintf(w, "policy  %s (%s)\nhash    %s\n", cli.Clean(row.Path), row.Preset, row.Hash)
			})
		},
	}
	c.Flags().StringVar(&preset, "preset", preset, strings.Join(policy.Presets(), " or "))
	return c
}

// warnOpen says so when a policy limits nothing.
func (s *Station) warnOpen(p *policy.Policy) {
	if p.Open {
		s.Note("the policy is OPEN: what it does not limit, this station signs; it is meant for tests and demonstrations")
	}
}

type policyCheckRow struct {
	Path        string             `json:"path"`
	Hash        string             `json:"hash"`
	Open        bool               `json:"open"`
	Explanation []string           `json:"explanation"`
	Batch       string             `json:"batch,omitzero"` // its id
	Violations  []policy.Violation `json:"violations"`
}

func newPolicyCheck(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:   "check [BATCH]",
		Short: "Say in words what the policy allows, and try it on a batch",
		Long: `Read the policy and say in words what it allows. With a batch file, say too
what of it the policy forbids; the exit code is 3 if anything. Nothing is signed
or recorded.`,
		Example: `  airlock-signer policy check
  airlock-signer policy check batch.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := s.policy()
			if err != nil {
				return err
			}
			row := policyCheckRow{Path: s.Path(policy.File), Hash: p.Hash, Open: p.Open, Explanation: p.Explain(), Violations: []policy.Violation{}}
			if len(args) == 1 {
				b, _, err := readBatch(args[0])
				if err != nil {
					return err
				}
				row.Batch = b.ID
				row.Violations = append(row.Violations, p.Evaluate(b, policy.Context{Now: s.Now()})...)
			}
			if err := s.Print(row, func(w io.Writer) { printPolicy(w, row) }); err != nil {
				return err
			}
			if n := len(row.Violations); n > 0 {
				return wallet.As(wallet.ErrRefused, "the policy forbids this batch (%d violations)", n)
			}
			return nil
		},
	}
}

func printPolicy(w io.Writer, row policyCheckRow) {
	for _, sentence := range row.Explanation {
		fmt.Fprintln(w, cli.Clean(sentence))
	}
	fmt.Fprintf(w, "\nhash  %s\n", row.Hash)
	if row.Batch == "" {
		return
	}
	fmt.Fprintf(w, "\nBatch %s: ", row.Batch)
	if len(row.Violations) == 0 {
		fmt.Fprintln(w, "allowed.")
		return
	}
	fmt.Fprintln(w, "forbidden.")
	for _, v := range row.Violations {
		fmt.Fprintln(w, cli.Clean(signer.Refusal{Rule: v.Rule, Item: v.Item, Field: v.Field, Value: v.Value, Why: v.Limit}.String()))
	}
}
