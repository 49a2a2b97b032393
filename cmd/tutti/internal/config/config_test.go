package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func write(t *testing.T, yaml string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "tutti.yaml")
	if err := os.WriteFile(name, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestNoConfigurationIsValid(t *testing.T) {
	c, err := Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.State.Directory == "" || c.Control.Socket == "" {
		t.Errorf("paths were left open: %q, %q", c.State.Directory, c.Control.Socket)
	}
	if got := c.SIP.Listen; len(got) != 2 {
		t.Errorf("sip.listen = %q, want UDP and TCP", got)
	}
}

func TestFlagWinsOverEnvironmentWinsOverFile(t *testing.T) {
	file := write(t, "log: {level: error, format: json}\nmedia: {timeout: 90s, rtp_ports: 30000-30100}\nsip: {listen: ['udp://127.0.0.1:5070']}\n")
	t.Setenv("TUTTI_LOG_LEVEL", "warn")
	t.Setenv("TUTTI_POLICY_AD_HOC", "false")
	t.Setenv("TUTTI_SIP_LISTEN", "udp://127.0.0.1:5071,tcp://127.0.0.1:5071")
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	flags.String("log-level", "", "")
	if err := flags.Parse([]string{"--log-level=debug"}); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file, flags)
	if err != nil {
		t.Fatal(err)
	}
	if c.Log.Level != "debug" || c.Log.Format != "json" || c.Policy.AdHoc {
		t.Errorf("log %+v, ad_hoc %v: want the flag's level, the file's format, the environment's ad_hoc", c.Log, c.Policy.AdHoc)
	}
	if time.Duration(c.Media.Timeout) != 90*time.Second || c.Media.RTPPorts != (PortRange{30000, 30100}) {
		t.Errorf("media = %+v", c.Media)
	}
	if want := []string{"udp://127.0.0.1:5071", "tcp://127.0.0.1:5071"}; !slices.Equal(c.SIP.Listen, want) {
		t.Errorf("sip.listen = %q, want %q", c.SIP.Listen, want)
	}
}

func TestEveryMistakeIsNamed(t *testing.T) {
	tests := map[string]struct {
		yaml string
		want []string // one problem each: where, key, and what would be right
	}{
		"unknown key, near a known one": {"sip:\n  listn: []\n", []string{"tutti.yaml:2: sip.listn: unknown key; did you mean listen?"}},
		"unknown key, far from all":     {"control:\n  frobnicate: 1\n", []string{"tutti.yaml:2: control.frobnicate: unknown key; allowed here: socket"}},
		"not allowed":                   {"log:\n  level: loud\n", []string{`tutti.yaml:2: log.level: "loud" is not allowed; allowed: debug, info, warn, error`}},
		"not allowed in a list":         {"sip:\n  digests: [md5, sha-1]\n", []string{`sip.digests[1]: "sha-1" is not allowed; allowed: md5, sha-256`}},
		"not a duration":                {"media:\n  timeout: 30\n", []string{`tutti.yaml:2: media.timeout: "30" is not a duration`}},
		"not a range":                   {"media:\n  rtp_ports: 20000\n", []string{`media.rtp_ports: "20000" is not a range of ports: write FIRST-LAST`}},
		"not a number":                  {"media:\n  width: wide\n", []string{`media.width: "wide" is not a whole number`}},
		"not a list":                    {"sip:\n  listen: udp\n", []string{"sip.listen: wants a list"}},
		"no scheme":                     {"sip:\n  listen: ['0.0.0.0:5060']\n", []string{`tutti.yaml:2: sip.listen[0]: "0.0.0.0:5060": write udp://HOST:PORT`}},
		"TLS without a certificate":     {"sip:\n  listen: ['tls://0.0.0.0:5061']\n", []string{"needs sip.tls.certificate and sip.tls.key"}},
		"user without a password":       {"sip:\n  users:\n  - name: alice\n", []string{"sip.users[0].password: is missing"}},
		"two trunks of one name":        {"sip:\n  trunks:\n  - {name: a, address: x}\n  - {name: a, address: y}\n", []string{`tutti.yaml:4: sip.trunks[1].name: "a" is taken by sip.trunks[0]`}},
		"rule with signs of a shell":    {"sip:\n  outbound:\n  - {match: 'sip:2??@pbx.example'}\n", []string{`sip.outbound[0].match: "sip:2??@pbx.example": only * stands`}},
		"rule without its trunk":        {"sip:\n  outbound:\n  - {match: '+49*', trunk: pbx}\n", []string{`sip.outbound[0].trunk: there is no trunk named "pbx"`}},
		"short token":                   {"http:\n  tokens:\n  - {name: a, token: secret}\n", []string{"http.tokens[0].token: is shorter than 16 characters"}},
		"key given twice":               {"log: {level: info}\nlog: {level: warn}\n", []string{"log"}},
		"not YAML":                      {"sip: [\n", []string{"tutti.yaml: line"}},
		"a name that cannot be dialled": {"conferences:\n- name: a/b\n", []string{`tutti.yaml:2: conferences[0].name: "a/b"`}},
		"all of them at once": {"log: {level: loud, format: xml}\npolicy: {max_legs: 0}\n",
			[]string{"log.level", "log.format", "policy.max_legs: 0: must be 1 or more"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Load(write(t, test.yaml), nil)
			var ps Problems
			if !errors.As(err, &ps) {
				t.Fatalf("Load() = %v, want Problems", err)
			}
			if len(ps) != len(test.want) {
				t.Fatalf("%d problems, want %d:\n%v", len(ps), len(test.want), ps)
			}
			for i, want := range test.want {
				if got := ps[i].String(); !strings.Contains(got, want) {
					t.Errorf("problem %d = %q, want it to say %q", i, got, want)
				}
			}
		})
	}
}

func TestMissingFileSaysHowToMakeOne(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"), nil)
	if err == nil || !strings.Contains(err.Error(), "tutti config init") {
		t.Errorf("Load() = %v", err)
	}
}

// What init writes is what serve reads, and show never tells a secret.
func TestWrittenConfigurationLoads(t *testing.T) {
	c := Default()
	c.SIP.Users = []User{{Name: "1001", Password: "sesame-open"}}
	for _, docs := range []bool{false, true} {
		var out bytes.Buffer
		if err := Write(&out, c, docs); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "sesame") {
			t.Errorf("the password is shown:\n%s", out.String())
		}
		back, err := Load(write(t, out.String()), nil)
		if err != nil {
			t.Fatalf("%v in:\n%s", err, out.String())
		}
		if got := back.SIP.Users[0]; got.Name != "1001" || got.Password != hidden {
			t.Errorf("user = %+v", got)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("sip: {listen: [udp://0.0.0.0:5060]}")
	f.Add("a: &a [*a]")
	f.Add("media: {timeout: -1s}\n? [x]\n: y")
	f.Fuzz(func(t *testing.T, yaml string) {
		file := filepath.Join(t.TempDir(), "f.yaml")
		if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(file, nil)
		var ps Problems
		if err != nil && !errors.As(err, &ps) {
			t.Errorf("Load(%q) = %T %v, want Problems", yaml, err, err)
		}
		if err == nil && len(Validate(c)) > 0 {
			t.Errorf("Load(%q) accepted what Validate refuses", yaml)
		}
	})
}
