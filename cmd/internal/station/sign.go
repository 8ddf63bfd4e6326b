package station

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/cmd/internal/review"
	"github.com/airlock-wallet/airlock/cmd/internal/tui"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/signer/vault"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// digestDigits is how much of a digest an operator types: 64 bits. Nobody finds
// a second batch for the digest of a given one; who makes both batches can find
// two whose digests begin alike, which is why the review on this station counts
// and --expect wants the whole digest.
const digestDigits = 16

type signOptions struct {
	file, out, passphraseFile string
	expect, requests          string
	date                      string
	offline, plain            bool
	accepted                  []string
	risks                     signer.Risks
}

// signRow tells what was signed.
type signRow struct {
	Batch      string `json:"batch"`
	ChainID    uint64 `json:"chain_id"`
	Digest     string `json:"digest"`
	Signed     int    `json:"signed"` // transactions, each with all its rungs
	Signatures int    `json:"signatures"`
	PolicyHash string `json:"policy_hash"`
	RecordHead string `json:"record_head"`
	Path       string `json:"path"`
}

func newSign(s *Station) *cobra.Command {
	var o signOptions
	c := &cobra.Command{
		Use:   "sign FILE -o FILE",
		Short: "Sign a batch, if policy and record allow it",
		Long: `Sign every transaction of a batch, or none.

The batch is refused (exit code 3) if it was changed, is expired, belongs to
another vault, does what the policy forbids, or contradicts what this vault ever
signed: another payment at a nonce that it signed, unless the item names exactly
that one as what it takes the place of; another nonce for a withdrawal that it
signed; a nonce below those that the record knows of. Signing the same batch again
gives the same file.

A clock that was set back is not believed: the last entry of the record is later.
If the clock is more than 72 hours ahead of that entry, today's date is asked for,
or taken from --date.

Without --expect the review is shown and the first ` + fmt.Sprint(digestDigits) + ` characters of the digest
are asked for: compare them with those on the other station's screen. With
--expect, it signs only if the digest is that one, and asks nothing.

--requests compares the withdrawals with a list that reached this station
another way, such as the business's own export: a CSV file with the columns of
"airlock withdraw import". Each withdrawal of the batch must be in the list with
the same id, asset, amount and recipient.

--offline refuses to work while a network interface other than loopback is up;
airlock-signer always does. The risks that can be accepted:
  ` + riskOnline + `   sign while a network interface is up
  ` + riskRestored + `  sign though the signing record was lost, is older than what the
                   online station saw, or does not know a sender's nonces; it
                   begins with those of this batch
  ` + riskSecond + `     sign a withdrawal that was signed with another nonce, where the
                   first can never be mined`,
		Example: `  airlock-signer sign batch.json -o signed.json
  airlock-signer sign batch.json -o signed.json --passphrase-file p --expect 4f3c…
  airlock-signer sign batch.json -o signed.json --requests payments.csv`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			o.file = args[0]
			if o.risks, err = signer.ParseRisks(o.accepted, riskOnline, riskRestored, riskSecond); err != nil {
				return err
			}
			return runSign(c.Context(), s, o)
		},
	}
	c.Flags().StringVarP(&o.out, "output", "o", "", "`file` to write the signed batch to")
	_ = c.MarkFlagRequired("output") // it exists
	c.Flags().StringVar(&o.expect, "expect", "", "sign only if the batch has this `digest`, and do not ask")
	c.Flags().StringVar(&o.requests, "requests", "", "sign only withdrawals that are in this CSV `file`")
	c.Flags().StringVar(&o.date, "date", "", "today's date as `YYYY-MM-DD`, where the clock is far ahead of the last entry of the record")
	c.Flags().BoolVar(&o.offline, "offline", s.Offline, "refuse while a network interface other than loopback is up")
	plainFlag(c, &o.plain)
	cli.RiskFlag(c, &o.accepted, riskOnline, riskRestored, riskSecond)
	passphraseFlag(c, &o.passphraseFile)
	return c
}

func runSign(ctx context.Context, s *Station, o signOptions) error {
	b, err := readUnsigned(o.file)
	if err == nil {
		err = signBatch(ctx, s, b, o)
	}
	return s.refuse(ctx, b, err)
}

