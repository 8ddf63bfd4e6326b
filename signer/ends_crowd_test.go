package signer_test

import (
	"fmt"
	"strings"
	"testing"
)

// Anybody who can ask for small withdrawals can have many addresses signed for
// that have the same ends. One that looks like another is found among them, and
// no review looks at all of them.
func TestLookalikesAreFoundInACrowd(t *testing.T) {
	s := newStation(t)
	const crowd = 3000
	b := s.withdrawals(t, 0, crowd)
	for i := range b.Items { // three digits at each end, and never the next
		pays(b, i, fmt.Sprintf("0xabc%x%032x%xdef", i%7, i, i/7%7))
	}
	pays(b, 1500, "0xabc9"+strings.Repeat("2", 32)+"7def")
	pays(b, 1501, "0xabc7"+strings.Repeat("2", 32)+"9def")
	s.sign(t, b)

	rows := 0
	s.Record = counted{s.db, &rows}
	const asked = 50
	plain := s.withdrawals(t, crowd, asked)
	for i := range plain.Items {
		pays(plain, i, fmt.Sprintf("0xabc8%032x8def", i))
	}
	if _, text := lookalikes(s.review(t, plain)); strings.Contains(text, "station signed for before") {
		t.Errorf("%q", text)
	}
	if rows > 100*asked { // of 150,000
		t.Errorf("a review of %d recipients walks over %d rows", asked, rows)
	}
	for to, like := range map[string]string{
		"0xabc9" + strings.Repeat("3", 32) + "8def": "0xabc9" + strings.Repeat("2", 32) + "7def",
		"0xabc8" + strings.Repeat("3", 32) + "9def": "0xabc7" + strings.Repeat("2", 32) + "9def",
	} {
		one := s.withdrawals(t, crowd, 1)
		pays(one, 0, to)
		if _, text := lookalikes(s.review(t, one)); !strings.Contains(strings.ToLower(text), "looks like "+like+", which this station signed for before") {
			t.Errorf("%q does not name %s", text, like)
		}
	}
}
