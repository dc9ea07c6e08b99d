package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/sirupsen/logrus"
)

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
