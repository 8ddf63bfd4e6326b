// Package chain reads a chain from one or more JSON-RPC endpoints and offers
// transactions to it. Together with chaintest it alone knows JSON-RPC.
//
// A [Client] fails over from one endpoint to the next, retries what may pass
// by itself, and checks each endpoint's chain id and genesis block before it is
// asked anything. Its methods are named as those of go-ethereum's ethclient
// where one fits.
//
// Nothing that a node says about a block is believed: [Client.Block] returns
// only what hashes to the block's own hash, its transactions, receipts and
// withdrawals included, and derives positions, prices and gas from these bytes.
// What does not hash is an [UnprovenError] that names the endpoint. Only
// [Options].Unproven, for chains whose blocks nobody can prove, takes what two
// endpoints say alike, and the block says so.
//
// The URL of an endpoint may hold a key. No error of this package contains more
// of it than the host.
package chain
