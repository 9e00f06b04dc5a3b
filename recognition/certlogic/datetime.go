package certlogic

import (
	"fmt"
	"strings"
	"time"
)

// unit is a unit of time that plusTime adds.
type unit int

const (
	hour unit = iota
	day
	month
	year
)

var units = map[string]unit{"hour": hour, "day": day, "month": month, "year": year}

// maxMillis bounds instants as ECMAScript does (ECMA-262, "Time Values and Time Range").
const maxMillis = 8_640_000_000_000_000

// maxAmount bounds what may be added of a unit: more leads out of the range of
// time from anywhere in it.
var maxAmount = map[unit]int64{year: 600_000, month: 7_000_000, day: 200_000_000, hour: 5_000_000_000}

// plusTime reads a date-time and adds to it.
type plusTime struct {
	operand node
	amount  int64
	unit    unit
}

func (p *plusTime) evaluate(data any, b *Budget) (any, error) {
	if err := b.spend(1); err != nil {
		return nil, err
	}
	v, err := p.operand.evaluate(data, b)
	if err != nil {
		return nil, err
	}
	s, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("%w: \"plusTime\" takes a date or date-time as text, and has %s", ErrOperand, kindOf(v))
	}
	if err := b.spend(text(len(s))); err != nil {
		return nil, err
	}
	t, ok := parseDateTime(s)
	if !ok {
		return nil, fmt.Errorf("%w: \"plusTime\" has text that is no date or date-time in a form of the specification", ErrOperand)
	}
	return add(t, p.amount, p.unit)
}

// add is the setUTC… of ECMAScript's Date: the field grows, and what is over it
// goes into the next, so that 2020-02-29 and a year is 2021-03-01.
func add(t time.Time, amount int64, u unit) (any, error) {
	if most := maxAmount[u]; amount > most || amount < -most {
		return nil, fmt.Errorf("%w: \"plusTime\" adds %d, at most %d of this unit", ErrOperand, amount, most)
	}
	y, m, d := t.Date()
	h := t.Hour()
	switch n := int(amount); u {
	case year:
		y += n
	case month:
		m += time.Month(n)
	case day:
		d += n
	case hour:
		h += n
	}
	ms := time.Date(y, m, d, h, t.Minute(), t.Second(), t.Nanosecond(), time.UTC).UnixMilli()
	if ms > maxMillis || ms < -maxMillis {
		return nil, fmt.Errorf("%w: \"plusTime\" leads out of the range of time", ErrOperand)
	}
	return instant(ms), nil
}

// dateOfBirth gives the last day that a date of birth, which may be partial, can mean.
type dateOfBirth struct{ operand node }

func (o *dateOfBirth) evaluate(data any, b *Budget) (any, error) {
	if err := b.spend(1); err != nil {
		return nil, err
	}
	v, err := o.operand.evaluate(data, b)
	if err != nil {
		return nil, err
	}
	s, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("%w: \"dccDateOfBirth\" takes a date as text, and has %s", ErrOperand, kindOf(v))
	}
	t, rest, ok := parseDate(s)
	if !ok || rest != "" {
		return nil, fmt.Errorf("%w: \"dccDateOfBirth\" has text that is not YYYY, YYYY-MM or YYYY-MM-DD", ErrOperand)
	}
	return instant(t.UnixMilli()), nil
}

// parseDate reads YYYY, YYYY-MM or YYYY-MM-DD at the beginning of s, the partial
// ones as their last day, and gives what follows.
func parseDate(s string) (t time.Time, rest string, ok bool) {
	y, s, ok := digits(s, 4)
	if !ok {
		return t, s, false
	}
	if s == "" {
		return time.Date(y, time.December, 31, 0, 0, 0, 0, time.UTC), "", true
	}
	m, s, ok := after(s, '-', 2)
	if !ok || m < 1 || m > 12 {
		return t, s, false
	}
	last := time.Date(y, time.Month(m)+1, 0, 0, 0, 0, 0, time.UTC)
	if s == "" {
		return last, "", true
	}
	d, s, ok := after(s, '-', 2)
	if !ok || d < 1 || d > last.Day() {
		return t, s, false
	}
	return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC), s, true
}

// parseDateTime reads the forms that the specification lists under "plusTime".
func parseDateTime(s string) (time.Time, bool) {
	t, s, ok := parseDate(s)
	if !ok || s == "" {
		return t, ok
	}
	h, s, ok := after(s, 'T', 2)
	if !ok || h > 23 {
		return t, false
	}
	m, s, ok := after(s, ':', 2)
	if !ok || m > 59 {
		return t, false
	}
	sec, s, ok := after(s, ':', 2)
	if !ok || sec > 59 {
		return t, false
	}
	ms, s, ok := fraction(s)
	if !ok {
		return t, false
	}
	offset, ok := parseOffset(s)
	if !ok {
		return t, false
	}
	y, mo, d := t.Date()
	return time.Date(y, mo, d, h, m-offset, sec, ms*int(time.Millisecond), time.UTC), true
}

// fraction reads a fraction of a second, if there is one, down to the millisecond.
func fraction(s string) (ms int, rest string, ok bool) {
	if !strings.HasPrefix(s, ".") {
		return 0, s, true
	}
	s = s[1:]
	n := 0
	for scale := 100; n < len(s) && s[n] >= '0' && s[n] <= '9'; n, scale = n+1, scale/10 {
		ms += int(s[n]-'0') * scale // scale is 0 from the fourth digit on
	}
	return ms, s[n:], n > 0
}

// parseOffset reads an offset from UTC in minutes: none, Z, or a sign with h,
// hh, hmm, hhmm, h:mm or hh:mm.
func parseOffset(s string) (minutes int, ok bool) {
	if s == "" || s == "Z" {
		return 0, true
	}
	if s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	hours, mins, colon := strings.Cut(s[1:], ":")
	if !colon && len(hours) > 2 {
		hours, mins, colon = hours[:len(hours)-2], hours[len(hours)-2:], true
	}
	if len(hours) == 1 {
		hours = "0" + hours
	}
	h, rest, ok := digits(hours, 2)
	if !ok || rest != "" || h > 23 {
		return 0, false
	}
	if colon {
		m, rest, ok := digits(mins, 2)
		if !ok || rest != "" || m > 59 {
			return 0, false
		}
		minutes = m
	}
	if minutes += 60 * h; s[0] == '-' {
		minutes = -minutes
	}
	return minutes, true
}

// digits reads exactly n digits.
func digits(s string, n int) (value int, rest string, ok bool) {
	if len(s) < n {
		return 0, s, false
	}
	for _, c := range []byte(s[:n]) {
		if c < '0' || c > '9' {
			return 0, s, false
		}
		value = 10*value + int(c-'0')
	}
	return value, s[n:], true
}

// after reads a mark and n digits.
func after(s string, mark byte, n int) (value int, rest string, ok bool) {
	if s == "" || s[0] != mark {
		return 0, s, false
	}
	return digits(s[1:], n)
}
