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
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/airlock-wallet/airlock/wallet"
)

// FinalizedHeader returns the block at the finalized tag. Where there are two
// or more voices (see Agree), that is the highest block that wallet.Quorum of
// them hold and say is final: an endpoint that is ahead of the others, or lies,
// moves nothing alone.
//
// It is ErrTagUnsupported where no endpoint knows the tag, ErrNotYet where the
// tag stands at no block, a TagError where fewer voices than the quorum have
// one although some do, or fewer than the quorum answer, and a
// DisagreementError where they are on different branches there.
func (c *Client) FinalizedHeader(ctx context.Context) (*types.Header, error) {
	return c.tagged(ctx, rpc.FinalizedBlockNumber)
}

// SafeHeader returns the block at the safe tag, as FinalizedHeader does.
func (c *Client) SafeHeader(ctx context.Context) (*types.Header, error) {
	return c.tagged(ctx, rpc.SafeBlockNumber)
}

func (c *Client) tagged(ctx context.Context, tag rpc.BlockNumber) (*types.Header, error) {
	voices := c.voices()
	if len(voices) < wallet.Quorum {
		h, err := c.HeaderByNumber(ctx, big.NewInt(tag.Int64()))
		return h, tagError(tag.String(), err)
	}
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	told := make(chan standing, len(c.endpoints))
	for _, ep := range c.endpoints {
		go func() { told <- c.askTag(ctx, ep, tag) }()
	}
	said := map[*endpoint]standing{}
	waiting := false
	for range c.endpoints {
		s := <-told
		said[s.ep] = s
		if !waiting && len(headers(voiced(voices, said))) >= wallet.Quorum {
			waiting = true
			defer time.AfterFunc(grace, cancel).Stop()
		}
		if waiting && !c.hopeful(said) {
			cancel()
		}
	}
	if err := outer.Err(); err != nil {
		return nil, err
	}
	candidates, err := stands(tag.String(), voiced(voices, said))
	if err != nil {
		return nil, err
	}
	return c.held(outer, candidates)
}

