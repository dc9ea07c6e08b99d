package main

import (
	"encoding/json"
	"os"
	"strings"
)

// startKubelet starts the kubelet and, unless it is disabled, kube-proxy.
func (a *agent) startKubelet() error {
	if err := os.MkdirAll(a.agentPath("pod-manifests"), 0o700); err != nil {
		return err
	}
	config, err := a.kubeletConfig()
	if err != nil {
		return err
	}
	if err := writeFile(a.agentPath("etc", "kubelet.conf"), config, 0o600); err != nil {
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
	args := []string{"--config=" + a.agentPath("etc", "kubelet.conf"), "--container-runtime=remote",
		"--container-runtime-endpoint=unix://" + containerdSocket, "--hostname-override=" + a.nodeName,
		"--kubeconfig=" + a.agentPath("kubelet.kubeconfig"), "--node-ip=" + a.nodeIP}
	if labels := a.list("node-label"); len(labels) > 0 {
		args = append(args, "--node-labels="+strings.Join(labels, ","))
	}
	if taints := a.list("node-taint"); len(taints) > 0 {
		args = append(args, "--register-with-taints="+strings.Join(taints, ","))
	}
	return withArgs(a.options, "kubelet-arg", args...)
}

// kubeletConfig holds k3s' defaults; a kubelet-arg still wins over it. Images stay however full the disk is: it is the host's, and none
// could be had again.
func (a *agent) kubeletConfig() ([]byte, error) {
	return json.MarshalIndent(map[string]interface{}{
		"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
		"address": "0.0.0.0", "readOnlyPort": 0, "healthzBindAddress": "127.0.0.1", "cgroupDriver": "cgroupfs",
		"authentication": map[string]interface{}{
			"anonymous": map[string]bool{"enabled": false}, "webhook": map[string]bool{"enabled": true},
			"x509": map[string]string{"clientCAFile": a.agentPath("client-ca.crt")},
		},
		"authorization": map[string]string{"mode": "Webhook"},
		"clusterDNS":    []string{a.cluster.ClusterDNS}, "clusterDomain": a.cluster.ClusterDomain,
		"evictionHard":           map[string]string{"imagefs.available": "5%", "nodefs.available": "5%"},
		"evictionMinimumReclaim": map[string]string{"imagefs.available": "10%", "nodefs.available": "10%"},
		"failSwapOn":             false, "imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99, "serializeImagePulls": false, "resolvConf": a.resolvConf(),
		"staticPodPath": a.agentPath("pod-manifests"), "tlsCertFile": a.agentPath("serving-kubelet.crt"),
		"tlsPrivateKeyFile": a.agentPath("serving-kubelet.key"),
	}, "", "  ")
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
