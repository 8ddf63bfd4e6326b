// Package station holds the commands that a station with a vault has: keys,
// policy, review and signing. Both programs have them, and neither signs in
// another way than the other. The package links nothing that can reach a
// network.
package station

import (
	"context"
	"errors"
	"net"
	"os"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/signer/vault"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// busyVault is what takes long about a vault: scrypt.
const busyVault = "deriving the key of the vault from its passphrase"

// VaultFile is the name of the vault in a station's home.
const VaultFile = "vault.json"

// The risks that can be named with --accept-risk.
const (
	riskOnline   = "online-station"
	riskRestored = signer.RiskRecordRestored
	riskSecond   = signer.RiskSecondNonce
	riskExposes  = "exposes-role"
)

// Station is a station with a vault.
type Station struct {
	*cli.Env
	// Offline refuses to sign while a network interface is up, as if every
	// call said --offline.
	Offline bool
	// Halted refuses to sign while the home is halted; nil where a home
	// cannot be.
	Halted func(context.Context) error
	// Interfaces lists the machine's network interfaces; nil is net.Interfaces.
	Interfaces func() ([]net.Interface, error)

	notedOnline bool // that the risk of a network was accepted
}

// New is the root command of airlock-signer.
func New(env *cli.Env) *cobra.Command {
	return (&Station{Env: env, Offline: true}).root()
}

func (s *Station) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "airlock-signer",
		Short: "Keep the keys and sign, on a machine without network",
		Long: `airlock-signer is the station that holds the keys. It shows what a batch of
transactions does, computed from the bytes that it will sign, and signs what its
policy allows and what contradicts nothing that it ever signed.

It cannot reach a network, and on a machine that can it makes no signature and
lets no private key out, unless the risk is named: --accept-risk=` + riskOnline + `.

` + cli.ExitCodes,
		Example: `  airlock-signer vault create
  airlock-signer policy init
  airlock-signer vault export-watch -o watch.json
  airlock-signer review batch.json
  airlock-signer approve batch.json -o approved.json --path "m/44'/60'/3'/0/0"
  airlock-signer sign batch.json -o signed.json`,
	}
	s.AddFlags(root)
	root.AddCommand(s.Commands()...)
	root.AddCommand(newAddress(s), newVersion(s))
	return root
}

// Commands are those that both programs have.
func (s *Station) Commands() []*cobra.Command {
	return []*cobra.Command{newVault(s), newPolicy(s), newReview(s), newApprove(s), newSign(s), newAudit(s), newQR(s)}
}

// openVault decrypts the vault of the home. The caller closes it.
func (s *Station) openVault(passphraseFile string) (*vault.Vault, error) {
	if _, err := s.statVault(); err != nil {
		return nil, err
	}
	s.warnOnline()
	passphrase, err := s.Passphrase(passphraseFile, "Passphrase of the vault", false)
	if err != nil {
		return nil, err
	}
	defer clear(passphrase)
	done := s.Busy(busyVault)
	v, err := vault.Open(s.Path(VaultFile), passphrase)
	done()
	if errors.Is(err, vault.ErrPassphrase) {
		// A few milliseconds, which nobody wants to interrupt.
		if err := s.note(context.Background(), signer.Note{Kind: signer.KindRefusal, Rules: []string{"passphrase"}}); err != nil {
			return nil, err
		}
		err = wallet.WithHint(err, "type it again; if it is right, put a backup of the file in its place, or restore the vault from its words with vault create --mnemonic-file")
	}
	if err != nil {
		return nil, err
	}
	if err := s.note(context.Background(), signer.Note{Kind: signer.KindUnlock, Vault: v.Fingerprint().String()}); err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

func (s *Station) statVault() (*vault.Info, error) {
	if err := s.NeedHome(); err != nil {
		return nil, err
	}
	info, err := vault.Stat(s.Path(VaultFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, wallet.WithHint(wallet.As(os.ErrNotExist, "there is no vault at %s", s.Path(VaultFile)),
			"vault create makes one; --home or $%s names another home", cli.HomeVariable)
	}
	return info, err
}

func (s *Station) policy() (*policy.Policy, error) {
	if err := s.NeedHome(); err != nil {
		return nil, err
	}
	return policy.Load(s.Path(policy.File))
}

func (s *Station) record() *bolt.DB { return bolt.Open(s.Path(signer.RecordFile)).WithWait(s.Wait) }

// hasRecord reports whether the home has a signing record. An empty file is
// none: it is what a copy leaves that did not get far, and the store would take
// it for a record of nothing.
func (s *Station) hasRecord() bool {
	info, err := os.Stat(s.Path(signer.RecordFile))
	return err == nil && info.Size() > 0
}

// note writes something that happened into the record's chain (see
// signer.Service.Note). A home without a record has nowhere to note anything,
// and says so: sign refuses there, and nothing else begins a record by the way.
func (s *Station) note(ctx context.Context, n signer.Note) error {
	if !s.hasRecord() {
		s.Note("not noted, because there is no signing record %s: %s", s.Path(signer.RecordFile), n.Kind)
		return nil
	}
	service := &signer.Service{Record: s.record(), Now: s.Now}
	return service.Note(ctx, n)
}

// noteVault notes what happens to the vault, or what leaves it, before it does.
func (s *Station) noteVault(fingerprint hd.Fingerprint, what string, risks ...string) error {
	// A few milliseconds, which nobody wants to interrupt.
	return s.note(context.Background(), signer.Note{Kind: signer.KindVault, Vault: fingerprint.String(), What: what, Risks: risks})
}

// refuse notes an error that refused something, and returns it. Other errors
// are not noted.
func (s *Station) refuse(ctx context.Context, b *batch.Batch, err error) error {
	if !errors.Is(err, wallet.ErrRefused) || !s.hasRecord() {
		return err
	}
	if failed := s.note(ctx, signer.RefusalNote(b, err)); failed != nil {
		return errors.Join(err, failed)
	}
	return err
}
