package chain

import (
	"net/http"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// paceTest drives a pace through time.
type paceTest struct {
	*pace
	now time.Time
}

func newPaceTest() *paceTest {
	return &paceTest{newPace(4, 16, time.Second), time.Unix(1_000_000, 0)}
}

// ask has a batch answered after a while. Requests under way fill the width.
func (p *paceTest) ask(v verdict, n int, took time.Duration) {
	o := outcome{verdict: v, kind: "m", n: n, started: p.now, full: true}
	p.now = p.now.Add(took)
	p.learn(p.now, o)
}

// TestBatchSize has an endpoint that takes up to a number of requests in a
// batch, and counts the refusals.
func TestBatchSize(t *testing.T) {
	for limit, want := range map[int]int{1: 8, 2: 7, 7: 6, 10: 6, 50: 3, 100: 1, 199: 1, 200: 0} {
		p := newPaceTest()
		refused := 0
		for range 300 {
			n := p.batch("m", 1000)
			if n > limit {
				refused++
				p.ask(tooMuch, n, time.Millisecond)
			} else {
				p.ask(taken, n, time.Millisecond)
			}
		}
		if refused > want+6 {
			t.Errorf("at most %d in a batch: %d refused", limit, refused)
		}
		if have := p.batch("m", 1000); have > limit || have < limit*3/4 {
			t.Errorf("at most %d in a batch: ends with %d", limit, have)
		}
		if have := p.batch("other", 1000); have > limit && limit > 1 && have > 100 {
			t.Errorf("at most %d in a batch: another kind begins with %d", limit, have)
		}
		// What was refused long ago is tried again.
		p.now = p.now.Add(2 * sizeMemory)
		for range 20 {
			p.ask(taken, p.batch("m", 1000), time.Millisecond)
		}
		if have := p.batch("m", 1000); have != maxBatch {
			t.Errorf("without a limit at last: %d in a batch", have)
		}
	}
}

func TestBatchSizeBy(t *testing.T) {
	for name, c := range map[string]struct {
		verdicts    []verdict
		same, other int // size of the same kind, and of another, after batches of 100
	}{
		"an answer":          {[]verdict{taken}, 200, 200},
		"too much":           {[]verdict{tooMuch}, 50, 50},
		"no batches":         {[]verdict{alone}, 1, 1},
		"no answer in time":  {[]verdict{late}, 50, 200},
		"out of reach":       {[]verdict{lost, lost}, 200, 200},
		"not before a while": {[]verdict{tooMuch, taken}, 56, 50},
	} {
		p := newPaceTest()
		p.ask(taken, 1, time.Millisecond) // makes the kind known
		for _, v := range c.verdicts {
			p.ask(v, 100, time.Millisecond)
		}
		if same, other := p.batch("m", 1000), p.batch("other", 1000); same != c.same || other != c.other {
			t.Errorf("%s: %d and %d in a batch, want %d and %d", name, same, other, c.same, c.other)
		}
	}
}

// TestRate has endpoints with a limit in any second, and counts what they
// refuse and what they answer in ten minutes.
func TestRate(t *testing.T) {
	for _, limit := range []int{1, 5, 20, 100, 1000} {
		p := newPaceTest()
		end := p.now.Add(10 * time.Minute)
		var window []time.Time
		answered, refused := 0, 0
		for p.now.Before(end) {
			if d := p.silence(p.now); d > 0 {
				p.now = p.now.Add(d)
			}
			p.now = p.now.Add(p.reserve(p.now, 1))
			for len(window) > 0 && p.now.Sub(window[0]) >= time.Second {
				window = window[1:]
			}
			if len(window) >= limit {
				refused++
				p.ask(crowded, 1, 100*time.Microsecond)
				continue
			}
			window = append(window, p.now)
			answered++
			p.ask(taken, 1, 100*time.Microsecond)
		}
		t.Logf("%d per second: %d answered, %d refused", limit, answered, refused)
		if answered < limit*600*6/10 {
			t.Errorf("%d per second: only %d answered in 10 minutes", limit, answered)
		}
		if refused > 60 {
			t.Errorf("%d per second: %d refused in 10 minutes", limit, refused)
		}
	}
}

// TestSilence pins how long an endpoint is left alone.
func TestSilence(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for name, c := range map[string]struct {
		header string
		times  int // refused in a row
		want   time.Duration
	}{
		"none":           {"", 1, time.Second},
		"again":          {"", 2, 2 * time.Second},
		"for long":       {"", 5, 16 * time.Second},
		"for very long":  {"", 100, maxQuiet},
		"seconds":        {"7", 1, 7 * time.Second},
		"again in time":  {" 7 ", 3, 7 * time.Second},
		"a date":         {now.Add(30 * time.Second).UTC().Format(http.TimeFormat), 1, 30 * time.Second},
		"a past date":    {now.Add(-time.Hour).UTC().Format(http.TimeFormat), 1, time.Second},
		"an hour":        {"3600", 1, maxQuiet},
		"beyond numbers": {"99999999999999999999", 1, time.Second},
		"negative":       {"-5", 1, time.Second},
		"words":          {"tomorrow", 1, time.Second},
	} {
		p := newPaceTest()
		p.now = now
		for range c.times {
			p.now = p.now.Add(p.silence(p.now) + 1)
			o := outcome{verdict: crowded, kind: "m", n: 1, started: p.now, retryAfter: retryAfter(c.header, now)}
			p.learn(p.now, o)
		}
		if have := p.silence(p.now); have != c.want {
			t.Errorf("%s: %s, want %s", name, have, c.want)
		}
	}
}

// TestOneEvent makes sure that requests which were refused together cut the
// pace once.
func TestOneEvent(t *testing.T) {
	p := newPaceTest()
	started := p.now
	p.now = p.now.Add(time.Second)
	for range 16 {
		p.learn(p.now, outcome{verdict: crowded, kind: "m", n: 1, started: started})
	}
	if p.width != 2 || p.refusals != 1 || p.limit.Limit() != minRate*0.7 || p.silence(p.now) != time.Second {
		t.Errorf("width %d, %d refusals, %v per second, silent for %s", p.width, p.refusals, p.limit.Limit(), p.silence(p.now))
	}
	if l := p.limit.Limit(); l == rate.Inf {
		t.Error("no limit")
	}
}

// TestWidth has nodes that work on so many requests at the same time.
func TestWidth(t *testing.T) {
	for name, c := range map[string]struct {
		servers  int
		min, max int
	}{
		"one by one":      {1, 4, 6},
		"four":            {4, 4, 8},
		"eight":           {8, 8, 12},
		"more than asked": {1000, 16, 16},
	} {
		p := newPaceTest()
		for range 5000 {
			took := 100 * time.Millisecond * time.Duration(max(1, (p.width+c.servers-1)/c.servers))
			if p.width > c.servers {
				took = 100 * time.Millisecond * time.Duration(p.width) / time.Duration(c.servers)
			}
			p.ask(taken, 1, took)
		}
		if p.width < c.min || p.width > c.max {
			t.Errorf("%s: %d at the same time, want %d to %d", name, p.width, c.min, c.max)
		}
		was := p.width
		p.ask(late, 1, 20*time.Second)
		if p.width != was/2 {
			t.Errorf("%s: %d at the same time after no answer, %d before", name, p.width, was)
		}
		for range 6 {
			p.ask(late, 1, 20*time.Second)
		}
		if entered, full := p.enter(); !entered || !full || p.width != 1 {
			t.Errorf("%s: %d at the same time after no answers", name, p.width)
		}
		if entered, _ := p.enter(); entered {
			t.Errorf("%s: two at the same time", name)
		}
	}
}
