package chain

import (
	"time"

	"golang.org/x/time/rate"
)

// pace decides how hard one endpoint is asked: how many requests go into one
// batch, how many are made per second, and how many at the same time. Each is
// cut when the endpoint refuses and grows slowly while it answers (additive
// increase, multiplicative decrease, as in RFC 5681), so that an endpoint is
// asked for a little less than it allows, whatever that is.
//
// A request is one of JSON-RPC: a batch of ten is ten of them, as hosted nodes
// count. pace has no clock, does no I/O and is not safe for concurrent use.
type pace struct {
	backoff time.Duration // of silence after a first refusal that names none

	width      int // requests to the endpoint at the same time
	start, max int // of width
	flying     int

	limit    *rate.Limiter
	ceiling  rate.Limit // that was refused; rate.Inf if none is known
	waited   bool       // for the limit, since it last grew
	grown    time.Time
	meter    meter
	quiet    time.Time // nothing is asked until then
	refusals int       // in a row
	cut      time.Time // what was asked before then tells nothing new

	sizes map[string]*size
	first size // of a kind of request that was never made
}

// Bounds of what an endpoint is asked for.
const (
	maxBatch    = 200             // requests in one batch; most nodes take 1000, hosted ones less
	maxQuiet    = 2 * time.Minute // of silence, whatever an endpoint wants
	shortQuiet  = 5 * time.Second // of silence that is waited for although others could be asked
	maxFetchers = 16              // blocks fetched at the same time, and held

	// sizeMemory is how long a batch size that was refused is not tried again.
	sizeMemory = 10 * time.Minute
	// minRate is where the search for a limit begins that nothing is known of.
	minRate rate.Limit = 10
	// unlimited is a rate above which none is kept.
	unlimited rate.Limit = 10_000
)

// size is how many requests of one kind go into a batch.
type size struct {
	now     int
	refused int       // the smallest batch that was refused; 0 if none is known
	until   time.Time // then it is forgotten
	latency latency
}

// verdict is what an answer, or its absence, tells about the pace.
type verdict uint8

const (
	taken   verdict = iota // an answer, also if it is an error
	crowded                // too many requests in too short a time
	tooMuch                // too large a batch, or too large an answer to it
	alone                  // this endpoint takes no batches
	late                   // no answer in time
	lost                   // out of reach: says nothing about the pace
)

// outcome is what became of a batch that was asked.
type outcome struct {
	verdict
	kind       string // method of its first request
	n          int    // requests in it
	started    time.Time
	single     bool          // one answer for all of them
	full       bool          // as many requests as allowed were under way
	retryAfter time.Duration // that the endpoint wants; 0 if it names none
}

func newPace(start, limit int, backoff time.Duration) *pace {
	return &pace{
		backoff: backoff, width: start, start: start, max: max(start, limit), first: size{now: maxBatch},
		limit: rate.NewLimiter(rate.Inf, maxBatch), ceiling: rate.Inf, sizes: map[string]*size{},
	}
}

func (p *pace) size(kind string) *size {
	s := p.sizes[kind]
	if s == nil {
		first := p.first
		s = &first
		p.sizes[kind] = s
	}
	return s
}

// batch is how many of n requests of a kind may go into one batch now.
func (p *pace) batch(kind string, n int) int {
	return min(n, p.size(kind).now, p.limit.Burst())
}

// silence is how long the endpoint is not to be asked anything.
func (p *pace) silence(now time.Time) time.Duration { return max(0, p.quiet.Sub(now)) }

// delay is how long a request would wait for its turn.
func (p *pace) delay(now time.Time) time.Duration {
	r := p.limit.ReserveN(now, 1)
	defer r.CancelAt(now)
	return max(p.silence(now), r.DelayFrom(now))
}

// reserve takes the turn of a batch of n and says how long it has to wait.
func (p *pace) reserve(now time.Time, n int) time.Duration {
	d := p.limit.ReserveN(now, min(n, p.limit.Burst())).DelayFrom(now)
	p.waited = p.waited || d > 0
	return d
}

// enter begins a request if no more than allowed are under way.
func (p *pace) enter() (entered, full bool) {
	if p.flying >= p.width {
		return false, true
	}
	p.flying++
	return true, p.flying == p.width
}

func (p *pace) leave() { p.flying-- }

// learn changes the pace by what became of a request.
func (p *pace) learn(now time.Time, o outcome) {
	if o.retryAfter > 0 && o.verdict != taken {
		p.hush(now, o.retryAfter)
	}
	// Requests that were under way when one of them was refused are refused
	// with it: that is one event.
	news := o.started.After(p.cut)
	switch o.verdict {
	case taken:
		p.meter.count(now, o.n)
		if news {
			p.refusals = 0
		}
		p.growRate(now)
		p.growSize(now, o)
		p.growWidth(o, now.Sub(o.started))
	case crowded:
		if news {
			p.cut = now
			p.refusals++
			p.slow(now)
			p.width = max(1, p.width/2)
			if o.retryAfter == 0 {
				p.hush(now, p.backoff<<min(p.refusals-1, 20))
			}
			if p.refusals > 1 || o.single { // the batch itself may be more than is ever allowed
				p.shrink(now, o)
			}
		}
	case tooMuch:
		p.first.now = min(p.first.now, max(1, o.n/2))
		p.shrink(now, o)
	case alone:
		p.first.refuse(2, now)
		for _, s := range p.sizes {
			s.refuse(2, now)
		}
	case late:
		p.shrink(now, o)
		if news {
			p.cut = now
			p.width = max(1, p.width/2)
		}
	case lost:
	}
}

