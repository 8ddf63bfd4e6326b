package online

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
)

// offering is what the flags say about how transactions are offered; what they
// leave out, config.toml says.
type offering struct {
	flags  *cobra.Command
	window uint32
	after  time.Duration
	blocks uint32
}

// offeringFlags adds the flags to a command.
func offeringFlags(c *cobra.Command) *offering {
	o := &offering{flags: c}
	d := outgoing.DefaultTerms
	f := c.Flags()
	f.Uint32Var(&o.window, "window", uint32(d.Window), "give nodes at most `N` transactions of a sender that are not mined") //nolint:gosec // a constant
	f.DurationVar(&o.after, "climb-after", d.ClimbAfter, "offer the next rung when one that pays too little waited so `long`")
	f.Uint32Var(&o.blocks, "climb-blocks", uint32(d.ClimbBlocks), "and so many `blocks` came without it") //nolint:gosec // a constant
	return o
}

// terms are the flags over the settings of a chain over what is the default.
func (o *offering) terms(s *Station, id uint64) (t outgoing.Terms, err error) {
	cfg, err := s.Config()
	if err != nil {
		return t, err
	}
	t = outgoing.DefaultTerms
	c := cfg.of(id)
	if c.Window != nil {
		t.Window = int(*c.Window)
	}
	if c.ClimbBlocks != nil {
		t.ClimbBlocks = uint64(*c.ClimbBlocks)
	}
	if c.ClimbAfter != "" {
		if t.ClimbAfter, err = time.ParseDuration(c.ClimbAfter); err != nil || t.ClimbAfter < 0 {
			return t, wallet.As(wallet.ErrUsage, "%s: climb_after %q of chain %d: want a duration such as 48s or 2m", configFile, c.ClimbAfter, id)
		}
	}
	given := o.flags.Flags().Changed
	if given("window") {
		t.Window = int(o.window)
	}
	if given("climb-after") {
		t.ClimbAfter = o.after
	}
	if given("climb-blocks") {
		t.ClimbBlocks = uint64(o.blocks)
	}
	if t.Window < 1 {
		return t, wallet.As(wallet.ErrUsage, "a window of %d: want at least 1", t.Window)
	}
	if t.ClimbAfter < 0 {
		return t, wallet.As(wallet.ErrUsage, "--climb-after %s: want no less than 0", t.ClimbAfter)
	}
	return t, nil
}
