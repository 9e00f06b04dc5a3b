package state

import (
	"concordat/ledger/statement"
)

// Draft is what would become of an action, were it proposed at this size.
type Draft struct {
	Electorate []statement.Region // who could vote, in ascending order
	Needed     int                // how many yes votes would carry it
	Against    Verdict            // why it could not be carried out as things are; accepted if nothing is in its way
	Waits      bool               // it could be, and has to wait until the validators have handed over after the change before
}

// Draft looks at an action that nobody has proposed yet, by the rules that a
// proposal of it would be judged by. It changes nothing. A level that this
// program does not know is nothing that speaks against it: Describe says so.
func (v View) Draft(by statement.Region, do *statement.Action) (Draft, error) {
	n, err := v.Network()
	if err != nil {
		return Draft{}, err
	}
	vs, err := loadValidators(v)
	if err != nil {
		return Draft{}, err
	}
	d := Draft{Electorate: electors(vs, do)}
	d.Needed = needed(n.Policy, do, vs, len(d.Electorate))
	a := act{r: v.Reader, by: by}
	e, against, err := a.effects(n, vs, do)
	if err != nil {
		return Draft{}, err
	}
	d.Against = against
	if against.Accepted() {
		d.Against = tooFew(d.Needed, d.Electorate)
	}
	d.Waits = against.Accepted() && !handingOver(vs, e.waits).Accepted()
	return d, nil
}
