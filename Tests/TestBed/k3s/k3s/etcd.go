package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"go.etcd.io/etcd/clientv3"
	"google.golang.org/grpc"
)

const etcdLocal = "https://127.0.0.1:2379"

// errStillLearner is what k3s says while it waits for its promotion.
var errStillLearner = errors.New("this server has not yet been promoted from learner to voting member")

// startDatastore starts etcd in the way this server's configuration and its data ask for, and waits until it serves.
func (s *server) startDatastore(ctx context.Context) error {
	if !s.etcd {
		if err := s.startLocalDatastore(); err != nil {
			return err
		}
		return s.awaitDatastore(ctx)
	}
	if err := s.migrate(); err != nil {
		return err
	}
	name, err := s.memberName()
	if err != nil {
		return err
	}
	peer := "https://" + s.nodeIP + ":2380"
	cluster, state := name+"="+peer, "new"
	if s.joinURL != "" && !exists(s.etcdDir("member", "wal")) {
		if cluster, err = s.joinMembers(ctx, name, peer); err != nil {
			return fmt.Errorf("joining etcd cluster: %w", err)
		}
		state = "existing"
	}
	err = s.children.start("etcd", os.Stderr, s.etcdArgs(s.etcdDir(), name,
		"https://127.0.0.1:2379,https://"+s.nodeIP+":2379", "https://127.0.0.1:2380,"+peer,
		"--heartbeat-interval=500", "--election-timeout=5000", "--initial-cluster="+cluster, "--initial-cluster-state="+state)...)
	if err != nil {
		return err
	}
	return s.awaitDatastore(ctx)
}

// startLocalDatastore is what stands for SQLite: one etcd member that listens on loopback only, next to a marker file named as
// the SQLite database is. Its peer address is already the one a cluster would use, so that a migration is a rename.
func (s *server) startLocalDatastore() error {
	marker := s.serverPath("db", "state.db")
	if err := os.MkdirAll(s.serverPath("db", "state.db-data"), 0o700); err != nil {
		return err
	}
	if !exists(marker) {
		if err := writeFile(marker, []byte("homelab's stand-in for SQLite: the data are in state.db-data, kept by etcd\n"), 0o600); err != nil {
			return err
		}
	}
	name, err := s.memberName()
	if err != nil {
		return err
	}
	return s.children.start("etcd", os.Stderr, s.etcdArgs(s.serverPath("db", "state.db-data"), name, etcdLocal, "https://127.0.0.1:2380",
		"--initial-cluster="+name+"=https://"+s.nodeIP+":2380", "--initial-cluster-state=new")...)
}

// migrate turns the stand-in for SQLite into the first etcd member.
func (s *server) migrate() error {
	marker := s.serverPath("db", "state.db")
	if !exists(marker) || exists(s.etcdDir("member", "wal")) {
		return nil
	}
	logrus.Info("Migrating content from sqlite to etcd")
	name, err := os.ReadFile(s.serverPath("db", "state.db-data", "name"))
	if err != nil {
		return err
	}
	if err := os.RemoveAll(s.etcdDir()); err != nil {
		return err
	}
	if err := os.Rename(s.serverPath("db", "state.db-data"), s.etcdDir()); err != nil {
		return err
	}
	if err := writeFile(s.etcdDir("name"), name, 0o600); err != nil {
		return err
	}
	return os.Rename(marker, marker+".migrated")
}

// memberName is the node's name and eight hex digits, kept in the file `name` of the data folder.
func (s *server) memberName() (string, error) {
	dir := s.etcdDir()
	if !s.etcd {
		dir = s.serverPath("db", "state.db-data")
	}
	path := filepath.Join(dir, "name")
	if text, err := os.ReadFile(path); err == nil && len(text) > 0 {
		return strings.TrimSpace(string(text)), nil
	}
	name := s.nodeName + "-" + randomHex(4)
	return name, writeFile(path, []byte(name), 0o600)
}

func (s *server) etcdArgs(dir, name, clients, peers string, more ...string) []string {
	args := []string{"--name=" + name, "--data-dir=" + dir, "--listen-client-urls=" + clients, "--listen-peer-urls=" + peers,
		"--advertise-client-urls=https://" + s.nodeIP + ":2379", "--initial-advertise-peer-urls=https://" + s.nodeIP + ":2380",
		"--cert-file=" + s.tls("etcd/server-client.crt"), "--key-file=" + s.tls("etcd/server-client.key"),
		"--trusted-ca-file=" + s.tls("etcd/server-ca.crt"), "--client-cert-auth",
		"--peer-cert-file=" + s.tls("etcd/peer-server-client.crt"), "--peer-key-file=" + s.tls("etcd/peer-server-client.key"),
		"--peer-trusted-ca-file=" + s.tls("etcd/peer-ca.crt"), "--peer-client-cert-auth", "--snapshot-count=10000",
		"--listen-metrics-urls=http://127.0.0.1:2381", "--logger=zap", "--log-level=warn"}
	for _, extra := range s.raw("etcd-arg") {
		more = append(more, "--"+extra)
	}
	return append(args, more...)
}

// etcdClient talks to endpoints with the cluster's own client certificate.
func (s *serverConfig) etcdClient(endpoints ...string) (*clientv3.Client, error) {
	pair, err := tls.LoadX509KeyPair(s.tls("etcd/client.crt"), s.tls("etcd/client.key"))
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(s.tls("etcd/server-ca.crt"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return clientv3.New(clientv3.Config{Endpoints: endpoints, DialTimeout: 5 * time.Second,
		TLS: &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool}, DialOptions: []grpc.DialOption{grpc.WithBlock()}})
}

// awaitDatastore waits until the local member serves; a learner first waits for its promotion.
func (s *server) awaitDatastore(ctx context.Context) error {
	var last string
	for began := time.Now(); ; time.Sleep(300 * time.Millisecond) {
		err := s.testDatastore(ctx)
		if err == nil || ctx.Err() != nil {
			logrus.Info("Data store connection OK")
			return ctx.Err()
		}
		if text := err.Error(); text != last || time.Since(began) > 10*time.Second {
			logrus.Infof("Failed to test data store connection: %v", err)
			last, began = text, time.Now()
		}
	}
}

func (s *server) testDatastore(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := s.etcdClient(etcdLocal)
	if err != nil {
		return err
	}
	defer c.Close()
	status, err := c.Status(ctx, etcdLocal)
	if err != nil {
		return err
	}
	if status.IsLearner {
		return errStillLearner
	}
	_, err = c.Get(ctx, "/registry/health")
	return err
}
