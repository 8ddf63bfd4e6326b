package station

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
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
person fills in chains, assets and limits; it explains every key. So does float,
for small withdrawals of a vault whose keys are on the online station. The preset
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
	c.Flags().StringVar(&preset, "preset", preset, "`name` of what to start from: "+strings.Join(policy.Presets(), ", "))
	return c
}

// warnOpen says so when a policy limits nothing.
func (s *Station) warnOpen(p *policy.Policy) {
	if p.Open {
		s.Note("the policy is OPEN: what it does not limit, this station signs; it is meant for tests and demonstrations")
	}
}

type policyCheckRow struct {
	Path        string   `json:"path"`
	Hash        string   `json:"hash"`
	Open        bool     `json:"open"`
	Explanation []string `json:"explanation"`
	// The rest is about a batch, if there is one.
	*policyTrial
}

// policyTrial is what the policy says of a batch.
type policyTrial struct {
	Batch      string             `json:"batch"` // its id
	Allowed    bool               `json:"allowed"`
	Recorded   bool               `json:"recorded"` // there is a signing record, and what it has is counted
	Violations []policy.Violation `json:"violations"`
	Limits     []policy.Left      `json:"limits"`
	Approvals  policy.Need        `json:"approvals"`
}

func newPolicyCheck(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:   "check [BATCH]",
		Short: "Say in words what the policy allows, and try it on a batch",
		Long: `Read the policy and say in words what it allows. With a batch file, say too
what of it the policy forbids, what was signed within the times of the limits and
what the batch would leave of them, and whose approvals it has and needs. The exit
code is 3 if anything is forbidden. Nothing is signed. That the policy is in use is
noted in the signing record, and its new recipients begin to count.

Only the policy is asked: sign looks at vault, record and expiry, too.`,
		Example: `  airlock-signer policy check
  airlock-signer policy check batch.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			p, err := s.policy()
			if err != nil {
				return err
			}
			if s.hasRecord() {
				service := &signer.Service{Record: s.record(), Policy: p, Now: s.Now}
				if err := service.NotePolicy(c.Context()); err != nil {
					return err
				}
			}
			row := policyCheckRow{Path: s.Path(policy.File), Hash: p.Hash, Open: p.Open, Explanation: p.Explain()}
			if len(args) == 1 {
				b, _, err := readBatch(args[0])
				if err != nil {
					return err
				}
				if row.policyTrial, err = s.tryPolicy(c.Context(), p, b); err != nil {
					return err
				}
			}
			if err := s.Print(row, func(w io.Writer) { printPolicy(w, row) }); err != nil {
				return err
			}
			if row.policyTrial != nil && !row.Allowed {
				return wallet.As(wallet.ErrRefused, "the policy forbids this batch (%d violations)", len(row.Violations))
			}
			return nil
		},
	}
}

// tryPolicy holds a batch against the policy and what the record has of it.
// Where there is no record, it is held against an empty one.
func (s *Station) tryPolicy(ctx context.Context, p *policy.Policy, b *batch.Batch) (*policyTrial, error) {
	vault, err := hd.ParseFingerprint(b.Vault)
	if err != nil {
		return nil, err
	}
	trial := &policyTrial{Batch: b.ID, Recorded: s.hasRecord(), Violations: []policy.Violation{}}
	record := s.record()
	if !trial.Recorded {
		dir, err := os.MkdirTemp("", "airlock-policy-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		if record, err = bolt.Create(ctx, filepath.Join(dir, signer.RecordFile)); err != nil {
			return nil, err
		}
	}
	// As if somebody had given the date: it is sign that asks for it.
	service := &signer.Service{Record: record, Policy: p, Now: s.Now, Date: s.Now().Format(time.DateOnly)}
	if !trial.Recorded { // the first policy that it sees
		if err := service.NotePolicy(ctx); err != nil {
			return nil, err
		}
	}
	seen, err := service.Inspect(ctx, b, vault, nil)
	if err != nil {
		return nil, err
	}
	trial.Violations = append(trial.Violations, p.Evaluate(b, seen.Context)...)
	trial.Allowed = len(trial.Violations) == 0
	trial.Limits, trial.Approvals = p.Leaves(b, seen.Context), p.Needs(b, seen.Context)
	return trial, nil
}

func printPolicy(w io.Writer, row policyCheckRow) {
	for _, sentence := range row.Explanation {
		fmt.Fprintln(w, cli.Clean(sentence))
	}
	fmt.Fprintf(w, "\nhash  %s\n", row.Hash)
	if row.policyTrial != nil {
		printTrial(w, row.policyTrial)
	}
}

func printTrial(w io.Writer, t *policyTrial) {
	verdict := "allowed."
	if !t.Allowed {
		verdict = "forbidden."
	}
	fmt.Fprintf(w, "\nBatch %s: %s\n", t.Batch, verdict)
	for _, v := range t.Violations {
		fmt.Fprintln(w, cli.Clean(signer.Refusal{Rule: v.Rule, Item: v.Item, Field: v.Field, Value: v.Value, Why: v.Limit}.String()))
	}
	if !t.Recorded {
		fmt.Fprintln(w, "There is no signing record here: this counts as if nothing had been signed before.")
	}
	for _, l := range t.Limits {
		fmt.Fprintln(w, cli.Clean(l.String()))
	}
	fmt.Fprintln(w, cli.Clean(t.Approvals.String()))
}
