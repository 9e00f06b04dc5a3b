package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"concordat/client"
	"concordat/healthcode/trustlist"
	"concordat/ledger/statement"
)

// imported is what issuer import answers.
type imported struct {
	Registered []said              `json:"registered"` // new; with --dry-run: what would be
	Known      []said              `json:"known"`      // had been registered before
	List       importedList        `json:"list"`
	Changed    []unlike            `json:"changed,omitempty"` // registered, and the list says otherwise of them
	Ended      []unlike            `json:"ended,omitempty"`   // on the list, and retired or compromised here: they stay so
	Missing    []unlike            `json:"missing,omitempty"` // registered, and not on the list
	Retired    []said              `json:"retired,omitempty"` // of those, with --retire-missing
	Revoked    []said              `json:"revoked,omitempty"` // batches of the list's revocations that are new
	Batches    int                 `json:"revocationsKnown,omitempty"`
	Refused    []trustlist.Refusal `json:"refused,omitempty"`
	Remarks    []onKey             `json:"remarks,omitempty"` // on keys that are new
	DryRun     bool                `json:"dryRun,omitempty"`
}

// importedList is the list as it was read.
type importedList struct {
	Format  string     `json:"format"`
	Time    *time.Time `json:"time,omitempty"`
	Entries int        `json:"entries"` // read, refused ones among them
	Keys    int        `json:"keys"`    // different ones, of those that were asked for
	Signed  string     `json:"signed,omitempty"`
	Remarks []string   `json:"remarks,omitempty"`
}

// unlike is a key of which the list and the ledger say different things.
type unlike struct {
	Key   string `json:"key"`
	KeyID string `json:"kid"`
	Where string `json:"where,omitempty"`
	Why   string `json:"why"`
	Kept  bool   `json:"kept,omitempty"` // missing, and --retire-missing leaves it: it came from another list, or none
}

// onKey is a remark on a key.
type onKey struct {
	Key    string `json:"key"`
	Where  string `json:"where,omitempty"`
	Remark string `json:"remark"`
}

func newImported(list *trustlist.List, dry bool) *imported {
	a := &imported{Registered: []said{}, Known: []said{}, DryRun: dry, List: importedList{
		Format: string(list.Format), Entries: len(list.Entries) + len(list.Refused), Signed: list.Signed, Remarks: list.Remarks,
	}}
	if !list.Time.IsZero() {
		a.List.Time = &list.Time
	}
	return a
}

// compare finds what is new, by one look at the node's state.
func (m *importing) compare(ctx context.Context, t *terminal, p *plan) error {
	c, err := m.client()
	if err != nil {
		return err
	}
	have, err := c.Issuers(ctx, string(p.id), "")
	reachable := err == nil
	switch {
	case m.dryRun && (isNamed(err, client.Unreachable) || isNamed(err, client.NotUnderstood)):
		t.say("remark: no node answers, so everything is shown as if it were new: %v", err)
	case err != nil:
		return err
	}
	byID := map[string]*client.IssuerKey{}
	for i, k := range have.Issuers {
		byID[k.ID] = &have.Issuers[i]
	}
	onList := map[string]bool{}
	for _, k := range p.keys {
		id := k.body.Thumbprint().String()
		onList[id] = true
		old := byID[id]
		if old == nil {
			p.register = append(p.register, newJob(k.said, k.body, 1, k.key.where())) // a key is registered once: its first revision
			for _, r := range k.key.Remarks {
				p.answer.Remarks = append(p.answer.Remarks, onKey{id, k.key.Where, r})
			}
			continue
		}
		p.answer.Known = append(p.answer.Known, k.said)
		switch why := differs(old, k.body); {
		case old.Status != registeredKey:
			p.answer.Ended = append(p.answer.Ended, unlike{Key: id, KeyID: old.KeyID, Where: k.key.Where, Why: ended(old)})
		case why != "":
			p.answer.Changed = append(p.answer.Changed, unlike{Key: id, KeyID: old.KeyID, Where: k.key.Where, Why: why})
		}
	}
	for i, r := range p.answer.Remarks {
		if i == maxListed {
			t.say("remark: … and %d remarks more; --json has all", len(p.answer.Remarks)-i)
			break
		}
		t.say("remark: %s: %s", placeIn(m.path, r.Where), r.Remark)
	}
	if err := m.missing(p, have.Issuers, onList); err != nil {
		return err
	}
	if err := m.newRevocations(ctx, c, p, reachable); err != nil {
		return err
	}
	if m.dryRun {
		p.answer.Registered = append(p.answer.Registered, saidOf(p.register)...)
		p.answer.Retired, p.answer.Revoked = saidOf(p.retire), saidOf(p.revoke)
	}
	return nil
}

