package station

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
)

type approveOptions struct {
	file, out string
	inPlace   bool
	expect    string

	path, with, fingerprint, passphraseFile string // a key of the vault
	signature, approver                     string // of another wallet
	merge                                   []string
	typedData                               bool

	offline, plain bool
	accepted       []string
	risks          signer.Risks
}

// approveRow tells what a batch has now.
type approveRow struct {
	Batch     string           `json:"batch"`
	ChainID   uint64           `json:"chain_id"`
	Digest    string           `json:"digest"`
	Added     int              `json:"added"`
	Approvers []common.Address `json:"approvers"` // all whose approvals are valid
	Path      string           `json:"path"`
}

func newApprove(s *Station) *cobra.Command {
	var o approveOptions
	c := &cobra.Command{
		Use:   "approve FILE (-o FILE | --in-place | --typed-data)",
		Short: "Approve a batch with a key of the vault, or add another wallet's approval",
		Long: `Add an approval to an unsigned batch: an EIP-712 signature over its chain, id,
digest and totals. The digest stays as it is. Whose approvals count, and how many
a batch needs, is in the policy of the station that signs.

With a key of the vault of this home (--path, or --with for an imported key or
the first address of a role), the review is shown and the first ` + fmt.Sprint(digestDigits) + ` characters of
the digest are asked for; with --expect it approves only that digest and asks
nothing. A key of the vault that signs the batch proves nothing about a second
person: approvers have vaults or wallets of their own.

Any other wallet approves by signing what --typed-data prints
(eth_signTypedData_v4); --signature and --approver take in what it signed. Only
keys can approve: the signature of a contract such as a Safe (EIP-1271) cannot be
verified without a chain. --merge takes over the approvals of another copy of the
batch.

What is not the approver's signature over this very batch is refused, exit code
3. Approving again changes nothing. Approvals in FILE that are not valid are left
out of what is written. --in-place replaces FILE; who may write to it at the same
time as others uses -o and --merge.`,
		Example: `  airlock-signer approve batch.json -o approved.json --path "m/44'/60'/3'/0/0"
  airlock-signer approve batch.json --typed-data > typed.json
  cast wallet sign --ledger --data --from-file typed.json
  airlock approve batch.json --in-place --approver 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed --signature 0x…
  airlock approve alice.json -o both.json --merge bob.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			o.file = args[0]
			if o.risks, err = signer.ParseRisks(o.accepted, riskOnline); err != nil {
				return err
			}
			return runApprove(c.Context(), s, o)
		},
	}
	f := c.Flags()
	f.StringVarP(&o.out, "output", "o", "", "new `file` to write the approved batch to")
	f.BoolVar(&o.inPlace, "in-place", false, "replace FILE")
	f.StringVar(&o.expect, "expect", "", "approve only the batch of this `digest`, and do not ask")
	f.StringVar(&o.path, "path", "", "approve with the key at this `path` of the vault")
	f.StringVar(&o.with, "with", "", "approve with the vault's key of this `address`")
	fingerprintFlag(c, &o.fingerprint)
	f.StringVar(&o.signature, "signature", "", "another wallet's approval, in `hex`")
	f.StringVar(&o.approver, "approver", "", "`address` of the wallet that made --signature")
	f.StringArrayVar(&o.merge, "merge", nil, "take over the approvals of this `file`, another copy of the batch")
	f.BoolVar(&o.typedData, "typed-data", false, "print what an approver signs, and approve nothing")
	f.BoolVar(&o.offline, "offline", s.Offline, "with a key of the vault, refuse while a network interface other than loopback is up")
	plainFlag(c, &o.plain)
	cli.RiskFlag(c, &o.accepted, riskOnline)
	passphraseFlag(c, &o.passphraseFile)
	c.MarkFlagsMutuallyExclusive("path", "with", "signature", "merge", "typed-data")
	c.MarkFlagsOneRequired("path", "with", "signature", "merge", "typed-data")
	c.MarkFlagsRequiredTogether("signature", "approver")
	c.MarkFlagsMutuallyExclusive("output", "in-place", "typed-data")
	c.MarkFlagsOneRequired("output", "in-place", "typed-data")
	return c
}

func runApprove(ctx context.Context, s *Station, o approveOptions) error {
	b, err := readUnsigned(o.file)
	if err == nil {
		err = approveBatch(ctx, s, b, o)
	}
	return s.refuse(ctx, b, err)
}

func approveBatch(ctx context.Context, s *Station, b *batch.Batch, o approveOptions) (err error) {
	ownKey := o.path != "" || o.with != ""
	s.Offline = s.Offline || o.offline
	if ownKey {
		if err := s.refuseOnline(o.risks); err != nil {
			return err
		}
	}
	if o.expect != "" {
		if err := signer.CheckDigest(b, o.expect); err != nil {
			return err
		}
	}
	var given []batch.Approval
	switch {
	case o.typedData:
		return s.printTypedData(b)
	case ownKey:
		given, err = s.approveWithKey(ctx, b, o)
	case o.signature != "":
		given, err = readApproval(o.approver, o.signature)
	default:
		given, err = s.approvalsOf(b, o.merge)
	}
	if err != nil {
		return err
	}
	row, err := s.writeApproved(b, given, o)
	if err != nil {
		return err
	}
	return s.Print(row, func(w io.Writer) {
		fmt.Fprintf(w, "batch        %s\ndigest       %s\nadded        %d\n", row.Batch, row.Digest, row.Added)
		for _, who := range row.Approvers {
			fmt.Fprintf(w, "approved by  %s\n", who)
		}
		fmt.Fprintf(w, "file         %s\n", cli.Clean(row.Path))
	})
}

func (s *Station) printTypedData(b *batch.Batch) error {
	data, err := b.ApprovalTypedData()
	if err != nil {
		return err
	}
	return s.PrintDocument(data)
}

// readApproval reads the approval of another wallet.
func readApproval(approver, signature string) ([]batch.Approval, error) {
	who, err := wallet.ParseAddress(approver)
	if err != nil {
		return nil, wallet.As(wallet.ErrUsage, "--approver: %w", err)
	}
	raw, err := batch.ParseSignature(signature)
	if err != nil {
		return nil, wallet.As(wallet.ErrUsage, "--signature: %w", err)
	}
	return []batch.Approval{{Approver: who, Signature: raw}}, nil
}

// approvalsOf collects the valid approvals of other copies of a batch.
func (s *Station) approvalsOf(b *batch.Batch, files []string) (given []batch.Approval, err error) {
	for _, file := range files {
		other, err := readUnsigned(file)
		if err != nil {
			return nil, err
		}
		if err := sameBatch(b, other, file); err != nil {
			return nil, err
		}
		list, err := s.validApprovals(other, file)
		if err != nil {
			return nil, err
		}
		given = append(given, list...)
	}
	return given, nil
}

// sameBatch refuses a file that holds another batch.
func sameBatch(b, other *batch.Batch, file string) error {
	want, err := b.HexDigest()
	if err != nil {
		return err
	}
	have, err := other.HexDigest()
	if err != nil || have == want {
		return err
	}
	return wallet.WithHint(wallet.As(wallet.ErrRefused, "%s is another batch: its digest is %s, not %s", cli.Clean(file), have, want),
		"approvals are for one batch; whoever approved the other one has not approved this")
}

// validApprovals are those of a batch that hold; it tells of the others.
func (s *Station) validApprovals(b *batch.Batch, file string) (valid []batch.Approval, err error) {
	wrong, err := b.CheckApprovals()
	if err != nil {
		return nil, err
	}
	for i, a := range b.Approvals {
		if wrong[i] == nil {
			valid = append(valid, a)
		} else {
			s.Note("%s: the approval of %s is not valid and left out: %s", cli.Clean(file), a.Approver, wrong[i])
		}
	}
	return valid, nil
}

// approveWithKey signs the approval with a key of the vault, once somebody has
// seen what the batch does or named its digest.
func (s *Station) approveWithKey(ctx context.Context, b *batch.Batch, o approveOptions) ([]batch.Approval, error) {
	info, err := s.statVault()
	if err != nil {
		return nil, err
	}
	if signerOf(b, info).String() == b.Vault {
		s.Note("this vault signs the batch itself: its approval proves nothing about a second person")
	}
	if o.expect == "" {
		report, err := s.report(ctx, b, nil)
		if err != nil {
			return nil, err
		}
		question := fmt.Sprintf("Type the first %d characters of the digest (its first four groups), as the other station shows it, to approve %d items", digestDigits, len(b.Items))
		if err := s.confirmDigest(ctx, report, question, o.plain); err != nil {
			return nil, err
		}
	}
	v, err := s.openVault(o.passphraseFile)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	account, err := findAccount(v, o.path+o.with, o.fingerprint)
	if err != nil {
		return nil, err
	}
	hash, err := b.ApprovalHash()
	if err != nil {
		return nil, err
	}
	signature, err := account.Keys.SignHash(account.Path, account.Address, hash)
	if err != nil {
		return nil, err
	}
	signature[64] += 27
	if err := s.note(ctx, signer.Note{Kind: signer.KindApproval, Batch: b, What: "approved with the key of " + account.Address.Hex()}); err != nil {
		return nil, err
	}
	return []batch.Approval{{Approver: account.Address, Signature: signature[:]}}, nil
}

// writeApproved adds the approvals and writes the file, whole or not at all.
func (s *Station) writeApproved(b *batch.Batch, given []batch.Approval, o approveOptions) (approveRow, error) {
	if _, err := s.validApprovals(b, o.file); err != nil { // tells of the others
		return approveRow{}, err
	}
	added, err := b.Approve(given...)
	if err != nil {
		return approveRow{}, err
	}
	row := approveRow{Batch: b.ID, ChainID: b.ChainID, Added: added, Approvers: []common.Address{}, Path: o.out}
	if row.Digest, err = b.HexDigest(); err != nil {
		return row, err
	}
	if o.inPlace {
		row.Path = o.file
		err = replaceApproved(b, given, o.file)
	} else {
		err = createApproved(b, o.out)
	}
	for _, a := range b.Approvals {
		row.Approvers = append(row.Approvers, a.Approver)
	}
	return row, err
}

// createApproved writes a new file, which may be there already if it says the
// same.
func createApproved(b *batch.Batch, path string) error {
	file, err := b.Encode()
	if err != nil {
		return err
	}
	if err = secretfile.Create(path, file); errors.Is(err, fs.ErrExist) && sameFile(path, file) {
		return nil
	}
	return err
}

// replaceApproved replaces a file. What somebody else has added to it since it
// was read is kept; the instant between that look and the new file is not
// guarded.
func replaceApproved(b *batch.Batch, given []batch.Approval, path string) error {
	now, err := readUnsigned(path)
	if err != nil {
		return err
	}
	if err := sameBatch(b, now, path); err != nil {
		return err
	}
	before, err := now.Encode()
	if err != nil {
		return err
	}
	if _, err := now.Approve(given...); err != nil {
		return err
	}
	file, err := now.Encode()
	if err != nil {
		return err
	}
	b.Approvals = now.Approvals
	if bytes.Equal(before, file) {
		return nil
	}
	return secretfile.Replace(path, file)
}

// tellApprovals tells of the approvals that do not count here.
func (s *Station) tellApprovals(b *batch.Batch, p *policy.Policy) error {
	approvals, err := signer.Approvals(b, p)
	for _, a := range approvals {
		if !a.Counts {
			s.Note("the approval of %s does not count: %s", a.Signer, a.Why)
		}
	}
	return err
}
