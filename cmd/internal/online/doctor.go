package online

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/reconcile"
	"github.com/airlock-wallet/airlock/wallet/store"
)

func newDoctor(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Examine the home and every endpoint of its chains",
		Long: `Examine the home and every endpoint alone: whether others can read its files,
whether the store opens and has the addresses that it needs, whether each
endpoint answers, serves the right chain, keeps up, knows the safe and finalized
blocks, and has the same blocks as the others and as scan had. Nothing is
changed. Without --chain all chains of the home are examined.

Findings are warnings or severe. The exit code is 5 if no endpoint of a chain
answers, else 1 if anything is severe.`,
		Example: `  airlock doctor
  airlock doctor --chain 1 --json`,
		RunE: func(c *cobra.Command, _ []string) error { return runDoctor(c.Context(), s) },
	}
}

// doctorResult is what was found, as programs read it.
type doctorResult struct {
	Home     string                  `json:"home"`
	Findings []reconcile.Finding     `json:"findings"` // of the home itself
	Chains   []reconcile.Examination `json:"chains"`
}

// Codes of findings about the home itself.
const (
	findMode     = "readable-by-others"
	findSettings = "settings"
	findUnproven = "unproven-blocks"
)

// dialOnce is how long the doctor waits for one request to one endpoint.
const dialOnce = 10 * time.Second

func runDoctor(ctx context.Context, s *Station) error {
	r := doctorResult{Home: s.Home}
	chains, err := s.chains(ctx)
	if err != nil {
		return err
	}
	if r.Findings, err = s.checkModes(); err != nil {
		return err
	}
	cfg, err := s.Config()
	if err != nil {
		cfg = &Config{}
		r.find(findSettings, "%s", err)
	}
	for _, c := range chains {
		urls, err := cfg.urls(c.ID)
		if err != nil && len(cfg.Chains) > 0 {
			r.find(findSettings, "chain %d: %s", c.ID, err)
		}
		limit, err := cfg.finalityAlarm(c.ID)
		if err != nil {
			r.find(findSettings, "%s", err)
		}
		x, err := reconcile.Examine(ctx, s.Store(), c, endpoints(c, urls), limit, s.Now())
		if err != nil {
			return err
		}
		if cfg.unproven(c.ID) {
			x.Findings = append(x.Findings, unprovenFinding)
		}
		r.Chains = append(r.Chains, x)
	}
	if err := s.Print(r, func(w io.Writer) { r.write(s, w) }); err != nil {
		return err
	}
	return r.verdict()
}

var unprovenFinding = reconcile.Finding{Warning: reconcile.Warning{
	Code: findUnproven,
	Text: "unproven = true in " + configFile + ": what blocks hold that cannot be proven is the endpoints' word alone",
	Hint: "remove the setting if airlock scan goes on without it",
}}

// chains are those that a command works on that works on all of them.
func (s *Station) chains(ctx context.Context) ([]wallet.Chain, error) {
	if s.ChainID != 0 {
		c, err := s.Chain(ctx)
		return []wallet.Chain{c}, err
	}
	var all []wallet.Chain
	err := s.Store().View(ctx, func(tx store.Tx) (err error) {
		all, err = store.Chains(tx)
		return err
	})
	return all, err
}

func endpoints(c wallet.Chain, urls []string) []reconcile.Endpoint {
	var list []reconcile.Endpoint
	for i, host := range hosts(urls) {
		list = append(list, reconcile.Endpoint{Host: host, Dial: func(ctx context.Context) (reconcile.EndpointChain, error) {
			return chain.Dial(ctx, chain.Options{ChainID: c.ID, Genesis: c.GenesisHash, URLs: urls[i : i+1], Timeout: dialOnce, Attempts: 1})
		}})
	}
	return list
}

// checkModes looks whether other users can read what links customers to
// addresses, or change it.
func (s *Station) checkModes() ([]reconcile.Finding, error) {
	r := doctorResult{Findings: []reconcile.Finding{}}
	for _, name := range []string{"", storeFile, configFile} {
		info, err := os.Stat(s.Path(name))
		switch {
		case os.IsNotExist(err): // whoever needs it says so
		case err != nil:
			return nil, err
		case info.Mode().Perm()&0o077 != 0:
			r.find(findMode, "%s has mode %04o, so other users get at it: run chmod go= %[1]s", s.Path(name), info.Mode().Perm())
		}
	}
	return r.Findings, nil
}

func (r *doctorResult) find(code, text string, args ...any) {
	r.Findings = append(r.Findings, reconcile.Finding{Severe: true, Warning: reconcile.Warning{Code: code, Text: fmt.Sprintf(text, args...)}})
}

func (r *doctorResult) write(s *Station, w io.Writer) {
	fmt.Fprintf(w, "home %s: the store opens\n", cli.Clean(r.Home))
	writeFindings(w, r.Findings)
	found := len(r.Findings)
	for _, x := range r.Chains {
		fmt.Fprintf(w, "chain %d, genesis %s\n", x.ChainID, x.Genesis)
		t := s.Table(w, "ENDPOINT", "HEAD", "OF", "SAFE", "FINALIZED", "COMPARED AT")
		for _, e := range x.Endpoints {
			if e.Reachable {
				t.Row(e.Host, e.Head, e.HeadTime.Format(time.RFC3339), orEmpty(e.Safe), orEmpty(e.Finalized), e.Compared)
			} else {
				t.Row(e.Host, "", "", "", "", "")
			}
		}
		t.Close()
		writeFindings(w, x.Findings)
		found += len(x.Findings)
	}
	if found == 0 {
		fmt.Fprintln(w, "nothing to worry about")
	}
}

func writeFindings(w io.Writer, list []reconcile.Finding) {
	for _, f := range list {
		label := "warning"
		if f.Severe {
			label = "SEVERE"
		}
		fmt.Fprintf(w, "%-8s %s\n", label, cli.Clean(f.Text))
		if f.Hint != "" {
			fmt.Fprintf(w, "%-8s %s\n", "", cli.Clean(f.Hint))
		}
	}
}

// verdict is the error that makes the exit code.
func (r *doctorResult) verdict() error {
	severe := 0
	for _, f := range r.Findings {
		if f.Severe {
			severe++
		}
	}
	for _, x := range r.Chains {
		if !x.Reachable() {
			return wallet.WithHint(wallet.As(wallet.ErrUnreachable, "no endpoint of chain %d answers", x.ChainID), "airlock chain list shows the endpoints, config.toml has them")
		}
		for _, f := range x.Findings {
			if f.Severe {
				severe++
			}
		}
	}
	if severe > 0 {
		return fmt.Errorf("%s", plural(severe, "severe finding", "severe findings"))
	}
	return nil
}
