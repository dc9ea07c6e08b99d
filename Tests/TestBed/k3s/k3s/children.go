package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
)

// children are the component processes. Each dies with this process (PDEATHSIG), and this process ends when one of them does:
// that is how k3s behaves, whose components are goroutines.
type children struct {
	mutex    sync.Mutex
	running  []*child
	stopping bool
	starts   chan func()
}

type child struct {
	name   string
	cmd    *exec.Cmd
	exited chan struct{}
}

func newChildren() *children {
	c := &children{starts: make(chan func())}
	// PDEATHSIG is sent when the *thread* that forked ends, so one thread that never ends does all forks.
	go func() {
		runtime.LockOSThread()
		for start := range c.starts {
			start()
		}
	}()
	return c
}

// start runs PATH's program under its name. A Kubernetes component is this very binary under another argv[0].
func (c *children) start(name string, output io.Writer, args ...string) error {
	program, argv0 := filepath.Join(os.Getenv("K3S_DATA_DIR"), "bin", name), name
	if _, ours := components[name]; ours {
		program = "/proc/self/exe"
	}
	cmd := &exec.Cmd{Path: program, Args: append([]string{argv0}, args...), Env: childEnvironment(), Stdout: output, Stderr: output}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	failed := make(chan error)
	c.starts <- func() { failed <- cmd.Start() }
	if err := <-failed; err != nil {
		return err
	}
	one := &child{name: name, cmd: cmd, exited: make(chan struct{})}
	c.mutex.Lock()
	c.running = append(c.running, one)
	c.mutex.Unlock()
	go c.watch(one)
	logrus.Infof("Running %s %s", name, strings.Join(args, " "))
	return nil
}

func (c *children) watch(one *child) {
	err := one.cmd.Wait()
	close(one.exited)
	c.mutex.Lock()
	stopping := c.stopping
	c.mutex.Unlock()
	if !stopping {
		logrus.Fatalf("%s exited: %v", one.name, err)
	}
}

// stop ends the components, the datastore and the container runtime last; pods go on under their shims.
func (c *children) stop() {
	c.mutex.Lock()
	c.stopping = true
	running := append([]*child(nil), c.running...)
	c.mutex.Unlock()
	last := map[string]bool{"etcd": true, "containerd": true}
	for _, final := range []bool{false, true} {
		for _, one := range running {
			if last[one.name] == final {
				_ = one.cmd.Process.Signal(syscall.SIGTERM)
			}
		}
		deadline := time.After(3 * time.Second)
		for _, one := range running {
			if last[one.name] != final {
				continue
			}
			select {
			case <-one.exited:
			case <-deadline:
				_ = one.cmd.Process.Kill()
			}
		}
	}
}

// childEnvironment leaves out what belongs to this process alone.
func childEnvironment() []string {
	var out []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "NOTIFY_SOCKET=") && !strings.HasPrefix(v, "K3S_TOKEN") && !strings.HasPrefix(v, "K3S_AGENT_TOKEN") {
			out = append(out, v)
		}
	}
	return out
}
