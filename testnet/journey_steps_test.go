package testnet

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"concordat/ledger/genesis"
	"concordat/testnet/codes"
	"concordat/testnet/links"
	"concordat/testnet/ports"
)

// setting reports whether a word is name=value for the environment.
func setting(word string) bool { return strings.HasPrefix(word, "CONCORDAT_") }

// up founds a network and waits until it is ready.
//
//	up XA,XB,XC,XD [links] [level=1] [old] [CONCORDAT_…=…]…
func (j *journey) up(args []string) (string, error) {
	if j.net != nil || len(args) == 0 {
		return "", errors.New("want one network, up XA,XB,XC,XD")
	}
	o := Options{
		Dir: filepath.Join(j.dir, "net"), Regions: strings.Split(args[0], ","), Command: command, PublishHTTP: true,
		// Bundles prove to a node that nobody speaks with how it stands: short, so that nobody waits.
		Env: []string{"CONCORDAT_VOUCH_SEAL=1s", "CONCORDAT_VOUCH_REFRESH=1s"},
	}
	for _, a := range args[1:] {
		switch {
		case a == "level=1":
			o.Level = 1
		case a == "old":
			old, err := oldBinary(j.t)
			if err != nil {
				return "", err
			}
			o.Command = old
		case a == "links":
			// Their HTTP does not go through links: it must not be a way around them.
			j.links, o.PublishHTTP = new(links.Links), false
			o.Links = j.links
		case setting(a):
			o.Env = append(o.Env, a)
		default:
			return "", fmt.Errorf("%q is not understood", a)
		}
	}
	tmp := filepath.Join(j.dir, "tmp")
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return "", err
	}
	// The certificates of the codes that there are.
	for _, name := range []string{"AT-1", "AT-3", "CH-1", "DE-1", "SE-1"} {
		c, err := codes.Get(name)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(tmp, name+".der"), c.Certificate, 0o600); err != nil {
			return "", err
		}
	}
	var err error
	if j.net, err = Up(j.ctx, o); err != nil {
		return "", err
	}
	j.paused, j.apart = map[*Node]bool{}, map[*Node]bool{}
	j.seen = monitorChanges(j.t, j.net)
	return "", nil
}

// init makes the keys of an authority that is not in the network, and has a
// place for its node, which does not run yet.
//
//	init XE [address=MULTIADDR]
func (j *journey) init(args []string) (string, error) {
	if len(args) == 0 {
		return "", errors.New("want init REGION")
	}
	n, err := j.net.Add(args[0])
	if err != nil {
		return "", err
	}
	free, err := ports.Free(1)
	if err != nil {
		return "", err
	}
	address := fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", free[0])
	for _, a := range args[1:] {
		given, is := strings.CutPrefix(a, "address=")
		if !is {
			return "", fmt.Errorf("%q is not understood", a)
		}
		address = given
	}
	out, err := exec.CommandContext(j.ctx, command, "init", "--authority", n.Region, "--name", "Health authority of "+n.Region,
		"--dir", n.Dir, "--address", address, "--http", n.HTTP).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	// The genesis is what a partner is handed, and checks by telephone.
	doc, err := os.ReadFile(j.net.Genesis)
	if err != nil {
		return "", err
	}
	return "", os.WriteFile(filepath.Join(n.Dir, genesisFile), doc, 0o644)
}

// renew makes new keys in the place of an authority's, all of which are lost. The
// descriptor says the same of it as the lost one, but for the keys.
func (j *journey) renew(args []string) (string, error) {
	return each(func(n *Node) error {
		path := filepath.Join(n.Dir, "descriptor.json")
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		lost, err := genesis.ParseDescriptor(raw)
		if err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		given := []string{"init", "--authority", n.Region, "--name", lost.Authority.Name, "--dir", n.Dir, "--http", n.HTTP}
		for _, a := range lost.Authority.Addresses {
			given = append(given, "--address", a)
		}
		if out, err := exec.CommandContext(j.ctx, command, given...).CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	})(j, args)
}

