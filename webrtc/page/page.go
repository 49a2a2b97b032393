// Package page is the page that browsers open: TypeScript in src, built by Vite into dist, which is committed and embedded, so
// that neither who builds the bridge nor who runs it needs Node.
package page

import (
	"bytes"
	"embed"
	"io/fs"
	"net"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed all:dist
var dist embed.FS

// Handler serves the page at / and at /NAME for every conference NAME; files with a hash in their name may be kept for ever.
// secure is the address on which the same page is served over https, "" for none: who comes over http, where browsers give no
// camera, is shown the way there.
func Handler(secure string) http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the embedded tree has that folder
	}
	assets := http.FileServerFS(files)
	index, err := fs.ReadFile(files, "index.html")
	if err != nil {
		panic(err) // the embedded tree has that file
	}
	index = bytes.Replace(index, []byte("<title>"), []byte(wayToHTTPS(secure)+"<title>"), 1)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		protect(w.Header())
		name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
		if info, err := fs.Stat(files, name); err == nil && !info.IsDir() && name != "index.html" {
			if strings.HasPrefix(name, "assets/") {
				w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			}
			assets.ServeHTTP(w, r)
			return
		}
		if strings.Contains(name, "/") { // no conference has a slash in its name
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(index))
	})
}

// wayToHTTPS tells the page the port of an address such as ":8443".
func wayToHTTPS(secure string) string {
	_, port, err := net.SplitHostPort(secure)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 {
		return ""
	}
	return `<meta name="tutti-https" content="` + port + `">`
}

// protect says what the page may do: nothing but what it needs.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data: blob:; media-src 'self' blob: mediastream:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Permissions-Policy", "camera=(self), microphone=(self), display-capture=(self), speaker-selection=(self)")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}
