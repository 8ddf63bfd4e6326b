package signer

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// Endorsement is a signature that a batch carries beside its transactions: of
// one who approves the batch, or of one who asked for a withdrawal in it.
type Endorsement struct {
	Item   int            // position of the item with the withdrawal from 0, or -1 for an approval
	Place  int            // in the list of the batch or withdrawal
	Signer common.Address // whose it is said to be
	// Wrong says why it is not that signer's over just this batch or withdrawal;
	// it is nil if it is.
	Wrong error
}

// Endorsements are all of a batch, verified, in the batch's order.
type Endorsements struct {
	Approvals []Endorsement
	Requests  []Endorsement

	withdrawals []batch.Withdrawal
	of          []int // of each of Requests, the position of its withdrawal
}

// An Endorser is an endorsement as a policy sees it.
type Endorser struct {
	Endorsement
	Name   string // what the policy calls the signer, or empty
	Counts bool
	Why    string // why it does not count, as a sentence's end
}

// Endorse verifies every endorsement of a batch that passed its own Check, on
// all processors. It is pure. Whose endorsement counts is for the policy to say:
// this package vouches that it is theirs.
func Endorse(b *batch.Batch) (*Endorsements, error) {
	e := &Endorsements{withdrawals: b.Withdrawals()}
	var err error
	if e.Approvals, err = approvalsOf(b); err != nil {
		return nil, err
	}
	for i, w := range e.withdrawals {
		for n, r := range w.RequestedBy {
			e.Requests = append(e.Requests, Endorsement{w.Item, n, r.Requester, nil})
			e.of = append(e.of, i)
		}
	}
	err = parallel(len(e.Requests), func(n int) error {
		r := &e.Requests[n]
		w := &e.withdrawals[e.of[n]]
		in := &w.Intent
		r.Wrong = batch.CheckRequester(w.RequestedBy[r.Place], in.ID, in.Asset, in.Amount, in.Recipient)
		return nil
	})
	return e, err
}

func approvalsOf(b *batch.Batch) ([]Endorsement, error) {
	wrong, err := b.CheckApprovals()
	if err != nil {
		return nil, err
	}
	list := make([]Endorsement, len(wrong))
	for i, a := range b.Approvals {
		list[i] = Endorsement{-1, i, a.Approver, wrong[i]}
	}
	return list, nil
}

// Approvals says of each approval of a batch whether it counts under a policy,
// which may be nil.
func Approvals(b *batch.Batch, p *policy.Policy) ([]Endorser, error) {
	approvals, err := approvalsOf(b)
	if err != nil {
		return nil, err
	}
	var people []policy.Person
	if p != nil {
		people = p.Approvers
	}
	list := make([]Endorser, len(approvals))
	for i, a := range approvals {
		list[i] = Endorser{Endorsement: a}
		named := slices.IndexFunc(people, func(who policy.Person) bool { return who.Address == a.Signer })
		switch {
		case a.Wrong != nil:
			list[i].Why = a.Wrong.Error()
		case p == nil:
			list[i].Why = "there is no policy here that names approvers"
		case named < 0:
			list[i].Why = "the policy names no such approver"
		}
		if named >= 0 {
			list[i].Name = people[named].Name
		}
		list[i].Counts = list[i].Why == ""
	}
	return list, nil
}

// Approvers are those who approved the batch, each once.
func (e *Endorsements) Approvers() []common.Address {
	var list []common.Address
	for _, a := range e.Approvals {
		if a.Wrong == nil {
			list = append(list, a.Signer) // Check refuses one that stands twice
		}
	}
	return list
}

// Requesters are, per withdrawal, those who asked for it, each once; nil if nobody
// asked for any.
func (e *Endorsements) Requesters() [][]common.Address {
	var list [][]common.Address
	for n, r := range e.Requests {
		if r.Wrong != nil {
			continue
		}
		if list == nil {
			list = make([][]common.Address, len(e.withdrawals))
		}
		list[e.of[n]] = append(list[e.of[n]], r.Signer)
	}
	return list
}

// refusals refuses the withdrawals that carry a signature which is not its
// requester's over them. The online station took none of those in, so something
// was changed since, whether or not the policy asks for signatures. An approval
// that does not hold refuses nothing: it does not count.
func (e *Endorsements) refusals() (list []Refusal) {
	for n, r := range e.Requests {
		if r.Wrong != nil {
			list = append(list, Refusal{
				Rule: RuleRequester, Item: r.Item, Field: e.withdrawals[e.of[n]].Field(fmt.Sprintf("requested_by/%d", r.Place)), Value: r.Signer.Hex(),
				Why:  fmt.Sprintf("has not signed this withdrawal: %s", r.Wrong),
				Hint: "somebody changed the withdrawal after it was asked for: find out where, and ask the requester what they signed",
			})
		}
	}
	return list
}
