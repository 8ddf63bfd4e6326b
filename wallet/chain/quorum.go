package chain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
)

// Votes are what the endpoints hold to be the block at a height. Hosts are
// listed in the order of preference.
type Votes struct {
	Number uint64
	Hash   common.Hash // that the vote was about
	Agree  []string    // hosts that hold it
	Differ []Dissent
	Behind []Lag
	Silent []Silence
}

// A Dissent is another block than the one that a vote was about.
type Dissent struct {
	Host string
	Hash common.Hash
}

// A Lag is how far an endpoint is that does not have the block yet.
type Lag struct {
	Host string
	Head uint64
}

// A Silence is why an endpoint told nothing.
type Silence struct {
	Host string
	Err  error
}

// Reach is the highest block below Number that a quorum can agree on, because
// so many endpoints have one there; 0 if there is none.
func (v Votes) Reach() uint64 {
	var heads []uint64
	for range v.Agree {
		heads = append(heads, v.Number-1)
	}
	for _, l := range v.Behind {
		heads = append(heads, min(l.Head, v.Number-1))
	}
	if len(heads) < wallet.Quorum {
		return 0
	}
	slices.Sort(heads)
	return heads[len(heads)-wallet.Quorum]
}

// A DisagreementError says that fewer than wallet.Quorum endpoints hold a
// block. It is wallet.ErrUnreachable if none of them holds another one, and
// the missing voices are of endpoints that are out of reach or behind.
type DisagreementError struct{ Votes }

func (e *DisagreementError) Error() string {
	var told []string
	for _, host := range e.Agree {
		told = append(told, fmt.Sprintf("%s says %s", host, e.Hash))
	}
	for _, d := range e.Differ {
		told = append(told, fmt.Sprintf("%s says %s", d.Host, d.Hash))
	}
	for _, l := range e.Behind {
		told = append(told, fmt.Sprintf("%s is only at block %d", l.Host, l.Head))
	}
	for _, s := range e.Silent {
		told = append(told, s.Err.Error())
	}
	return fmt.Sprintf("block %d (%s): want %d endpoints that agree; %s", e.Number, e.Hash, wallet.Quorum, strings.Join(told, "; "))
}

// Unwrap gives the error's class.
func (e *DisagreementError) Unwrap() error {
	mute := func(s Silence) bool { return !errors.Is(s.Err, wallet.ErrUnreachable) }
	if len(e.Differ) > 0 || slices.ContainsFunc(e.Silent, mute) {
		return nil
	}
	return wallet.ErrUnreachable
}

// Agree asks all endpoints for the hash of the block at a height, which must be
// above 0. It is a DisagreementError unless wallet.Quorum of them hold the
// given one. Once they do, the others have a short while to answer, so that
// somebody hears of those that differ: look at the votes.
//
// Endpoints of one host have one voice between them, unless there is no other
// host. Where there are fewer voices than the quorum, nobody is asked.
func (c *Client) Agree(ctx context.Context, number uint64, hash common.Hash) (Votes, error) {
	voices := c.voices()
	if len(voices) < wallet.Quorum {
		return Votes{Number: number, Hash: hash}, nil
	}
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	cast := make(chan ballot, len(c.endpoints))
	for _, ep := range c.endpoints {
		go func() { cast <- c.ask(ctx, ep, number) }()
	}
	ballots := map[*endpoint]ballot{}
	for range c.endpoints {
		b := <-cast
		ballots[b.ep] = b
		if len(count(number, hash, voices, ballots).Agree) == wallet.Quorum {
			defer time.AfterFunc(grace, cancel).Stop()
		}
	}
	if err := outer.Err(); err != nil {
		return Votes{}, err
	}
	votes := count(number, hash, voices, ballots)
	if len(votes.Agree) < wallet.Quorum {
		return votes, &DisagreementError{votes}
	}
	return votes, nil
}

