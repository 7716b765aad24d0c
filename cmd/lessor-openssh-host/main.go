// Command lessor-openssh-host runs on a host with OpenSSH, for Lessor's connector.
package main

import (
	"os"

	"github.com/lessor-iam/lessor/internal/connector/openssh/host"
)

func main() {
	os.Exit(host.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