// hush keeps the endpoint from being asked for a while.
func (p *pace) hush(now time.Time, d time.Duration) {
	if until := now.Add(min(d, maxQuiet)); until.After(p.quiet) {
		p.quiet = until
	}
}

// shrink halves the batches of a kind.
func (p *pace) shrink(now time.Time, o outcome) {
	if o.n > 1 {
		p.size(o.kind).refuse(o.n, now)
	}
}

func (s *size) refuse(n int, now time.Time) {
	s.refused, s.until = n, now.Add(sizeMemory)
	s.now = min(s.now, max(1, n/2))
}

// growSize makes batches larger after one that was as large as they may be:
// twice as large where no limit is known, else by an eighth and not up to it.
func (p *pace) growSize(now time.Time, o outcome) {
	s := p.size(o.kind)
	if o.n < s.now {
		return
	}
	if s.refused > 0 && now.After(s.until) {
		s.refused = 0
	}
	if s.refused == 0 {
		s.now = min(2*s.now, maxBatch)
		return
	}
	s.now = max(1, min(s.now+max(1, s.now/8), s.refused-1, maxBatch))
}

// slow cuts the rate after a refusal. The first time it is what was answered in
// the last second that is taken for the limit.
func (p *pace) slow(now time.Time) {
	was := p.limit.Limit()
	p.ceiling = was
	if was == rate.Inf {
		was = p.meter.rate(now)
		if p.ceiling = was; was < minRate { // too little to conclude from
			was, p.ceiling = minRate, rate.Inf
		}
	}
	p.grown, p.waited = now, false
	p.setRate(now, was*0.7)
}

// setRate also bounds a batch to what is allowed in a quarter of a second, and
// to no less than a block and its receipts.
func (p *pace) setRate(now time.Time, l rate.Limit) {
	if l > unlimited {
		p.limit.SetLimitAt(now, rate.Inf)
		p.limit.SetBurstAt(now, maxBatch)
		p.ceiling = rate.Inf
		return
	}
	p.limit.SetLimitAt(now, l)
	p.limit.SetBurstAt(now, min(maxBatch, max(2, int(l/4))))
}

// growRate raises a rate that was used up, once per second: fast to a tenth
// below what was refused, slowly from there on, and fast again when that has
// evidently changed.
func (p *pace) growRate(now time.Time) {
	l := p.limit.Limit()
	if l == rate.Inf || !p.waited || now.Sub(p.grown) < time.Second {
		return
	}
	p.grown, p.waited = now, false
	if l > 1.2*p.ceiling {
		p.ceiling = rate.Inf
	}
	if l < 0.9*p.ceiling {
		p.setRate(now, min(1.25*l, 0.9*p.ceiling))
		return
	}
	p.setRate(now, 1.005*l)
}

// growWidth asks for more at the same time as long as the endpoint answers as
// fast as with less, in the way of TCP Vegas: of width requests,
// width × (1 − best/mean) are reckoned to wait at the endpoint. Only a cut goes
// below the width of the start.
func (p *pace) growWidth(o outcome, took time.Duration) {
	if p.width < p.start {
		// Back after a cut, by one for each request of a round.
		if o.full {
			p.width++
		}
		return
	}
	if !o.full {
		return
	}
	l := &p.size(o.kind).latency
	mean, whole := l.add(took, 4*p.width)
	if !whole {
		return
	}
	if l.rounds == latencyMemory { // blocks grow over the years, nodes slow down
		*l, p.width = latency{}, p.start
		return
	}
	switch waiting := time.Duration(p.width) * (mean - l.best); { // times mean
	case waiting < 2*mean && p.width < p.max:
		p.width++
	case waiting > 4*mean && p.width > p.start:
		p.width--
	}
}

// latencyMemory is after how many rounds the best latency is measured anew.
const latencyMemory = 200

// latency is how long requests of a kind take.
type latency struct {
	best   time.Duration // the smallest mean of a round
	sum    time.Duration
	n      int // requests in this round
	rounds int
}

// add takes a request's time into a round of n, and gives the mean of a round
// that is whole.
func (l *latency) add(took time.Duration, n int) (mean time.Duration, whole bool) {
	l.sum += max(took, 1)
	if l.n++; l.n < n {
		return 0, false
	}
	mean = l.sum / time.Duration(l.n)
	l.sum, l.n = 0, 0
	l.rounds++
	if l.best == 0 || mean < l.best {
		l.best = mean
	}
	return mean, true
}

// meter counts what was answered in about the last second.
type meter struct {
	second    time.Time // when the current one began
	now, last int
}

func (m *meter) turn(now time.Time) {
	switch since := now.Sub(m.second); {
	case since >= 2*time.Second:
		m.second, m.now, m.last = now, 0, 0
	case since >= time.Second:
		m.second, m.now, m.last = m.second.Add(time.Second), 0, m.now
	}
}

func (m *meter) count(now time.Time, n int) {
	m.turn(now)
	m.now += n
}

// rate is how many requests were answered in the last second.
func (m *meter) rate(now time.Time) rate.Limit {
	m.turn(now)
	part := min(now.Sub(m.second), time.Second)
	return rate.Limit(m.now) + rate.Limit(m.last)*rate.Limit(time.Second-part)/rate.Limit(time.Second)
}
