// kubectl as k3s carries it. A program of its own: the one of all components takes three times as long to start.
package main

import (
	"fmt"
	"math/rand"
	"os"
	"time"

	clientversion "k8s.io/client-go/pkg/version"
	"k8s.io/component-base/logs"
	baseversion "k8s.io/component-base/version"
	"k8s.io/kubectl/pkg/cmd"
)

// commit is the short hash of recipe and sources, given by the linker.
var commit = "unknown"

func main() {
	version := os.Getenv("K3S_STANDIN_VERSION")
	baseversion.Set(version, commit)
	clientversion.Set(version, commit)
	useServersKubeconfig()
	rand.Seed(time.Now().UnixNano())
	logs.InitLogs()
	err := cmd.NewDefaultKubectlCommand().Execute()
	logs.FlushLogs()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// useServersKubeconfig takes the server's own kubeconfig when the user names none.
func useServersKubeconfig() {
	const own = "/etc/rancher/k3s/k3s.yaml"
	if os.Getenv("KUBECONFIG") != "" {
		return
	}
	file, err := os.Open(own)
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "level=warning msg=\"Unable to read %s, please start server with --write-kubeconfig-mode or --write-kubeconfig-group to modify kube config permissions\"\n", own)
	} else {
		file.Close()
	}
	os.Setenv("KUBECONFIG", own)
}
