package main

import (
	"os"
	"path/filepath"
	"strings"
)

// dataDir is where k3s keeps its data: the flag, then the configuration file, then the default of the user at hand.
func dataDir(args []string) string {
	for i, arg := range args {
		for _, flag := range []string{"--data-dir", "-d"} {
			if arg == flag && i+1 < len(args) {
				return args[i+1]
			}
			if strings.HasPrefix(arg, flag+"=") {
				return strings.TrimPrefix(arg, flag+"=")
			}
		}
	}
	if dir := os.Getenv("K3S_DATA_DIR_ROOT"); dir != "" {
		return dir
	}
	if text, err := os.ReadFile("/etc/rancher/k3s/config.yaml"); err == nil {
		for _, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(line, "data-dir:") {
				return strings.Trim(strings.TrimSpace(strings.TrimPrefix(line, "data-dir:")), `"'`)
			}
		}
	}
	if os.Getuid() != 0 {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, ".rancher", "k3s")
		}
	}
	return "/var/lib/rancher/k3s"
}
