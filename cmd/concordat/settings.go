package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/viper"

	"concordat/node"
)

// settings reads a node's configuration: from a file, the environment and
// flags, the later weighing more. Only this file knows viper; the node is
// handed a plain struct.
type settings struct{ file string }

// envPrefix begins the name of every setting in the environment.
const envPrefix = "CONCORDAT_"

// flagKeys gives the settings that have a flag of their own.
var flagKeys = map[string]string{
	"dir": "dir", "genesis": "genesis", "found": "found", "join": "join", "http": "http", "listen": "listen",
	"profile": "profile", "prefer-quic": "prefer_quic", "max-age": "check.max_age",
	"write-deadline": "storage.write_deadline", "log-level": "log.level", "log-format": "log.format",
}

func (s *settings) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.file, "config", "", "`FILE` of settings, in YAML; configs/ has examples")
	f.String("dir", "", "the authority's directory, as init made it")
	f.String("genesis", "", "the network's founding document (default genesis.json in --dir)")
	f.Bool("found", false, "take part in founding the network: start with an empty ledger")
	f.String("join", "", "`URL` of any node of the network that this authority is to become a member of")
	f.String("http", "", "`HOST:PORT` of the API (default 127.0.0.1:8460)")
	f.StringArray("listen", nil, "libp2p address (`MULTIADDR`) to listen on; repeat it (default: those that the ledger has for this authority)")
	f.String("profile", "", "timing of the links between validators: site, country or continents (default country)")
	f.Bool("prefer-quic", false, "dial QUIC before TCP")
	f.Duration("max-age", 0, "how old the node's knowledge may be for a check to say recognized (default 1h)")
	f.Duration("write-deadline", 0, "how long storing an entry may take before leadership is given up (default 8s)")
	f.String("log-level", "", "debug, info, warn or error (default info)")
	f.String("log-format", "", "text or json (default text)")
}

// load reads the settings, fills in what was left out, and reports every fault at once.
func (s *settings) load(cmd *cobra.Command, environ []string, t *terminal) (node.Config, error) {
	v := viper.New()
	known := settingKeys()
	for _, key := range known {
		if err := v.BindEnv(key, envName(key)); err != nil {
			return node.Config{}, fmt.Errorf("setting %s: %w", key, err)
		}
	}
	for flag, key := range flagKeys {
		if err := v.BindPFlag(key, cmd.Flags().Lookup(flag)); err != nil {
			return node.Config{}, fmt.Errorf("flag --%s: %w", flag, err)
		}
	}
	remarkUnknownEnv(environ, known, t)
	if s.file != "" {
		if err := readSettings(v, s.file, known); err != nil {
			return node.Config{}, err
		}
	}
	cfg, err := decodeSettings(v)
	if err != nil {
		return node.Config{}, err
	}
	cfg = cfg.Defaults()
	if err := cfg.Validate(); err != nil {
		return node.Config{}, usage("settings: %w", err)
	}
	return cfg, nil
}

// readSettings adds a file's settings to v, and refuses keys that mean nothing:
// a setting that is misspelt must not be silently left at its default.
func readSettings(v *viper.Viper, file string, known []string) error {
	alone := viper.New() // without the environment and the flags that v knows too
	alone.SetConfigFile(file)
	if !slices.Contains([]string{".yaml", ".yml", ".json", ".toml"}, filepath.Ext(file)) {
		alone.SetConfigType("yaml")
	}
	if err := alone.ReadInConfig(); err != nil {
		return usage("--config %s: %w", file, err)
	}
	sections := map[string]bool{}
	for _, key := range known {
		if section, _, nested := strings.Cut(key, "."); nested {
			sections[section] = true
		}
	}
	keys := alone.AllKeys()
	slices.Sort(keys)
	var faults []error
	for _, key := range keys {
		switch {
		case slices.Contains(known, key):
		case sections[key] && alone.Get(key) == nil: // a section whose settings are all commented out
		case sections[key]:
			faults = append(faults, fmt.Errorf("%s is a section, with settings below it", key))
		default:
			faults = append(faults, fmt.Errorf("setting %s is not known; the nearest is %s", key, nearest(key, known)))
		}
	}
	if len(faults) > 0 {
		return usage("%s: %w", file, errors.Join(faults...))
	}
	return v.MergeConfigMap(alone.AllSettings())
}

func decodeSettings(v *viper.Viper) (cfg node.Config, err error) {
	err = v.UnmarshalExact(&cfg, viper.DecodeHook(mapstructure.ComposeDecodeHookFunc(
		wholeDurations, mapstructure.StringToTimeDurationHookFunc(), mapstructure.StringToSliceHookFunc(","),
	)))
	if err != nil {
		return cfg, usage("settings: %w", err)
	}
	return cfg, nil
}

// wholeDurations refuses a number where a duration is wanted: taken for
// nanoseconds, as it would be, "3600" means nothing that anybody meant.
func wholeDurations(from, to reflect.Type, data any) (any, error) {
	if to != reflect.TypeFor[time.Duration]() || from == to {
		return data, nil
	}
	switch from.Kind() {
	case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Float64:
		return nil, fmt.Errorf("%v has no unit; write a duration like 90s or 1h30m", data)
	}
	return data, nil
}

// settingKeys lists every setting that a file may have, as section.name.
func settingKeys() []string {
	var keys []string
	eachSetting(node.Config{}, func(key string, _ any) { keys = append(keys, key) })
	return keys
}

// settingsOf gives a configuration as a file would have it.
func settingsOf(c node.Config) map[string]any {
	all := map[string]any{}
	eachSetting(c, func(key string, v any) {
		if d, ok := v.(time.Duration); ok {
			v = d.String()
		}
		section, name, nested := strings.Cut(key, ".")
		if !nested {
			all[key] = v
			return
		}
		if all[section] == nil {
			all[section] = map[string]any{}
		}
		all[section].(map[string]any)[name] = v
	})
	return all
}

// eachSetting calls fn for every field with a mapstructure tag, one level of sections deep.
func eachSetting(c node.Config, fn func(key string, v any)) {
	var walk func(prefix string, v reflect.Value)
	walk = func(prefix string, v reflect.Value) {
		for i := range v.NumField() {
			tag := v.Type().Field(i).Tag.Get("mapstructure")
			if tag == "" || tag == "-" {
				continue
			}
			if v.Field(i).Kind() == reflect.Struct {
				walk(tag+".", v.Field(i))
				continue
			}
			fn(prefix+tag, v.Field(i).Interface())
		}
	}
	walk("", reflect.ValueOf(c))
}

func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// remarkUnknownEnv tells of variables that look like settings and are none. It
// is no error: other programs set variables of this prefix too, such as an
// orchestrator for a service of this name.
func remarkUnknownEnv(environ, known []string, t *terminal) {
	names := []string{passphraseEnv, passphraseFileEnv, "CONCORDAT_NODE"}
	for _, key := range known {
		names = append(names, envName(key))
	}
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, envPrefix) && !slices.Contains(names, name) {
			t.say("remark: %s in the environment is no setting; the nearest is %s", name, nearest(name, names))
		}
	}
}

// nearest finds the candidate that takes the fewest edits to become s.
func nearest(s string, candidates []string) string {
	return slices.MinFunc(candidates, func(a, b string) int { return edits(s, a) - edits(s, b) })
}

// edits is the Levenshtein distance, by bytes.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
