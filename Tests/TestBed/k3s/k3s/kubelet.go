package main

import (
	"os"
	"strings"
)

// startKubelet starts the kubelet and, unless it is disabled, kube-proxy.
func (a *agent) startKubelet() error {
	if err := os.MkdirAll(a.agentPath("pod-manifests"), 0o700); err != nil {
		return err
	}
	if err := a.children.start("kubelet", os.Stderr, a.kubeletArgs()...); err != nil {
		return err
	}
	if a.cluster.DisableKubeProxy {
		return nil
	}
	return a.children.start("kube-proxy", os.Stderr, withArgs(a.options, "kube-proxy-arg", "--cluster-cidr="+a.cluster.ClusterCIDR,
		"--conntrack-max-per-core=0", "--conntrack-tcp-timeout-close-wait=0s", "--conntrack-tcp-timeout-established=0s",
		"--healthz-bind-address=127.0.0.1", "--hostname-override="+a.nodeName, "--kubeconfig="+a.agentPath("kubeproxy.kubeconfig"),
		"--metrics-bind-address=127.0.0.1:10249", "--proxy-mode=iptables")...)
}

func (a *agent) kubeletArgs() []string {
	args := []string{"--address=0.0.0.0", "--anonymous-auth=false", "--authentication-token-webhook=true", "--authorization-mode=Webhook",
		"--cgroup-driver=cgroupfs", "--client-ca-file=" + a.agentPath("client-ca.crt"), "--cluster-dns=" + a.cluster.ClusterDNS,
		"--cluster-domain=" + a.cluster.ClusterDomain, "--container-runtime=remote",
		"--container-runtime-endpoint=unix://" + containerdSocket, "--containerd=" + containerdSocket,
		"--eviction-hard=imagefs.available<5%,nodefs.available<5%",
		"--eviction-minimum-reclaim=imagefs.available=10%,nodefs.available=10%", "--fail-swap-on=false",
		"--healthz-bind-address=127.0.0.1", "--hostname-override=" + a.nodeName, "--kubeconfig=" + a.agentPath("kubelet.kubeconfig"),
		"--node-ip=" + a.nodeIP, "--pod-manifest-path=" + a.agentPath("pod-manifests"), "--read-only-port=0",
		"--resolv-conf=" + a.resolvConf(), "--serialize-image-pulls=false", "--tls-cert-file=" + a.agentPath("serving-kubelet.crt"),
		"--tls-private-key-file=" + a.agentPath("serving-kubelet.key")}
	if labels := a.list("node-label"); len(labels) > 0 {
		args = append(args, "--node-labels="+strings.Join(labels, ","))
	}
	if taints := a.list("node-taint"); len(taints) > 0 {
		args = append(args, "--register-with-taints="+strings.Join(taints, ","))
	}
	return withArgs(a.options, "kubelet-arg", args...)
}

// resolvConf is the machine's, or an own one when it names no server that a pod could reach.
func (a *agent) resolvConf() string {
	if path := a.str("resolv-conf", ""); path != "" {
		return path
	}
	if text, err := os.ReadFile("/etc/resolv.conf"); err == nil && strings.Contains(string(text), "nameserver") && !strings.Contains(string(text), "nameserver 127.") {
		return "/etc/resolv.conf"
	}
	path := a.agentPath("etc", "resolv.conf")
	if err := writeFile(path, []byte("nameserver 8.8.8.8\n"), 0o644); err != nil {
		return "/etc/resolv.conf"
	}
	return path
}