func signBatch(ctx context.Context, s *Station, b *batch.Batch, o signOptions) error {
	// What can be refused is refused before anybody types anything.
	s.Offline = s.Offline || o.offline
	if err := s.refuseOnline(o.risks); err != nil {
		return err
	}
	if o.expect != "" {
		if err := signer.CheckDigest(b, o.expect); err != nil {
			return err
		}
	}
	p, err := s.policy()
	if err != nil {
		return err
	}
	s.warnOpen(p)
	info, err := s.statVault()
	if err != nil {
		return err
	}
	record, err := s.openRecord(ctx, o.risks)
	if err != nil {
		return err
	}
	fingerprint := signerOf(b, info)
	service := &signer.Service{Record: record, Policy: p, Now: s.Now, Fingerprints: info.Fingerprints, Halted: s.Halted, Date: o.date}
	if err := s.askDate(ctx, service); err != nil {
		return err
	}
	if err := s.tellApprovals(b, p); err != nil {
		return err
	}
	if err := service.Check(ctx, b, fingerprint, o.risks); err != nil {
		return err
	}
	if err := s.tellAccepted(ctx, service, b, fingerprint, o.risks); err != nil {
		return err
	}
	if o.requests != "" {
		if err := s.compareRequests(o.requests, b, p); err != nil {
			return err
		}
	}
	if o.expect == "" {
		if err := s.confirm(ctx, service, b, fingerprint, o); err != nil {
			return err
		}
	}
	v, err := s.openVault(o.passphraseFile)
	if err != nil {
		return err
	}
	defer v.Close()
	keys, err := v.Keys(fingerprint)
	if err != nil {
		return err
	}
	// Much can have been plugged in while somebody read the review.
	if err := s.refuseOnline(o.risks); err != nil {
		return err
	}
	progress := s.Progress("items signed", uint64(len(b.Items)))
	service.Step = func() { progress.Add(1) }
	signed, err := service.Sign(ctx, b, keys, o.risks)
	progress.End()
	if err != nil {
		return err
	}
	done := s.Busy("verifying the signatures")
	err = verifyNew(signed)
	done()
	if err != nil {
		return err
	}
	if err := writeSigned(o.out, signed); err != nil {
		return err
	}
	return s.printSigned(signed, o.out)
}

// verifyNew proves signatures before they leave. A processor that errs must not
// hand out a signature that tells of the key, nor one that nobody takes.
func verifyNew(signed *batch.Signed) error {
	if err := signed.Verify(); err != nil {
		return fmt.Errorf("the new signatures are wrong, so none is handed out: %w", err)
	}
	return nil
}

// signerOf is the fingerprint of the vault's mnemonic that a batch is for, or
// the vault's own, of which a batch for nobody here is then told.
func signerOf(b *batch.Batch, info *vault.Info) hd.Fingerprint {
	for _, fp := range info.Fingerprints {
		if fp.String() == b.Vault {
			return fp
		}
	}
	return info.Fingerprint()
}

func readUnsigned(path string) (*batch.Batch, error) {
	b, signed, err := readBatch(path)
	if err == nil && signed != nil {
		return nil, wallet.WithHint(wallet.As(wallet.ErrUsage, "%s is signed already", path), "review shows it; the online station broadcasts it")
	}
	return b, err
}

// compareRequests holds the withdrawals of a batch against a list.
func (s *Station) compareRequests(path string, b *batch.Batch, p *policy.Policy) error {
	if b.Kind != batch.Withdrawals {
		return wallet.As(wallet.ErrUsage, "--requests: a batch of kind %s holds no withdrawals to compare", b.Kind)
	}
	raw, err := readFile(path, signer.MaxRequestsSize)
	if err != nil {
		return err
	}
	requests, err := signer.ParseRequests(cli.Clean(path), raw)
	if err != nil {
		return err
	}
	left, err := requests.Compare(b, p)
	if err != nil {
		return err
	}
	s.Note("all %d withdrawals are in %s as the batch pays them; %d of its requests are not in this batch", len(b.Items), path, left)
	return nil
}

// tellAccepted tells what only an accepted risk lets pass. It may be more than
// what was told when the risk was not accepted yet: the file can be another.
func (s *Station) tellAccepted(ctx context.Context, service *signer.Service, b *batch.Batch, vault hd.Fingerprint, risks signer.Risks) error {
	if len(risks) == 0 {
		return nil
	}
	seen, err := service.Inspect(ctx, b, vault, risks)
	if err != nil {
		return err
	}
	const most = 20 // the review has them all
	for i, r := range seen.Accepted {
		if i == most {
			s.Note("and %d more that an accepted risk lets pass", len(seen.Accepted)-i)
			break
		}
		s.Note("an accepted risk lets pass: %s", r)
	}
	return nil
}

// askDate has today's date typed where the clock is so far ahead of the record
// that it may be wrong. Without a terminal, the refusal tells what to do.
func (s *Station) askDate(ctx context.Context, service *signer.Service) error {
	needed, last, err := service.NeedsDate(ctx)
	if err != nil || !needed || service.Date != "" {
		return err
	}
	// The clock is what is in doubt, so it is not what the answer is copied from.
	if typed, err := s.Ask(fmt.Sprintf("By this machine's clock, more than %d hours have passed since the last entry of the signing record, of %s. Type today's date (YYYY-MM-DD)",
		int(signer.MaxClockJump.Hours()), last.UTC().Format(time.RFC3339))); err == nil {
		service.Date = strings.TrimSpace(typed)
	}
	return nil
}

