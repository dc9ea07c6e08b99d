package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"k8s.io/client-go/kubernetes"
)

// server is a running `k3s server`.
type server struct {
	*serverConfig
	pki    *pki
	tokens serverTokens
	// tokensLock is held while tokens are read or changed: they are rotated while requests come in.
	tokensLock sync.Mutex
	children   *children
	admin      *kubernetes.Clientset
	coreReady  atomic.Bool
	apiReady   atomic.Bool
}

func serverMain(args []string) {
	o, err := parseOptions("server", onServer, args)
	if err == nil {
		err = o.check()
	}
	if err != nil {
		logrus.Fatal(err)
	}
	config, err := newServerConfig(o)
	if err != nil {
		logrus.Fatal(err)
	}
	if o.flag("cluster-reset") && config.joinURL != "" {
		logrus.Fatal("cannot perform cluster-reset while server URL is set - remove server from configuration before resetting")
	}
	logrus.Infof("Starting k3s %s (%s)", version(), commit)
	s := &server{serverConfig: config, children: newChildren()}
	if err := s.prepare(); err != nil {
		logrus.Fatal(err)
	}
	if o.flag("cluster-reset") {
		exit(s.reset())
	}
	ctx := untilSignal()
	if err := s.run(ctx); err != nil && ctx.Err() == nil {
		logrus.Fatalf("starting kubernetes: %v", err)
	}
	<-ctx.Done()
	s.children.stop()
}

// prepare settles files, tokens and certificates; a server that joins fetches the shared ones first.
func (s *server) prepare() error {
	if err := os.MkdirAll(s.tls("etcd"), 0o700); err != nil {
		return err
	}
	if err := s.revive(); err != nil {
		return err
	}
	existing := exists(s.etcdDir("member", "wal")) || exists(s.serverPath("db", "state.db"))
	if s.joinURL != "" && !existing {
		if err := s.fetchShared(); err != nil {
			return fmt.Errorf("preparing server: failed to bootstrap cluster data: %w", err)
		}
	}
	tokens, err := ensureTokens(s.options, s.serverPath())
	if err != nil {
		return fmt.Errorf("preparing server: %w", err)
	}
	s.tokens = tokens
	if s.pki, err = ensurePKI(s.tls(), s.serverConfig); err != nil {
		return err
	}
	hash, err := authorityHash(s.pki.server.pem)
	if err != nil {
		return err
	}
	if err := tokens.write(s.serverPath(), hash); err != nil {
		return err
	}
	return s.writeKubeconfigs()
}

// revive moves the database of a removed member away when a tombstone says so, and keeps five of them.
func (s *server) revive() error {
	if !exists(s.etcdDir("tombstone")) {
		return nil
	}
	logrus.Info("etcd tombstone file has been detected, removing data dir to rejoin the cluster")
	old := s.serverPath("db", "etcd-old-"+strconv.FormatInt(time.Now().Unix(), 10))
	if err := os.Rename(s.etcdDir(), old); err != nil {
		return err
	}
	kept, err := filepath.Glob(s.serverPath("db", "etcd-old-*"))
	for i := 0; err == nil && i < len(kept)-5; i++ {
		err = os.RemoveAll(kept[i])
	}
	return err
}

func (s *server) writeKubeconfigs() error {
	mode, _ := strconv.ParseUint(s.str("write-kubeconfig-mode", "0600"), 8, 32)
	own := "https://127.0.0.1:" + strconv.Itoa(s.port)
	for _, k := range []struct {
		path, server, base string
		mode               os.FileMode
	}{
		{s.str("write-kubeconfig", "/etc/rancher/k3s/k3s.yaml"), own, "client-admin", os.FileMode(mode)},
		{s.serverPath("cred", "admin.kubeconfig"), own, "client-admin", 0o600},
		{s.serverPath("cred", "supervisor.kubeconfig"), loopbackAPI, "client-supervisor", 0o600},
		{s.serverPath("cred", "controller.kubeconfig"), loopbackAPI, "client-controller", 0o600},
		{s.serverPath("cred", "scheduler.kubeconfig"), loopbackAPI, "client-scheduler", 0o600},
	} {
		if err := writeKubeconfig(k.path, k.server, s.tls("server-ca.crt"), s.tls(k.base), k.mode); err != nil {
			return err
		}
	}
	return os.Chmod("/etc/rancher/k3s", 0o755)
}

// run starts everything in order; it returns when the server is up.
func (s *server) run(ctx context.Context) error {
	if err := s.listen(); err != nil {
		return err
	}
	if err := s.startDatastore(ctx); err != nil {
		return fmt.Errorf("preparing server: start managed database: %w", err)
	}
	if err := s.bindToken(ctx); err != nil {
		return fmt.Errorf("preparing server: %w", err)
	}
	if err := s.startControlPlane(ctx); err != nil {
		return err
	}
	s.coreReady.Store(true)
	logrus.Info("k3s is up and running")
	notifyReady()
	os.Remove(s.serverPath("db", "reset-flag"))
	if s.etcd {
		go s.promoteLearners(ctx)
	}
	go s.followNodes(ctx)
	if s.flag("disable-agent") {
		return nil
	}
	node := &agent{nodeConfig: s.nodeConfig, children: s.children, lb: newBalancer("127.0.0.1:"+strconv.Itoa(s.port), ""),
		apiURL: "https://127.0.0.1:" + strconv.Itoa(s.port), caPEM: s.pki.server.pem,
		credentials: credentials{user: "server", password: s.currentTokens().server}}
	return node.run(ctx)
}
