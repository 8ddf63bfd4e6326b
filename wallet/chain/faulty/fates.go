package faulty

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// Fate is what becomes of a request on its way to the node.
type Fate int

// The fates. Only eth_sendRawTransaction can be Forgotten or Kept; any other
// request arrives.
const (
	Arrives   Fate = iota
	Twice          // it arrives two times, and the answer is that to the second
	Forgotten      // it never arrives; the answer is what a node says that takes it
	Kept           // as Forgotten, and whoever asks is shown it as pending
)

const (
	sendMethod  = "eth_sendRawTransaction"
	whereMethod = "eth_getTransactionByHash"
)

// Fates sets what becomes of requests from now on; nil lets them all arrive.
// What was Kept is shown until then.
func (p *Proxy) Fates(f func(Request) Fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fates, p.kept = f, map[string]json.RawMessage{}
}

// ask asks the node what it is to be asked and answers the rest itself.
func (p *Proxy) ask(requests []Request, body []byte) ([]byte, error) {
	p.mu.Lock()
	fates := p.fates
	p.mu.Unlock()
	if fates == nil {
		return p.post(body)
	}
	var own []Answer
	var arrive []Request
	for _, r := range requests {
		fate := fates(r)
		if a, ok := p.pretend(r, fate); ok {
			own = append(own, a)
			continue
		}
		arrive = append(arrive, r)
		if fate != Twice {
			continue
		}
		once, err := json.Marshal(wire([]Request{r}))
		if err != nil {
			return nil, err
		}
		if _, err := p.post(once); err != nil {
			return nil, err
		}
	}
	answers := own
	if len(arrive) > 0 {
		some, err := json.Marshal(wire(arrive))
		if err != nil {
			return nil, err
		}
		told, err := p.post(some)
		if err != nil {
			return nil, err
		}
		var list []Answer
		if err := json.Unmarshal(told, &list); err != nil {
			return nil, err
		}
		answers = append(answers, list...)
	}
	if body[0] == '{' {
		return json.Marshal(answers[0])
	}
	return json.Marshal(answers)
}

// post is the node's answer to a body.
func (p *Proxy) post(body []byte) ([]byte, error) {
	resp, err := p.client.Post(p.node, "application/json", bytes.NewReader(body)) //nolint:noctx // of a test, to its own node
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// wire are requests as nodes get them.
func wire(requests []Request) (list []any) {
	for _, r := range requests {
		list = append(list, struct {
			Version string `json:"jsonrpc"`
			Request
		}{"2.0", r})
	}
	return list
}

// pretend answers a request that does not arrive.
func (p *Proxy) pretend(r Request, fate Fate) (a Answer, ok bool) {
	a = Answer{Version: "2.0", ID: r.ID}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case len(r.Params) == 0:
		return a, false
	case r.Method == whereMethod:
		a.Result, ok = p.kept[string(r.Params[0])]
		return a, ok
	case r.Method != sendMethod || fate != Forgotten && fate != Kept:
		return a, false
	}
	tx := Sent(r)
	if tx == nil {
		return a, false
	}
	hash := fmt.Sprintf("%q", tx.Hash())
	if a.Result = json.RawMessage(hash); fate == Kept {
		p.kept[hash], _ = tx.MarshalJSON()
	}
	return a, true
}

// Sent is the transaction that a request sends, or nil if it sends none.
func Sent(r Request) *types.Transaction {
	var raw hexutil.Bytes
	tx := new(types.Transaction)
	if r.Method != sendMethod || len(r.Params) == 0 || json.Unmarshal(r.Params[0], &raw) != nil || tx.UnmarshalBinary(raw) != nil {
		return nil
	}
	return tx
}

// Shown is the hash of the transaction that a node was asked for, if it shows it.
func Shown(r Request, a *Answer) (hash common.Hash, ok bool) {
	var tx types.Transaction
	if r.Method != whereMethod || len(r.Params) == 0 || a.Error != nil || json.Unmarshal(r.Params[0], &hash) != nil {
		return hash, false
	}
	return hash, tx.UnmarshalJSON(a.Result) == nil && tx.Hash() == hash
}

// Rules are some rules one after the other.
func Rules(rules ...Rule) Rule {
	return func(r Request, a *Answer) {
		for _, rule := range rules {
			if rule != nil {
				rule(r, a)
			}
		}
	}
}
