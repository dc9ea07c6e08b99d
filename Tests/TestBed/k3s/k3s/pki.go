package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
)

// sharedFiles are what every server of a cluster has in common, below server/tls: a joining server fetches them.
var sharedFiles = []string{
	"server-ca.crt", "server-ca.key", "client-ca.crt", "client-ca.key", "request-header-ca.crt", "request-header-ca.key",
	"etcd/server-ca.crt", "etcd/server-ca.key", "etcd/peer-ca.crt", "etcd/peer-ca.key", "service.key",
}

// pki is a server's set of authorities.
type pki struct {
	dir                                                 string
	server, client, requestHeader, etcdServer, etcdPeer *authority
}

// ensurePKI completes the authorities below dir and issues this server's own certificates anew.
func ensurePKI(dir string, c *serverConfig) (*pki, error) {
	p := &pki{dir: dir}
	for _, a := range []struct {
		to         **authority
		base, name string
	}{
		{&p.server, "server-ca", "k3s-server-ca"}, {&p.client, "client-ca", "k3s-client-ca"},
		{&p.requestHeader, "request-header-ca", "k3s-request-header-ca"},
		{&p.etcdServer, "etcd/server-ca", "etcd-server-ca"}, {&p.etcdPeer, "etcd/peer-ca", "etcd-peer-ca"},
	} {
		made, err := ensureAuthority(filepath.Join(dir, a.base), a.name)
		if err != nil {
			return nil, err
		}
		*a.to = made
	}
	service := filepath.Join(dir, "service.key")
	if _, err := os.Stat(service); os.IsNotExist(err) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		if err := writeKey(service, key); err != nil {
			return nil, err
		}
	}
	return p, p.issueAll(c)
}

func (p *pki) issueAll(c *serverConfig) error {
	local := []string{"127.0.0.1", "::1", "localhost", c.nodeName, c.nodeIP}
	api := append(append([]string{}, local...), "kubernetes", "kubernetes.default", "kubernetes.default.svc",
		"kubernetes.default.svc."+c.clusterDomain, firstAddress(c.serviceCIDR).String(), c.advertiseAddress)
	api = append(append(api, c.externalIPs...), c.tlsSANs...)
	for _, one := range []struct {
		by   *authority
		base string
		leaf leaf
	}{
		{p.server, "serving-kube-apiserver", leaf{name: "kube-apiserver", hosts: api, usages: forServer}},
		{p.server, "kube-controller-manager", leaf{name: "kube-controller-manager", hosts: local, usages: forServer}},
		{p.server, "kube-scheduler", leaf{name: "kube-scheduler", hosts: local, usages: forServer}},
		{p.client, "client-admin", leaf{name: "system:admin", groups: []string{"system:masters"}, usages: forClient}},
		{p.client, "client-supervisor", leaf{name: "system:k3s-supervisor", groups: []string{"system:masters"}, usages: forClient}},
		{p.client, "client-controller", leaf{name: "system:kube-controller-manager", usages: forClient}},
		{p.client, "client-scheduler", leaf{name: "system:kube-scheduler", usages: forClient}},
		{p.client, "client-kube-apiserver", leaf{name: "system:apiserver", groups: []string{"system:masters"}, usages: forClient}},
		{p.requestHeader, "client-auth-proxy", leaf{name: "system:auth-proxy", usages: forClient}},
		{p.etcdServer, "etcd/server-client", leaf{name: "etcd-server", hosts: local, usages: forBoth}},
		{p.etcdServer, "etcd/client", leaf{name: "etcd-client", usages: forClient}},
		{p.etcdPeer, "etcd/peer-server-client", leaf{name: "etcd-peer", hosts: local, usages: forBoth}},
	} {
		if err := one.by.issueFiles(filepath.Join(p.dir, one.base), one.leaf); err != nil {
			return err
		}
	}
	return nil
}

// firstAddress is the one Kubernetes gives its own service: the network's address plus one.
func firstAddress(cidr string) net.IP { return addressAt(cidr, 1) }

func addressAt(cidr string, offset byte) net.IP {
	_, network, err := net.ParseCIDR(cidr)
	if err != nil {
		return nil
	}
	ip := append(net.IP{}, network.IP...)
	ip[len(ip)-1] += offset
	return ip
}
