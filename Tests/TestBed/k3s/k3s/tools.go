package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/sirupsen/logrus"
)

// kubectlMain is kubectl with the server's own kubeconfig when the user names none.
func kubectlMain(args []string) {
	const own = "/etc/rancher/k3s/k3s.yaml"
	if os.Getenv("KUBECONFIG") == "" && exists(own) {
		file, err := os.Open(own)
		if err != nil {
			logrus.Warnf("Unable to read %s, please start server with --write-kubeconfig-mode or --write-kubeconfig-group to modify kube config permissions", own)
		} else {
			file.Close()
		}
		os.Setenv("KUBECONFIG", own)
	}
	os.Args = args
	runComponent("kubectl")
}

// ctrMain becomes the carried ctr, aimed at the node's containerd.
func ctrMain(args []string) {
	full := append([]string{"ctr", "--address", containerdSocket, "--namespace", "k8s.io"}, args...)
	logrus.Fatal(syscall.Exec(carried("ctr"), full, os.Environ()))
}

// checkConfigMain looks at the few things the stand-in itself needs.
func checkConfigMain() error {
	var failed int
	report := func(what string, err error) {
		if err != nil {
			failed++
			fmt.Printf("- %s: missing (fail): %v\n", what, err)
			return
		}
		fmt.Printf("- %s: good\n", what)
	}
	_, err := os.Stat("/sys/fs/cgroup")
	report("cgroup hierarchy", err)
	_, err = exec.LookPath("iptables")
	report("iptables", err)
	report("runc", exec.Command(carried("runc"), "--version").Run())
	if failed > 0 {
		fmt.Printf("\nSTATUS: %d (fail)\n", failed)
		os.Exit(failed)
	}
	fmt.Print("\nSTATUS: pass\n")
	return nil
}
