package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"concordat/client"
	"concordat/node"
)

func newNode(t *terminal) *cobra.Command {
	return group("node", "Run a node",
		`  concordat node run --dir xa --genesis genesis.json --found     # the first start, with the other founders
  concordat node run --dir xa --config configs/validator.yaml    # every later start
  concordat node run --dir xe --genesis genesis.json --join https://node.xa.example   # a new member
  concordat node config --dir xa                                  # what it would be told

A node keeps the ledger, takes part in ordering it, and answers checks over HTTP.`,
		newNodeRun(t), newNodeConfig(t), newNodeTransfer(t))
}

// running is what node run prints with --json once the node has started.
type running struct {
	HTTP string `json:"http"`
	Dir  string `json:"dir"`
	PID  int    `json:"pid"`
}

func newNodeRun(t *terminal) *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "run --dir DIR",
		Short: "Run a node until it is stopped",
		Long: `  concordat node run --dir xa --genesis genesis.json --found
  curl http://127.0.0.1:8460/readyz

Settings come from --config, from the environment (check.max_age is
CONCORDAT_CHECK_MAX_AGE) and from flags; the later weigh more. A setting that
is not known is an error. Relative paths are relative to the working directory.

An empty directory is no reason to found a network: it is as likely a lost
disk. --found, on the first start only, lets the node take part in the founding.

With --join, the node of an authority that is no member yet waits to be voted in:
it shows where the vote stands, and joins by itself. The genesis is what it
believes; the URL may be of anybody's node.

A node that is behind, or whose disk is empty, fetches what it misses from the
others before it takes part; on a terminal a bar shows how far it is.

SIGINT and SIGTERM stop the node in order; a second one kills it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load(cmd, os.Environ(), t)
			if err != nil {
				return err
			}
			s := &screen{t: t}
			cfg.Logger, cfg.Passphrase, cfg.Version = newLogger(s, cfg.Log), t.passphrase, version
			return runNode(cmd, t, s, cfg)
		},
	}
	s.flags(cmd)
	return cmd
}

func runNode(cmd *cobra.Command, t *terminal, s *screen, cfg node.Config) error {
	var now atomic.Pointer[node.Node] // the one that runs
	var first sync.Once
	var said error
	ctx, cancel := context.WithCancelCause(cmd.Context())
	defer cancel(nil)
	watched := s.watch(ctx, func() *client.Progress {
		if n := now.Load(); n != nil {
			return n.Status().CatchingUp
		}
		return nil
	})
	err := node.Run(ctx, cfg, func(n *node.Node) {
		now.Store(n)
		first.Do(func() {
			if !asJSON(cmd) {
				return
			}
			if said = t.emit(cmd, running{"http://" + n.HTTPAddress(), cfg.Dir, os.Getpid()}, nil); said != nil {
				cancel(said)
			}
		})
	})
	watched()
	return errors.Join(said, err)
}

// newLogger logs for the machine that the settings name. They have been checked.
func newLogger(w io.Writer, c node.LogConfig) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

func newNodeConfig(t *terminal) *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the settings that node run would run with",
		Long: `  concordat node config --dir xa --config configs/validator.yaml
  concordat node config --dir xa > xa/node.yaml     # a file to start from

Takes what node run takes, checks it, and prints every setting with its default
filled in.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load(cmd, os.Environ(), t)
			if err != nil {
				return err
			}
			all := settingsOf(cfg)
			return t.emit(cmd, all, func(w io.Writer) error {
				e := yaml.NewEncoder(w)
				e.SetIndent(2)
				if err := e.Encode(all); err != nil {
					return err
				}
				return e.Close()
			})
		},
	}
	s.flags(cmd)
	return cmd
}
