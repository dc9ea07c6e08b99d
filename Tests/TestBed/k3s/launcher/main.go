// The k3s file itself: like the real one a small program that carries everything else as a compressed archive behind it,
// unpacks that once to <data-dir>/data/<hash> and becomes the program found there.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// commit is the short hash of recipe and sources, given by the linker.
var commit = "unknown"

func main() {
	if len(os.Args) == 2 && (os.Args[1] == "--version" || os.Args[1] == "-v") && filepath.Base(os.Args[0]) != "kubectl" {
		printVersion()
		return
	}
	if err := start(); err != nil {
		fmt.Fprintf(os.Stderr, "level=fatal msg=%q\n", err)
		os.Exit(1)
	}
}

func printVersion() {
	trailer, err := readTrailer()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("k3s version %s (%s)\ngo version %s\n", trailer.version, commit, runtime.Version())
}

// start unpacks what is not yet unpacked and replaces this process.
func start() error {
	trailer, err := readTrailer()
	if err != nil {
		return err
	}
	folder, err := unpacked(trailer, filepath.Join(dataDir(os.Args[1:]), "data"))
	if err != nil {
		return fmt.Errorf("preparing data dir: %w", err)
	}
	bin := filepath.Join(folder, "bin")
	path := os.Getenv("PATH")
	if path == "" {
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	if !strings.HasPrefix(path, bin+":") {
		path = bin + ":" + path + ":" + filepath.Join(bin, "aux")
	}
	for name, value := range map[string]string{
		"PATH":                path,
		"K3S_DATA_DIR":        folder,
		"K3S_STANDIN_VERSION": trailer.version,
	} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	program, args := filepath.Join(bin, "k3s"), os.Args
	if filepath.Base(args[0]) == "kubectl" || len(args) > 1 && args[1] == "kubectl" {
		program = filepath.Join(bin, "kubectl")
		if filepath.Base(args[0]) != "kubectl" {
			args = args[1:]
		}
	}
	return fmt.Errorf("%s: %w", program, syscall.Exec(program, args, os.Environ()))
}
