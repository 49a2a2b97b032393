package page

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, method, target string) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	Handler("").ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPaths(t *testing.T) {
	tests := map[string]struct {
		method, target string
		status         int
		page           bool // the page itself is served
	}{
		"root":                          {"GET", "/", 200, true},
		"conference":                    {"GET", "/8001", 200, true},
		"name that needs escapes":       {"GET", "/team%C3%BC", 200, true},
		"name like a folder of ours":    {"GET", "/assets", 200, true},
		"head":                          {"HEAD", "/8001", 200, false},
		"query":                         {"GET", "/8001?processing=off", 200, true},
		"unknown file":                  {"GET", "/assets/none.js", 404, false},
		"no conference has a slash":     {"GET", "/a/b", 404, false},
		"nothing above the folder":      {"GET", "/assets/../../page.go", 200, true}, // it is /page.go, a conference
		"the page takes nothing":        {"POST", "/8001", 405, false},
		"no index.html beside the root": {"GET", "/index.html", 200, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := get(t, tc.method, tc.target)
			if r.StatusCode != tc.status {
				t.Errorf("%s %s = %d, want %d", tc.method, tc.target, r.StatusCode, tc.status)
			}
			if is := strings.Contains(body(t, r), `<div id="app">`); is != tc.page {
				t.Errorf("%s %s serves the page: %t, want %t", tc.method, tc.target, is, tc.page)
			}
			if tc.page && r.Header.Get("Cache-Control") != "no-cache" {
				t.Errorf("Cache-Control = %q, want no-cache", r.Header.Get("Cache-Control"))
			}
		})
	}
}

func TestWayToHTTPS(t *testing.T) {
	for secure, want := range map[string]string{
		":8443": `content="8443"`, "0.0.0.0:443": `content="443"`, "": "", ":0": "", ":https": "", `:1"><script>`: "",
	} {
		w := httptest.NewRecorder()
		Handler(secure).ServeHTTP(w, httptest.NewRequest("GET", "/8001", nil))
		if has := strings.Contains(w.Body.String(), `name="tutti-https"`); has != (want != "") || !strings.Contains(w.Body.String(), want) {
			t.Errorf("https on %q: the page says it: %t, want %q", secure, has, want)
		}
	}
}

// Everything that the page names is embedded, may be kept for ever and has a name that changes with it.
func TestAssets(t *testing.T) {
	page := body(t, get(t, "GET", "/"))
	types := map[string]string{"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		r := get(t, "GET", m[1])
		kind := m[1][strings.LastIndex(m[1], ".")+1:]
		seen[kind] = true
		if r.StatusCode != 200 || !strings.HasPrefix(r.Header.Get("Content-Type"), types[kind]) || types[kind] == "" {
			t.Errorf("%s = %d %s", m[1], r.StatusCode, r.Header.Get("Content-Type"))
		}
		if !strings.Contains(r.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: Cache-Control = %q, want immutable", m[1], r.Header.Get("Cache-Control"))
		}
		if !regexp.MustCompile(`^/assets/[a-z]+-[\w-]{8}\.\w+$`).MatchString(m[1]) {
			t.Errorf("%s has no hash in its name", m[1])
		}
	}
	for kind := range types {
		if !seen[kind] {
			t.Errorf("the page names no %s", kind)
		}
	}
}

// The page fetches nothing from elsewhere and runs no code but its own: no line of it needs what the policy forbids.
func TestPolicy(t *testing.T) {
	r := get(t, "GET", "/8001")
	for header, want := range map[string]string{
		"Content-Security-Policy": "default-src 'self'",
		"Permissions-Policy":      "camera=(self)",
		"Referrer-Policy":         "no-referrer",
		"X-Content-Type-Options":  "nosniff",
	} {
		if !strings.Contains(r.Header.Get(header), want) {
			t.Errorf("%s = %q, want %q in it", header, r.Header.Get(header), want)
		}
	}
	if m := regexp.MustCompile(`<script[^>]*>[^<]|\son\w+=`).FindString(body(t, r)); m != "" {
		t.Errorf("the page has code between its lines: %q", m)
	}
}

// The script stays small: 250 kB as it is are about 90 kB on the way.
func TestSize(t *testing.T) {
	var total int64
	err := fs.WalkDir(dist, "dist", func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil || total == 0 || total > 250_000 {
		t.Errorf("the page has %d bytes, %v", total, err)
	}
}
