// Command airlock is the online station: it watches deposits, prepares and
// sends withdrawals and sweeps, and keeps the books, without any private key.
package main

import (
	"os"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/cmd/internal/online"
)

func main() {
	env := cli.System()
	os.Exit(cli.Main(online.New(env), env, os.Args[1:]))
}
