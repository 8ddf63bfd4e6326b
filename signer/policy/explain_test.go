package policy

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// leaf is a key of the file that has a value.
type leaf struct {
	name  string
	value reflect.Value
}

// leaves are the keys of a table and all below it that have a value.
func leaves(name string, v reflect.Value) (list []leaf) {
	for i := range v.NumField() {
		field := v.Field(i)
		key := name + v.Type().Field(i).Tag.Get("toml")
		for field.Kind() == reflect.Pointer && !field.IsNil() {
			field = field.Elem()
		}
		if field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct {
			for n := range field.Len() {
				list = append(list, leaves(fmt.Sprintf("%s[%d].", key, n), field.Index(n))...)
			}
			continue
		}
		list = append(list, leaf{key, field})
	}
	return list
}

// keysOf are all keys that there are, without the numbers of their tables.
func keysOf(name string, t reflect.Type) (list []string) {
	for i := range t.NumField() {
		key, of := name+t.Field(i).Tag.Get("toml"), t.Field(i).Type
		if of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Struct {
			list = append(list, keysOf(key+".", of.Elem())...)
		} else {
			list = append(list, key)
		}
	}
	return list
}

// others are the values that a key takes instead of its own. They must be
// accepted, so each is what its neighbours allow.
var others = map[string]any{
	"open": true, "max_age": "47h", "max_items": 2, "allow": []string{"sweep"}, "roles": []string{"gas"},
	"blocked": []string{stranger.Hex()}, "approvals": 1, "requests_signed": true,
	"approver[0].name": "Carol", "approver[0].address": stranger.Hex(), "approver[1].name": "Carol", "approver[1].address": stranger.Hex(),
	"requester[0].name": "shop", "requester[0].address": stranger.Hex(),
	"chain[0].max_fee_per_gas_gwei": "99", "chain[0].max_fee_per_transaction": "0.016", "chain[0].max_fee_per_batch": "0.03",
	"chain[0].treasury": stranger.Hex(), "chain[0].float": stranger.Hex(), "chain[0].recipients": []string{stranger.Hex()}, "chain[0].recipients_delay": "23h", "chain[0].coin_payments": false,
	"contract[0].chain": uint64(10), "contract[0].address": stranger.Hex(),
	"asset[0].symbol": "WETH", "asset[0].max_per_transaction": "4", "asset[0].max_per_batch": "7", "asset[0].max_per_recipient": "9",
	"asset[0].max_per_day": "21", "asset[0].max_per_week": "51",
	"asset[0].approvals[0].above": "9", "asset[0].approvals[0].need": 1, "asset[0].approvals[1].above": "16",
	"asset[1].asset": "eip155:1/erc20:" + tether.Hex(), "asset[1].symbol": "USDX", "asset[1].decimals": int64(7), "asset[1].max_per_transaction": "99",
	"asset[1].max_per_batch": "149", "asset[1].max_per_recipient": "149", "asset[1].max_per_day": "999", "asset[1].max_per_week": "1001",
}

// fixed are those that nothing can be exchanged for: there is one version and one
// method, other tables refer to a chain, and anybody or a list is one choice.
var fixed = map[string]bool{
	"version": true, "contract.methods": true, "chain.id": true, "chain.any_recipient": true,
}

// kindOf is a key without the numbers of its tables.
func kindOf(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '[' || r == ']' || r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, name)
}

// Every key that is set is in the explanation, so that it changes with it: a
// key that is added without a word for the treasurer fails here.
func TestExplanationHasEveryKey(t *testing.T) {
	dave := "[[approver]]\nname = \"Dave\"\naddress = \"0x00000000000000000000000000000000000da7e0\"\n"
	text := strings.NewReplacer("[[chain]]\nid = 10", dave+"[[chain]]\nid = 10", "need = 1", "need = 2", "need = 2", "need = 3").Replace(full)
	read := func() *file {
		f := new(file)
		if err := toml.Unmarshal([]byte(text), f); err != nil {
			t.Fatal(err)
		}
		return f
	}
	before := strings.Join(parse(t, text).Explain(), "\n")
	tried := map[string]bool{}
	for n, l := range leaves("", reflect.ValueOf(read()).Elem()) {
		f := read()
		key := leaves("", reflect.ValueOf(f).Elem())[n].value
		other, ok := others[l.name]
		if !ok {
			continue
		}
		tried[kindOf(l.name)] = true
		key.Set(reflect.ValueOf(other))
		raw, err := toml.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Parse(raw)
		if err != nil {
			t.Errorf("%s = %v: %v", l.name, other, err)
		} else if strings.Join(p.Explain(), "\n") == before {
			t.Errorf("%s = %v is explained like %v", l.name, other, l.value)
		}
	}
	for _, key := range keysOf("", reflect.TypeFor[file]()) {
		if !tried[key] && !fixed[key] {
			t.Errorf("%s: tell of it in Explain, and give it another value here", key)
		}
	}
}

// What is not limited is said, too.
func TestExplanationOfWhatIsNotLimited(t *testing.T) {
	all := strings.Join(parse(t, "version = 1\nopen = true\n[[chain]]\nid = 7\n[[asset]]\nasset = \"eip155:7/slip44:60\"\nsymbol = \"X\"\ndecimals = 18").Explain(), "\n")
	for _, want := range []string{
		"OPEN", "of any age", "any number of transactions", "every kind", "every role", "Nobody is blocked", "No batch needs an approval", "only its reviewer knows",
		"any price for gas", "gas of a transaction may cost any amount", "gas of a batch may cost any amount", "treasury addresses only", "may pay anyone",
		"any amount each, any amount a batch, any amount to one recipient within any 24 hours, any amount within any 24 hours and any amount within any seven days",
		"assets that are not named may be paid in any amount",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("the explanation lacks %q:\n%s", want, all)
		}
	}
}
