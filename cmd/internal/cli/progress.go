package cli

import (
	"fmt"
	"sync"
	"time"
)

const (
	progressAfter = 2 * time.Second        // quicker work says nothing
	progressEvery = 200 * time.Millisecond // between two lines
	// The rate that is shown is of the last one to two of these, so that it
	// neither jumps nor tells of what was long ago.
	progressSpan = 10 * time.Second
)

// Progress shows how far long work is, on one line of a terminal. It shows
// nothing in a pipe, and nothing of work that is done within two seconds. It
// is safe for concurrent use.
type Progress struct {
	env   *Env
	what  string
	total uint64 // 0 when it is not known

	mu      sync.Mutex
	done    uint64
	started time.Time
	shown   time.Time
	// The rate is counted from the older of two marks.
	older, newer mark
}

// mark is how far work was.
type mark struct {
	at   time.Time
	done uint64
}

// Progress begins to show work of total steps; 0 if nobody knows how many.
func (e *Env) Progress(what string, total uint64) *Progress {
	begun := mark{at: e.Now()}
	return &Progress{env: e, what: what, total: total, started: begun.at, older: begun, newer: begun}
}

// Add notes that n more steps are done.
func (p *Progress) Add(n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	now := p.env.Now()
	if now.Sub(p.newer.at) >= progressSpan {
		p.older, p.newer = p.newer, mark{now, p.done}
	}
	if !p.env.ErrTerminal || now.Sub(p.started) < progressAfter || now.Sub(p.shown) < progressEvery {
		return
	}
	p.shown = now
	fmt.Fprintf(p.env.Err, "\r\x1b[K%s", Clean(p.line(now)))
}

// Set notes that n steps are done in all.
func (p *Progress) Set(n uint64) {
	p.mu.Lock()
	p.done = n
	p.mu.Unlock()
	p.Add(0)
}

// End takes the line away.
func (p *Progress) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.shown.IsZero() {
		fmt.Fprint(p.env.Err, "\r\x1b[K")
	}
}

func (p *Progress) line(now time.Time) string {
	took := uint64(max(now.Sub(p.older.at), time.Microsecond).Microseconds())
	done := p.done - min(p.done, p.older.done) // work may begin anew
	rate := done * uint64(time.Second/time.Microsecond) / took
	if p.total == 0 {
		return fmt.Sprintf("%s: %d, %d/s", p.what, p.done, rate)
	}
	s := fmt.Sprintf("%s: %d of %d, %d/s", p.what, p.done, p.total, rate)
	if done > 0 && p.total >= p.done {
		// In whole microseconds, so that a billion steps do not overflow.
		left := time.Duration(took*(p.total-p.done)/done) * time.Microsecond
		s += fmt.Sprintf(", %s left", left.Round(time.Second))
	}
	return s
}

// Busy shows for how long work goes on of which nobody knows how much is left,
// such as deriving a key, on one line of a terminal: nothing in a pipe, and
// nothing of work that is done within two seconds. The caller calls what it
// returns once, when the work is done and before anything else is printed.
func (e *Env) Busy(what string) func() {
	if !e.ErrTerminal {
		return func() {}
	}
	tick := time.NewTicker(time.Second)
	done := e.busy(what, tick.C)
	return func() {
		tick.Stop()
		done()
	}
}

// busy is Busy with ticks of its own.
func (e *Env) busy(what string, tick <-chan time.Time) func() {
	started := e.Now()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		shown := false
		for {
			select {
			case now := <-tick:
				if took := now.Sub(started); took >= progressAfter {
					shown = true
					fmt.Fprintf(e.Err, "\r\x1b[K%s: %s", Clean(what), took.Truncate(time.Second))
				}
			case <-stop:
				if shown {
					fmt.Fprint(e.Err, "\r\x1b[K")
				}
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}
