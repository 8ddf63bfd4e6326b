package chain

import (
	"context"

	"github.com/ethereum/go-ethereum/rpc"
)

// asker puts requests to a node: an rpc.Client, or one that heeds what the
// node can take.
type asker interface {
	CallContext(ctx context.Context, result any, method string, args ...any) error
	BatchCallContext(ctx context.Context, elems []rpc.BatchElem) error
}
