package native

import (
	"strconv"
	"time"

	"concordat/healthcode"
)

// fields lists what a card says, for a person to read; the id is left out (N4).
func (c *Card) fields() []healthcode.Field {
	fields := make([]healthcode.Field, 0, 16)
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, healthcode.Field{Name: name, Value: value})
		}
	}
	add("dateOfBirth", c.BirthDate)
	if h := c.Health; h != nil {
		add("status", h.Status.Level)
		add("scheme", h.Status.Scheme)
		add("legalGround", h.Status.LegalGround)
		add("statusUntil", stamp(h.Status.Until))
		if d := h.Declared; d != nil {
			add("declaredAt", stamp(d.At))
			add("audit", string(d.Audit))
			add("auditedAt", stamp(d.AuditedAt))
			add("auditor", d.Auditor)
		}
	}
	if i := c.Itinerary; i != nil {
		add("coveredFrom", stamp(i.Covered.From))
		add("coveredTo", stamp(i.Covered.To))
		for n, s := range i.Stays {
			add("stay"+strconv.Itoa(n+1), s.Area+" from "+stamp(s.From)+" to "+stamp(s.To))
		}
	}
	return fields
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// tree is the JSON form of docs/formats/health-code.md, which acceptance rules
// look at.
func (c *Card) tree() map[string]any {
	t := map[string]any{
		"kind": string(c.Kind()),
		"iss":  c.Region,
		"iat":  stamp(c.IssuedAt),
		"exp":  stamp(c.ExpiresAt),
		"id":   c.ID.Text(),
	}
	put(t, "nbf", stamp(c.NotBefore))
	put(t, "dob", c.BirthDate)
	if h := c.Health; h != nil {
		health := map[string]any{"scheme": h.Status.Scheme, "level": h.Status.Level}
		put(health, "legalGround", h.Status.LegalGround)
		put(health, "until", stamp(h.Status.Until))
		if d := h.Declared; d != nil {
			declaration := map[string]any{"at": stamp(d.At), "audit": string(d.Audit)}
			put(declaration, "auditedAt", stamp(d.AuditedAt))
			put(declaration, "auditor", d.Auditor)
			health["declaration"] = declaration
		}
		t["health"] = health
	}
	if i := c.Itinerary; i != nil {
		stays := make([]any, len(i.Stays))
		for n, s := range i.Stays {
			stays[n] = map[string]any{"area": s.Area, "from": stamp(s.From), "to": stamp(s.To)}
		}
		t["itinerary"] = map[string]any{
			"covered": map[string]any{"from": stamp(i.Covered.From), "to": stamp(i.Covered.To)},
			"stays":   stays,
		}
	}
	return t
}

// put leaves out what is not given.
func put(t map[string]any, name, value string) {
	if value != "" {
		t[name] = value
	}
}
