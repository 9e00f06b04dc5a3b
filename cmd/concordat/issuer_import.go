package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"concordat/healthcode/trustlist"
	"concordat/ledger/statement"
)

// importing is what issuer import is told.
type importing struct {
	speech
	csca          []string
	signature     string
	signer        string
	didSigner     string
	domains       []string
	countries     []string
	kinds         kinds
	issuer, name  string // of keys of which the list says none
	strict        bool
	retireMissing bool
	yes           bool
	noRevocations bool
	revokedUntil  moment
	untilGiven    bool     // revokedUntil is not the default
	chosen        []string // countries, as the ledger spells them
	path          string
	now           time.Time
}

func newIssuerImport(t *terminal) *cobra.Command {
	var m importing
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Register the keys of a trust list",
		Long: `  concordat issuer import --dir xa --dry-run vci_snapshot.json     # what is new, known, and on the list no more
  concordat issuer import --dir xa vci_snapshot.json
  concordat issuer import --dir xa --csca csca.pem dscs.pem
  concordat issuer import --dir xa --country DE --country FR trustlist.json
  concordat issuer import --dir xa --issuer https://cards.example/issuer jwks.json

FILE is recognised by its content:

  certificates, PEM (any number) or DER      a JWK, or a JWK set
  the VCI directory's vci_snapshot.json, with its revocation lists
  /trustList of the EU's or WHO's gateway, or what the EU's verifier service answers
  WHO's did.json                              Germany's, the Dutch and the Swedish list
  our own JSON                                (docs/operations/trust-lists.md has all)

A list proves what its signature and its certificates prove; what was checked
and what was not is said. A VCI snapshot's signature is looked for beside it,
as vci_snapshot.sig and vci_snapshot.crt. With --csca every certificate must
chain to one of its country. An entry that is bad is left out, with the reason,
and the others go on; --strict leaves out all if one is bad, or contradicts the
list on its country where no CSCA shows whose it is (else that is a remark).

Whose keys they are: the authority that imports a key vouches for that key's
codes as its own, whatever country the list names. --country takes only those.

Every key is checked before the first is sent. Running it again registers what
is missing, so one that was cut short goes on. Keys that this authority has
registered and that are not on the list are shown; --retire-missing retires those
whose issuer has other keys on the list, or, where they name no issuer, those
whose certificate is of a country with others on it. Keys that came from elsewhere
stay. A key that was retired or declared compromised never comes back by a list.

A revocation list is taken if no other issuer lists its key, or all who do say the
same; more than 1,000 statements of revocations are signed with --yes only.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m.path, m.now = args[0], time.Now()
			return m.run(cmd, t)
		},
	}
	m.speech.flags(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&m.csca, "csca", nil, "`FILE` with CSCAs (WHO: SCAs) to trust, PEM or DER: every certificate must chain to one; repeat it for more")
	f.StringVar(&m.signature, "signature", "", "`FILE` with the list's detached signature (VCI)")
	f.StringVar(&m.signer, "signer", "", "`FILE` with the certificate or public key of who signs the list (VCI, Germany, Sweden), or of the gateway's trust anchor")
	f.StringVar(&m.didSigner, "did-signer", "", "`FILE` with the DID document of who signs WHO's list")
	f.StringSliceVar(&m.domains, "domain", nil, "trust domains to take of WHO's list (default DCC)")
	f.StringSliceVar(&m.countries, "country", nil, "only keys that the list names of this `REGION`; repeat it for more")
	f.Var(&m.kinds, "kinds", "kinds of code for keys of which the list says none (default all)")
	f.StringVar(&m.issuer, "issuer", "", "the issuer's `URL` as its codes name it (iss), for keys without certificate of which the list says none: a JWK set")
	f.StringVar(&m.name, "name", "", "the issuer's name for people, beside --issuer")
	f.BoolVar(&m.strict, "strict", false, "send nothing if any entry is refused, or is of another country than the list says")
	f.BoolVar(&m.retireMissing, "retire-missing", false, "retire the keys of this authority that are not on the list, and are of an issuer or a country that is: it is the whole of those")
	f.BoolVar(&m.yes, "yes", false, "with --retire-missing: even if that is more than half of them; and sign more than 1,000 statements for the list's revocation lists")
	f.BoolVar(&m.noRevocations, "no-revocations", false, "leave the list's revocation lists out")
	f.Var(&m.revokedUntil, "revocations-until", "until when the list's revocations count (default the end of the tenth year from now)")
	cmd.MarkFlagsMutuallyExclusive("retire-missing", "country")
	return cmd
}

// run reads and checks everything, then says what is to be said.
func (m *importing) run(cmd *cobra.Command, t *terminal) error {
	ctx := cmd.Context()
	for _, c := range m.countries {
		r, err := statement.ParseRegion(c)
		if err != nil {
			return usage("--country: %w", err)
		}
		m.chosen = append(m.chosen, string(r))
	}
	id, err := m.speaker()
	if err != nil {
		return err
	}
	list, err := m.read(t)
	if err != nil {
		return err
	}
	p, err := m.prepare(t, id, list)
	if err != nil {
		return err
	}
	if err := m.compare(ctx, t, p); err != nil {
		return err
	}
	if m.dryRun {
		return t.emit(cmd, p.answer, p.answer.print)
	}
	v, err := m.voice(ctx, t)
	if err != nil {
		return err
	}
	err = m.send(ctx, t, v, p)
	if _, late := err.(*outcome); err != nil && !late {
		return err
	}
	if failed := t.emit(cmd, p.answer, p.answer.print); failed != nil {
		return failed
	}
	return err
}

// plan is what an import comes to.
type plan struct {
	id     statement.Region
	list   *trustlist.List
	keys   []*listedKey
	answer *imported

	register, retire, revoke []*job // what is to be said
}

// listedKey is a key that is on the list, and what would register it.
type listedKey struct {
	key  issuerKey
	body *statement.RegisterKey
	said said
}

// prepare makes the statements that the list comes to, and checks them all.
func (m *importing) prepare(t *terminal, id statement.Region, list *trustlist.List) (*plan, error) {
	p := &plan{id: id, list: list, answer: newImported(list, m.dryRun)}
	for _, e := range trustlist.Merge(m.choose(t, id, list)) {
		if e.Issuer == "" && e.Certificate == nil {
			e.Issuer, e.Name = m.issuer, m.name
		}
		k := issuerKey{m.path, e}
		body, err := k.registration()
		if err == nil && len(body.Kinds) == 0 {
			body.Kinds = m.kinds.list
		}
		var words said
		if err == nil {
			words, err = wordsOf(id, body)
		}
		if err != nil {
			sum := e.Thumbprint()
			list.Refused = append(list.Refused, trustlist.Refusal{Where: e.Where, Reason: err.Error(), Thumbprint: &sum, Region: e.Region})
			continue
		}
		p.keys = append(p.keys, &listedKey{k, body, words})
	}
	if len(m.chosen) > 0 { // of other regions' entries nothing was asked; one without a region may be of these
		list.Refused = slices.DeleteFunc(list.Refused, func(r trustlist.Refusal) bool { return r.Region != "" && !slices.Contains(m.chosen, r.Region) })
	}
	p.answer.Refused = append(p.answer.Refused, list.Refused...)
	p.answer.List.Keys = len(p.keys)
	for i, r := range list.Refused {
		if i == maxListed {
			t.say("refused: … and %d more; --json has all", len(list.Refused)-i)
			break
		}
		t.say("refused: %s: %s", placeIn(m.path, r.Where), r.Reason)
	}
	if n := len(list.Refused); n > 0 && m.strict {
		return nil, usage("nothing was sent: %d of %d entries are refused, and --strict was given", n, n+len(list.Entries))
	}
	if len(p.keys) == 0 {
		if len(list.Refused) > 0 {
			return nil, usage("%s holds no key that can be registered; all %d are refused", m.path, len(list.Refused))
		}
		if len(m.chosen) > 0 {
			return nil, usage("%s holds no key of %s", m.path, strings.Join(m.chosen, ", "))
		}
		return nil, usage("%s holds no key", m.path)
	}
	return p, m.revocations(t, p)
}

// choose leaves out the entries of other countries than those that were asked for.
func (m *importing) choose(t *terminal, id statement.Region, list *trustlist.List) []trustlist.Entry {
	var out []trustlist.Entry
	others := counted{}
	for _, e := range list.Entries {
		if len(m.chosen) > 0 && !slices.Contains(m.chosen, e.Region) {
			continue
		}
		if e.Region != "" && e.Region != string(id) {
			others.add(e.Region)
		}
		out = append(out, e)
	}
	if n := others.total(); n > 0 {
		t.say("remark: %d keys are listed for other regions (%s): %s vouches for their codes as its own; --country takes only some", n, others, id)
	}
	return out
}

// counted counts by name.
type counted map[string]int

func (c counted) add(name string) { c[name]++ }

func (c counted) total() int {
	n := 0
	for _, k := range c {
		n += k
	}
	return n
}

// String names the most frequent first.
func (c counted) String() string {
	names := sortedBy(c)
	text := ""
	for i, n := range names {
		if i == 12 {
			return text + fmt.Sprintf(" and %d more", len(names)-i)
		}
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%s %d", n, c[n])
	}
	return text
}
