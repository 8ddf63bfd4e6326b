package chain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/airlock-wallet/airlock/wallet"
)

var (
	// ErrForeign says that an endpoint serves another chain than it should.
	ErrForeign = errors.New("endpoint of another chain")
	// ErrTagUnsupported says that no endpoint knows a block tag.
	ErrTagUnsupported = errors.New("block tag not supported")
	// ErrNotYet says that a block tag is known but stands at no block yet.
	ErrNotYet = errors.New("block tag stands at no block yet")
	// ErrNoState says that a node no longer has, or does not have yet, the
	// state of the block that was asked about.
	ErrNoState = errors.New("the state of that block is not at hand")
)

// An EndpointError is what one endpoint did not do, or refused to do.
type EndpointError struct {
	Host   string // never the URL, which may hold a key
	Method string
	Reason string // in the node's words where it had some, cleaned
	Code   int    // of JSON-RPC; 0 if the node did not answer with an error
	Data   []byte // of a reverted call

	kind    kind
	class   error
	meaning SendResult // of an answer to eth_sendRawTransaction
}

// kind says who may be asked again after an error.
type kind uint8

const (
	answer    kind = iota // the answer, whoever is asked
	elsewhere             // another endpoint may do better
	transient             // the same endpoint may do better later
)

func (e *EndpointError) Error() string {
	if e.Method == "" {
		return e.Host + ": " + e.Reason
	}
	return e.Host + ": " + e.Method + ": " + e.Reason
}

// noSuchMethod reports whether the node says that it does not know the method
// (JSON-RPC) or does not offer it (EIP-1474).
func (e *EndpointError) noSuchMethod() bool { return e.Code == -32601 || e.Code == -32004 }

// Unwrap gives the error's class, such as wallet.ErrUnreachable or
// ethereum.NotFound.
func (e *EndpointError) Unwrap() error { return e.class }

// ErrorCode is the JSON-RPC code.
func (e *EndpointError) ErrorCode() int { return e.Code }

// An UnprovenError says what in an endpoint's answer does not hash to what it
// must.
type UnprovenError struct {
	Host   string
	Number uint64
	Hash   common.Hash // zero if not even the header was proven
	Reason string

	content bool // the header is proven, and what the block holds is not
	unknown bool // it holds a transaction of a type that is not known here
	missing bool // the node does not give the bytes of that transaction
}

func (e *UnprovenError) Error() string {
	if e.Hash == (common.Hash{}) {
		return fmt.Sprintf("%s: block %d is not proven: %s", e.Host, e.Number, e.Reason)
	}
	return fmt.Sprintf("%s: block %d (%s) is not proven: %s", e.Host, e.Number, e.Hash, e.Reason)
}

// notFound is what a null answer means.
func notFound(method string) error {
	return &EndpointError{Method: method, Reason: "not found", kind: elsewhere, class: ethereum.NotFound}
}

// kindOf says who may be asked again.
func kindOf(err error) kind {
	var e *EndpointError
	if errors.As(err, &e) {
		return e.kind
	}
	if errors.Is(err, ErrForeign) {
		return elsewhere
	}
	var u *UnprovenError
	switch {
	case !errors.As(err, &u):
	case u.missing:
		return elsewhere
	default:
		return transient // the block may have been replaced between two answers
	}
	return answer
}

// How nodes say "not so fast": rate limits of several hosted nodes, and
// EIP-1474's "limit exceeded".
var (
	crowdedCodes = []int{429, -32005, -32016, -32029, -32097}
	crowdedWords = []string{"rate limit", "too many requests", "limit exceeded", "capacity", "slow down", "throttl", "compute units"}
)

// How nodes say "not now"; the code is geth's time-out.
var (
	lateCodes = []int{-32002}
	lateWords = []string{"timeout", "timed out", "temporarily", "try again", "overloaded", "busy"}
)

// tooMuchWords are how nodes refuse the size of a batch or of its answer. They
// may come with a code or words of the rate limits.
var tooMuchWords = []string{
	"batch too large", "batch is too large", "requests in batch", "batch limit", "batch size",
	"batch of more than", "maximum batch", "max batch", "batch requests limit",
	"response too large", "response is too large", "response is too big", "response size", "result too large",
	"too large a response", "returned more than", "too many results", "too many logs",
	"content too large", "entity too large", "payload too large", "request too large", "body too large",
}

// judgeElem finds out what the error of one request of a batch tells about the
// pace. What means something about a transaction says nothing of it, whatever
// its code and words.
func judgeElem(e rpc.BatchElem) verdict {
	var coded rpc.Error
	if errors.As(e.Error, &coded) && meaningOfAnswer(e.Method, coded) != SendUnknown {
		return taken
	}
	return judge(e.Error)
}

// judge finds out what an error tells about the pace.
func judge(err error) verdict {
	var coded rpc.Error
	var status rpc.HTTPError
	var network net.Error
	switch {
	case err == nil:
		return taken
	case errors.As(err, &coded):
		return judgeWords(coded.ErrorCode(), err.Error(), taken)
	case errors.As(err, &status):
		return judgeWords(status.StatusCode, http.StatusText(status.StatusCode)+" "+string(status.Body[:min(len(status.Body), maxSingle)]), lost)
	case errors.Is(err, errTooLarge):
		return tooMuch
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return late
	case errors.As(err, &network), isDisconnect(err), errors.Is(err, context.Canceled):
		return lost
	}
	return taken // if only by giving nonsense
}

