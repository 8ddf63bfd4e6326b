package multipay

import (
	_ "embed"
	"encoding/json"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

// artifact is written by "make contracts" from the source beside it.
//
//go:embed contracts/Multipay.json
var artifact []byte

// Factory is the deterministic deployment proxy
// (github.com/Arachnid/deterministic-deployment-proxy). It takes a salt of 32
// bytes and the code of creation, and creates the contract by CREATE2. On a chain
// where it is missing it has to be put there first, by sending FactoryTransaction.
var Factory = common.HexToAddress("0x4e59b44847b379578588920cA78FbF26c0B4956C")

// FactoryTransaction creates the Factory on any chain that takes transactions
// without a chain id (EIP-155) and a gas price of 100 gwei: it is signed with a
// signature that was made up, whose sender FactoryDeployer nobody has the key of.
// That address must hold FactoryCost first.
var FactoryTransaction = common.FromHex("0xf8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf31ba02222222222222222222222222222222222222222222222222222222222222222a02222222222222222222222222222222222222222222222222222222222222222")

// FactoryDeployer is the sender of FactoryTransaction.
var FactoryDeployer = common.HexToAddress("0x3fAB184622Dc19b6109349B94811493BF2a45362")

// FactoryCost is what FactoryTransaction costs at most, in wei: 100,000 gas at 100
// gwei.
const FactoryCost = 100_000 * 100_000_000_000

// salt is the same on every chain; another version of the contract has another.
var salt = common.BytesToHash([]byte("airlock multipay 1"))

// code is the contract as it was compiled.
var code = func() (c struct {
	Creation hexutil.Bytes `json:"bytecode"`
	Runtime  hexutil.Bytes `json:"runtime"`
},
) {
	if err := json.Unmarshal(artifact, &c); err != nil {
		panic(err)
	}
	return c
}()

var (
	address     = crypto.CreateAddress2(Factory, salt, crypto.Keccak256(code.Creation))
	runtimeHash = crypto.Keccak256Hash(code.Runtime)
)

// Address is where the contract lies, on every chain where it was deployed
// (EIP-1014).
func Address() common.Address { return address }

// RuntimeHash is Keccak-256 of the code that lies at Address once it is deployed.
func RuntimeHash() common.Hash { return runtimeHash }

// DeployData is the call data with which the Factory creates the contract. Where
// it is deployed already, that call reverts.
func DeployData() []byte { return slices.Concat(salt[:], code.Creation) }
