package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
	"gopkg.in/yaml.v3"
)

// FlagKeys are the flags of serve that stand for a key.
func FlagKeys() map[string]string {
	return map[string]string{
		"sip-listen":      "sip.listen",
		"http-listen":     "http.listen",
		"https-listen":    "http.tls.listen",
		"media-address":   "media.address",
		"rtp-ports":       "media.rtp_ports",
		"webrtc-port":     "media.webrtc_port",
		"state-directory": "state.directory",
		"control-socket":  "control.socket",
		"log-level":       "log.level",
		"log-format":      "log.format",
	}
}

// Find returns the file that is read when none is named: $XDG_CONFIG_HOME/tutti/tutti.yaml, then /etc/tutti/tutti.yaml;
// "" if there is none.
func Find() string {
	candidates := []string{"/etc/tutti/tutti.yaml"}
	if dir, err := os.UserConfigDir(); err == nil {
		candidates = append([]string{filepath.Join(dir, "tutti", "tutti.yaml")}, candidates...)
	}
	for _, name := range candidates {
		if _, err := os.Stat(name); err == nil {
			return name
		}
	}
	return ""
}

// Load reads file ("" for none), the environment and flags (nil for none), and reports everything that is wrong as
// Problems. Paths that were left open are filled in.
func Load(file string, flags *pflag.FlagSet) (Config, error) {
	c := Default()
	lines := map[string]int{}
	v := viper.New()
	v.SetEnvPrefix("TUTTI")
	v.SetEnvKeyReplacer(strings.NewReplacer(".", "_"))
	v.AutomaticEnv()
	defaults(v, c)
	if file != "" {
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return c, Problems{{File: file, Text: "there is no such file; tutti config init writes one"}}
		} else if err != nil {
			return c, Problems{{File: file, Text: err.Error()}}
		}
		if ps := check(file, data, lines); len(ps) > 0 {
			return c, ps
		}
		v.SetConfigType("yaml")
		if err := v.ReadConfig(bytes.NewReader(data)); err != nil {
			return c, Problems{{File: file, Text: err.Error()}}
		}
	}
	if flags != nil {
		for name, key := range FlagKeys() {
			if f := flags.Lookup(name); f != nil && f.Changed {
				if err := v.BindPFlag(key, f); err != nil {
					return c, fmt.Errorf("config: flag %s: %w", name, err)
				}
			}
		}
	}
	if err := v.UnmarshalExact(&c, viper.DecodeHook(hooks())); err != nil {
		return c, Problems{{Text: plain(err)}}
	}
	ps := Validate(c)
	for i, p := range ps {
		if line := lines[p.Key]; line > 0 {
			ps[i].File, ps[i].Line = file, line
		}
	}
	c.fillPaths()
	return c, ps.err()
}

// defaults makes every scalar key known to viper, which looks only at known keys in the environment.
func defaults(v *viper.Viper, c Config) {
	scalars(reflect.ValueOf(c), "", func(key string, _ field, value reflect.Value) {
		if text, ok := value.Interface().(interface{ MarshalText() ([]byte, error) }); ok {
			b, _ := text.MarshalText() // our own types do not fail
			v.SetDefault(key, string(b))
			return
		}
		v.SetDefault(key, value.Interface())
	})
}

// check finds what is wrong with the form of a file, each with its line.
func check(file string, data []byte, lines map[string]int) Problems {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return Problems{{File: file, Text: strings.TrimPrefix(err.Error(), "yaml: ")}}
	}
	if len(root.Content) == 0 {
		return nil
	}
	return checkNode(file, root.Content[0], reflect.TypeFor[Config](), "", lines)
}
