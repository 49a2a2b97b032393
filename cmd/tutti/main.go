// Command tutti is a conference bridge for phones and browsers, and the command line of a running one.
package main

import (
	"os"

	"tutti/cmd/tutti/internal/cli"
)

// version is set by the linker.
var version = "development"

func main() { os.Exit(cli.Main(version, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
