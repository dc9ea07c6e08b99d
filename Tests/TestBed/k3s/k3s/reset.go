package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/sirupsen/logrus"
)

// reset is --cluster-reset: this server becomes the only etcd member, from its own data or from a snapshot, and ends.
func (s *server) reset() error {
	flag := s.serverPath("db", "reset-flag")
	if exists(flag) {
		return errors.New("cluster-reset was successfully performed, please remove the cluster-reset flag and start k3s normally, " +
			"if you need to perform another cluster reset, you must first manually delete the " + flag + " file")
	}
	if snapshot := s.str("cluster-reset-restore-path", ""); snapshot != "" {
		if err := s.restore(snapshot); err != nil {
			return err
		}
	} else if !exists(s.etcdDir("member", "wal")) {
		return errors.New("cluster-reset: there is no etcd data folder to reset")
	}
	name, err := s.memberName()
	if err != nil {
		return err
	}
	peer := "https://" + s.nodeIP + ":2380"
	if err := s.children.start("etcd", os.Stderr, s.etcdArgs(s.etcdDir(), name, etcdLocal, "https://127.0.0.1:2380", "--force-new-cluster",
		"--initial-cluster="+name+"="+peer)...); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := s.awaitDatastore(ctx); err != nil {
		return err
	}
	s.children.stop()
	if err := writeFile(flag, nil, 0o600); err != nil {
		return err
	}
	logrus.Info("Managed etcd cluster membership has been reset, restart without --cluster-reset flag now. " +
		"Backup and delete ${datadir}/server/db on each peer etcd server and rejoin the nodes")
	return nil
}

// restore puts a snapshot's data in place of the present ones, which are kept beside them.
func (s *server) restore(snapshot string) error {
	if !filepath.IsAbs(snapshot) && !exists(snapshot) {
		snapshot = filepath.Join(s.serverPath("db", "snapshots"), snapshot)
	}
	if !exists(snapshot) {
		return fmt.Errorf("etcd: snapshot path does not exist: %s", snapshot)
	}
	name, err := s.memberName()
	if err != nil {
		return err
	}
	old := s.serverPath("db", "etcd-old-"+strconv.FormatInt(time.Now().Unix(), 10))
	if err := os.Rename(s.etcdDir(), old); err != nil {
		return err
	}
	logrus.Infof("Pre-restore etcd database moved to %s", old)
	peer := "https://" + s.nodeIP + ":2380"
	command := exec.Command(carried("etcdctl"), "snapshot", "restore", snapshot, "--name="+name, "--data-dir="+s.etcdDir(),
		"--initial-cluster="+name+"="+peer, "--initial-advertise-peer-urls="+peer)
	command.Env = append(childEnvironment(), "ETCDCTL_API=3")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("restoring %s: %v: %s", snapshot, err, out)
	}
	return writeFile(s.etcdDir("name"), []byte(name), 0o600)
}
