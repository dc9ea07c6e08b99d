// A stand-in for the k3s binary: one process that starts and ties together Kubernetes' own components as k3s does.
// What it does like k3s and what it does not is in ../README.md.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/sirupsen/logrus"
	clientversion "k8s.io/client-go/pkg/version"
	baseversion "k8s.io/component-base/version"
)

// commit is the short hash of recipe and sources, given by the linker.
var commit = "unknown"

// version is what the file's trailer says; the launcher hands it on.
func version() string {
	if v := os.Getenv("K3S_STANDIN_VERSION"); v != "" {
		return v
	}
	return "v1.20.2+k3s1"
}

func main() {
	baseversion.Set(version(), commit)
	clientversion.Set(version(), commit)
	name := filepath.Base(os.Args[0])
	if _, known := components[name]; known {
		runComponent(name)
	}
	if name == "ctr" {
		ctrMain(os.Args[1:])
	}
	logrus.SetFormatter(&logrus.TextFormatter{DisableColors: true, FullTimestamp: true})
	if len(os.Args) < 2 {
		usage()
		os.Exit(1)
	}
	dispatch(os.Args[1], os.Args[2:])
}

// dispatch runs one of k3s' subcommands.
func dispatch(command string, args []string) {
	switch command {
	case "server":
		serverMain(args)
	case "agent":
		agentMain(args)
	case "ctr":
		ctrMain(args)
	case "token":
		exit(tokenMain(args))
	case "certificate":
		exit(certificateMain(args))
	case "etcd-snapshot":
		exit(snapshotMain(args))
	case "check-config":
		exit(checkConfigMain())
	case "--version", "-v":
		fmt.Printf("k3s version %s (%s)\ngo version %s\n", version(), commit, runtime.Version())
	case "help", "--help", "-h":
		usage()
	default:
		fmt.Fprintf(os.Stderr, "No help topic for '%s'\n", command)
		os.Exit(3)
	}
}

func exit(err error) {
	if err != nil {
		logrus.Fatal(err)
	}
	os.Exit(0)
}

func usage() {
	fmt.Print(`NAME:
   k3s - a stand-in for Kubernetes, but small and simple

COMMANDS:
   server, agent                     run a node
   kubectl, ctr                      the tools of the same name
   token create|delete|list|rotate   bootstrap tokens, the server's token
   certificate check|rotate
   etcd-snapshot save|ls|delete|prune
   check-config
`)
}