// held is the first of the candidates that a quorum holds.
func (c *Client) held(ctx context.Context, candidates []standing) (*types.Header, error) {
	var disagreement error
	for _, s := range candidates {
		hash := s.header.Hash()
		same := slices.DeleteFunc(slices.Clone(candidates), func(o standing) bool { return o.header.Hash() != hash })
		if len(same) >= wallet.Quorum || s.header.Number.Sign() == 0 {
			return s.header, nil
		}
		_, err := c.Agree(ctx, s.header.Number.Uint64(), hash)
		if err == nil {
			return s.header, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		disagreement = cmp.Or(disagreement, err)
	}
	return nil, disagreement
}

// hopeful reports whether an endpoint may still answer that did not fail
// lately.
func (c *Client) hopeful(said map[*endpoint]standing) bool {
	now := time.Now()
	return slices.ContainsFunc(c.endpoints, func(ep *endpoint) bool {
		_, ok := said[ep]
		return !ok && !ep.resting(now)
	})
}

// standing is what one endpoint says of a tag.
type standing struct {
	ep     *endpoint
	header *types.Header
	err    error // classified by tagError
}

func (c *Client) askTag(ctx context.Context, ep *endpoint, tag rpc.BlockNumber) standing {
	s := standing{ep: ep}
	anyHeight := func(*types.Header) error { return nil }
	err := c.insist(ctx, ep, "eth_getBlockByNumber", func(ctx context.Context, _ *endpoint, r asker) (err error) {
		s.header, err = readHeader(ctx, r, anyHeight, "eth_getBlockByNumber", tag.String(), false)
		return err
	})
	if err != nil {
		s.header, s.err = nil, tagError(tag.String(), err)
		if now := time.Now(); errors.Is(err, wallet.ErrUnreachable) && !errors.Is(ctx.Err(), context.Canceled) && ep.silence(now) == 0 {
			ep.failed(now)
		}
	}
	return s
}

// weight says which word of one voice counts: the most careful.
func (s standing) weight() int {
	switch {
	case s.header != nil:
		return 0
	case errors.Is(s.err, ErrNotYet):
		return 1
	case errors.Is(s.err, ErrTagUnsupported):
		return 2
	}
	return 3
}

// voiced is what each voice says, as far as it said something.
func voiced(voices [][]*endpoint, said map[*endpoint]standing) []standing {
	var all []standing
	for _, voice := range voices {
		var own []standing
		for _, ep := range voice {
			if s, ok := said[ep]; ok {
				own = append(own, s)
			}
		}
		if len(own) > 0 {
			all = append(all, slices.MinFunc(own, func(a, b standing) int {
				if a.header != nil && b.header != nil {
					return a.header.Number.Cmp(b.header.Number)
				}
				return cmp.Compare(a.weight(), b.weight())
			}))
		}
	}
	return all
}

// headers are those that stand somewhere, the highest first.
func headers(said []standing) []standing {
	have := slices.DeleteFunc(slices.Clone(said), func(s standing) bool { return s.header == nil })
	slices.SortStableFunc(have, func(a, b standing) int { return b.header.Number.Cmp(a.header.Number) })
	return have
}

// stands decides how far a tag stands, and gives what the endpoints hold there
// and below, the highest first.
func stands(tag string, said []standing) ([]standing, error) {
	have := headers(said)
	if len(have) >= wallet.Quorum {
		height := have[wallet.Quorum-1].header.Number
		return slices.DeleteFunc(have, func(s standing) bool { return s.header.Number.Cmp(height) > 0 }), nil
	}
	e := &TagError{Tag: tag}
	var notYet, unknown error
	answers := len(have)
	for _, s := range said {
		switch {
		case s.header != nil:
			e.Have = append(e.Have, Lag{s.ep.host, s.header.Number.Uint64()})
			continue
		case errors.Is(s.err, ErrNotYet):
			notYet = cmp.Or(notYet, s.err)
			answers++
		case errors.Is(s.err, ErrTagUnsupported):
			unknown = cmp.Or(unknown, s.err)
			answers++
		}
		e.Lack = append(e.Lack, Silence{s.ep.host, s.err})
	}
	if len(have) == 0 && answers >= wallet.Quorum {
		return nil, cmp.Or(notYet, unknown)
	}
	return nil, e
}

// A TagError says that fewer than wallet.Quorum endpoints say where a tag
// stands. It is wallet.ErrUnreachable if that is because some are out of reach,
// and ErrNotYet if all of them answered.
type TagError struct {
	Tag  string
	Have []Lag     // that have a block there
	Lack []Silence // that have none, do not know the tag, or told nothing
}

func (e *TagError) Error() string {
	var told []string
	for _, h := range e.Have {
		told = append(told, fmt.Sprintf("%s says block %d", h.Host, h.Head))
	}
	for _, l := range e.Lack {
		told = append(told, l.Err.Error())
	}
	return fmt.Sprintf("the tag %s: want %d endpoints that say where it stands; %s", e.Tag, wallet.Quorum, strings.Join(told, "; "))
}

// Unwrap gives the error's class; none if an endpoint makes no sense.
func (e *TagError) Unwrap() error {
	class := ErrNotYet
	for _, l := range e.Lack {
		switch {
		case errors.Is(l.Err, wallet.ErrUnreachable):
			class = wallet.ErrUnreachable
		case !errors.Is(l.Err, ErrNotYet) && !errors.Is(l.Err, ErrTagUnsupported):
			return nil
		}
	}
	return class
}

// tagError tells a tag that is not known from one that stands nowhere yet. A
// node that does not know it takes it for a mistyped number.
func tagError(tag string, err error) error {
	var e *EndpointError
	if !errors.As(err, &e) {
		return err
	}
	text := strings.ToLower(e.Reason)
	switch {
	case e.Code == -32601 || e.Code == -32602,
		containsAny(text, []string{"not supported", "unsupported", "invalid", "hex string", "cannot unmarshal", "unknown tag"}):
		return &EndpointError{Host: e.Host, Reason: "does not know the tag " + tag + ": " + e.Reason, Code: e.Code, kind: answer, class: ErrTagUnsupported}
	case errors.Is(err, ethereum.NotFound), strings.Contains(text, "not found"), e.Code == -39001:
		return &EndpointError{Host: e.Host, Reason: "no block is " + tag + " yet", Code: e.Code, kind: answer, class: ErrNotYet}
	}
	return err
}
