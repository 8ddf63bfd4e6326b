package signer

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// Report is all that a reviewer is told of a batch, and what every rendering of
// it shows: what its bytes say, what this station knows of it, and what would
// become of it here.
type Report struct {
	batch.Summary
	// Items is what there is to say of each row beside it, in the same order.
	Items []ItemReport
	// New are the recipients of withdrawals that this station never signed for,
	// and Unseen those of them that the policy does not name either. Both count
	// each once; without a record they are 0 and Record is nil.
	New, Unseen int
	// Refusals are all reasons why the batch would not be signed.
	Refusals []Refusal
	// Unknown says what could not be looked at here, a sentence each.
	Unknown []string

	// Now is what this station takes for the time, by which it counts its limits;
	// zero where it could not sign.
	Now time.Time

	Here      string          // fingerprint of the vault at this station, in hex; empty where there is none
	Policy    *PolicyReport   // nil where there is none
	Record    *RecordReport   // nil where there is none
	Approvals ApprovalsReport // who stands behind the batch
}

// ItemReport is what there is to say of an item beside its row.
type ItemReport struct {
	Standing Standing // of the recipient; of payments, the least known of theirs
	Refusals []int    // positions in Report.Refusals
	Warnings []string // a sentence each, without full stop
	// Payments are the standings of the recipients of an item that pays many, in
	// its order.
	Payments []Standing
}

// Standing is what a station knows of a recipient before the vault is open.
type Standing string

// What is claimed to be ours is derived again when the batch is signed, and not
// before.
const (
	StandingUnknown Standing = "unknown" // there is no record to ask
	StandingClaimed Standing = "claimed" // the batch says that it is ours, with a path
	StandingSender  Standing = "sender"  // the item's own sender
	StandingPinned  Standing = "pinned"  // the treasury that the policy pins
	StandingFloat   Standing = "float"   // the float that the policy pins
	// StandingContract is the contract that pays many, whose address follows from
	// its code, which this program has.
	StandingContract Standing = "contract"
	StandingPaid     Standing = "signed-before" // a withdrawal to it was signed before
	StandingListed   Standing = "listed"        // the policy names it, and no withdrawal to it was ever signed
	StandingUnseen   Standing = "never-seen"    // neither the record nor the policy knows it
)

// New reports whether the station never signed for the recipient, and knows.
func (s Standing) New() bool { return s == StandingListed || s == StandingUnseen }

// Words is the standing as the end of a sentence about a recipient.
func (s Standing) Words() string {
	switch s {
	case StandingClaimed:
		return "said to be this vault's own, which signing derives again"
	case StandingSender:
		return "the sender itself"
	case StandingPinned:
		return "the treasury that the policy pins"
	case StandingFloat:
		return "the float that the policy pins, whose keys are online"
	case StandingContract:
		return "the contract that pays many, whose address follows from its code"
	case StandingPaid:
		return "this station signed for it before"
	case StandingListed:
		return "new: this station never signed for it; the policy names it"
	case StandingUnseen:
		return "new and never seen: this station never signed for it, and the policy does not name it"
	}
	return "not known: there is no signing record here to ask"
}

// Verdict is what would become of a batch at this station.
type Verdict string

// The verdicts. Allowed is as far as can be known without the keys: the vault's
// own addresses are derived again when the batch is signed.
const (
	VerdictSigned  Verdict = "signed"  // the file is a signed batch
	VerdictRefused Verdict = "refused" // it would not be signed
	VerdictAllowed Verdict = "allowed" // it would be signed
	VerdictUnknown Verdict = "unknown" // this station has no vault to sign with
)

// Verdict tells what would become of the batch here.
func (r *Report) Verdict() Verdict {
	switch {
	case r.Signed != nil:
		return VerdictSigned
	case len(r.Refusals) > 0:
		return VerdictRefused
	case r.Here == "":
		return VerdictUnknown
	}
	return VerdictAllowed
}

// Refuse adds a reason why the batch would not be signed.
func (r *Report) Refuse(reasons ...Refusal) {
	for _, reason := range reasons {
		if i := reason.Item; i >= 0 && i < len(r.Items) {
			r.Items[i].Refusals = append(r.Items[i].Refusals, len(r.Refusals))
		}
		r.Refusals = append(r.Refusals, reason)
	}
}

// Warn adds something to look at twice.
func (r *Report) Warn(w batch.Warning) {
	r.Warnings = append(r.Warnings, w)
	r.mark(w)
}

// mark tells the items of a warning.
func (r *Report) mark(w batch.Warning) {
	for _, remark := range w.Items {
		r.Items[remark.Item].Warnings = append(r.Items[remark.Item].Warnings, remark.Text)
	}
}

// PolicyReport is the policy that a batch is held against.
type PolicyReport struct {
	Hash  string // SHA-256 of the file, in hex
	Open  bool   // it limits nothing that it does not name
	Words []string
	// Leaves is what its limits over what is signed would leave after the batch;
	// it needs the record.
	Leaves []policy.Left
}

// RecordReport is the signing record that a batch is held against.
type RecordReport struct {
	Head    string // in hex; 64 zeros for an empty record
	Entries uint64 // all that ever happened here
	// Signed says that this very batch is one of them.
	Signed bool
}

// ApprovalsReport is whose approvals a batch carries.
type ApprovalsReport struct {
	Carried int // in the file, verified or not
	// Given are those in the file, in its order, and whether each counts.
	Given []Endorser
	// Verified are the approvers whose signatures are good, and who may approve.
	Verified []common.Address
	Needed   int // by the policy, for this batch; 0 where the station cannot tell
	// Why says what asks for so many, as a sentence's end.
	Why string
	// Others are those named by the policy who could still approve.
	Others []policy.Person
}
