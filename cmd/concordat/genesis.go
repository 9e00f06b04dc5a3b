package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"concordat/ledger/genesis"
)

func newGenesis(t *terminal) *cobra.Command {
	return group("genesis", "Found a network, or read how one was founded",
		`  concordat genesis create --network health.example --out genesis.json --descriptor xa/descriptor.json --descriptor xb/descriptor.json
  concordat genesis show genesis.json

The founding document names the authorities and their keys. Its SHA-256 is the
network's identity: read it out to one another before anybody starts a node.`,
		newGenesisCreate(t), newGenesisShow(t))
}

// founded is what genesis create and genesis show answer.
type founded struct {
	Network  string            `json:"network"` // id
	Name     string            `json:"name"`
	Genesis  string            `json:"genesis"` // file
	Document *genesis.Document `json:"document"`
}

func newGenesisCreate(t *terminal) *cobra.Command {
	var network, out string
	var files []string
	cmd := &cobra.Command{
		Use:   "create --network NAME --descriptor FILE… --out FILE",
		Short: "Write the founding document of a network",
		Long: `  concordat genesis create --network health.example --out genesis.json --descriptor xa/descriptor.json --descriptor xb/descriptor.json
  sha256sum genesis.json                       # the network's identity

Every authority of the descriptors becomes a validator. Four survive the loss
of one; with fewer than four, one that fails stops the network.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var ds []genesis.Descriptor
			for _, path := range append(files, args...) {
				raw, err := readFile(path, genesis.MaxDescriptor)
				if err != nil {
					return err
				}
				d, err := genesis.ParseDescriptor(raw)
				if err != nil {
					return fmt.Errorf("%s: %w", path, err)
				}
				ds = append(ds, *d)
			}
			doc, err := genesis.New(network, time.Now(), ds)
			if err != nil {
				return err
			}
			if err := writeNew(out, doc.Encode()); err != nil {
				return err
			}
			if n := len(doc.Validators()); n < 4 {
				t.say("remark: validators: %d; it takes four to go on when one fails", n)
			}
			t.say("compare the network's id with the other founders before a node is started")
			a := founded{doc.ID().String(), doc.Network, out, doc}
			return t.emit(cmd, a, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s: network %s, %d authorities\nid %s\n", out, doc.Network, len(doc.Authorities), a.Network)
				return err
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&network, "network", "", "`NAME` of the network: a-z, 0-9, \".\" and \"-\"; also the origin of its log")
	f.StringArrayVar(&files, "descriptor", nil, "`FILE` that an authority made with init; repeat it")
	f.StringVar(&out, "out", "", "`FILE` to write; it must not be there yet")
	require(cmd, "network", "descriptor", "out")
	return cmd
}

// writeNew writes a file that must not be there yet.
func writeNew(path string, data []byte) error { return writeNewMode(path, data, 0o644) }

// writeNewMode is writeNew for a file that is not for everyone.
func writeNewMode(path string, data []byte, mode os.FileMode) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%w; nothing is overwritten: choose another name, or move it away", err)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			// Half a file would be taken for a whole one.
			err = errors.Join(err, os.Remove(path))
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}

func newGenesisShow(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "show FILE",
		Short: "Say what a founding document says, and the network's id",
		Long: `  concordat genesis show genesis.json
  concordat genesis show --json genesis.json

Checks the document in every detail, and gives the network's id.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			doc, err := readGenesis(args[0])
			if err != nil {
				return err
			}
			a := founded{doc.ID().String(), doc.Network, args[0], doc}
			return t.emit(cmd, a, func(w io.Writer) error {
				if _, err := fmt.Fprintf(w, "network   %s\nid        %s\ncreated   %s\nprotocol  level %d\n\n", doc.Network, a.Network, doc.Created, doc.ProtocolLevel); err != nil {
					return err
				}
				rows := [][]string{{"REGION", "ROLE", "NAME", "STATEMENT KEY", "ADDRESS"}}
				for _, au := range doc.Authorities {
					rows = append(rows, []string{string(au.ID), string(au.Role), au.Name, au.Keys.Statement.String(), au.Addresses[0]})
				}
				return table(w, rows...)
			})
		},
	}
}
