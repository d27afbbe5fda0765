// Vault's own `server` command with what the node's Vault is used for: the KV engine, the Kubernetes auth method and storage
// in memory. The module's main program has every cloud's SDK; without them (`-tags minimal`) it has no Kubernetes auth.
package main

import (
	"fmt"
	"os"
	"strings"

	kubernetes "github.com/hashicorp/vault-plugin-auth-kubernetes"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/command"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/mitchellh/cli"
)

// discreet says what the server says, but not its warnings: in dev mode they are the root token and the unseal key.
type discreet struct{ *cli.BasicUi }

func (discreet) Warn(string) {}

// rootToken takes dev mode's root token from a file: the environment of a container is written to the node's disk.
func rootToken() error {
	path := os.Getenv("VAULT_DEV_ROOT_TOKEN_FILE")
	if path == "" {
		return nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.Setenv("VAULT_DEV_ROOT_TOKEN_ID", strings.TrimSpace(string(content)))
}

func main() {
	if err := rootToken(); err != nil {
		fmt.Fprintln(os.Stderr, "vault:", err)
		os.Exit(1)
	}
	server := &command.ServerCommand{
		BaseCommand: &command.BaseCommand{
			UI: discreet{&cli.BasicUi{Reader: os.Stdin, Writer: os.Stdout, ErrorWriter: os.Stderr}},
		},
		CredentialBackends: map[string]logical.Factory{"kubernetes": kubernetes.Factory},
		LogicalBackends:    map[string]logical.Factory{"kv": kv.Factory},
		PhysicalBackends:   map[string]physical.Factory{"inmem": inmem.NewInmem},
		ShutdownCh:         command.MakeShutdownCh(),
		SighupCh:           command.MakeSighupCh(),
		SigUSR2Ch:          command.MakeSigUSR2Ch(),
	}
	os.Exit(server.Run(os.Args[1:]))
}
