package online

import (
	"time"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/rebalance"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// scanOptions are what config.toml says about scanning a chain.
func (s *Station) scanOptions(id uint64) (o scanner.Options, err error) {
	cfg, err := s.Config()
	if err != nil {
		return o, err
	}
	o.Now, o.CompareBlocks = s.Now, cfg.compareBlocks(id)
	if o.FinalityAlarm, err = cfg.finalityAlarm(id); err != nil {
		return o, err
	}
	if n := cfg.of(id).BackupBlocks; n != nil {
		if o.BackupBlocks = int(*n); *n == 0 {
			o.BackupBlocks = -1
		}
	}
	o.Funds = func(tx store.Tx) (*wallet.Alarm, error) {
		marks, err := cfg.marks(tx, id)
		if err != nil {
			return nil, err
		}
		return rebalance.Low(tx, id, marks)
	}
	return o, nil
}

// of is what is set for a chain, nothing if it is not there.
func (c *Config) of(id uint64) (chain ChainConfig) {
	for _, have := range c.Chains {
		if have.ID == id {
			chain = have
		}
	}
	return chain
}

// finalityAlarm is how old a chain's final block may be, below 0 if any age
// will do.
func (c *Config) finalityAlarm(id uint64) (time.Duration, error) {
	text := c.of(id).FinalityAlarm
	if text == "" {
		return wallet.DefaultFinalityAlarm, nil
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil || d < 0:
		return 0, wallet.As(wallet.ErrUsage, "%s: finality_alarm %q of chain %d: want a duration such as 90m or 12h, or 0 for none", configFile, text, id)
	case d == 0:
		return -1, nil
	}
	return d, nil
}
