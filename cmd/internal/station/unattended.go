package station

import (
	"context"
	"errors"
	"time"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/signer/vault"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/hd"
)

// awake is after how long without an entry one is written into the record while
// the vault is open, so that a quiet week is no clock that was set ahead.
const awake = signer.MaxClockJump / 3

// Unattended signs with a vault that stays open, while nobody is at a terminal.
// It signs by the same service, policy and record as the command sign, and takes
// no risk: where that one would ask, it refuses.
type Unattended struct {
	vault   *vault.Vault
	keys    *vault.Keys
	service signer.Service // without its policy, which is read for every batch
	load    func() (*policy.Policy, error)
	note    func(context.Context, signer.Note) error
	noted   map[string]string // the refusals in the record, by batch
}

// Unattended opens the vault of the home for the keys with a fingerprint. date
// is today's (YYYY-MM-DD), where the record wants one, or empty. The caller closes
// it.
func (s *Station) Unattended(ctx context.Context, fingerprint hd.Fingerprint, passphraseFile, date string) (*Unattended, error) {
	if passphraseFile == "" {
		return nil, wallet.As(wallet.ErrUsage, "nobody is there to type the passphrase: --passphrase-file names the file that holds it")
	}
	info, err := s.statVault()
	if err != nil {
		return nil, err
	}
	load := func() (*policy.Policy, error) {
		p, err := s.policy()
		if err == nil && p.Open {
			err = wallet.WithHint(wallet.As(wallet.ErrRefused, "the policy is open, and nobody looks at what is signed under it"),
				"policy init --preset float writes one with limits; move %s out of its way", s.Path(policy.File))
		}
		return p, err
	}
	if _, err := load(); err != nil {
		return nil, err
	}
	record, err := s.openRecord(ctx, nil)
	if err != nil {
		return nil, err
	}
	u := &Unattended{
		service: signer.Service{Record: record, Now: s.Now, Fingerprints: info.Fingerprints, Halted: s.Halted, Date: date},
		load:    load, note: s.note, noted: map[string]string{},
	}
	if err := u.begin(ctx); err != nil {
		return nil, err
	}
	if u.vault, err = s.openVault(passphraseFile); err != nil {
		return nil, err
	}
	if u.keys, err = u.vault.Keys(fingerprint); err != nil {
		u.Close()
		return nil, wallet.WithHint(err, "the float of the home is another vault than the one that lies in it: airlock vault accounts shows this one's")
	}
	return u, nil
}

// Close wipes the keys.
func (u *Unattended) Close() { u.vault.Close() }

// begin has the record believe the clock, if somebody gave the date.
func (u *Unattended) begin(ctx context.Context) error {
	needed, last, err := u.service.NeedsDate(ctx)
	if err != nil || !needed {
		u.service.Date = ""
		return err
	}
	if u.service.Date != "" {
		err = u.service.Note(ctx, signer.Note{Kind: signer.KindUnlock, What: "with today's date, to sign unattended"})
		u.service.Date = ""
		if err != nil {
			return err
		}
		if needed, _, err = u.service.NeedsDate(ctx); err != nil || !needed {
			return err
		}
	}
	return wallet.WithHint(
		wallet.As(wallet.ErrRefused, "by this machine's clock, more than %d hours have passed since the last entry of the signing record, of %s", int(signer.MaxClockJump.Hours()), last.UTC().Format(time.RFC3339)),
		"set the clock if it is wrong; if it is right, give today's date with --date YYYY-MM-DD")
}

// signer is the service under the policy as it is now.
func (u *Unattended) signer() (*signer.Service, error) {
	service := u.service
	var err error
	service.Policy, err = u.load()
	return &service, err
}

// KeepAwake writes into the record that the vault is still open, if nothing else
// was for a while.
func (u *Unattended) KeepAwake(ctx context.Context) error {
	_, last, err := u.service.NeedsDate(ctx)
	if err != nil || u.service.Now().Sub(last) < awake {
		return err
	}
	return u.service.Note(ctx, signer.Note{Kind: signer.KindUnlock, Vault: u.keys.Fingerprint().String(), What: "still open, to sign unattended"})
}

// Fit says of each item of a draft what forbids it; see signer.Service.Fit.
func (u *Unattended) Fit(ctx context.Context, draft *batch.Batch) ([][]signer.Refusal, error) {
	service, err := u.signer()
	if err != nil {
		return nil, err
	}
	return service.Fit(ctx, draft, u.keys.Fingerprint())
}

// Sign signs a batch, if policy and record allow it. The same refusal of a batch
// is noted in the record once.
func (u *Unattended) Sign(ctx context.Context, b *batch.Batch) (*batch.Signed, error) {
	signed, err := u.sign(ctx, b)
	if !errors.Is(err, wallet.ErrRefused) || u.noted[b.ID] == err.Error() {
		return signed, err
	}
	u.noted[b.ID] = err.Error()
	return nil, errors.Join(err, u.note(ctx, signer.RefusalNote(b, err)))
}

func (u *Unattended) sign(ctx context.Context, b *batch.Batch) (*batch.Signed, error) {
	service, err := u.signer()
	if err != nil {
		return nil, err
	}
	if err := service.Check(ctx, b, u.keys.Fingerprint(), nil); err != nil {
		return nil, err
	}
	signed, err := service.Sign(ctx, b, u.keys, nil)
	if err != nil {
		return nil, err
	}
	return signed, verifyNew(signed)
}
