package chaintest

import (
	"embed"
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// artifacts are written by "make contracts" from the sources beside them.
//
//go:embed contracts/*.json
var artifacts embed.FS

// The contracts that come with the package; each source says what it does.
var (
	// Token is an ordinary ERC-20: Deploy takes its name, symbol, decimals
	// (uint8) and supply (*big.Int), all of which the faucet then owns.
	Token = load("Token")
	// USDTLike is a token of 6 decimals whose transfers return nothing: Deploy
	// takes the supply (*big.Int).
	USDTLike = load("USDTLike")
	// Shifty is a token that takes a fee on the way and rebases, while its logs
	// tell of neither: Deploy takes the supply (*big.Int).
	Shifty = load("Shifty")
	// Skimming is a token that takes a fee on the way, and whose logs tell so:
	// Deploy takes the supply (*big.Int).
	Skimming = load("Skimming")
	// Forwarder is a recipient of ether that needs more than 21000 gas and a
	// payer of ether inside calls. Deploy takes nothing.
	Forwarder = load("Forwarder")
	// Parting gives the ether it is created with to the address that its
	// constructor takes, by self-destruction.
	Parting = load("Parting")
	// Mover moves ether in every way in which a call can, and in some that fail.
	// Deploy takes nothing.
	Mover = load("Mover")
	// MoodyToken is a token that fails, lies, burns gas or calls back for the
	// recipients that it was told to. Deploy takes nothing.
	MoodyToken = load("MoodyToken")
	// MoodyRecipient is a recipient of ether that does so. Deploy takes its mood
	// (uint8) and the data with which it calls back.
	MoodyRecipient = load("MoodyRecipient")
)

// A Contract is compiled Solidity.
type Contract struct {
	Name string
	ABI  abi.ABI
	Code []byte // of creation, without constructor arguments
}

// Create returns the code that creates the contract with the given constructor
// arguments.
func (c Contract) Create(args ...any) ([]byte, error) {
	packed, err := c.ABI.Pack("", args...)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", c.Name, err)
	}
	return append(c.Code[:len(c.Code):len(c.Code)], packed...), nil
}

// Call returns the data of a call of a method.
func (c Contract) Call(method string, args ...any) ([]byte, error) {
	data, err := c.ABI.Pack(method, args...)
	if err != nil {
		return nil, fmt.Errorf("call %s.%s: %w", c.Name, method, err)
	}
	return data, nil
}

// load reads an artifact of the package, which must be valid.
func load(name string) Contract {
	data, err := artifacts.ReadFile("contracts/" + name + ".json")
	if err != nil {
		panic(err)
	}
	return must(ReadContract(name, data))
}

// ReadContract reads an artifact as "make contracts" writes it.
func ReadContract(name string, data []byte) (Contract, error) {
	var artifact struct {
		ABI      abi.ABI       `json:"abi"`
		Bytecode hexutil.Bytes `json:"bytecode"`
	}
	if err := json.Unmarshal(data, &artifact); err != nil {
		return Contract{}, fmt.Errorf("contract %s: %w", name, err)
	}
	return Contract{Name: name, ABI: artifact.ABI, Code: artifact.Bytecode}, nil
}
