package config

import (
	"os"
	"path/filepath"
)

const socketName = "control.sock"

// fillPaths chooses the paths that were left open: what systemd gives a service, the system's directories for root, the
// XDG directories for a plain user.
func (c *Config) fillPaths() {
	if c.State.Directory == "" {
		c.State.Directory = stateDirectory()
	}
	if c.Control.Socket == "" {
		c.Control.Socket = filepath.Join(runtimeDirectory(), socketName)
	}
}

func stateDirectory() string {
	if dir := os.Getenv("STATE_DIRECTORY"); dir != "" { // systemd.exec(5)
		return dir
	}
	if os.Geteuid() == 0 {
		return "/var/lib/tutti"
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "tutti")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(os.TempDir(), "tutti")
	}
	return filepath.Join(home, ".local", "state", "tutti")
}

func runtimeDirectory() string {
	if dir := os.Getenv("RUNTIME_DIRECTORY"); dir != "" { // systemd.exec(5)
		return dir
	}
	if os.Geteuid() == 0 {
		return "/run/tutti"
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "tutti")
	}
	return stateDirectory()
}

// Sockets are where the command line looks for a running bridge, in this order.
func Sockets() []string {
	own := filepath.Join(runtimeDirectory(), socketName)
	service := filepath.Join("/run/tutti", socketName)
	if own == service {
		return []string{service}
	}
	return []string{own, service}
}
