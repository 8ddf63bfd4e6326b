// Command airlock-signer is the signing station: it keeps the keys, shows
// what a batch does, and signs. It links nothing that can reach a network.
package main

import (
	"os"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/cmd/internal/station"
)

func main() {
	env := cli.System()
	os.Exit(cli.Main(station.New(env), env, os.Args[1:]))
}
