package batch

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
)

// CheckApprovals says of each approval why it is not its approver's over this
// very batch; nil means that it is. Whether an approver counts is for the
// signing station's policy to say.
func (b *Batch) CheckApprovals() ([]error, error) {
	return b.checkApproved(b.Approvals)
}

func (b *Batch) checkApproved(list []Approval) ([]error, error) {
	wrong := make([]error, len(list))
	if len(list) == 0 {
		return wrong, nil
	}
	hash, err := b.ApprovalHash()
	if err != nil {
		return nil, err
	}
	for i, a := range list {
		wrong[i] = checkSigner(hash, a.Approver, a.Signature, "this batch")
	}
	return wrong, nil
}

// Approve adds approvals and tells how many were added: none of those who have
// approved already. They stand in the order of the addresses, so that files
// merged in any order are the same file. An approval that is not its approver's
// over this batch is an error of class [wallet.ErrRefused], and nothing is added;
// one that stood in the batch goes.
func (b *Batch) Approve(list ...Approval) (added int, err error) {
	wrong, err := b.checkApproved(list)
	if err != nil {
		return 0, err
	}
	for _, err := range wrong {
		if err != nil {
			return 0, wallet.WithHint(wallet.As(wallet.ErrRefused, "batch %s: %w", b.ID, err),
				"approve --typed-data shows what an approver signs; only keys can approve, not contracts")
		}
	}
	if wrong, err = b.CheckApprovals(); err != nil {
		return 0, err
	}
	var all []Approval
	approved := map[common.Address]bool{}
	take := func(a Approval) bool {
		if approved[a.Approver] {
			return false
		}
		approved[a.Approver] = true
		all = append(all, a)
		return true
	}
	for i, a := range b.Approvals {
		if wrong[i] == nil {
			take(a)
		}
	}
	for _, a := range list {
		if take(a) {
			added++
		}
	}
	if len(all) > MaxApprovals {
		return 0, wallet.As(wallet.ErrRefused, "batch %s: %d approvals, and a batch has at most %d", b.ID, len(all), MaxApprovals)
	}
	slices.SortFunc(all, func(x, y Approval) int { return x.Approver.Cmp(y.Approver) })
	b.Approvals = all
	return added, nil
}