func judgeWords(code int, text string, otherwise verdict) verdict {
	text = strings.ToLower(text)
	switch {
	case code == http.StatusRequestEntityTooLarge, containsAny(text, tooMuchWords):
		return tooMuch
	case slices.Contains(crowdedCodes, code), containsAny(text, crowdedWords):
		return crowded
	case slices.Contains(lateCodes, code), containsAny(text, lateWords):
		return late
	}
	return otherwise
}

// stateWords are how nodes say that they do not have a block's state.
var stateWords = []string{
	"missing trie node", "state not available", "state is not available", "historical state",
	"state unavailable", "pruned", "state recreation", "no state found", "state histories",
	"old data not available", "block is out of range", "distance to target block exceeds",
	"world state unavailable", "required historical",
}

// unknownBlockWords are how nodes say that they do not have a block.
var unknownBlockWords = []string{
	"header not found", "unknown block", "block not found", "header for hash not found",
	"block does not exist", "could not find block", "resource not found", "hash is not currently canonical",
}

// describe turns whatever went wrong into an error that is safe to print.
func (ep *endpoint) describe(method string, err error) error {
	var own *EndpointError
	var unproven *UnprovenError
	switch {
	case errors.As(err, &own):
		e := *own
		e.Host, e.Reason = ep.host, ep.redact(e.Reason)
		if e.Method == "" {
			e.Method = method
		}
		return &e
	case errors.As(err, &unproven):
		e := *unproven
		e.Host, e.Reason = ep.host, ep.redact(e.Reason)
		return &e
	case errors.Is(err, ErrForeign):
		return err
	}
	e := &EndpointError{Host: ep.host, Method: method, kind: elsewhere}
	var coded rpc.Error
	var status rpc.HTTPError
	var wrapped *url.Error
	var network net.Error
	switch {
	case errors.As(err, &coded):
		ep.describeAnswer(e, coded)
		return e
	case errors.As(err, &status):
		e.Reason, e.class = status.Status, wallet.ErrUnreachable
		if status.StatusCode == http.StatusTooManyRequests || status.StatusCode == http.StatusRequestTimeout || status.StatusCode >= 500 {
			e.kind = transient
		}
	case errors.Is(err, context.DeadlineExceeded):
		e.Reason, e.kind, e.class = "no answer in time", transient, wallet.ErrUnreachable
	case errors.As(err, &wrapped): // its text is the whole URL
		e.Reason, e.kind, e.class = wrapped.Err.Error(), transient, wallet.ErrUnreachable
	case errors.As(err, &network), errors.Is(err, errTooLarge), isDisconnect(err):
		e.Reason, e.kind, e.class = err.Error(), transient, wallet.ErrUnreachable
	case isSingleAnswer(err):
		e.Reason, e.kind, e.class = "answers a batch of requests with one answer, as those do that limit the rate", transient, wallet.ErrUnreachable
	default: // an answer that does not decode
		e.Reason = "answer not understood: " + err.Error()
	}
	e.Reason = ep.redact(e.Reason)
	return e
}

func (ep *endpoint) describeAnswer(e *EndpointError, err rpc.Error) {
	text := strings.ToLower(err.Error())
	e.Code, e.Reason = err.ErrorCode(), ep.redact(err.Error())
	e.meaning = meaningOfAnswer(e.Method, err)
	switch {
	case e.meaning == SendPoolFull: // another one may have room
	case e.meaning != SendUnknown:
		e.kind = answer
	case slices.Contains(crowdedCodes, e.Code), slices.Contains(lateCodes, e.Code),
		containsAny(text, crowdedWords), containsAny(text, lateWords):
		e.kind, e.class = transient, wallet.ErrUnreachable
	case containsAny(text, stateWords):
		e.class = ErrNoState
	case containsAny(text, unknownBlockWords):
		e.class = ethereum.NotFound
	case e.noSuchMethod():
	default:
		e.kind = answer
	}
	var data rpc.DataError
	if errors.As(err, &data) {
		if s, ok := data.ErrorData().(string); ok {
			e.Data = common.FromHex(s)
		}
	}
}

// isSingleAnswer reports whether an object came where a list of answers was due.
func isSingleAnswer(err error) bool {
	var mismatch *json.UnmarshalTypeError
	return errors.As(err, &mismatch) && mismatch.Value == "object" && mismatch.Offset <= 1 && mismatch.Type.Kind() == reflect.Slice
}

func isDisconnect(err error) bool {
	return errors.Is(err, rpc.ErrClientQuit) || errors.Is(err, net.ErrClosed) ||
		containsAny(strings.ToLower(err.Error()), []string{"eof", "connection reset", "broken pipe", "websocket", "connection lost"})
}

func containsAny(s string, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) })
}

// maxReason bounds how much of a node's words is kept.
const maxReason = 240

// redact makes a text printable and takes out of it whatever of the URL could
// be a key.
func (ep *endpoint) redact(s string) string {
	s = clean(s, len(s)) // what is invisible must not break up a key
	for _, secret := range ep.secrets {
		s = strings.ReplaceAll(s, secret, "…")
	}
	return clean(s, maxReason)
}

// clean keeps at most limit characters of a text from outside and none that
// steer a terminal or change the direction of writing.
func clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return -1
		}
		return r
	}, s)
	if r := []rune(s); len(r) > limit {
		s = string(r[:limit]) + "…"
	}
	return strings.TrimSpace(s)
}