// run starts a node for the first time. Nobody waits for it.
//
//	run XE join=XA [CONCORDAT_…=…]…
func (j *journey) run(args []string) (string, error) {
	if len(args) == 0 {
		return "", errors.New("want run REGION")
	}
	n, err := j.node(args[0])
	if err != nil {
		return "", err
	}
	for _, a := range args[1:] {
		through, joins := strings.CutPrefix(a, "join=")
		switch {
		case joins:
			other, err := j.node(through)
			if err != nil {
				return "", err
			}
			n.Args = append(n.Args, "--join", other.HTTP)
		case setting(a):
			n.Env = append(n.Env, a)
		default:
			return "", fmt.Errorf("%q is not understood", a)
		}
	}
	j.seen.watch(n)
	return "", n.Start()
}

// start starts nodes that were stopped or killed; restart stops them before, and
// waits until they are ready.
//
//	start XB,XC
func (j *journey) start(args []string) (string, error) { return each((*Node).Start)(j, args) }

func (j *journey) restart(args []string) (string, error) {
	return each(func(n *Node) error {
		if err := n.Stop(); err != nil {
			return err
		}
		if err := n.Start(); err != nil {
			return err
		}
		return n.Ready(j.ctx)
	})(j, args)
}

// each makes a step of what is done to every node of a list.
func each(f func(*Node) error) func(*journey, []string) (string, error) {
	return func(j *journey, args []string) (string, error) {
		if len(args) != 1 {
			return "", errors.New("want regions, like XA,XB")
		}
		list, err := j.nodes(args[0])
		for _, n := range list {
			err = errors.Join(err, f(n))
		}
		return "", err
	}
}

func (j *journey) pause(args []string) (string, error) {
	return each(func(n *Node) error {
		j.paused[n] = true
		return n.Pause()
	})(j, args)
}

func (j *journey) resume(args []string) (string, error) {
	return each(func(n *Node) error {
		delete(j.paused, n)
		return n.Resume()
	})(j, args)
}

// leave takes nodes out of the story: they are stopped, and nobody looks at them
// any more.
func (j *journey) leave(args []string) (string, error) {
	return each(func(n *Node) error {
		err := n.Stop()
		j.net.Nodes = slices.DeleteFunc(j.net.Nodes, func(o *Node) bool { return o == n })
		return err
	})(j, args)
}

// wipe loses what is on the disk of a node that does not run.
//
//	wipe XC data|raft|ledger|keys|all-but-keys
func (j *journey) wipe(args []string) (string, error) {
	if len(args) != 2 {
		return "", errors.New("want wipe REGION data|raft|ledger|keys|all-but-keys")
	}
	return each(func(n *Node) error {
		if n.Running() {
			return fmt.Errorf("%s is running", n.Region)
		}
		j.seen.forget(n)
		switch args[1] {
		case "data":
			return os.RemoveAll(filepath.Join(n.Dir, "data"))
		case "raft", "ledger":
			return os.RemoveAll(filepath.Join(n.Dir, "data", args[1]))
		case "keys": // with all that is of them
			return errors.Join(os.RemoveAll(filepath.Join(n.Dir, "keys")), os.RemoveAll(filepath.Join(n.Dir, "signer")))
		case "all-but-keys":
			return keepOnly(n.Dir, "keys", "descriptor.json", genesisFile, "node.log")
		}
		return fmt.Errorf("%q is nothing that can be lost", args[1])
	})(j, args[:1])
}

// copy copies a file or a directory, as from and to a safe.
//
//	copy $XC/keys $tmp/safe
func (j *journey) copy(args []string) (string, error) {
	if len(args) != 2 {
		return "", errors.New("want copy FROM TO")
	}
	info, err := os.Stat(args[0])
	if err != nil {
		return "", err
	}
	if info.IsDir() {
		if err := os.RemoveAll(args[1]); err != nil {
			return "", err
		}
		if err := os.CopyFS(args[1], os.DirFS(args[0])); err != nil {
			return "", err
		}
		return "", ownersOnly(args[1]) // CopyFS lets everybody read
	}
	b, err := os.ReadFile(args[0])
	if err != nil {
		return "", err
	}
	return "", os.WriteFile(args[1], b, info.Mode().Perm())
}

// ownersOnly makes a directory's files their owner's alone, as keys must be.
func ownersOnly(dir string) error {
	return filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	})
}

