package chaintest

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Factory is the deterministic deployment proxy that most chains have
// (github.com/Arachnid/deterministic-deployment-proxy), for the Alloc of a
// Simulated.
func Factory() types.GenesisAlloc {
	return types.GenesisAlloc{common.HexToAddress("0x4e59b44847b379578588920cA78FbF26c0B4956C"): {
		Code:    common.FromHex("0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"),
		Balance: new(big.Int),
	}}
}