// openRecord opens the signing record. A home that has lost it signs nothing
// until somebody accepts to begin a new one.
func (s *Station) openRecord(ctx context.Context, risks signer.Risks) (*bolt.DB, error) {
	if s.hasRecord() {
		return s.record(), s.checkRecord(ctx)
	}
	if !risks[riskRestored] {
		return nil, wallet.WithHint(
			wallet.As(wallet.ErrRefused, "the signing record %s is missing or empty, and without it this station does not know what it signed", s.Path(signer.RecordFile)),
			"restore it from its newest backup; if there is none, --accept-risk=%s begins a new one", riskRestored)
	}
	// An empty file becomes a store in the first transaction.
	if !bolt.Exists(s.Path(signer.RecordFile)) {
		if _, err := bolt.Create(ctx, s.Path(signer.RecordFile)); err != nil {
			return nil, err
		}
	}
	service := &signer.Service{Record: s.record(), Now: s.Now}
	return s.record(), service.Note(ctx, signer.Note{Kind: signer.KindRisk, What: "began a new signing record", Risks: []string{riskRestored}})
}

// maxChecked is the size of a record, in bytes, up to which every sign reads all
// of it first: about 400,000 withdrawals, which takes less than their batches do.
const maxChecked = 512 << 20

// checkRecord refuses a record that is not whole. A medium that fails can take
// out just the row that says what was signed at a nonce; nothing that is still
// there would tell. What it costs must not grow for ever: a record above
// maxChecked is left to audit verify.
func (s *Station) checkRecord(ctx context.Context) error {
	info, err := os.Stat(s.Path(signer.RecordFile))
	if err != nil || info.Size() > maxChecked {
		return err
	}
	_, err = signer.Verify(ctx, s.record(), "")
	var broken *signer.Broken
	if errors.As(err, &broken) {
		err = wallet.WithHint(err, "the medium of %s fails, or somebody changed it: put the newest backup that audit verify finds whole in its place, and take the home to another medium", s.Path(signer.RecordFile))
	}
	return err
}

// confirm shows the review and has the beginning of the digest typed.
func (s *Station) confirm(ctx context.Context, service *signer.Service, b *batch.Batch, vault hd.Fingerprint, o signOptions) error {
	report, err := service.Review(ctx, b, nil, &vault, o.risks)
	if err != nil {
		return err
	}
	if err := s.note(ctx, signer.Note{Kind: signer.KindReview, Batch: b, What: "to sign it"}); err != nil {
		return err
	}
	// Who signs is the last who can see that somebody set the clock ahead, and
	// with it past what was signed today.
	question := fmt.Sprintf("At this station it is %s: its limits count by that.\nType the first %d characters of the digest (its first four groups), as the other station shows it, to sign %d items",
		report.Now.UTC().Format("2006-01-02 15:04 UTC"), digestDigits, len(b.Items))
	return s.confirmDigest(ctx, report, question, o.plain)
}

// confirmDigest shows a review and has the beginning of the digest typed.
func (s *Station) confirmDigest(ctx context.Context, report *signer.Report, question string, plain bool) error {
	if s.pages(plain) {
		if err := tui.Review(ctx, s.In, s.Out, report); err != nil {
			return err
		}
	} else {
		var text strings.Builder
		review.Text(&text, report)
		if err := s.Show("\n" + text.String() + "\n"); err != nil {
			return wallet.WithHint(err, "without a terminal, say which batch is meant with --expect DIGEST")
		}
	}
	return s.Confirm(question, report.Digest[:digestDigits])
}

// writeSigned writes the file, which may be there already if it says the same.
func writeSigned(path string, signed *batch.Signed) error {
	file, err := signed.Encode()
	if err != nil {
		return err
	}
	err = secretfile.Create(path, file)
	if errors.Is(err, fs.ErrExist) {
		if sameFile(path, file) {
			return nil
		}
		return wallet.WithHint(err, "the batch is signed and recorded; the same command with another -o writes the same signatures")
	}
	return err
}

// sameFile reports whether a regular file holds just these bytes. What stands
// on a stick may be a pipe or a device that never ends.
func sameFile(path string, want []byte) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != int64(len(want)) {
		return false
	}
	have, err := readFile(path, info.Size())
	return err == nil && bytes.Equal(have, want)
}

func (s *Station) printSigned(signed *batch.Signed, path string) error {
	row := signRow{
		Batch: signed.Batch.ID, ChainID: signed.Batch.ChainID, Digest: signed.Digest, Signed: len(signed.Transactions),
		PolicyHash: signed.PolicyHash, RecordHead: signed.RecordHead, Path: path,
	}
	for _, rungs := range signed.Transactions {
		row.Signatures += len(rungs)
	}
	return s.Print(row, func(w io.Writer) {
		fmt.Fprintf(w, "batch        %s\ndigest       %s\nsigned       %s, %s\nrecord head  %s\nfile         %s\n",
			row.Batch, row.Digest, review.Count(row.Signed, "transaction", "transactions"), review.Count(row.Signatures, "signature", "signatures"), row.RecordHead, cli.Clean(path))
	})
}
