// Command lessor is the whole product: server, command line, demo.
package main

import (
	"context"
	"os"

	"github.com/lessor-iam/lessor/internal/cli"
)

func main() {
	os.Exit(cli.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}
