package store

import "github.com/airlock-wallet/airlock/wallet"

// PutAlarm records that an alarm stands, in place of one with the same code.
func PutAlarm(tx Tx, a wallet.Alarm) error {
	return put(tx, keyOf(tAlarm, a.ChainID, string(a.Code)), a)
}

// Alarm returns an alarm of a chain; ok is false if it does not stand.
func Alarm(tx Tx, chain uint64, code wallet.AlarmCode) (a wallet.Alarm, ok bool, err error) {
	return get[wallet.Alarm](tx, keyOf(tAlarm, chain, string(code)))
}

// Alarms lists the alarms of a chain that stand, by code.
func Alarms(tx Tx, chain uint64) ([]wallet.Alarm, error) {
	return values[wallet.Alarm](tx, under(keyOf(tAlarm, chain)))
}

// ClearAlarm records that an alarm is over.
func ClearAlarm(tx Tx, chain uint64, code wallet.AlarmCode) error {
	return tx.Delete(keyOf(tAlarm, chain, string(code)))
}
