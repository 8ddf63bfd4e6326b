// Package online holds the commands that only the online station has. Each
// file is one command: it parses, calls one service, and renders. A Station
// gives them the store, the settings and the chain of the home.
package online

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/cmd/internal/station"
)

// New is the root command of airlock.
func New(env *cli.Env) *cobra.Command {
	s := &Station{env}
	root := &cobra.Command{
		Use:   "airlock",
		Short: "Hold other people's ether and tokens, with the keys off the network",
		Long: `airlock watches deposits, pays withdrawals, collects funds and tells the
business systems about all of it, while the private keys stay on a machine that
has no network.

` + cli.ExitCodes,
		Example: `  airlock init --chain-id 1 --rpc https://node.example
  airlock watch import watch.json
  airlock address new alice
  airlock scan`,
	}
	env.AddFlags(root)
	env.AddChainFlag(root)
	root.AddCommand(
		newInit(s),
		newChain(s),
		newWatch(s),
		newAddress(s),
		newToken(s),
		newScan(s),
		newDeposits(s),
		newQuarantine(s),
		newLedger(s),
		newWithdraw(s),
		newPayouts(s),
		newBuildWithdrawals(s),
		newContract(s),
		newBatch(s),
		newBroadcast(s),
		newConfirm(s),
		newResolve(s),
		newSweep(s),
		newRebalance(s),
		newReconcile(s),
		newStatus(s),
		newDoctor(s),
		newHalt(s),
		newResume(s),
		newEndpoint(s),
		newNotify(s),
		newRun(s),
		newBackup(s),
		newVersion(s),
	)
	// A float is signed for here, as anything is on a signing station.
	float := &station.Station{Env: env, Halted: s.checkHalt}
	for _, c := range float.Commands() {
		exampleOfAirlock(c)
		root.AddCommand(c)
	}
	return root
}

// exampleOfAirlock has the examples of a command that both programs have name
// the one that shows them.
func exampleOfAirlock(c *cobra.Command) {
	c.Example = strings.ReplaceAll(c.Example, "airlock-signer ", "airlock ")
	for _, sub := range c.Commands() {
		exampleOfAirlock(sub)
	}
}
