package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"go.etcd.io/etcd/clientv3"
	"go.etcd.io/etcd/etcdserver/etcdserverpb"
)

const (
	joinTimeout = 20 * time.Second
	// manageInterval is how often the leader looks at a learner; k3s takes 15 s.
	manageInterval  = 3 * time.Second
	learnerMaxStall = 5 * time.Minute
)

var errDuplicateName = errors.New("duplicate node name found, please use a unique name for this node")

// joinMembers adds this server to the cluster as a learner and returns the --initial-cluster it has to start with.
func (s *server) joinMembers(ctx context.Context, name, peer string) (string, error) {
	info, err := s.fetchMembers(ctx)
	if err != nil {
		return "", err
	}
	var endpoints []string
	for _, m := range info.Members {
		if !m.IsLearner {
			endpoints = append(endpoints, m.ClientURLs...)
		}
	}
	c, err := s.etcdClient(endpoints...)
	if err != nil {
		return "", fmt.Errorf("etcd at %s: %w", strings.Join(endpoints, ", "), err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	list, err := c.MemberList(ctx)
	if err != nil {
		return "", err
	}
	cluster, known, err := s.cluster(list.Members, name)
	if err != nil {
		return "", err
	}
	if !known {
		logrus.Infof("Adding member %s=%s to etcd cluster %v", name, peer, cluster)
		if _, err := c.MemberAddAsLearner(ctx, []string{peer}); err != nil {
			return "", err
		}
	}
	return strings.Join(append(cluster, name+"="+peer), ","), nil
}

// cluster lists the other members as name=peer, tells whether this server was added before, and refuses a second node of one name.
func (s *server) cluster(members []*etcdserverpb.Member, name string) (others []string, known bool, err error) {
	for _, member := range members {
		node := member.Name
		if hyphen := strings.LastIndex(node, "-"); hyphen > 1 {
			node = node[:hyphen]
		}
		if member.Name != name && node == s.nodeName {
			if err := os.Remove(s.etcdDir("name")); err != nil && !os.IsNotExist(err) {
				return nil, false, err
			}
			return nil, false, errDuplicateName
		}
		if len(member.PeerURLs) == 0 {
			continue
		}
		address, err := url.Parse(member.PeerURLs[0])
		if err != nil {
			return nil, false, err
		}
		if address.Hostname() == s.nodeIP && (member.Name == "" || member.Name == name) {
			known = true
			continue
		}
		others = append(others, member.Name+"="+member.PeerURLs[0])
	}
	return others, known, nil
}

// promoteLearners runs on every server and acts on the leader: a learner that has caught up becomes a voter, one that makes no
// progress is removed.
func (s *server) promoteLearners(ctx context.Context) {
	var applied uint64
	var since time.Time
	var c *clientv3.Client
	for ; ctx.Err() == nil; time.Sleep(manageInterval) {
		if c == nil {
			connected, err := s.etcdClient(etcdLocal)
			if err != nil {
				continue
			}
			c = connected
		}
		learner, err := s.learnerOfLeader(ctx, c)
		if err != nil || learner == nil {
			since = time.Time{}
			continue
		}
		if progress := learnerApplied(ctx, c, learner); since.IsZero() || progress > applied {
			applied, since = progress, time.Now()
		}
		bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
		if _, err := c.MemberPromote(bounded, learner.ID); err == nil {
			logrus.Infof("Promoted learner %s", learner.Name)
		} else if time.Since(since) > learnerMaxStall {
			logrus.Warnf("Removing learner %s from etcd cluster: no progress for %s", learner.Name, learnerMaxStall)
			_, _ = c.MemberRemove(bounded, learner.ID)
		} else {
			logrus.Debugf("learner %s: %v", learner.Name, err)
		}
		cancel()
	}
}

// learnerOfLeader is the cluster's learner when this server's member is the leader.
func (s *server) learnerOfLeader(ctx context.Context, c *clientv3.Client) (*etcdserverpb.Member, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	status, err := c.Status(ctx, etcdLocal)
	if err != nil || status.Leader != status.Header.MemberId {
		return nil, err
	}
	list, err := c.MemberList(ctx)
	if err != nil {
		return nil, err
	}
	for _, member := range list.Members {
		if member.IsLearner {
			return member, nil
		}
	}
	return nil, nil
}

func learnerApplied(ctx context.Context, c *clientv3.Client, learner *etcdserverpb.Member) uint64 {
	if len(learner.ClientURLs) == 0 {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	status, err := c.Status(ctx, learner.ClientURLs[0])
	if err != nil {
		return 0
	}
	return status.RaftAppliedIndex
}

// removeMember takes the member out whose name and address both match; one that is gone already is fine.
func (s *server) removeMember(ctx context.Context, name, address string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c, err := s.etcdClient(etcdLocal)
	if err != nil {
		return err
	}
	defer c.Close()
	list, err := c.MemberList(ctx)
	if err != nil {
		return err
	}
	for _, member := range list.Members {
		if member.Name != name || len(member.PeerURLs) == 0 {
			continue
		}
		peer, err := url.Parse(member.PeerURLs[0])
		if err != nil || peer.Hostname() != address {
			continue
		}
		logrus.Infof("Removing name=%s id=%d address=%s from etcd", member.Name, member.ID, address)
		if _, err := c.MemberRemove(ctx, member.ID); err != nil && !strings.Contains(err.Error(), "member not found") {
			return err
		}
	}
	return nil
}
