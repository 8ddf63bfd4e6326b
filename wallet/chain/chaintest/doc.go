// Package chaintest runs Ethereum-style chains for tests and demonstrations.
//
// There are three, and all of them are a [Network], so that one story can be
// told on each:
//
//   - [Simulated] is go-ethereum in this process. It starts in milliseconds,
//     mines only when told to, and can reorganise, forge blocks and move its
//     clock. Most tests want this one.
//   - [Geth] is a real geth in developer mode, a child process built from the
//     go-ethereum version that go.mod pins.
//   - [Anvil] is Foundry's node, a child process, a second implementation of
//     everything that go-ethereum does for the other two.
//
// Each listens on a free port of the loopback interface, over HTTP and
// WebSocket. Each has a faucet: an account with a well-known key and plenty of
// coin, which funds addresses, deploys the contracts in [Contract] and sends
// tokens. None of the keys here may ever hold anything of value.
//
// Programs use StartSimulated, StartGeth and StartAnvil; tests use NewSimulated,
// NewGeth and NewAnvil, which end with the test and skip it where a node program
// is missing. The package does not import testing.
package chaintest