// registeredKey is the status of a key that is neither retired nor compromised.
const registeredKey = "registered"

func ended(k *client.IssuerKey) string {
	at := k.RetiredAt
	if k.Since != nil {
		at = k.Since
	}
	return fmt.Sprintf("it is %s since %s, and stays so", k.Status, stamp(at))
}

// differs says in which of a registration's words the ledger has others.
func differs(k *client.IssuerKey, body *statement.RegisterKey) string {
	var why []string
	add := func(what, has, list string) {
		if has != list {
			why = append(why, fmt.Sprintf("%s %s, and the list says %s", what, has, list))
		}
	}
	if !sameKeyID(fmt.Sprintf("%x", body.KeyID), k.KeyID) {
		add("it has the key id", k.KeyID, fmt.Sprintf("%x", body.KeyID))
	}
	kinds := make([]string, len(body.Kinds))
	for i, one := range body.Kinds {
		kinds[i] = string(one)
	}
	add("it is good for", orAll(k.Kinds), orAll(kinds))
	add("it is valid from", stamp(k.ValidFrom), stampOf(body.ValidFrom))
	add("it is valid until", stamp(k.ValidUntil), stampOf(body.ValidUntil))
	if k.Issuer != "" || k.Name != "" { // else the network had no place for them
		add("its issuer is", quoted(k.Issuer), quoted(body.Issuer))
		add("its issuer's name is", quoted(k.Name), quoted(body.Name))
	}
	return strings.Join(why, "; ")
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }

func stampOf(at statement.Time) string {
	if at == 0 {
		return "-"
	}
	return at.String()
}

// print says for people what was found and done.
func (a *imported) print(w io.Writer) error {
	p := &printer{w: w}
	if a.DryRun {
		for _, list := range [][]said{a.Registered, a.Retired, a.Revoked} {
			for i := range list {
				p.line("%s", list[i].Words)
			}
		}
		p.line("%d keys would be registered, %d are registered already", len(a.Registered), len(a.Known))
	} else {
		p.line("%d keys registered, %d were registered before", len(a.Registered), len(a.Known))
	}
	for _, part := range []struct {
		what string
		list []unlike
	}{
		{"registered in other words than the list's, which cannot be changed: retire the key, or leave it", a.Changed},
		{"on the list and ended here", a.Ended},
		{"registered and not on the list", a.Missing},
	} {
		if len(part.list) == 0 {
			continue
		}
		p.line("%d %s:", len(part.list), part.what)
		for i, u := range part.list {
			if i == maxListed {
				p.line("  … and %d more; --json has all", len(part.list)-i)
				break
			}
			p.line("  %s  %s  %s", short(u.Key), u.KeyID, u.Why)
		}
	}
	if n := len(a.Retired); n > 0 && !a.DryRun {
		p.line("%d keys retired", n)
	}
	if n := len(a.Revoked); n+a.Batches > 0 {
		p.line("revocation lists: %d batches new, %d known", n, a.Batches)
	}
	if n := len(a.Refused); n > 0 {
		p.line("%d entries refused", n)
	}
	if a.DryRun {
		p.line("not signed, not sent (--dry-run)")
	}
	return p.err
}

// maxListed bounds the keys that are listed for people, of each sort.
const maxListed = 20
