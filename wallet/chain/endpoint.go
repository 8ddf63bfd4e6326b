package chain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/airlock-wallet/airlock/wallet"
)

// maxAnswer bounds one answer of a node, after decompression. The largest
// blocks' receipts are a few tens of megabytes.
const maxAnswer = 128 << 20

var errTooLarge = fmt.Errorf("an answer of more than %d MiB", maxAnswer>>20)

// endpoint is one node. It connects when it is first asked something.
type endpoint struct {
	host    string
	url     *url.URL
	secrets []string // parts of the URL that no text may contain
	timeout time.Duration

	transport *http.Transport // of http and https

	connecting sync.Mutex // held while it connects
	mu         sync.Mutex
	client     *rpc.Client // set once chain id and genesis were checked
	failures   int         // in a row
	rest       time.Time   // not asked first until then
	lacking    []string    // methods that it does not know
	pace       *pace
	left       chan struct{} // closed when a request ends, and made anew
}

func newEndpoint(raw string, timeout time.Duration) (*endpoint, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		// The error of url.Parse quotes what may be a key.
		return nil, wallet.As(wallet.ErrUsage, "endpoint URL: want http, https, ws or wss, :// and a host")
	}
	switch u.Scheme {
	case "http", "https", "ws", "wss":
	default:
		return nil, wallet.As(wallet.ErrUsage, "endpoint %s: scheme %q: want http, https, ws or wss", u.Host, u.Scheme)
	}
	return &endpoint{
		host: u.Host, url: u, secrets: secretsOf(raw, u), timeout: timeout, transport: newTransport(),
		pace: newPace(1, 1, time.Second), left: make(chan struct{}),
	}, nil
}

// minKey is the least length of a part of a path that may be a key; shorter
// ones, such as "mainnet", are words that an error may need.
const minKey = 8

// secretsOf lists the parts of a URL that may be keys, as written and as meant.
func secretsOf(raw string, u *url.URL) (secrets []string) {
	add := func(least int, parts ...string) {
		for _, s := range parts {
			if len(s) >= least {
				secrets = append(secrets, s)
			}
		}
	}
	add(4, raw, u.String(), u.RequestURI(), u.EscapedPath(), u.Path, u.RawQuery, u.User.String(), u.User.Username())
	if password, ok := u.User.Password(); ok {
		add(1, password)
	}
	add(minKey, strings.Split(u.EscapedPath(), "/")...)
	add(minKey, strings.Split(u.Path, "/")...)
	for _, values := range u.Query() {
		add(4, values...)
	}
	return secrets
}

// pushes reports whether the endpoint can tell of new heads by itself.
func (ep *endpoint) pushes() bool { return ep.url.Scheme == "ws" || ep.url.Scheme == "wss" }

// connect returns the connection, which it makes and checks the first time.
func (ep *endpoint) connect(ctx context.Context, check func(host string, id uint64, genesis common.Hash) error) (*rpc.Client, error) {
	ep.connecting.Lock()
	defer ep.connecting.Unlock()
	if c := ep.connected(); c != nil {
		return c, nil
	}
	c, err := rpc.DialOptions(ctx, ep.url.String(),
		rpc.WithHTTPClient(&http.Client{Transport: limited{ep.transport}}),
		rpc.WithWebsocketMessageSizeLimit(maxAnswer))
	if err != nil {
		return nil, err
	}
	id, genesis, err := identify(ctx, paced{ep, c, 0})
	if err == nil {
		err = check(ep.host, id, genesis)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	ep.mu.Lock()
	ep.client = c
	ep.mu.Unlock()
	return c, nil
}

func (ep *endpoint) connected() *rpc.Client {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	return ep.client
}

// identify asks which chain a node serves. The genesis hash is taken as the
// node says it: it names a chain and proves nothing.
func identify(ctx context.Context, r asker) (uint64, common.Hash, error) {
	var id hexutil.Uint64
	var genesis *struct {
		Hash common.Hash `json:"hash"`
	}
	batch := []rpc.BatchElem{
		{Method: "eth_chainId", Result: &id},
		{Method: "eth_getBlockByNumber", Args: []any{"0x0", false}, Result: &genesis},
	}
	if err := r.BatchCallContext(ctx, batch); err != nil {
		return 0, common.Hash{}, err
	}
	if err := errors.Join(batch[0].Error, batch[1].Error); err != nil {
		return 0, common.Hash{}, err
	}
	if genesis == nil || genesis.Hash == (common.Hash{}) {
		return 0, common.Hash{}, &EndpointError{Method: "eth_getBlockByNumber", Reason: "has no genesis block", kind: elsewhere}
	}
	if id == 0 {
		return 0, common.Hash{}, &EndpointError{Method: "eth_chainId", Reason: "says that its chain id is 0, which no chain has (EIP-155)", kind: elsewhere}
	}
	return uint64(id), genesis.Hash, nil
}

// lacks reports whether the node said that it does not know a method.
func (ep *endpoint) lacks(method string) bool {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	return slices.Contains(ep.lacking, method)
}

func (ep *endpoint) without(method string) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if !slices.Contains(ep.lacking, method) {
		ep.lacking = append(ep.lacking, method)
	}
}

// failed has the endpoint asked last for a while, longer each time in a row.
func (ep *endpoint) failed(now time.Time) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	ep.failures++
	ep.rest = now.Add(min(time.Second<<min(ep.failures-1, 6), time.Minute))
}

func (ep *endpoint) worked() {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	ep.failures, ep.rest = 0, time.Time{}
}

func (ep *endpoint) resting(now time.Time) bool {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	return now.Before(ep.rest)
}

func (ep *endpoint) close() {
	if c := ep.connected(); c != nil {
		c.Close()
	}
	ep.transport.CloseIdleConnections()
}

// newTransport keeps a connection for each request that may be under way at the
// same time, where Go's default keeps two and makes the others anew each time.
// It asks for compressed answers.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 2 * maxFetchers,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
	}
}

// limited bounds the answers of a transport and notes what the exchange is to
// know of them.
type limited struct{ next http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(r)
	if err == nil {
		resp.Body = &limitedBody{resp.Body, maxAnswer}
		if ex, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
			ex.note(resp)
		}
	}
	return resp, err
}

type limitedBody struct {
	io.ReadCloser
	left int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
