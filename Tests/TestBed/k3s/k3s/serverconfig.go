package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// nodeConfig is what servers and agents have in common.
type nodeConfig struct {
	options
	dataDir, nodeName, nodeIP string
	externalIPs               []string
}

func newNodeConfig(o options) (nodeConfig, error) {
	c := nodeConfig{options: o, dataDir: o.str("data-dir", "/var/lib/rancher/k3s"), externalIPs: o.list("node-external-ip")}
	host, err := os.Hostname()
	if err != nil {
		return c, err
	}
	c.nodeName = strings.ToLower(o.str("node-name", host))
	if o.flag("with-node-id") {
		id, err := nodeID()
		if err != nil {
			return c, err
		}
		c.nodeName += "-" + id
	}
	if ips := o.list("node-ip"); len(ips) > 0 {
		c.nodeIP = ips[0]
		return c, nil
	}
	c.nodeIP, err = mainAddress()
	return c, err
}

// mainAddress is the one this machine uses towards its default route, or the first global one.
func mainAddress() (string, error) {
	if conn, err := net.Dial("udp4", "192.0.2.1:9"); err == nil {
		defer conn.Close()
		return conn.LocalAddr().(*net.UDPAddr).IP.String(), nil
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return "", err
	}
	for _, a := range addresses {
		if network, ok := a.(*net.IPNet); ok && network.IP.To4() != nil && network.IP.IsGlobalUnicast() {
			return network.IP.String(), nil
		}
	}
	return "", fmt.Errorf("unable to select an IP from default routes: give node-ip")
}

// nodeID is the suffix of --with-node-id, kept in /etc/rancher/node/id.
func nodeID() (string, error) {
	const path = "/etc/rancher/node/id"
	if text, err := os.ReadFile(path); err == nil {
		return strings.TrimSpace(string(text)), nil
	}
	id := randomHex(4)
	return id, writeFile(path, []byte(id+"\n"), 0o600)
}

func (c nodeConfig) agentPath(parts ...string) string {
	return filepath.Join(append([]string{c.dataDir, "agent"}, parts...)...)
}

// serverConfig is a server's configuration with k3s' defaults.
type serverConfig struct {
	nodeConfig
	clusterCIDR, serviceCIDR, clusterDNS, clusterDomain, advertiseAddress, joinURL string
	tlsSANs                                                                        []string
	etcd                                                                           bool // false: the stand-in for SQLite
	port                                                                           int
}

func newServerConfig(o options) (*serverConfig, error) {
	node, err := newNodeConfig(o)
	if err != nil {
		return nil, err
	}
	c := &serverConfig{nodeConfig: node, joinURL: o.str("server", ""), tlsSANs: o.list("tls-san"), port: o.number("https-listen-port", 6443)}
	c.clusterCIDR = first(o.list("cluster-cidr"), "10.42.0.0/16")
	c.serviceCIDR = first(o.list("service-cidr"), "10.43.0.0/16")
	c.clusterDNS = first(o.list("cluster-dns"), addressAt(c.serviceCIDR, 10).String())
	c.clusterDomain = o.str("cluster-domain", "cluster.local")
	c.advertiseAddress = o.str("advertise-address", first(c.externalIPs, c.nodeIP))
	if _, network, _ := net.ParseCIDR(c.serviceCIDR); !network.Contains(net.ParseIP(c.clusterDNS)) {
		return nil, fmt.Errorf("cluster-dns %s is not in service-cidr %s", c.clusterDNS, c.serviceCIDR)
	}
	c.etcd = o.flag("cluster-init") || c.joinURL != "" || o.flag("cluster-reset") || exists(c.etcdDir("member", "wal"))
	return c, nil
}

func first(list []string, otherwise string) string {
	if len(list) > 0 {
		return list[0]
	}
	return otherwise
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (c *serverConfig) serverPath(parts ...string) string {
	return filepath.Join(append([]string{c.dataDir, "server"}, parts...)...)
}

func (c *serverConfig) tls(parts ...string) string {
	return c.serverPath(append([]string{"tls"}, parts...)...)
}

func (c *serverConfig) etcdDir(parts ...string) string {
	return c.serverPath(append([]string{"db", "etcd"}, parts...)...)
}

// criticalArgs are the values that must be equal on all servers, by the names k3s gives them in its message.
func (c *serverConfig) criticalArgs() map[string]string {
	disabled := c.list("disable")
	sort.Strings(disabled)
	servicelb := false
	for _, name := range disabled {
		servicelb = servicelb || name == "servicelb"
	}
	return map[string]string{
		"ClusterIPRanges": c.clusterCIDR, "ServiceIPRanges": c.serviceCIDR, "ClusterDNSs": c.clusterDNS, "ClusterDomain": c.clusterDomain,
		"FlannelBackend": c.str("flannel-backend", "vxlan"), "FlannelIPv6Masq": fmt.Sprint(c.flag("flannel-ipv6-masq")),
		"FlannelExternalIP": fmt.Sprint(c.flag("flannel-external-ip")), "EgressSelectorMode": c.str("egress-selector-mode", "agent"),
		"DisableCCM": fmt.Sprint(c.flag("disable-cloud-controller")), "DisableHelmController": fmt.Sprint(c.flag("disable-helm-controller")),
		"DisableNPC": fmt.Sprint(c.flag("disable-network-policy")), "DisableKubeProxy": fmt.Sprint(c.flag("disable-kube-proxy")),
		"DisableServiceLB": fmt.Sprint(servicelb), "Disables": strings.Join(disabled, ","),
		"EncryptSecrets": fmt.Sprint(c.flag("secrets-encryption")), "EmbeddedRegistry": fmt.Sprint(c.flag("embedded-registry")),
	}
}