// voices are the endpoints by who speaks: a host, or a URL where all are of one
// host.
func (c *Client) voices() [][]*endpoint {
	hosts := slices.Clone(c.Hosts())
	slices.Sort(hosts)
	severalHosts := len(slices.Compact(hosts)) > 1
	var voices [][]*endpoint
	for _, ep := range c.endpoints {
		i := slices.IndexFunc(voices, func(v []*endpoint) bool {
			return v[0].host == ep.host && (severalHosts || v[0].url.String() == ep.url.String())
		})
		if i < 0 {
			voices = append(voices, []*endpoint{ep})
		} else {
			voices[i] = append(voices[i], ep)
		}
	}
	return voices
}

// ballot is what one endpoint says is at a height.
type ballot struct {
	ep     *endpoint
	hash   common.Hash
	behind bool
	head   uint64 // if it is behind
	err    error
}

// weight says which ballot of one voice counts: the one that contradicts most.
func (b ballot) weight(hash common.Hash) int {
	switch {
	case b.err != nil:
		return 0
	case b.behind:
		return 1
	case b.hash == hash:
		return 2
	}
	return 3
}

// count makes votes of the ballots that are there.
func count(number uint64, hash common.Hash, voices [][]*endpoint, ballots map[*endpoint]ballot) Votes {
	v := Votes{Number: number, Hash: hash}
	for _, voice := range voices {
		var said []ballot
		for _, ep := range voice {
			if b, ok := ballots[ep]; ok {
				said = append(said, b)
			}
		}
		if len(said) == 0 {
			continue
		}
		b := slices.MaxFunc(said, func(a, b ballot) int { return cmp.Compare(a.weight(hash), b.weight(hash)) })
		switch {
		case b.err != nil:
			v.Silent = append(v.Silent, Silence{b.ep.host, b.err})
		case b.behind:
			v.Behind = append(v.Behind, Lag{b.ep.host, b.head})
		case b.hash == hash:
			v.Agree = append(v.Agree, b.ep.host)
		default:
			v.Differ = append(v.Differ, Dissent{b.ep.host, b.hash})
		}
	}
	return v
}

// ask has one endpoint say what is at a height.
func (c *Client) ask(ctx context.Context, ep *endpoint, number uint64) ballot {
	const method = "eth_getBlockByNumber"
	var h *types.Header
	err := c.insist(ctx, ep, method, func(ctx context.Context, _ *endpoint, r asker) (err error) {
		h, err = readHeader(ctx, r, atHeight(new(big.Int).SetUint64(number)), method, hexutil.Uint64(number), false)
		return err
	})
	switch {
	case err == nil:
		return ballot{ep: ep, hash: h.Hash()}
	case errors.Is(err, ethereum.NotFound) && ctx.Err() == nil:
		return c.lag(ctx, ep, number)
	}
	return ballot{ep: ep, err: err}
}

// insist asks one endpoint in several rounds, as long as waiting may help and
// ctx lasts.
func (c *Client) insist(ctx context.Context, ep *endpoint, method string, fn func(context.Context, *endpoint, asker) error) error {
	var last error
	for round := range c.o.Attempts {
		if c.pause(ctx, round) != nil {
			break
		}
		err := c.try(ctx, ep, method, fn)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil { // says nothing about the endpoint but that it is slow
			break
		}
		if last = err; kindOf(err) != transient {
			break
		}
	}
	return cmp.Or(last, ep.describe(method, context.DeadlineExceeded))
}

// lag finds out how far an endpoint is that does not have a block.
func (c *Client) lag(ctx context.Context, ep *endpoint, number uint64) ballot {
	var head hexutil.Uint64
	err := c.try(ctx, ep, "eth_blockNumber", func(ctx context.Context, _ *endpoint, r asker) error {
		return r.CallContext(ctx, &head, "eth_blockNumber")
	})
	return ballot{ep: ep, behind: err == nil, head: min(uint64(head), number-1), err: err}
}