// move puts the authority's directory on another machine: another path, other
// ports, of which $XD.address is the one that the others are to dial.
func (j *journey) move(args []string) (string, error) {
	return each(func(n *Node) error {
		if n.Running() {
			return fmt.Errorf("%s is running", n.Region)
		}
		free, err := ports.Free(2)
		if err != nil {
			return err
		}
		dir := filepath.Join(j.dir, "moved", n.Region)
		if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
			return err
		}
		if err := os.Rename(n.Dir, dir); err != nil {
			return err
		}
		n.Dir, n.HTTP = dir, fmt.Sprintf("http://127.0.0.1:%d", free[0])
		n.Args = append(n.Args, "--listen", fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", free[1]))
		if j.work != nil {
			j.work.moved(n)
		}
		j.seen.watch(n)
		return nil
	})(j, args)
}

// address is where a node was told to listen.
func address(n *Node) (string, error) {
	for i, a := range n.Args {
		if a == "--listen" && i+1 < len(n.Args) {
			return n.Args[i+1], nil
		}
	}
	return "", fmt.Errorf("%s was not moved: it listens where its descriptor says", n.Region)
}

func (j *journey) cut(args []string) (string, error) {
	if j.links == nil {
		return "", errors.New("the network is not up with links")
	}
	return each(func(n *Node) error {
		j.apart[n] = true
		return j.links.Cut(n.Region)
	})(j, args)
}

func (j *journey) heal(args []string) (string, error) {
	if j.links == nil {
		return "", errors.New("the network is not up with links")
	}
	return each(func(n *Node) error {
		delete(j.apart, n)
		return j.links.Heal(n.Region)
	})(j, args)
}

// variants are binaries that are built once, when one is first wanted.
var variants = struct {
	sync.Mutex
	paths map[string]string
}{paths: map[string]string{}}

// variant builds the command from this tree with a build tag.
func variant(tag string) (string, error) {
	variants.Lock()
	defer variants.Unlock()
	if path := variants.paths[tag]; path != "" {
		return path, nil
	}
	path := command + "-" + tag // beside the command, and removed with it
	out, err := exec.Command("go", "build", "-tags", tag, "-o", path, "concordat/cmd/concordat").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building with -tags %s: %w\n%s", tag, err, out)
	}
	variants.paths[tag] = path
	return path, nil
}

// clock has a node run, from its next start on, with a clock that is wrong by so
// much, or is right again.
//
//	clock XC +1h
//	clock XC right
func (j *journey) clock(args []string) (string, error) {
	if len(args) != 2 {
		return "", errors.New("want clock REGION +1h")
	}
	return each(func(n *Node) error {
		path, err := variant("faults")
		if err != nil {
			return err
		}
		n.Command = path
		n.Env = slices.DeleteFunc(n.Env, func(v string) bool { return strings.HasPrefix(v, "CONCORDAT_FAULT_CLOCK=") })
		if args[1] != "right" {
			n.Env = append(n.Env, "CONCORDAT_FAULT_CLOCK="+strings.TrimPrefix(args[1], "+"))
		}
		return nil
	})(j, args[:1])
}

// binary has a node, and its operator, run another version from now on.
//
//	binary XA old
func (j *journey) binary(args []string) (string, error) {
	if len(args) != 2 {
		return "", errors.New("want binary REGION old|new")
	}
	path := command
	if args[1] == "old" {
		old, err := oldBinary(j.t)
		if err != nil {
			return "", err
		}
		path = old
	}
	return each(func(n *Node) error {
		n.Command = path
		return nil
	})(j, args[:1])
}

// set has a node run with a setting from its next start on.
//
//	set XA CONCORDAT_ROTATE_LEADER=2s
func (j *journey) set(args []string) (string, error) {
	if len(args) != 2 || !setting(args[1]) {
		return "", errors.New("want set REGION CONCORDAT_NAME=value")
	}
	return each(func(n *Node) error {
		n.Env = append(n.Env, args[1])
		return nil
	})(j, args[:1])
}

// spoil writes a descriptor in which one proof is of something else.
//
//	spoil $XE.descriptor $tmp/broken.json
func (j *journey) spoil(args []string) (string, error) {
	if len(args) != 2 {
		return "", errors.New("want spoil DESCRIPTOR OUT")
	}
	raw, err := os.ReadFile(args[0])
	if err != nil {
		return "", err
	}
	d, err := genesis.ParseDescriptor(raw)
	if err != nil {
		return "", err
	}
	d.Authority.Name += ", somewhere else"
	if raw, err = json.MarshalIndent(d, "", "  "); err != nil {
		return "", err
	}
	return "", os.WriteFile(args[1], append(raw, '\n'), 0o600)
}
