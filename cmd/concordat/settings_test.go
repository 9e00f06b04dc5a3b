package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"concordat/node"
)

// loaded reads settings as node run does.
func loaded(t *testing.T, environ []string, args ...string) (node.Config, error) {
	t.Helper()
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	var s settings
	cmd := &cobra.Command{}
	s.flags(cmd)
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	return s.load(cmd, environ, &terminal{err: os.Stderr})
}

// TestConfigs: an example that does not load is a bug.
func TestConfigs(t *testing.T) {
	files, err := filepath.Glob("../../configs/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 4 {
		t.Fatalf("%d examples in configs/, want 4 at least", len(files))
	}
	readme, err := os.ReadFile("../../configs/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			cfg, err := loaded(t, nil, "--config", file, "--dir", "xa")
			if err != nil {
				t.Fatal(err)
			}
			if cfg.Found {
				t.Error("found is set: a file that stays in use must not found networks")
			}
			if !strings.Contains(string(readme), name) {
				t.Error("configs/README.md does not name it")
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			// Every setting stands in every example, in force or commented out, so
			// that whoever edits one sees what there is.
			for _, key := range settingKeys() {
				_, leaf, nested := strings.Cut(key, ".")
				if !nested {
					leaf = key
				}
				if leaf != "found" && !strings.Contains(string(text), leaf+":") {
					t.Errorf("%s is not in it", key)
				}
			}
		})
	}
}

// TestSettingsWeigh: flags over the environment over the file over defaults, for every kind of setting.
func TestSettingsWeigh(t *testing.T) {
	file := filepath.Join(t.TempDir(), "node.yaml")
	if err := os.WriteFile(file, []byte("dir: a\nlisten: [/ip4/127.0.0.1/tcp/1]\nprefer_quic: true\nlimits:\n  events: 7\nstorage:\n  write_deadline: 9s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := loaded(t, nil, "--config", file)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Dir != "a" || !cfg.PreferQUIC || cfg.Limits.Events != 7 || cfg.Storage.WriteDeadline.String() != "9s" || cfg.HTTP != "127.0.0.1:8460" {
		t.Errorf("from the file: %+v", cfg)
	}
	env := []string{"CONCORDAT_DIR=b", "CONCORDAT_LISTEN=/ip4/127.0.0.1/tcp/2,/ip4/127.0.0.1/tcp/3", "CONCORDAT_PREFER_QUIC=false", "CONCORDAT_LIMITS_EVENTS=8", "CONCORDAT_STORAGE_WRITE_DEADLINE=10s"}
	cfg, err = loaded(t, env, "--config", file)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Dir != "b" || cfg.PreferQUIC || len(cfg.Listen) != 2 || cfg.Limits.Events != 8 || cfg.Storage.WriteDeadline.String() != "10s" {
		t.Errorf("from the environment: %+v", cfg)
	}
	cfg, err = loaded(t, env, "--config", file, "--dir", "c", "--listen", "/ip4/127.0.0.1/tcp/4", "--prefer-quic", "--write-deadline", "11s")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Dir != "c" || !cfg.PreferQUIC || !slices.Equal(cfg.Listen, []string{"/ip4/127.0.0.1/tcp/4"}) || cfg.Storage.WriteDeadline.String() != "11s" {
		t.Errorf("from flags: %+v", cfg)
	}
}
