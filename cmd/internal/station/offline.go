package station

import (
	"context"
	"net"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet"
)

// refuseOnline refuses what makes signatures or lets private keys out, on a
// station that must be offline and is not. Where that risk is accepted, the
// first look notes it.
func (s *Station) refuseOnline(risks signer.Risks) error {
	if !s.Offline {
		return nil
	}
	err := s.checkOffline()
	if err == nil || !risks[riskOnline] {
		return err
	}
	if s.notedOnline {
		return nil
	}
	s.notedOnline = true
	return s.note(context.Background(), signer.Note{Kind: signer.KindRisk, What: err.Error(), Risks: []string{riskOnline}})
}

// warnOnline says that the machine is online before a command takes a secret
// that it keeps.
func (s *Station) warnOnline() {
	if !s.Offline {
		return
	}
	if err := s.checkOffline(); err != nil {
		s.Note("%v: what is typed or read now can leave this machine", err)
	}
}

// checkOffline refuses a machine with a network interface that is up. An
// interface without a cable or a peer can be up too: it takes no more than
// somebody who plugs one in. One that is down is no refusal: what could bring it
// up owns the machine.
func (s *Station) checkOffline() error {
	list := s.Interfaces
	if list == nil {
		list = net.Interfaces
	}
	interfaces, err := list()
	if err != nil {
		return wallet.WithHint(wallet.As(wallet.ErrRefused, "network interfaces cannot be listed, so nobody knows whether this station has a network: %w", err),
			"where it is known to have none, --accept-risk=%s goes on all the same", riskOnline)
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0 {
			return wallet.WithHint(
				wallet.As(wallet.ErrRefused, "the network interface %s is up, and this station must have no network", i.Name),
				"take the machine off the network; where the risk is understood, --accept-risk=%s goes on all the same", riskOnline)
		}
	}
	return nil
}
